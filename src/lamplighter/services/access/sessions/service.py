"""Logging in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.clock import to_rfc3339_seconds
from lamplighter.errors import access as errors
from lamplighter.errors.requests import AddressRateExceeded
from lamplighter.ids import is_id
from lamplighter.services.access.accounts import store as accounts
from lamplighter.services.access.authenticator import idle_minutes
from lamplighter.services.access.events import happened
from lamplighter.services.access.names import email_key_of, key_of
from lamplighter.services.access.sessions import store
from lamplighter.services.access.sessions.attempts import remember
from lamplighter.services.access.sessions.model import Credentials, Token
from lamplighter.services.access.users import store as users
from lamplighter.services.access.users.model import Login
from lamplighter.storage.database import Row

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access


async def log_in(access: Access, wanted: Credentials, address: str, user_agent: str, now: int) -> Token:
    """Begin a session. Raises WrongPassword, LoginsTooFast, AddressRateExceeded, Overloaded."""
    user = await _find(access, wanted)
    key = user["id"] if user is not None else f"{wanted.account}\n{email_key_of(wanted.username)}"
    clock = access.clock.monotonic()
    if access.failing.is_empty(address, clock):
        raise AddressRateExceeded(rate=access.failing.rate, retry_after=access.failing.wait(address, clock))
    await access.throttle.admit(key, clock)
    right = await access.passwords.verify(user["password_hash"] if user is not None else None, wanted.password)
    if user is None:
        access.failing.take(address, clock)
        raise errors.WrongPassword()
    attempt = Login(date=to_rfc3339_seconds(now), user_agent=user_agent, ip_address=address, success=right)
    account = await access.database.fetch_one(accounts.GET, id=user["account_id"]) if right else None
    if account is None or user["status"] not in ("ACTIVE", "RESET") or account["status"] == "SUSPENDED":
        raise _refused(access, user, attempt, address, clock)
    session_id = access.ids.new()
    made = access.mint.make(CredentialKind.USER_TOKEN, user["id"], session_id)
    # Checking the password took a while. Whoever changes a user holds the account, so this is how it is now.
    async with access.changing(user["account_id"]) as tx:
        now_is = await tx.fetch_one(users.GET, account_id=user["account_id"], id=user["id"])
        if now_is is None or any(now_is[name] != user[name] for name in ("password_hash", "status")):
            raise _refused(access, user, attempt, address, clock)
        earlier = access.failed_logins.take_of(user["account_id"], user["id"])
        await remember(tx, user["account_id"], user["id"], [attempt, *earlier], now)
        await tx.execute(
            store.INSERT,
            account_id=user["account_id"],
            id=session_id,
            user_id=user["id"],
            digest=made.digest,
            token=made.shown,
            address=address,
            user_agent=user_agent,
            created_at=now,
            last_used_at=now,
        )
        await access.record(tx, happened("UserLoggedIn", user["account_id"], user["id"], now))
    access.throttle.succeeded(key)
    minutes = idle_minutes(msgspec.json.decode(account["profile"]), access.settings.access.session_idle)
    return Token(
        token=made.whole,
        expires_in=round(minutes * 60),
        account_id=user["account_id"],
        user_id=user["id"],
        status=user["status"],
    )


def _refused(access: Access, user: Row, attempt: Login, address: str, clock: float) -> errors.WrongPassword:
    """Note an attempt of a known user that failed; the error to raise."""
    attempt.success = False
    access.failing.take(address, clock)
    access.failed_logins.add(user["account_id"], user["id"], attempt)
    return errors.WrongPassword()


async def log_out(access: Access, caller: Caller) -> None:
    """End the session of the caller."""
    async with access.database.transaction() as tx:
        await tx.execute(store.END, account_id=caller.account_id, id=caller.credential_id)
        tx.after_commit(lambda: access.revoke(caller.account_id))


async def _find(access: Access, wanted: Credentials) -> Row | None:
    """The user of that name in that account; without an account, when there is exactly one on the server."""
    names = {"username_key": key_of(wanted.username), "email_key": email_key_of(wanted.username)}
    if wanted.account:
        account_id = wanted.account
        if not is_id(account_id):
            row = await access.database.fetch_one(accounts.BY_ALIAS, alias_key=key_of(account_id))
            account_id = "" if row is None else row["id"]
        found = await access.database.fetch_all(users.BY_NAME, account_id=account_id, **names)
    else:
        found = await access.database.fetch_all(users.ANYWHERE, **names)
    return found[0] if len(found) == 1 else None
