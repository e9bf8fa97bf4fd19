"""What may happen to users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import UNSET

from lamplighter.api.caller import Caller
from lamplighter.api.filter import Condition
from lamplighter.api.page import Page
from lamplighter.clock import MICROSECONDS
from lamplighter.errors import Error, FieldFault
from lamplighter.errors import access as errors
from lamplighter.errors.requests import invalid
from lamplighter.ids import is_id
from lamplighter.services.access import members, passwords
from lamplighter.services.access.apikeys import store as api_key_store
from lamplighter.services.access.events import happened
from lamplighter.services.access.groups import service as groups
from lamplighter.services.access.names import email_key_of, key_of, shown
from lamplighter.services.access.sessions import store as session_store
from lamplighter.services.access.users import store
from lamplighter.services.access.users.model import (
    PROFILE,
    SETTABLE,
    MyUpdate,
    User,
    UserCreate,
    UserUpdate,
    spaced,
    user_of,
)
from lamplighter.storage.database import Reader, Row, Transaction, UniqueViolation

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access


class Secret(NamedTuple):
    """A password ready to be kept; ``invented``: the password itself where the server made it up."""

    hash: str
    invented: str | None


async def secret_of(access: Access, wanted: UserCreate) -> Secret:
    """Hash the password before the transaction begins. Raises Overloaded."""
    invented = passwords.invented() if wanted.password is None else None
    return Secret(await access.passwords.hash(wanted.password or invented or ""), invented)


async def row_of(reader: Reader, account_id: str, user_id: str) -> Row:
    """Raises UserNotFound."""
    row = await reader.fetch_one(store.GET, account_id=account_id, id=user_id) if is_id(user_id) else None
    if row is None:
        raise errors.UserNotFound(user_id=shown(user_id))
    return row


async def get(access: Access, reader: Reader, account_id: str, user_id: str) -> User:
    """Raises UserNotFound."""
    row = await row_of(reader, account_id, user_id)
    memberships = await members.groups_of(reader, account_id, "user", [user_id])
    since = access.clock.now() - round(access.settings.access.session_idle * MICROSECONDS)
    rows = await reader.fetch_all(session_store.OF_USER, account_id=account_id, user_id=user_id, since=since)
    return user_of(row, memberships[user_id], [session_store.shown(each) for each in rows])


async def listed(
    access: Access, account_id: str, page: Page, conditions: Sequence[Condition], group_id: str | None = None
) -> dict[str, Any]:
    """A page of the account's users, or of those in a group."""
    database = access.database
    conditions = [_comparable(each) for each in conditions]
    if group_id is None:
        found = await store.LIST.read(database, page, conditions, account_id=account_id)
    else:
        found = await store.OF_GROUP.read(database, page, conditions, account_id=account_id, group_id=group_id)
    memberships = await members.groups_of(database, account_id, "user", [row["id"] for row in found.rows])
    return found.envelope(page, [user_of(row, memberships[row["id"]]) for row in found.rows])


def _comparable(condition: Condition) -> Condition:
    if condition.field == "email":
        return condition._replace(value=email_key_of(condition.value))
    if condition.field == "login_profiles":
        return condition._replace(operator="like", value=f" {condition.value} ")
    return condition


async def insert(access: Access, tx: Transaction, account_id: str, wanted: UserCreate, secret: Secret, now: int) -> str:
    """Make a user; its id. Raises InvalidParameters, UserNameTaken, UserEmailTaken."""
    user_id = access.ids.new()
    await members.require_groups(tx, account_id, wanted.groups)
    profile = {name: value for name in PROFILE if (value := getattr(wanted, name)) is not None}
    try:
        await tx.execute(
            store.INSERT,
            account_id=account_id,
            id=user_id,
            username=wanted.username,
            username_key=None if wanted.username is None else key_of(wanted.username),
            email=wanted.email,
            email_key=email_key_of(wanted.email),
            status="ACTIVE" if secret.invented is None else "RESET",
            password_hash=secret.hash,
            password_changed_at=now,
            last_login_at=None,
            login_history="[]",
            login_profiles=spaced(wanted.login_profiles),
            profile=msgspec.json.encode(profile).decode(),
            version=1,
            created_at=now,
            updated_at=now,
        )
    except UniqueViolation as violation:
        raise _taken(violation, wanted.username, wanted.email) from None
    await members.add(tx, account_id, "user", ((user_id, each) for each in dict.fromkeys(wanted.groups)))
    await access.record(tx, happened("UserCreated", account_id, user_id, now))
    return user_id


async def create(access: Access, account_id: str, wanted: UserCreate, now: int) -> User:
    """Raises InvalidParameters, UserNameTaken, UserEmailTaken, Overloaded."""
    secret = await secret_of(access, wanted)
    async with access.changing(account_id) as tx:
        user_id = await insert(access, tx, account_id, wanted, secret, now)
        user = await get(access, tx, account_id, user_id)
    user.password = UNSET if secret.invented is None else secret.invented
    return user


async def update(access: Access, account_id: str, user_id: str, wanted: UserUpdate, caller: Caller, now: int) -> User:
    """Change a user. Only the user may change the e-mail address; groups, status and login profiles need
    ``users.write``.

    Raises UserNotFound, InvalidParameters, PermissionMissing, WrongPassword, UserNameTaken, UserEmailTaken.
    """
    password_hash, proved = await _new_password(access, account_id, user_id, wanted)
    async with access.changing(account_id) as tx:
        row = await row_of(tx, account_id, user_id)
        if password_hash is not None and row["password_hash"] != proved:
            raise errors.WrongPassword()  # another change came first: the old password is not the one proved
        own = caller.user_id == user_id and caller.account_id == account_id
        if wanted.groups is not UNSET and wanted.groups is not None:
            before = (await members.groups_of(tx, account_id, "user", [user_id]))[user_id]
            if set(wanted.groups) != set(before):
                _require(caller)
                await members.put(tx, account_id, "user", user_id, wanted.groups)
        columns = _columns(row, wanted, caller, own=own)
        if password_hash is not None:
            columns |= {"password_hash": password_hash, "password_changed_at": now}
            if columns["status"] == "RESET":
                columns["status"] = "ACTIVE"
            await tx.execute(session_store.END_OF_USER, account_id=account_id, user_id=user_id)
        try:
            await tx.execute(store.UPDATE, account_id=account_id, id=user_id, now=now, **columns)
        except UniqueViolation as violation:
            raise _taken(violation, columns["username"], columns["email"]) from None
        await access.record(tx, happened("UserChanged", account_id, user_id, now), revokes=True)
        return await get(access, tx, account_id, user_id)


async def _new_password(
    access: Access, account_id: str, user_id: str, wanted: UserUpdate
) -> tuple[str | None, str | None]:
    """The hash of a new password, and that of the old one, which was proved. Raises WrongPassword."""
    if not isinstance(wanted, MyUpdate) or wanted.password is None or wanted.old_password is None:
        return None, None
    row = await access.database.fetch_one(store.GET, account_id=account_id, id=user_id)
    await access.throttle.admit(user_id, access.clock.monotonic())
    if row is None or not await access.passwords.verify(row["password_hash"], wanted.old_password):
        raise errors.WrongPassword()
    access.throttle.succeeded(user_id)
    return await access.passwords.hash(wanted.password), row["password_hash"]


def _columns(row: Row, wanted: UserUpdate, caller: Caller, *, own: bool) -> dict[str, Any]:
    """The row's columns after the change. Raises InvalidParameters, PermissionMissing."""
    faults: list[FieldFault] = []
    columns: dict[str, Any] = {
        name: row[name] for name in ("username", "email", "status", "password_hash", "password_changed_at")
    }
    columns["login_profiles"] = row["login_profiles"]
    if wanted.username is not UNSET and wanted.username is not None:
        columns["username"] = wanted.username
    if wanted.email is not UNSET and wanted.email is not None and wanted.email != row["email"]:
        if not own:
            faults.append(FieldFault("email", "can only be changed by the user"))
        columns["email"] = wanted.email
    if wanted.status is not UNSET and wanted.status is not None and wanted.status != row["status"]:
        _require(caller)
        if wanted.status not in SETTABLE:
            faults.append(FieldFault("status", f"can be made {', '.join(SETTABLE)}"))
        columns["status"] = wanted.status
    if wanted.login_profiles is not UNSET and wanted.login_profiles is not None:
        kept = spaced(wanted.login_profiles)
        if kept != row["login_profiles"]:
            _require(caller)
        columns["login_profiles"] = kept
    if faults:
        raise invalid(faults)
    profile: dict[str, Any] = msgspec.json.decode(row["profile"])
    for name in PROFILE:
        value = getattr(wanted, name)
        if value is None:
            profile.pop(name, None)
        elif value is not UNSET:
            profile[name] = value
    columns["profile"] = msgspec.json.encode(profile).decode()
    columns["username_key"] = None if columns["username"] is None else key_of(columns["username"])
    columns["email_key"] = email_key_of(columns["email"])
    return columns


def _require(caller: Caller) -> None:
    if not caller.may("users.write"):
        raise errors.PermissionMissing(permission="users.write")


async def delete(access: Access, account_id: str, user_id: str, now: int, *, active: bool) -> None:
    """Remove a user with its sessions; its API keys stay with the account. Raises UserNotFound, UserStillActive.

    :param active: whether one who is ACTIVE may be removed
    """
    async with access.changing(account_id) as tx:
        row = await row_of(tx, account_id, user_id)
        if row["status"] == "ACTIVE" and not active:
            raise errors.UserStillActive(user_id=user_id)
        await tx.execute(api_key_store.DISOWN, account_id=account_id, user_id=user_id)
        await tx.execute(session_store.END_OF_USER, account_id=account_id, user_id=user_id)
        await members.forget(tx, account_id, "user", user_id)
        await tx.execute(store.DELETE, account_id=account_id, id=user_id)
        await access.record(tx, happened("UserDeleted", account_id, user_id, now), revokes=True)


async def change_groups(access: Access, account_id: str, user_id: str, group_ids: list[str], *, join: bool) -> User:
    """Raises UserNotFound, InvalidParameters, AlreadyInGroup."""
    async with access.changing(account_id) as tx:
        await row_of(tx, account_id, user_id)
        await groups.change_groups(access, tx, account_id, "user", user_id, group_ids, join=join)
        return await get(access, tx, account_id, user_id)


def _taken(violation: UniqueViolation, username: str | None, email: str) -> Error:
    if violation.constraint == "uq_users_account_id_email_key":
        return errors.UserEmailTaken(email=email)
    return errors.UserNameTaken(username=username)
