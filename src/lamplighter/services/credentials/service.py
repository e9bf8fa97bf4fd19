"""What may happen to the credentials of devices, and whose a credential is."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lamplighter.bus.bus import Bus
from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import Clock, to_rfc3339
from lamplighter.errors import credentials
from lamplighter.ids import Ids, is_id
from lamplighter.services.certificates.service import Authority, Credential
from lamplighter.services.credentials import certificate_store
from lamplighter.services.credentials.certificate_store import (
    Certificates,
    ChangingCertificates,
    developer_certificate_of,
)
from lamplighter.services.credentials.events import CERTIFICATE_CREATED, KEY_CREATED, KEY_DELETED, REVOKED
from lamplighter.services.credentials.keys import Keys, key_of_identity
from lamplighter.services.credentials.model import (
    DeveloperCertificate,
    DeveloperCertificateRequest,
    PreSharedKey,
    PreSharedKeyInfo,
)
from lamplighter.services.credentials.security_file import security_file
from lamplighter.services.credentials.subjects import device_name, endpoint_name_in, only_name
from lamplighter.services.credentials.trusted import NOBODY, Actor, Trust, TrustedCertificates, columns_of
from lamplighter.services.credentials.trusted_model import AT_BOOTSTRAP, AT_LWM2M
from lamplighter.services.credentials.uploads import uploaded
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row, UniqueViolation
from lamplighter.storage.seal import MasterKey

_PSK = "pre-shared key"
_DEVELOPER_KEY = "developer certificate key"


class PskOwner(NamedTuple):
    """Who is behind a PSK identity."""

    account_id: str
    endpoint_name: str
    key: bytes


class CertificateOwner(NamedTuple):
    """Whose developer certificate it is."""

    account_id: str
    endpoint_name: str
    certificate_id: str


class Credentials:
    """Credentials of devices.

    :param limit_of: how many certificates an account may have
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        master_key: MasterKey,
        authority: Authority,
        bus: Bus,
        started: int,
        limit_of: Callable[[str], Awaitable[int]],
    ) -> None:
        self.database = database
        self.authority = authority
        self.settings = settings
        self.started = started
        self._clock = clock
        self._ids = ids
        self._master_key = master_key
        self._bus = bus
        self._limit_of = limit_of
        self.trusted = TrustedCertificates(database, clock, ids, bus, limit_of)

    async def start(self) -> None:
        """Read what is in certificates of older versions. Raises DatabaseUnavailable."""
        while rows := await certificate_store.unread(self.database):
            async with self.database.transaction() as transaction:
                for row in rows:
                    certificate = x509.load_pem_x509_certificate(row["certificate"].encode())
                    certificates = ChangingCertificates(transaction, row["account_id"])
                    await certificates.change(row, columns_of(uploaded(certificate)))

    # Pre-shared keys

    async def create_key(self, account_id: str, key: PreSharedKey, by: Actor = NOBODY) -> None:
        """Store a key; it works from the moment this returns. Raises PreSharedKeyExists."""
        now = self._clock.now()
        sealed = self._master_key.seal(key.secret, _PSK, key.endpoint_name)
        try:
            async with self.database.transaction() as transaction:
                await Keys(transaction, account_id).add(transaction, key.endpoint_name, sealed, now)
                await append(transaction, _event(KEY_CREATED, account_id, key.endpoint_name, now, by))
        except UniqueViolation:
            raise credentials.PreSharedKeyExists(endpoint_name=key.endpoint_name) from None

    async def delete_key(self, account_id: str, endpoint_name: str, by: Actor = NOBODY) -> None:
        """Remove a key, if there is one, and end what rests on it."""
        async with self.database.transaction() as transaction:
            if not await Keys(transaction, account_id).delete(transaction, endpoint_name):
                return
            await append(transaction, _event(KEY_DELETED, account_id, endpoint_name, self._clock.now(), by))
        self._bus.publish(REVOKED, endpoint_name.encode())

    async def key(self, account_id: str, endpoint_name: str) -> PreSharedKeyInfo:
        """Raises PreSharedKeyNotFound."""
        row = await Keys(self.database, account_id).get(endpoint_name)
        if row is None:
            raise credentials.PreSharedKeyNotFound(endpoint_name=endpoint_name)
        return PreSharedKeyInfo(row["endpoint_name"], to_rfc3339(row["created_at"]))

    async def keys(self, account_id: str, after: str, limit: int) -> tuple[list[PreSharedKeyInfo], bool]:
        """Keys by endpoint name behind ``after``, and whether there are more."""
        rows = await Keys(self.database, account_id).page(after, limit + 1)
        found = [PreSharedKeyInfo(row["endpoint_name"], to_rfc3339(row["created_at"])) for row in rows[:limit]]
        return found, len(rows) > limit

    async def owner_of_identity(self, identity: bytes) -> PskOwner | None:
        """Who is behind a PSK identity that a device presents; None: nobody."""
        try:
            endpoint_name = identity.decode("ascii")
        except UnicodeDecodeError:
            return None
        row = await key_of_identity(self.database, endpoint_name)
        if row is None:
            return None
        key = self._master_key.open(row["sealed"], _PSK, endpoint_name)
        return PskOwner(row["account_id"], endpoint_name, key)

    # Developer certificates

    async def create_developer_certificate(
        self, account_id: str, body: DeveloperCertificateRequest, by: Actor = NOBODY, owner_id: str | None = None
    ) -> DeveloperCertificate:
        """Make a certificate for up to 100 devices of a developer. Raises ObjectLimitReached, CertificateNameTaken."""
        now = self._clock.now()
        certificate_id, endpoint_name = self._ids.new(), self._ids.new()
        credential = await self.authority.make_developer(endpoint_name, account_id)
        limit = await self._limit_of(account_id)
        try:
            async with self.database.transaction() as transaction:
                certificates = ChangingCertificates(transaction, account_id)
                await certificates.make_room(limit)
                await certificates.add(
                    id=certificate_id,
                    name=body.name,
                    name_key=unicodedata.normalize("NFC", body.name),
                    description=body.description,
                    service="bootstrap",
                    status="ACTIVE",
                    device_execution_mode=certificate_store.DEVELOPER,
                    certificate=credential.certificate_pem.decode(),
                    endpoint_name=endpoint_name,
                    sealed_key=self._master_key.seal(_der(credential), _DEVELOPER_KEY, certificate_id),
                    created_at=now,
                    updated_at=now,
                    owner_id=owner_id,
                    enrollment_mode=0,
                    proven=1,
                    version=1,
                    **columns_of(uploaded(credential.certificate)),
                )
                told = {"id": certificate_id, "name": body.name, "by": by}
                await append(transaction, Event(kind=CERTIFICATE_CREATED, account_id=account_id, time=now, data=told))
                row = await certificates.get(certificate_id)
        except UniqueViolation:
            raise credentials.CertificateNameTaken(name=body.name) from None
        assert row is not None
        return self._developer_certificate(row)

    async def developer_certificate(self, account_id: str, certificate_id: str) -> DeveloperCertificate:
        """Raises CertificateNotFound."""
        row = await Certificates(self.database, account_id).get(certificate_id) if is_id(certificate_id) else None
        if row is None or row["device_execution_mode"] != certificate_store.DEVELOPER:
            raise credentials.CertificateNotFound(certificate_id=certificate_id[:40])
        return self._developer_certificate(row)

    async def owner_of_certificate(self, leaf: bytes) -> CertificateOwner | None:
        """Whose active developer certificate (DER) that is. By its fingerprint: what it says of itself counts for nothing."""
        row = await developer_certificate_of(self.database, hashlib.sha256(leaf).hexdigest())
        return None if row is None else CertificateOwner(row["account_id"], row["endpoint_name"], row["id"])

    def _developer_certificate(self, row: Row) -> DeveloperCertificate:
        key = serialization.load_der_private_key(
            self._master_key.open(row["sealed_key"], _DEVELOPER_KEY, row["id"]), None
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        certificate = x509.load_pem_x509_certificate(row["certificate"].encode())
        return DeveloperCertificate(
            object="trusted-cert",
            id=row["id"],
            account_id=row["account_id"],
            name=row["name"],
            description=row["description"],
            created_at=to_rfc3339(row["created_at"]),
            etag=str(row["version"]),
            developer_certificate=row["certificate"],
            developer_private_key=pem.decode(),
            security_file_content=security_file(
                row["endpoint_name"],
                row["account_id"],
                self.settings.public.bootstrap_uri,
                certificate.public_bytes(serialization.Encoding.DER),
                self.authority.bootstrap_root.public_bytes(serialization.Encoding.DER),
                der,
            ),
        )


def _der(credential: Credential) -> bytes:
    return credential.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _event(kind: str, account_id: str, endpoint_name: str, now: int, by: Actor) -> Event:
    return Event(kind=kind, account_id=account_id, time=now, data={"endpoint_name": endpoint_name, "by": by})


__all__ = [
    "AT_BOOTSTRAP",
    "AT_LWM2M",
    "CertificateOwner",
    "Credentials",
    "PskOwner",
    "Trust",
    "TrustedCertificates",
    "device_name",
    "endpoint_name_in",
    "only_name",
]
