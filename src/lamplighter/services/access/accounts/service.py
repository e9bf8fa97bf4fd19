"""What may happen to accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from lamplighter.api.caller import Caller
from lamplighter.api.filter import Condition
from lamplighter.api.page import Page
from lamplighter.errors import access as errors
from lamplighter.ids import is_id
from lamplighter.services.access import limits
from lamplighter.services.access.accounts import store
from lamplighter.services.access.accounts.model import (
    Account,
    AccountCreate,
    CreatedAccount,
    FeaturePolicy,
    account_of,
)
from lamplighter.services.access.events import happened
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.names import key_of, shown
from lamplighter.services.access.permissions import PERMISSIONS, features
from lamplighter.services.access.users import service as users
from lamplighter.services.access.users.model import UserCreate
from lamplighter.storage.database import Reader, Row, Transaction, UniqueViolation

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access


async def row_of(reader: Reader, account_id: str) -> Row:
    """Raises AccountNotFound."""
    row = await reader.fetch_one(store.GET, id=account_id) if is_id(account_id) else None
    if row is None:
        raise errors.AccountNotFound(account_id=shown(account_id))
    return row


async def get(access: Access, account_id: str, include: frozenset[str] = frozenset()) -> Account:
    """Raises AccountNotFound.

    :param include: ``limits``, ``policies``, ``sub_accounts``
    """
    row = await row_of(access.database, account_id)
    return (await _shown(access, [row], include))[0]


async def listed(
    access: Access, caller: Caller, page: Page, conditions: Sequence[Condition], include: frozenset[str]
) -> dict[str, Any]:
    """A page of the accounts that the caller may see: its own and those below it; the root account sees all."""
    if caller.root:
        found = await store.ALL.read(access.database, page, conditions)
    else:
        found = await store.BELOW.read(access.database, page, conditions, id=caller.account_id)
    return found.envelope(page, await _shown(access, found.rows, include))


async def _shown(access: Access, rows: Sequence[Row], include: frozenset[str]) -> list[Account]:
    ids = [row["id"] for row in rows]
    aliases: dict[str, list[str]] = {each: [] for each in ids}
    if ids:
        for row in await access.database.fetch_all(store.ALIASES, ids=ids):
            aliases[row["account_id"]].append(row["alias"])
    shown = []
    for row in rows:
        account = account_of(row, aliases[row["id"]], access.settings.access.session_idle)
        if "limits" in include:
            account.limits = limits.table(access.settings, account.tier)
        if "policies" in include:
            account.policies = _policies()
        if "sub_accounts" in include:
            children = await access.database.fetch_all(store.CHILDREN, id=account.id)
            account.sub_accounts = await _shown(access, children, include - {"sub_accounts"})
        shown.append(account)
    return shown


def _policies() -> list[FeaturePolicy]:
    """What every account of this server may do: all of it."""
    return [
        FeaturePolicy(
            feature=area,
            action=",".join(name.partition(".")[2] for name in PERMISSIONS if name.partition(".")[0] == area),
        )
        for area in features()
    ]


async def insert(
    access: Access,
    tx: Transaction,
    account_id: str,
    now: int,
    *,
    tier: str,
    root: bool = False,
    parent_id: str | None = None,
    wanted: AccountCreate | None = None,
) -> None:
    """Write an account and its aliases. Raises AccountAliasTaken, and UniqueViolation for a second root account."""
    await tx.execute(
        store.INSERT,
        id=account_id,
        root=1 if root else None,
        parent_id=parent_id,
        status="ACTIVE",
        tier=tier,
        end_market=wanted.end_market if wanted else "",
        country=wanted.country if wanted else None,
        profile=msgspec.json.encode(wanted.profile() if wanted else {}).decode(),
        version=1,
        created_at=now,
        updated_at=now,
    )
    for alias in dict.fromkeys((wanted.aliases if wanted else None) or ()):
        try:
            await tx.execute(store.INSERT_ALIAS, alias_key=key_of(alias), account_id=account_id, alias=alias)
        except UniqueViolation:
            raise errors.AccountAliasTaken(alias=alias) from None
    await access.record(tx, happened("AccountCreated", account_id, account_id, now))


async def create(access: Access, caller: Caller, wanted: AccountCreate, now: int) -> CreatedAccount:
    """Make a tenant with its groups and its administrator.

    Raises RootAccountOnly, InvalidParameters, AccountAliasTaken.
    """
    if not caller.root:
        raise errors.RootAccountOnly(action="create accounts")
    account_id = access.ids.new()
    email = wanted.admin_email or wanted.email
    assert email is not None
    admin = UserCreate(
        email=email,
        username=wanted.admin_name or "admin",
        full_name=wanted.admin_full_name,
        password=wanted.admin_password,
    )
    secret = await users.secret_of(access, admin)
    async with access.database.transaction() as tx:
        await insert(access, tx, account_id, now, tier=caller.tier, parent_id=caller.account_id, wanted=wanted)
        administrators, _ = await groups.make_defaults(access, tx, account_id, now)
        admin.groups = [administrators]
        admin_id = await users.insert(access, tx, account_id, admin, secret, now)
    account = await get(access, account_id)
    return CreatedAccount(
        **msgspec.structs.asdict(account),
        admin_id=admin_id,
        admin_name=admin.username or email,
        admin_email=email,
        admin_full_name=UNSET if admin.full_name is None else admin.full_name,
        admin_password=UNSET if secret.invented is None else secret.invented,
    )
