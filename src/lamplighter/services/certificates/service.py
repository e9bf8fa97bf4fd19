"""The face of the certificate services for others."""

from __future__ import annotations

from lamplighter.services.certificates.authority import Authority, Credential

__all__ = ["Authority", "Credential"]
