"""Keys and tokens: how they are made, shown and kept.

A key is its prefix, the unpadded base64 of its owner's ID, its own ID, and 32 random letters and digits. Only an HMAC
of the whole is kept, under a pepper that is not in the database; so a copy of the database opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import string
from typing import Final, NamedTuple

from lamplighter.api.caller import CredentialKind

PREFIXES: Final = {
    CredentialKind.ACCESS_KEY: "ak_2",
    CredentialKind.API_KEY: "ak_1",
    CredentialKind.USER_TOKEN: "rt_",
}
SECRET_LENGTH: Final = 32
_ALPHABET: Final = string.ascii_letters + string.digits


class Credential(NamedTuple):
    """A new credential. ``whole`` is shown once; ``shown`` is what lists show; ``digest`` is what is kept."""

    whole: str
    shown: str
    digest: bytes


class Mint:
    """Makes credentials.

    :param pepper: the key of the HMAC, the same in every process of the installation
    """

    def __init__(self, pepper: bytes) -> None:
        if len(pepper) < 16:
            raise ValueError("the pepper needs at least 16 bytes")
        self._pepper = pepper

    def make(self, kind: CredentialKind, owner_id: str, own_id: str) -> Credential:
        """A credential with a new secret.

        :param owner_id: of the application, account or user it acts for
        """
        owner = base64.b64encode(owner_id.encode()).decode().rstrip("=")
        shown = PREFIXES[kind] + owner + own_id
        whole = shown + "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))
        return Credential(whole, shown, self.digest(whole))

    def digest(self, whole: str) -> bytes:
        """HMAC-SHA256. The secret has 190 bits, so no slow hash is needed to protect it."""
        return hmac.digest(self._pepper, whole.encode(), hashlib.sha256)
