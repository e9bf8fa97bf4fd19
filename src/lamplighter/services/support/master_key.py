"""Whether the master key is the one that the database was made with.

With another key no credential is known and no sealed secret opens, one request at a time. So a value derived from the key
is kept at the first start, and compared at every later one. It tells nothing about the key (HMAC-SHA-256).
"""

from __future__ import annotations

import hmac

import msgspec

from lamplighter.services.support import store
from lamplighter.storage.database import Database
from lamplighter.storage.seal import FILE, VARIABLE, MasterKey, MasterKeyError

SWITCH = "master-key check"


async def check_master_key(database: Database, master_key: MasterKey) -> None:
    """Call once the database has started, and before anything uses the key.

    Raises MasterKeyError when the database belongs to another key, and DatabaseUnavailable.
    """
    mine = master_key.derive("master-key check").hex()
    kept = await store.get_switch(database, SWITCH)
    if kept is None:
        async with database.transaction() as transaction:
            await store.add_switch(transaction, SWITCH, msgspec.json.encode(mine).decode())
        kept = await store.get_switch(database, SWITCH)  # of the process that was first
        assert kept is not None
    if not hmac.compare_digest(msgspec.json.decode(kept, type=str), mine):
        raise MasterKeyError(
            "The database was made with another master key than this one: no access key and no secret in it can be used. "
            f"Restore the file {FILE} of the data folder (or {VARIABLE}) that belongs to this database. "
            "It is never part of a backup of the database; it was kept apart."
        )
