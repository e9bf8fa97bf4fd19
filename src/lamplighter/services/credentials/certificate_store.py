"""The table of certificates: those that accounts trust, and those made for their developers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lamplighter.errors.access import ObjectLimitReached
from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Alone, BigInteger, LargeBinary, SmallInteger, Text, metadata
from lamplighter.storage.search import Search

DEVELOPER, UPLOADED = 1, 0
"""Device execution modes (contract: 1 means a developer certificate)."""
CANDIDATES = 64
"""Certificates of one subject that are tried at most: the engine tries fewer signatures than that."""

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("name_key", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("service", Text, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("device_execution_mode", SmallInteger, nullable=False),
    # As it was sent; for one of the chain's, what is trusted is in ``der``.
    sa.Column("certificate", Text, nullable=False),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("endpoint_name", Text),
    sa.Column("sealed_key", LargeBinary),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("updated_at", BigInteger, nullable=False),
    sa.Column("owner_id", Text),
    sa.Column("enrollment_mode", SmallInteger, nullable=False, server_default="0"),
    sa.Column("der", LargeBinary),
    sa.Column("subject", Text, nullable=False, server_default=""),
    sa.Column("issuer", Text, nullable=False, server_default=""),
    sa.Column("subject_name", Text, nullable=False, server_default=""),
    sa.Column("not_after", BigInteger, nullable=False, server_default="0"),
    # Whether the account has shown that it has the key.
    sa.Column("proven", SmallInteger, nullable=False, server_default="0"),
    sa.Column("version", BigInteger, nullable=False, server_default="1"),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "name_key"),
    sa.Index("ix_certificates_fingerprint", "fingerprint"),
    sa.Index("ix_certificates_subject_name", "subject_name", "service"),
)

_c = certificates.c
_OWN = (_c.account_id == sa.bindparam("account_id"), _c.id == sa.bindparam("id"))
_ADD = Query(sa.insert(certificates))
_GET = Query(sa.select(certificates).where(*_OWN))
_LOCK = Query(sa.select(certificates).where(*_OWN).with_for_update())
_DELETE = Query(sa.delete(certificates).where(*_OWN))
_CHANGED = (
    "name",
    "name_key",
    "description",
    "service",
    "status",
    "certificate",
    "fingerprint",
    "enrollment_mode",
    "der",
    "subject",
    "issuer",
    "subject_name",
    "not_after",
    "proven",
    "updated_at",
    "version",
)
_UPDATE = Query(sa.update(certificates).where(*_OWN).values({name: sa.bindparam(f"new_{name}") for name in _CHANGED}))
_STATUS = Query(sa.select(_c.status).where(*_OWN))
_OF_FINGERPRINT = Query(
    sa.select(_c.account_id, _c.id, _c.endpoint_name).where(
        _c.fingerprint == sa.bindparam("fingerprint"), _c.device_execution_mode == DEVELOPER, _c.status == "ACTIVE"
    )
)
_SAME = Query(
    sa.select(_c.id, _c.name).where(
        _c.account_id == sa.bindparam("account_id"),
        _c.fingerprint == sa.bindparam("fingerprint"),
        _c.service == sa.bindparam("service"),
    )
)
_TRUSTED = (
    _c.device_execution_mode == UPLOADED,
    _c.status == "ACTIVE",
    _c.service == sa.bindparam("service"),
)
_NAMED = Query(
    sa.select(_c.der)
    .where(_c.subject_name.in_(sa.bindparam("names", expanding=True)), *_TRUSTED)
    .group_by(_c.der)
    .order_by(sa.func.max(_c.proven).desc(), sa.func.min(_c.created_at), sa.func.min(_c.id))
    .limit(CANDIDATES),
    quick=True,
)
_WHO_TRUST = Query(
    sa.select(_c.account_id, _c.id, _c.enrollment_mode)
    .where(_c.fingerprint == sa.bindparam("fingerprint"), *_TRUSTED)
    .order_by(_c.proven.desc(), _c.created_at, _c.id),
    quick=True,
)
_ALONE = Query(sa.select(Alone(sa.bindparam("name", type_=Text))))
_COUNT = Query(sa.select(sa.func.count().label("number")).where(_c.account_id == sa.bindparam("account_id")))

SEARCH = Search(
    certificates,
    scope=(_c.account_id,),
    key=_c.id,
    fields={
        "name": _c.name_key,
        "service": _c.service,
        "not_after": _c.not_after,
        "device_execution_mode": _c.device_execution_mode,
        "owner": _c.owner_id,
        "enrollment_mode": _c.enrollment_mode,
        "status": _c.status,
        "issuer": sa.func.lower(_c.issuer),
        "subject": sa.func.lower(_c.subject),
        "certificate_fingerprint": _c.fingerprint,
    },
)


_UNREAD = Query(sa.select(certificates).where(_c.der.is_(None)).limit(100))


class Certificates:
    """The certificates of one account."""

    def __init__(self, reader: Reader, account_id: str) -> None:
        self._reader = reader
        self._account_id = account_id

    async def get(self, certificate_id: str) -> Row | None:
        return await self._reader.fetch_one(_GET, account_id=self._account_id, id=certificate_id)

    async def status(self, certificate_id: str) -> str | None:
        row = await self._reader.fetch_one(_STATUS, account_id=self._account_id, id=certificate_id)
        return None if row is None else str(row["status"])

    async def same(self, fingerprint: str, service: str) -> Row | None:
        """The one of that fingerprint for that service."""
        return await self._reader.fetch_one(
            _SAME, account_id=self._account_id, fingerprint=fingerprint, service=service
        )


class ChangingCertificates(Certificates):
    """The same in a transaction."""

    def __init__(self, transaction: Transaction, account_id: str) -> None:
        super().__init__(transaction, account_id)
        self._transaction = transaction

    async def make_room(self, limit: int) -> None:
        """See that there is room for one more; nobody else adds one until the transaction ends. Raises ObjectLimitReached."""
        await self._transaction.fetch_one(_ALONE, name=f"certificates of {self._account_id}")
        row = await self._transaction.fetch_one(_COUNT, account_id=self._account_id)
        used = int(row["number"]) if row is not None else 0
        if used >= limit:
            raise ObjectLimitReached(used=used, limit=limit, kind="trusted certificates")

    async def add(self, **values: Any) -> None:
        """Raises UniqueViolation when the account has a certificate of that name."""
        await self._transaction.execute(_ADD, account_id=self._account_id, **values)

    async def lock(self, certificate_id: str) -> Row | None:
        return await self._transaction.fetch_one(_LOCK, account_id=self._account_id, id=certificate_id)

    async def change(self, row: Row, values: Mapping[str, Any]) -> None:
        """Raises UniqueViolation when the account has a certificate of that name."""
        new = {f"new_{name}": values.get(name, row[name]) for name in _CHANGED}
        await self._transaction.execute(_UPDATE, account_id=self._account_id, id=row["id"], **new)

    async def delete(self, certificate_id: str) -> bool:
        return bool(await self._transaction.execute(_DELETE, account_id=self._account_id, id=certificate_id))


async def unread(reader: Reader) -> Sequence[Row]:
    """Some that are from before what is in them was kept."""
    return await reader.fetch_all(_UNREAD)


async def developer_certificate_of(reader: Reader, fingerprint: str) -> Row | None:
    """Account, id and endpoint name of an active developer certificate, by its SHA-256 in hexadecimal digits."""
    return await reader.fetch_one(_OF_FINGERPRINT, fingerprint=fingerprint)


async def bearing(reader: Reader, names: Collection[str], service: str) -> list[bytes]:
    """Certificates (DER) that any account trusts for a service, of subjects given by ``name_key``, in the order of ``who_trust``.

    The first that fits a device is taken, and anybody can make a certificate with another's name and public key.
    """
    rows = await reader.fetch_all(_NAMED, names=list(names), service=service) if names else []
    return [row["der"] for row in rows]


async def who_trust(reader: Reader, fingerprint: str, service: str) -> Sequence[Row]:
    """Account, id and enrollment mode of each certificate with that fingerprint that is trusted for a service: those whose key
    the account has shown first, then the oldest."""
    return await reader.fetch_all(_WHO_TRUST, fingerprint=fingerprint, service=service)
