"""The certificates that devices have: noted for the report of what expires when, and for renewing it before."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from lamplighter.ids import Ids
from lamplighter.services.directory.model import Facts, certificate_facts
from lamplighter.services.issuers import enrollment_store as store
from lamplighter.services.issuers import holders
from lamplighter.services.issuers.issued import ends_at
from lamplighter.services.issuers.model import Issued
from lamplighter.storage.database import Transaction

LONGEST_ISSUER = 500
"""Characters."""


async def note_certificate(
    tx: Transaction,
    ids: Ids,
    account_id: str,
    device_id: str,
    certificate_name: str,
    issued: Issued,
    now: int,
) -> None:
    """Note a certificate that a device has from now on, in the place of its older one of that name."""
    certificate = x509.load_der_x509_certificate(issued.chain[0])
    values = {
        "account_id": account_id,
        "id": ids.new(),
        "device_id": device_id,
        "certificate_name": certificate_name,
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "issuer": authority_of(issued),
        "serial_number": f"{certificate.serial_number:x}",
        "issuer_id": issued.issuer_id,
        "created_at": now,
        "expires_at": ends_at(certificate),
        "try_at": 0,
    }
    await store.keep(tx, values)
    await holders.hold(tx, account_id, certificate_name, issued)


def authority_of(issued: Issued) -> str:
    """Who signed a certificate."""
    return x509.load_der_x509_certificate(issued.chain[0]).issuer.rfc4514_string()[:LONGEST_ISSUER]


def facts_of(issued: Issued) -> Facts:
    """What the directory shows of it, for the name by which the device registers."""
    above = hashlib.sha256(issued.chain[1]).digest() if len(issued.chain) > 1 else None
    return certificate_facts(issued.chain[0], above)
