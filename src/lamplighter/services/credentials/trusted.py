"""The certificates that accounts trust: devices with certificates of their own come in under them."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from cryptography import x509
from msgspec import UNSET

from lamplighter.api.filter import Condition
from lamplighter.api.page import Page, envelope
from lamplighter.bus.bus import Bus
from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339
from lamplighter.dtls import AlertDescription, CertificateError, TrustAnchor, issuers_in, verify_chain
from lamplighter.errors import FieldFault, credentials
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.services.credentials import certificate_store as store
from lamplighter.services.credentials.certificate_store import SEARCH, Certificates, ChangingCertificates
from lamplighter.services.credentials.events import (
    CERTIFICATE_ACTIVATED,
    CERTIFICATE_CREATED,
    CERTIFICATE_DEACTIVATED,
    CERTIFICATE_DELETED,
    CERTIFICATE_UPDATED,
    REVOKED,
)
from lamplighter.services.credentials.trusted_model import (
    AT_LWM2M,
    TrustedCertificate,
    TrustedCertificateCreate,
    TrustedCertificateUpdate,
)
from lamplighter.services.credentials.uploads import Upload, name_key, read_upload
from lamplighter.storage.database import Database, Reader, Row, UniqueViolation

DAY = 86_400 * MICROSECONDS
_FIXED = ("certificate", "service", "enrollment_mode", "signature")

Actor = Mapping[str, str]
"""Who changes something (``Caller.actor``)."""
NOBODY: Actor = {}
"""The operator of the installation."""


CLOCK_AHEAD = 300.0
"""Seconds that the clock of an authority may be ahead of ours."""


class Trust(NamedTuple):
    """An account that trusts a certificate."""

    account_id: str
    certificate_id: str
    enrollment_mode: bool
    """Devices under it are let in only when they were claimed."""


class TrustedCertificates:
    """:param limit_of: how many certificates an account may have, developer certificates among them"""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        bus: Bus,
        limit_of: Callable[[str], Awaitable[int]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._bus = bus
        self._limit_of = limit_of

    # For their owners

    async def listed(self, account_id: str, page: Page, conditions: Sequence[Condition]) -> dict[str, Any]:
        """A page, developer certificates among them (contract: getAllCertificates)."""
        now = self._clock.now()
        scope = {"account_id": account_id}
        wanted = [_stored(each, now) for each in conditions]
        found = await SEARCH.page(
            self._database,
            scope,
            wanted,
            order="DESC" if page.descending else "ASC",
            after=page.after,
            limit=page.limit,
        )
        total = await SEARCH.count(self._database, scope, wanted)
        data = [shown(row, now) for row in found[: page.limit]]
        return envelope(page, data, has_more=len(found) > page.limit, total_count=total)

    async def get(self, account_id: str, certificate_id: str) -> TrustedCertificate:
        """Raises CertificateNotFound."""
        row = await Certificates(self._database, account_id).get(certificate_id) if is_id(certificate_id) else None
        if row is None:
            raise credentials.CertificateNotFound(certificate_id=certificate_id[:40])
        return shown(row, self._clock.now())

    async def create(
        self, account_id: str, body: TrustedCertificateCreate, by: Actor = NOBODY, owner_id: str | None = None
    ) -> TrustedCertificate:
        """Trust a certificate. Devices under it may come from the moment this returns.

        Raises InvalidParameters, PrivateKeyUploaded, ObjectLimitReached, CertificateNameTaken, CertificateExists.
        """
        now = self._clock.now()
        upload = read_upload(body.certificate, now)
        _check_signature(account_id, upload, body.signature)
        certificate_id = self._ids.new()
        limit = await self._limit_of(account_id)
        try:
            async with self._database.transaction() as tx:
                certificates = ChangingCertificates(tx, account_id)
                await certificates.make_room(limit)
                await _check_new(certificates, upload.fingerprint, body.service)
                await certificates.add(
                    id=certificate_id,
                    name=body.name,
                    name_key=_compared(body.name),
                    description=body.description,
                    service=body.service,
                    status=body.status,
                    device_execution_mode=store.UPLOADED,
                    certificate=body.certificate,
                    endpoint_name=None,
                    sealed_key=None,
                    created_at=now,
                    updated_at=now,
                    owner_id=owner_id,
                    enrollment_mode=int(bool(body.enrollment_mode)),
                    proven=int(body.signature is not None),
                    version=1,
                    **columns_of(upload),
                )
                told = {"fingerprint": upload.fingerprint, "name": body.name, "service": body.service}
                await append(tx, _event(CERTIFICATE_CREATED, account_id, certificate_id, now, by, **told))
                row = await certificates.get(certificate_id)
        except UniqueViolation:
            raise credentials.CertificateNameTaken(name=body.name) from None
        assert row is not None
        return shown(row, now)

    async def update(
        self, account_id: str, certificate_id: str, body: TrustedCertificateUpdate, by: Actor = NOBODY
    ) -> TrustedCertificate:
        """Change a certificate; what rests on it and may not any more ends within a second.

        Raises CertificateNotFound, InvalidParameters, PrivateKeyUploaded, CertificateNameTaken, CertificateExists,
        DeveloperCertificateFixed.
        """
        now = self._clock.now()
        if body.certificate is not None and body.signature is None:
            known = await Certificates(self._database, account_id).get(certificate_id)
            if known is not None and known["certificate"].strip() == body.certificate.strip():
                # Whoever sends back all that was shown changes the rest, also of what could not be uploaded now.
                body = msgspec.structs.replace(body, certificate=None)
        upload = read_upload(body.certificate, now) if body.certificate is not None else None
        _check_signature(account_id, upload, body.signature)
        try:
            async with self._database.transaction() as tx:
                certificates = ChangingCertificates(tx, account_id)
                row = await certificates.lock(certificate_id) if is_id(certificate_id) else None
                if row is None:
                    raise credentials.CertificateNotFound(certificate_id=certificate_id[:40])
                changed = _changed(row, body, upload)
                ends = bool(changed.keys() & {"fingerprint", "service", "enrollment_mode"})
                if changed:
                    if changed.keys() & {"fingerprint", "service"}:
                        fingerprint = changed.get("fingerprint", row["fingerprint"])
                        await _check_new(certificates, fingerprint, changed.get("service", row["service"]))
                    new = {**changed, "updated_at": max(now, row["updated_at"] + 1), "version": row["version"] + 1}
                    await certificates.change(row, new)
                    kind = CERTIFICATE_UPDATED
                    if "status" in changed:
                        kind = CERTIFICATE_ACTIVATED if changed["status"] == "ACTIVE" else CERTIFICATE_DEACTIVATED
                        ends = ends or kind == CERTIFICATE_DEACTIVATED
                    names = ",".join(sorted(changed.keys() & set(TrustedCertificateUpdate.__struct_fields__)))
                    await append(tx, _event(kind, account_id, certificate_id, now, by, changed=names))
                    row = await certificates.get(certificate_id)
        except UniqueViolation:
            raise credentials.CertificateNameTaken(name=body.name) from None
        if ends:
            self._bus.publish(REVOKED, certificate_id.encode())
        assert row is not None
        return shown(row, now)

    async def delete(self, account_id: str, certificate_id: str, by: Actor = NOBODY) -> None:
        """Trust it no more, and end what rests on it. Raises CertificateNotFound."""
        async with self._database.transaction() as tx:
            if not is_id(certificate_id) or not await ChangingCertificates(tx, account_id).delete(certificate_id):
                raise credentials.CertificateNotFound(certificate_id=certificate_id[:40])
            await append(tx, _event(CERTIFICATE_DELETED, account_id, certificate_id, self._clock.now(), by))
        self._bus.publish(REVOKED, certificate_id.encode())

    # For the gates

    async def anchors(self, names: Collection[bytes], service: str) -> list[TrustAnchor]:
        """What accounts trust for a service under one of these names (DER)."""
        found = await store.bearing(self._database, {name_key(name) for name in names}, service)
        return [TrustAnchor.from_der(der) for der in found]

    async def who_trust(self, fingerprint: bytes, service: str) -> Sequence[Trust]:
        """The accounts that trust a certificate (SHA-256) for a service, active ones only.

        In the order in which they come into question for a device that nobody claimed: who has shown the key before who has
        not, then who was first. So nobody takes devices from another by uploading the authority they come under.
        """
        rows = await store.who_trust(self._database, fingerprint.hex(), service)
        return [Trust(row["account_id"], row["id"], bool(row["enrollment_mode"])) for row in rows]

    async def judge_at_lwm2m(self, account_id: str, chain: Sequence[bytes]) -> None:
        """Raises CertificateError for a chain (DER, the leaf first) that would not let a device of the account in at LwM2M;
        its alert is UNKNOWN_CA where the account trusts nobody who could have signed it."""
        own = []
        for anchor in await self.anchors(issuers_in(chain), AT_LWM2M):
            if account_id in [each.account_id for each in await self.who_trust(anchor.fingerprint, AT_LWM2M)]:
                own.append(anchor)
        if not own:
            raise CertificateError(
                AlertDescription.UNKNOWN_CA, "the account trusts none of the authorities of this chain"
            )
        # The device comes a moment later, and the authority's clock may be ahead of ours.
        begins = x509.load_der_x509_certificate(chain[0]).not_valid_before_utc.timestamp()
        now = self._clock.now() / MICROSECONDS
        at = begins if now < begins <= now + CLOCK_AHEAD else now
        await asyncio.to_thread(verify_chain, chain, own, at)

    async def still(self, certificate_id: str, fingerprint: bytes, service: str) -> bool:
        """Whether that certificate of an account is still the one with that SHA-256, active and for that service: one that gave
        way to another is not what was trusted."""
        return certificate_id in [each.certificate_id for each in await self.who_trust(fingerprint, service)]

    async def active(self, account_id: str, certificate_id: str, service: str) -> Trust | None:
        """That certificate of an account, if it is active and for that service."""
        row = await Certificates(self._database, account_id).get(certificate_id)
        if row is None or row["status"] != "ACTIVE" or row["service"] != service:
            return None
        return Trust(account_id, certificate_id, bool(row["enrollment_mode"]))

    async def is_active(self, account_id: str, certificate_id: str) -> bool:
        """Whether the account has that certificate, and it is active."""
        return await Certificates(self._database, account_id).status(certificate_id) == "ACTIVE"

    async def is_blocked(self, account_id: str, certificate_id: str, reader: Reader) -> bool:
        """Whether the account has that certificate and has put it out of use: nobody who came by it is welcome."""
        return await Certificates(reader, account_id).status(certificate_id) == "INACTIVE"


def columns_of(upload: Upload) -> dict[str, Any]:
    """What the table keeps of a certificate."""
    return {
        "fingerprint": upload.fingerprint,
        "der": upload.der,
        "subject": upload.subject,
        "issuer": upload.issuer,
        "subject_name": upload.subject_name,
        "not_after": upload.not_after,
    }


def shown(row: Row, now: int) -> TrustedCertificate:
    """As the API shows it; a developer certificate too, without its key."""
    return TrustedCertificate(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        description=row["description"],
        service=row["service"],
        status=row["status"],
        certificate=row["certificate"],
        certificate_fingerprint=row["fingerprint"],
        subject=row["subject"],
        issuer=row["issuer"],
        validity=to_rfc3339(row["not_after"]),
        valid=row["not_after"] >= now,
        owner_id=row["owner_id"],
        device_execution_mode=row["device_execution_mode"],
        enrollment_mode=bool(row["enrollment_mode"]),
        created_at=to_rfc3339(row["created_at"]),
        updated_at=to_rfc3339(row["updated_at"]),
        etag=str(row["version"]),
    )


def _stored(condition: Condition, now: int) -> Condition:
    """A condition of the contract as one of the table. What is uploaded is valid then, so it is until it expires."""
    match condition.field:
        case "expire":  # within so many days
            return Condition("not_after", "lte", now + condition.value * DAY)
        case "valid":
            return Condition("not_after", "gte" if condition.value else "lte", now if condition.value else now - 1)
        case "issuer" | "subject":
            return condition._replace(value=condition.value.lower())
        case "name":
            return condition._replace(value=_compared(condition.value))
    return condition


def _changed(row: Row, body: TrustedCertificateUpdate, upload: Upload | None) -> dict[str, Any]:
    """The columns that differ. Raises DeveloperCertificateFixed."""
    wanted: dict[str, Any] = {}
    if body.name is not None:
        wanted |= {"name": body.name, "name_key": _compared(body.name)}
    if body.description is not UNSET:
        wanted["description"] = body.description
    if body.status is not None:
        wanted["status"] = body.status
    if body.service is not None:
        wanted["service"] = body.service
    if body.enrollment_mode is not None:
        wanted["enrollment_mode"] = int(body.enrollment_mode)
    if body.certificate is not None and upload is not None:
        proven = int(body.signature is not None)
        wanted |= {"certificate": body.certificate, "proven": proven, **columns_of(upload)}
    changed = {name: value for name, value in wanted.items() if value != row[name]}
    fixed = sorted(changed.keys() & set(_FIXED))
    if fixed and row["device_execution_mode"] == store.DEVELOPER:
        raise credentials.DeveloperCertificateFixed(members=" and ".join(fixed))
    return changed


async def _check_new(certificates: Certificates, fingerprint: str, service: str) -> None:
    same = await certificates.same(fingerprint, service)
    if same is not None:
        raise credentials.CertificateExists(service=service, name=same["name"], certificate_id=same["id"])


def _check_signature(account_id: str, upload: Upload | None, signature: str | None) -> None:
    if signature is None:
        return
    if upload is None:
        raise invalid([FieldFault("signature", "is looked at with a certificate only; send both")])
    if not upload.signed(account_id, signature):
        raise invalid(
            [FieldFault("signature", "must be the base64 signature of the account's ID by the certificate's key")]
        )


def _compared(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _event(kind: str, account_id: str, certificate_id: str, now: int, by: Actor, **more: str) -> Event:
    return Event(kind=kind, account_id=account_id, time=now, data={"id": certificate_id, **more, "by": by})
