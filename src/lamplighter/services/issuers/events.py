"""What this service tells the others, in the past tense. No secret is in any of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lamplighter.bus.event import Event

By = Mapping[str, str]
"""Who did it: ``Caller.actor``."""

KINDS: Final[dict[str, str]] = {
    "CertificateIssuerCreated": "A certificate issuer was made. ``id``, ``by``.",
    "CertificateIssuerChanged": "A certificate issuer was changed. ``id``, ``by``, ``changed``: names of members.",
    "CertificateIssuerDeleted": "A certificate issuer was deleted. ``id``, ``by``.",
    "CertificateIssuerVerified": "A certificate issuer was verified. ``id``, ``by``, ``successful``, ``message``.",
    "IssuerConfigurationCreated": "It was said who issues certificates of a name. ``id``, ``by``, ``reference``.",
    "IssuerConfigurationChanged": "Certificates of a name are issued by another. ``id``, ``by``, ``reference``.",
    "IssuerConfigurationDeleted": "The server's own authority issues them again. ``id``, ``by``, ``reference``.",
    "CertificateRenewalBegun": "A device is to renew a certificate. ``id``, ``certificate_name``; ``by`` where a caller asked.",
    "CertificateIssued": "A device was given a certificate. ``id`` of the enrollment, ``certificate_name``, ``fingerprint``.",
    "CertificateRenewed": "A device has its new certificate. ``id``, ``certificate_name``.",
    "CertificateRenewalFailed": "A device has kept its old certificate. ``id``, ``certificate_name``, ``reason``.",
}


def happened(
    kind: str,
    account_id: str,
    time: int,
    subject_id: str,
    *,
    by: By | None = None,
    device_id: str | None = None,
    **more: Any,
) -> Event:
    """An event of this service.

    :param time: microseconds UTC
    :param subject_id: of the issuer, configuration or enrollment
    :param by: who did it, where somebody did
    """
    if kind not in KINDS:
        raise ValueError(f"{kind} is not an event of this service")
    data = {"id": subject_id, **({"by": dict(by)} if by is not None else {}), **more}
    return Event(kind=kind, account_id=account_id, device_id=device_id, time=time, data=data)
