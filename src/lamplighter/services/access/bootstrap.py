"""The first start: the root account, and the key that opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lamplighter.errors import access as errors
from lamplighter.services.access import limits
from lamplighter.services.access.accounts import service as accounts
from lamplighter.services.access.accounts import store as account_store
from lamplighter.services.access.applications import keys
from lamplighter.services.access.applications import service as applications
from lamplighter.services.access.applications.model import AccessKeyCreate, ApplicationCreate
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.groups import store as group_store
from lamplighter.services.access.users import service as users
from lamplighter.services.access.users.model import UserCreate, checked
from lamplighter.storage.database import UniqueViolation

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

APPLICATION = "admin"


async def bootstrap(access: Access, before_commit: Callable[[str], None] | None) -> str | None:
    """Make the root account; its administrator's key. None when there is one, made before or by another process."""
    if await access.database.fetch_one(account_store.ROOT) is not None:
        return None
    now = access.clock.now()
    account_id = access.ids.new()
    try:
        async with access.database.transaction() as tx:
            await accounts.insert(access, tx, account_id, now, tier=limits.COMMERCIAL, root=True)
            administrators, _ = await groups.make_defaults(access, tx, account_id, now)
            wanted = ApplicationCreate(name=APPLICATION, groups=[administrators])
            application_id = await applications.insert(access, tx, account_id, wanted, now)
            key = await keys.insert(access, tx, account_id, application_id, AccessKeyCreate(name=APPLICATION), now)
            if before_commit is not None and key.key is not None:
                before_commit(key.key)
    except UniqueViolation:
        return None
    return key.key


async def root_account(access: Access) -> str:
    """The id of the root account. Raises AccountNotFound before ``bootstrap``."""
    root = await access.database.fetch_one(account_store.ROOT)
    if root is None:
        raise errors.AccountNotFound(account_id="of the installation")
    return str(root["id"])


async def make_administrator(access: Access, username: str, email: str, password: str) -> str:
    """Make an administrator user of the root account; the user's id."""
    wanted = checked(UserCreate, {"username": username, "email": email, "password": password})
    account_id = await root_account(access)
    group = await access.database.fetch_one(group_store.BY_POLICY, account_id=account_id, policy="administrators")
    assert group is not None
    wanted.groups = [group["id"]]
    return (await users.create(access, account_id, wanted, access.clock.now())).id
