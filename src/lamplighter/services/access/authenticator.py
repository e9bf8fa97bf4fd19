"""From a credential to its caller: one look-up by digest, remembered for a moment, forgotten at a word of the bus."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from lamplighter.api.caller import Caller, CredentialKind
from lamplighter.api.networks import parse_networks
from lamplighter.clock import MICROSECONDS, to_rfc3339_seconds
from lamplighter.errors import Error
from lamplighter.errors import access as errors
from lamplighter.ids import is_id
from lamplighter.services.access import members
from lamplighter.services.access.last_used import LastUsed
from lamplighter.services.access.permissions import granted
from lamplighter.services.access.tables import access_keys, accounts, api_keys, applications, sessions, users
from lamplighter.storage.database import Row
from lamplighter.storage.query import Query

if TYPE_CHECKING:
    from lamplighter.services.access.service import Access

REMEMBERED: Final = 10_000
"""Callers that a process remembers at once."""

_ACCOUNT = (accounts.c.root, accounts.c.tier, accounts.c.profile, accounts.c.status.label("account_status"))
_DIGEST: sa.BindParameter[bytes] = sa.bindparam("digest")
_BY_DIGEST = {
    CredentialKind.ACCESS_KEY: Query(
        sa.select(
            *access_keys.c["account_id", "id", "name", "application_id", "status", "expiration"],
            applications.c.status.label("application_status"),
            *_ACCOUNT,
        )
        .join(
            applications,
            (applications.c.account_id == access_keys.c.account_id)
            & (applications.c.id == access_keys.c.application_id),
        )
        .join(accounts, accounts.c.id == access_keys.c.account_id)
        .where(access_keys.c.digest == _DIGEST)
    ),
    CredentialKind.API_KEY: Query(
        sa.select(*api_keys.c["account_id", "id", "name", "owner", "status"], *_ACCOUNT)
        .join(accounts, accounts.c.id == api_keys.c.account_id)
        .where(api_keys.c.digest == _DIGEST)
    ),
    CredentialKind.USER_TOKEN: Query(
        sa.select(
            *sessions.c["account_id", "id", "user_id", "last_used_at"],
            *users.c["username", "email"],
            users.c.status.label("status"),
            *_ACCOUNT,
        )
        .join(users, (users.c.account_id == sessions.c.account_id) & (users.c.id == sessions.c.user_id))
        .join(accounts, accounts.c.id == sessions.c.account_id)
        .where(sessions.c.digest == _DIGEST)
    ),
}
_UNKNOWN: dict[CredentialKind, type[Error]] = {
    CredentialKind.ACCESS_KEY: errors.AccessKeyUnknown,
    CredentialKind.API_KEY: errors.ApiKeyUnknown,
    CredentialKind.USER_TOKEN: errors.TokenUnknown,
}
_TENANT = Query(sa.select(accounts.c.parent_id).where(accounts.c.id == sa.bindparam("id")))


class Remembered(msgspec.Struct, frozen=True):
    """A caller, and until when (monotonic seconds) it is trusted without asking again."""

    caller: Caller
    until: float


class CredentialAuthenticator:
    """The api's Authenticator, on this service's tables. An unknown credential costs one look-up and is not kept."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._database = access.database
        self._clock = access.clock
        self._seconds = access.settings.access.credential_cache
        self._remembered: OrderedDict[bytes, Remembered] = OrderedDict()
        """By a plain digest of the credential, which takes an eighth of the time of the one that is kept in the database."""
        self._revocations = 0
        self.last_used = LastUsed()

    async def caller_of(self, kind: CredentialKind, credential: str) -> Caller:
        """Raises the 401 members for a credential that is unknown, expired or inactive, and DatabaseUnavailable."""
        remembered_by = blake2b(credential.encode(), digest_size=32).digest()
        asked = self._clock.monotonic()
        known = self._remembered.get(remembered_by)
        if known is not None and asked < known.until:
            self.last_used.touch(known.caller, self._clock.now())
            return known.caller
        digest = self._access.mint.digest(credential)
        revocations = self._revocations
        row = await self._database.fetch_one(_BY_DIGEST[kind], digest=digest)
        if row is None:
            self._remembered.pop(remembered_by, None)
            raise _UNKNOWN[kind]()
        profile: dict[str, Any] = msgspec.json.decode(row["profile"])
        now = self._clock.now()
        match kind:
            case CredentialKind.ACCESS_KEY:
                check_access_key(row, now)
            case CredentialKind.API_KEY:
                if row["status"] != "ACTIVE" or row["account_status"] == "SUSPENDED":
                    raise errors.ApiKeyInactive()
            case CredentialKind.USER_TOKEN:
                self._check_session(row, profile, now)
        caller = await self._build(kind, row, profile)
        await self._access.quota.prepare(caller.account_id, now)
        if revocations == self._revocations:  # else what was read may be from before the revocation
            self._remembered[remembered_by] = Remembered(caller, asked + self._seconds)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        self.last_used.touch(caller, now)
        return caller

    async def is_tenant(self, caller: Caller, account_id: str) -> bool:
        if account_id == caller.account_id:
            return True
        row = await self._database.fetch_one(_TENANT, id=account_id) if is_id(account_id) else None
        return row is not None and (caller.root or row["parent_id"] == caller.account_id)

    def forget(self, account_id: str) -> None:
        """Ask anew for every credential of that account."""
        self._revocations += 1
        for key in [key for key, known in self._remembered.items() if known.caller.account_id == account_id]:
            del self._remembered[key]

    def _check_session(self, row: Row, profile: dict[str, Any], now: int) -> None:
        minutes = idle_minutes(profile, self._access.settings.access.session_idle)
        used = max(row["last_used_at"], self.last_used.of_session(row["account_id"], row["id"]))
        if now - used > minutes * 60 * MICROSECONDS:
            raise errors.TokenExpired(minutes=minutes)
        if row["status"] not in ("ACTIVE", "RESET") or row["account_status"] == "SUSPENDED":
            raise errors.TokenUserInactive()

    async def _build(self, kind: CredentialKind, row: Row, profile: dict[str, Any]) -> Caller:
        account_id = row["account_id"]
        subject: members.Kind
        match kind:
            case CredentialKind.ACCESS_KEY:
                subject, subject_id, user_id, name = "application", row["application_id"], None, row["name"]
            case CredentialKind.API_KEY:
                subject, subject_id, user_id, name = "apikey", row["id"], row["owner"], row["name"]
            case CredentialKind.USER_TOKEN:
                subject, subject_id, user_id = "user", row["user_id"], row["user_id"]
                name = row["username"] or row["email"]
        policies: Sequence[tuple[str, str]] = await members.policies_of(self._database, account_id, subject, subject_id)
        return Caller(
            account_id=account_id,
            kind=kind,
            credential_id=row["id"],
            subject_id=subject_id,
            permissions=granted([policy for _, policy in policies]),
            user_id=user_id,
            application_id=subject_id if subject == "application" else None,
            name=name,
            group_ids=tuple(group_id for group_id, _ in policies),
            root=row["root"] == 1,
            tier=row["tier"],
            allowed_networks=parse_networks(profile.get("allowed_networks", ())),
        )


def check_access_key(row: Row, now: int) -> None:
    """Raises AccessKeyInactive, AccessKeyExpired."""
    if row["expiration"] is not None and row["expiration"] <= now:
        raise errors.AccessKeyExpired(expiration=to_rfc3339_seconds(row["expiration"]))
    for what, status in (("the key", row["status"]), ("its application", row["application_status"])):
        if status != "ACTIVE":
            raise errors.AccessKeyInactive(what=what)
    if row["account_status"] == "SUSPENDED":
        raise errors.AccessKeyInactive(what="the account")


def idle_minutes(profile: dict[str, Any], default: float) -> float:
    """Minutes a session of the account may be idle; ``default`` is in seconds."""
    return float(profile.get("idle_timeout") or default / 60)
