"""The face of the certificate services for others."""

from __future__ import annotations

from lamplighter.services.certificates.authority import Authority
from lamplighter.services.certificates.credential import Credential
from lamplighter.services.certificates.files import PLAIN, AuthorityUnusable, KeyFiles
from lamplighter.services.certificates.given import read_given
from lamplighter.services.certificates.requests import certified_key, framed
from lamplighter.services.certificates.rotation import in_use, retire, rotate

__all__ = [
    "PLAIN",
    "Authority",
    "AuthorityUnusable",
    "Credential",
    "KeyFiles",
    "certified_key",
    "framed",
    "in_use",
    "read_given",
    "retire",
    "rotate",
]
