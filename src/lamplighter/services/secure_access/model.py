"""What secure device access looks like on the wire (contract: TrustAnchorResponse, TokenRequest, TokenResponse)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

import msgspec

from lamplighter.errors import FieldFault
from lamplighter.services.secure_access.confirmation import KeyRefused, read_public_key

GRANT_TYPE = "client_credentials"
AUDIENCES = 50
SCOPES = 20
SCOPE_CHARACTERS = 60

_AUDIENCE = re.compile(r"id:[0-9a-fA-F]{32}|ep:[ -~]{1,57}")
"""The contract has letters, digits, blanks and hyphens for endpoint names; real ones also have other printable characters."""
_SCOPE = re.compile(r"[!#-\[\]-~]+")
"""RFC 6749 section 3.3."""

Description = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class TrustAnchorRequest(msgspec.Struct):
    description: Description


class TrustAnchor(msgspec.Struct, kw_only=True):
    """A key of the account by which its devices know whom to obey. The server keeps the private half."""

    object: str = "trust-anchor"
    id: str
    description: str
    public_key: str
    """PEM."""
    public_key_der: str
    """SubjectPublicKeyInfo in base64: what a device is provisioned with."""
    fingerprint: str
    """The name under which a device keeps the key: ``mbed.ta.`` and its SHA-256."""
    created_at: str
    updated_at: str
    etag: str


class TrustAnchorPage(msgspec.Struct):
    object: str
    data: list[TrustAnchor]
    limit: int
    after: str | None
    order: str
    has_more: bool
    total_count: int


class TokenRequest(msgspec.Struct):
    """Loosely typed, so that everything that is wrong is told at once."""

    grant_type: str
    aud: list[str]
    """Devices: ``id:`` and a device ID, or ``ep:`` and an endpoint name."""
    scope: str
    """What may be done, in words that the devices know, with blanks between them."""
    cnf: str
    """The public key in PEM whose owner may use the token."""

    @property
    def audience(self) -> list[str]:
        """Each device once. A device compares bytes, and IDs are given out in lower case."""
        return list(dict.fromkeys(each.lower() if each.startswith("id:") else each for each in self.aud))

    @property
    def scopes(self) -> list[str]:
        return list(dict.fromkeys(self.scope.split()))

    def faults(self) -> Iterator[FieldFault]:
        if self.grant_type != GRANT_TYPE:
            yield FieldFault("grant_type", f"must be {GRANT_TYPE}")
        if not 1 <= len(self.aud) <= AUDIENCES:
            yield FieldFault("aud", f"must name 1 to {AUDIENCES} devices, not {len(self.aud)}")
        for index, each in enumerate(self.aud[:AUDIENCES]):
            if _AUDIENCE.fullmatch(each) is None:
                yield FieldFault(
                    f"aud[{index}]", "must be id: with the 32 digits of a device ID, or ep: with 1 to 57 characters"
                )
        yield from self._scope_faults()
        try:
            read_public_key(self.cnf)
        except KeyRefused as refused:
            yield FieldFault("cnf", str(refused))

    def _scope_faults(self) -> Iterator[FieldFault]:
        words = self.scope.split()
        if not words:
            yield FieldFault("scope", "must name at least one function that the devices know")
        elif len(words) > SCOPES:
            yield FieldFault("scope", f"must have at most {SCOPES} words, not {len(words)}")
        elif any(len(word) > SCOPE_CHARACTERS for word in words):
            yield FieldFault("scope", f"must have words of at most {SCOPE_CHARACTERS} characters")
        elif not all(map(_SCOPE.fullmatch, words)):
            yield FieldFault("scope", "must have words of printable ASCII characters other than quotes and backslashes")


class TokenResponse(msgspec.Struct):
    access_token: str
    """A CBOR Web Token in base64, for the device."""
    granted_until: str
