"""What may happen to the credentials of devices, and whose a credential is."""

from __future__ import annotations

import asyncio
import hashlib
import unicodedata
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from lamplighter.bus.bus import Bus
from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import Clock, to_rfc3339
from lamplighter.errors import access, credentials
from lamplighter.ids import Ids
from lamplighter.services.certificates.service import Authority, Credential
from lamplighter.services.credentials.events import CERTIFICATE_DEACTIVATED, CERTIFICATE_DELETED, KEY_DELETED
from lamplighter.services.credentials.model import DeveloperCertificate, PreSharedKey, PreSharedKeyInfo
from lamplighter.services.credentials.security_file import security_file
from lamplighter.services.credentials.store import Credentials as Store
from lamplighter.services.credentials.store import developer_certificate_of, key_of_identity
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row, UniqueViolation
from lamplighter.storage.seal import MasterKey

REVOKED = "credentials.revoked"
"""Bus subject: the PSK identity of a key, or the id of a certificate, that opens nothing any more. Sessions that rest on it end
within a second."""

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
    """Credentials of devices."""

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
    ) -> None:
        self.database = database
        self.authority = authority
        self.settings = settings
        self.started = started
        self._clock = clock
        self._ids = ids
        self._master_key = master_key
        self._bus = bus

    # Pre-shared keys

    async def create_key(self, account_id: str, key: PreSharedKey) -> None:
        """Store a key; it works from the moment this returns. Raises PreSharedKeyExists."""
        now = self._clock.now()
        sealed = self._master_key.seal(key.secret, _PSK, key.endpoint_name)
        try:
            async with self.database.transaction() as transaction:
                await Store(transaction, account_id).add_key(transaction, key.endpoint_name, sealed, now)
                await append(transaction, _event("PreSharedKeyCreated", account_id, key.endpoint_name, now))
        except UniqueViolation:
            raise credentials.PreSharedKeyExists(endpoint_name=key.endpoint_name) from None

    async def delete_key(self, account_id: str, endpoint_name: str) -> None:
        """Remove a key, if there is one, and end what rests on it."""
        async with self.database.transaction() as transaction:
            if not await Store(transaction, account_id).delete_key(transaction, endpoint_name):
                return
            await append(transaction, _event(KEY_DELETED, account_id, endpoint_name, self._clock.now()))
        self._bus.publish(REVOKED, endpoint_name.encode())

    async def key(self, account_id: str, endpoint_name: str) -> PreSharedKeyInfo:
        """Raises PreSharedKeyNotFound."""
        row = await Store(self.database, account_id).key(endpoint_name)
        if row is None:
            raise credentials.PreSharedKeyNotFound(endpoint_name=endpoint_name)
        return PreSharedKeyInfo(row["endpoint_name"], to_rfc3339(row["created_at"]))

    async def keys(self, account_id: str, after: str, limit: int) -> tuple[list[PreSharedKeyInfo], bool]:
        """Keys by endpoint name behind ``after``, and whether there are more."""
        rows = await Store(self.database, account_id).keys(after, limit + 1)
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
        self, account_id: str, name: str, description: str | None
    ) -> DeveloperCertificate:
        """Make a certificate for up to 100 devices of a developer. Raises ObjectLimitReached, CertificateNameTaken."""
        now = self._clock.now()
        certificate_id, endpoint_name = self._ids.new(), self._ids.new()
        credential = await asyncio.to_thread(self.authority.issue_developer, endpoint_name, account_id)
        limit = self.settings.access.developer_certificates
        try:
            async with self.database.transaction() as transaction:
                store = Store(transaction, account_id)
                used = await store.developer_certificates(transaction)
                if used >= limit:
                    raise access.ObjectLimitReached(used=used, limit=limit, kind="developer certificates")
                await store.add_certificate(
                    transaction,
                    id=certificate_id,
                    name=name,
                    name_key=unicodedata.normalize("NFC", name),
                    description=description,
                    service="bootstrap",
                    status="ACTIVE",
                    device_execution_mode=1,
                    certificate=credential.certificate_pem.decode(),
                    fingerprint=credential.certificate.fingerprint(hashes.SHA256()).hex(),
                    endpoint_name=endpoint_name,
                    sealed_key=self._master_key.seal(_der(credential), _DEVELOPER_KEY, certificate_id),
                    created_at=now,
                    updated_at=now,
                )
                await append(transaction, _certificate_event("CertificateCreated", account_id, certificate_id, now))
                row = await store.certificate(certificate_id)
        except UniqueViolation:
            raise credentials.CertificateNameTaken(name=name) from None
        assert row is not None
        return self._developer_certificate(row)

    async def developer_certificate(self, account_id: str, certificate_id: str) -> DeveloperCertificate:
        """Raises CertificateNotFound."""
        row = await Store(self.database, account_id).certificate(certificate_id)
        if row is None or row["device_execution_mode"] != 1:
            raise credentials.CertificateNotFound(certificate_id=certificate_id)
        return self._developer_certificate(row)

    async def deactivate_certificate(self, account_id: str, certificate_id: str) -> None:
        """It opens nothing any more, and what rests on it ends. Raises CertificateNotFound."""
        now = self._clock.now()
        async with self.database.transaction() as transaction:
            store = Store(transaction, account_id)
            if not await store.set_status(transaction, certificate_id, "INACTIVE", now):
                raise credentials.CertificateNotFound(certificate_id=certificate_id)
            await append(transaction, _certificate_event(CERTIFICATE_DEACTIVATED, account_id, certificate_id, now))
        self._bus.publish(REVOKED, certificate_id.encode())

    async def delete_certificate(self, account_id: str, certificate_id: str) -> None:
        """Remove a certificate, and end what rests on it. Raises CertificateNotFound."""
        now = self._clock.now()
        async with self.database.transaction() as transaction:
            if not await Store(transaction, account_id).delete_certificate(transaction, certificate_id):
                raise credentials.CertificateNotFound(certificate_id=certificate_id)
            await append(transaction, _certificate_event(CERTIFICATE_DELETED, account_id, certificate_id, now))
        self._bus.publish(REVOKED, certificate_id.encode())

    async def owner_of_certificate(self, leaf: bytes) -> CertificateOwner | None:
        """Whose active developer certificate (DER) that is. By its fingerprint: what it says of itself counts for nothing."""
        row = await developer_certificate_of(self.database, hashlib.sha256(leaf).hexdigest())
        return None if row is None else CertificateOwner(row["account_id"], row["endpoint_name"], row["id"])

    async def is_active(self, account_id: str, certificate_id: str) -> bool:
        """Whether the account has that certificate, and it is active."""
        row = await Store(self.database, account_id).certificate(certificate_id)
        return row is not None and row["status"] == "ACTIVE"

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
            etag=to_rfc3339(row["updated_at"]),
            developer_certificate=row["certificate"],
            developer_private_key=pem.decode(),
            security_file_content=security_file(
                row["endpoint_name"],
                row["account_id"],
                self.settings.public.bootstrap_uri,
                certificate.public_bytes(serialization.Encoding.DER),
                self.authority.bootstrap_ca.certificate_der,
                der,
            ),
        )


def _der(credential: Credential) -> bytes:
    return credential.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _event(kind: str, account_id: str, endpoint_name: str, now: int) -> Event:
    return Event(kind=kind, account_id=account_id, time=now, data={"endpoint_name": endpoint_name})


def _certificate_event(kind: str, account_id: str, certificate_id: str, now: int) -> Event:
    return Event(kind=kind, account_id=account_id, time=now, data={"id": certificate_id})
