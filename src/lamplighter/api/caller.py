"""Who is calling: the kinds of credentials, what a resolved caller carries, and how the Authorization header is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

import msgspec

from lamplighter.errors import access


class CredentialKind(StrEnum):
    """The kinds of credentials, in words for messages."""

    ACCESS_KEY = "an access key"
    API_KEY = "an API key"
    USER_TOKEN = "a user token"


KEYS = frozenset({CredentialKind.ACCESS_KEY, CredentialKind.API_KEY})

KEY_LENGTH = 4 + 43 + 32 + 32
"""``ak_1`` or ``ak_2``, the unpadded base64 of a 32-digit id, the key's id, and 32 letters and digits of secret."""
TOKEN_LENGTH = 3 + 43 + 32 + 32
"""``rt_``, and the rest as for keys."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The known origin of a request: one credential of one account."""

    account_id: str
    kind: CredentialKind
    credential_id: str
    """Id of the key or session."""
    subject_id: str
    """What owns channels and subscriptions: the application of an access key, an API key itself, a user."""
    permissions: frozenset[str]
    """Names of permissions, or ``*`` alone for everything."""
    user_id: str | None = None
    application_id: str | None = None
    name: str = ""
    group_ids: tuple[str, ...] = ()
    root: bool = False
    """The account is the root account: it may manage every account of the installation."""
    tier: str = "0"
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks the account allows calls from; empty: all."""

    def may(self, permission: str) -> bool:
        return "*" in self.permissions or permission in self.permissions

    @property
    def actor(self) -> dict[str, str]:
        """Who did it, for the ``by`` of an event's data: what an owner recognizes, and no secret."""
        named = {
            "account_id": self.account_id,
            "credential": self.kind.value,
            "credential_id": self.credential_id,
            "name": self.name,
            "application_id": self.application_id,
            "user_id": self.user_id,
        }
        return {name: value for name, value in named.items() if value}


class Authenticator(Protocol):
    """Resolves credentials. Implemented by the access services."""

    async def caller_of(self, kind: CredentialKind, credential: str) -> Caller:
        """The caller behind a well-formed credential. Raises the 401 members of errors.access."""
        ...

    async def is_tenant(self, caller: Caller, account_id: str) -> bool:
        """Whether the caller may act in that account: its own, or one below it."""
        ...


_TOKEN_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~+/=]+", re.ASCII)
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)

Cut = Callable[..., access.AccessKeyCut | access.ApiKeyCut | access.TokenCut]

_PREFIXES: tuple[tuple[str, CredentialKind, int, Cut], ...] = (
    ("ak_2", CredentialKind.ACCESS_KEY, KEY_LENGTH, access.AccessKeyCut),
    ("ak_1", CredentialKind.API_KEY, KEY_LENGTH, access.ApiKeyCut),
    ("rt_", CredentialKind.USER_TOKEN, TOKEN_LENGTH, access.TokenCut),
)


def credential_of(authorization: str | None) -> tuple[CredentialKind, str]:
    """Read an Authorization header: the kind of credential, and the credential itself.

    Raises the 401 members for every line of the credential table that needs no look-up.
    """
    if authorization is None or not authorization.strip():
        raise access.CredentialMissing(headers=CHALLENGE)
    scheme, _, credential = authorization.strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer":
        raise access.CredentialSchemeUnknown(headers=CHALLENGE)
    if not credential:
        raise access.CredentialMissing(headers=CHALLENGE)
    return kind_of(credential), credential


def kind_of(credential: str) -> CredentialKind:
    """The kind of a bare credential, by its prefix. Raises the 401 members."""
    if _TOKEN_CHARACTERS.fullmatch(credential) is None:
        raise access.CredentialMalformed(headers=CHALLENGE)
    for prefix, kind, length, cut in _PREFIXES:
        if credential.startswith(prefix):
            if len(credential) != length:
                raise cut(length=len(credential), expected=length)
            return kind
    if _JWT.fullmatch(credential):
        raise access.JwtNotTaken()
    raise access.CredentialMalformed(headers=CHALLENGE)


CHALLENGE = {"WWW-Authenticate": "Bearer"}
