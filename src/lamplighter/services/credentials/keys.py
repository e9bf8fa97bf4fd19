"""The table of pre-shared keys."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query
from lamplighter.storage.schema import BigInteger, LargeBinary, Text, metadata

pre_shared_keys = sa.Table(
    "pre_shared_keys",
    metadata,
    # Looked up before any account is known, hence unique in the installation (gateway rule 1.3).
    sa.Column("endpoint_name", Text, primary_key=True),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("sealed", LargeBinary, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Index("ix_pre_shared_keys_account_id_endpoint_name", "account_id", "endpoint_name"),
)

_keys = pre_shared_keys.c
_own_key = (_keys.account_id == sa.bindparam("account_id"), _keys.endpoint_name == sa.bindparam("endpoint_name"))
_ADD_KEY = Query(sa.insert(pre_shared_keys))
_GET_KEY = Query(sa.select(_keys.endpoint_name, _keys.created_at).where(*_own_key))
_DELETE_KEY = Query(sa.delete(pre_shared_keys).where(*_own_key))
_KEY_OF_IDENTITY = Query(
    sa.select(_keys.account_id, _keys.sealed).where(_keys.endpoint_name == sa.bindparam("endpoint_name"))
)
_LIST_KEYS = Query(
    sa.select(_keys.endpoint_name, _keys.created_at)
    .where(_keys.account_id == sa.bindparam("account_id"), _keys.endpoint_name > sa.bindparam("after"))
    .order_by(_keys.endpoint_name)
    .limit(sa.bindparam("limit"))
)


class Keys:
    """The pre-shared keys of one account."""

    def __init__(self, reader: Reader, account_id: str) -> None:
        self._reader = reader
        self._account_id = account_id

    async def add(self, transaction: Transaction, endpoint_name: str, sealed: bytes, created_at: int) -> None:
        """Raises UniqueViolation when any account has a key of that name."""
        await transaction.execute(
            _ADD_KEY,
            endpoint_name=endpoint_name,
            account_id=self._account_id,
            sealed=sealed,
            created_at=created_at,
        )

    async def get(self, endpoint_name: str) -> Row | None:
        return await self._reader.fetch_one(_GET_KEY, account_id=self._account_id, endpoint_name=endpoint_name)

    async def delete(self, transaction: Transaction, endpoint_name: str) -> bool:
        return bool(await transaction.execute(_DELETE_KEY, account_id=self._account_id, endpoint_name=endpoint_name))

    async def page(self, after: str, limit: int) -> list[Row]:
        return list(await self._reader.fetch_all(_LIST_KEYS, account_id=self._account_id, after=after, limit=limit))


async def key_of_identity(reader: Reader, endpoint_name: str) -> Row | None:
    """Account and sealed key of a PSK identity, whichever account has it: the one look-up that knows no account yet."""
    return await reader.fetch_one(_KEY_OF_IDENTITY, endpoint_name=endpoint_name)
