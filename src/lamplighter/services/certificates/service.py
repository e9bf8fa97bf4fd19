"""The face of the certificate services for others."""

from __future__ import annotations

from lamplighter.services.certificates.authority import Authority, Credential
from lamplighter.services.certificates.requests import certified_key, framed

__all__ = ["Authority", "Credential", "certified_key", "framed"]
