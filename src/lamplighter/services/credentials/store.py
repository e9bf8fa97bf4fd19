"""The tables of pre-shared keys and certificates."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lamplighter.storage.database import Reader, Row, Transaction
from lamplighter.storage.query import Query
from lamplighter.storage.schema import Alone, BigInteger, LargeBinary, SmallInteger, Text, metadata

pre_shared_keys = sa.Table(
    "pre_shared_keys",
    metadata,
    # Looked up before any account is known, hence unique in the installation (gateway rule 1.3).
    sa.Column("endpoint_name", Text, primary_key=True),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("sealed", LargeBinary, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Index("ix_pre_shared_keys_account_id_endpoint_name", "account_id", "endpoint_name"),
)

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
    sa.Column("certificate", Text, nullable=False),
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("endpoint_name", Text),
    sa.Column("sealed_key", LargeBinary),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("updated_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "name_key"),
    sa.Index("ix_certificates_fingerprint", "fingerprint"),
)

_keys = pre_shared_keys.c
_own_key = (_keys.account_id == sa.bindparam("account_id"), _keys.endpoint_name == sa.bindparam("endpoint_name"))
_ADD_KEY = Query(sa.insert(pre_shared_keys))
_GET_KEY = Query(sa.select(_keys.endpoint_name, _keys.created_at).where(*_own_key))
_DELETE_KEY = Query(sa.delete(pre_shared_keys).where(*_own_key))
_KEY_OF_IDENTITY = Query(
    sa.select(_keys.account_id, _keys.sealed).where(_keys.endpoint_name == sa.bindparam("endpoint_name"))
)
_LIST_KEYS = Query(
    sa.select(_keys.endpoint_name, _keys.created_at)
    .where(_keys.account_id == sa.bindparam("account_id"), _keys.endpoint_name > sa.bindparam("after"))
    .order_by(_keys.endpoint_name)
    .limit(sa.bindparam("limit"))
)

_certificates = certificates.c
_ADD_CERTIFICATE = Query(sa.insert(certificates))
_own_certificate = (_certificates.account_id == sa.bindparam("account_id"), _certificates.id == sa.bindparam("id"))
_GET_CERTIFICATE = Query(sa.select(certificates).where(*_own_certificate))
_SET_STATUS = Query(
    sa.update(certificates)
    .where(*_own_certificate)
    .values(status=sa.bindparam("new_status"), updated_at=sa.bindparam("now"))
)
_DELETE_CERTIFICATE = Query(sa.delete(certificates).where(*_own_certificate))
_OF_FINGERPRINT = Query(
    sa.select(_certificates.account_id, _certificates.id, _certificates.endpoint_name).where(
        _certificates.fingerprint == sa.bindparam("fingerprint"),
        _certificates.device_execution_mode == 1,
        _certificates.status == "ACTIVE",
    )
)
_ALONE = Query(sa.select(Alone(sa.bindparam("name", type_=Text))))
_COUNT_DEVELOPER = Query(
    sa.select(sa.func.count().label("number")).where(
        _certificates.account_id == sa.bindparam("account_id"), _certificates.device_execution_mode == 1
    )
)


class Credentials:
    """The credentials of one account."""

    def __init__(self, reader: Reader, account_id: str) -> None:
        self._reader = reader
        self._account_id = account_id

    async def add_key(self, transaction: Transaction, endpoint_name: str, sealed: bytes, created_at: int) -> None:
        """Raises UniqueViolation when any account has a key of that name."""
        await transaction.execute(
            _ADD_KEY,
            endpoint_name=endpoint_name,
            account_id=self._account_id,
            sealed=sealed,
            created_at=created_at,
        )

    async def key(self, endpoint_name: str) -> Row | None:
        return await self._reader.fetch_one(_GET_KEY, account_id=self._account_id, endpoint_name=endpoint_name)

    async def delete_key(self, transaction: Transaction, endpoint_name: str) -> bool:
        return bool(await transaction.execute(_DELETE_KEY, account_id=self._account_id, endpoint_name=endpoint_name))

    async def keys(self, after: str, limit: int) -> list[Row]:
        return list(await self._reader.fetch_all(_LIST_KEYS, account_id=self._account_id, after=after, limit=limit))

    async def add_certificate(self, transaction: Transaction, **values: Any) -> None:
        """Raises UniqueViolation when the account has a certificate of that name."""
        await transaction.execute(_ADD_CERTIFICATE, account_id=self._account_id, **values)

    async def certificate(self, certificate_id: str) -> Row | None:
        return await self._reader.fetch_one(_GET_CERTIFICATE, account_id=self._account_id, id=certificate_id)

    async def set_status(self, transaction: Transaction, certificate_id: str, status: str, now: int) -> bool:
        values = {"new_status": status, "now": now}
        return bool(await transaction.execute(_SET_STATUS, account_id=self._account_id, id=certificate_id, **values))

    async def delete_certificate(self, transaction: Transaction, certificate_id: str) -> bool:
        return bool(await transaction.execute(_DELETE_CERTIFICATE, account_id=self._account_id, id=certificate_id))

    async def developer_certificates(self, transaction: Transaction) -> int:
        """How many there are; nobody else adds one until the transaction ends."""
        await transaction.fetch_one(_ALONE, name=f"developer certificates of {self._account_id}")
        row = await self._reader.fetch_one(_COUNT_DEVELOPER, account_id=self._account_id)
        return int(row["number"]) if row is not None else 0


async def key_of_identity(reader: Reader, endpoint_name: str) -> Row | None:
    """Account and sealed key of a PSK identity, whichever account has it: the one look-up that knows no account yet."""
    return await reader.fetch_one(_KEY_OF_IDENTITY, endpoint_name=endpoint_name)


async def developer_certificate_of(reader: Reader, fingerprint: str) -> Row | None:
    """Account, id and endpoint name of an active developer certificate, by its SHA-256 in hexadecimal digits."""
    return await reader.fetch_one(_OF_FINGERPRINT, fingerprint=fingerprint)
