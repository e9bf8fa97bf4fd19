"""For which accounts other authorities have signed certificates to register with, for as long as those are valid.

Several accounts may trust one public authority, and a device belongs to the account that had its certificate issued: also while a
renewal runs whose end nobody has told us of, with an older certificate that came back from a copy of its flash, and after the
device was deleted here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import sqlalchemy as sa
from cryptography import x509

from lamplighter.services.issuers.issued import ends_at
from lamplighter.services.issuers.model import LWM2M, Issued
from lamplighter.services.issuers.tables import certificate_holders
from lamplighter.storage.database import Reader, Transaction
from lamplighter.storage.query import Query, insert

_c = certificate_holders.c
_ADD = Query(
    insert(certificate_holders).values({each.name: sa.bindparam(each.name) for each in _c}).on_conflict_do_nothing()
)
_ACCOUNTS = Query(sa.select(_c.account_id).where(_c.fingerprint == sa.bindparam("fingerprint")))
_PRUNE = Query(sa.delete(certificate_holders).where(_c.expires_at < sa.bindparam("now")), heavy=True)


async def hold(tx: Transaction, account_id: str, certificate_name: str, issued: Issued) -> None:
    """A device of the account is about to get that certificate."""
    if issued.issuer_id is None or certificate_name != LWM2M:
        return  # ours says itself whose it is, and others open nothing
    leaf = issued.chain[0]
    await tx.execute(
        _ADD,
        fingerprint=hashlib.sha256(leaf).hexdigest(),
        account_id=account_id,
        expires_at=ends_at(x509.load_der_x509_certificate(leaf)),
    )


async def accounts_of(reader: Reader, leaf: bytes) -> Sequence[str]:
    """The accounts for whose devices that certificate (DER) was issued."""
    rows = await reader.fetch_all(_ACCOUNTS, fingerprint=hashlib.sha256(leaf).hexdigest())
    return [row["account_id"] for row in rows]


async def prune(tx: Transaction, now: int) -> None:
    """Forget those that have expired: they open nothing any more."""
    await tx.execute(_PRUNE, now=now)
