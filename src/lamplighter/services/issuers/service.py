"""What may happen to certificate issuers and their configurations, and certificates from whoever is configured."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import UNSET

from lamplighter.api.page import Page, envelope
from lamplighter.bus.outbox import append
from lamplighter.clock import Clock
from lamplighter.dtls import AlertDescription, CertificateError
from lamplighter.errors import access
from lamplighter.errors import issuers as errors
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.lwm2m.est import strict_request
from lamplighter.outbound.client import OutboundClient
from lamplighter.services.certificates.service import Authority, certified_key
from lamplighter.services.issuers import enrollment_store, store
from lamplighter.services.issuers import issued as received
from lamplighter.services.issuers.acme import Acme
from lamplighter.services.issuers.cfssl import Cfssl
from lamplighter.services.issuers.challenges import Challenges, is_token
from lamplighter.services.issuers.configurations import Configurations
from lamplighter.services.issuers.est import Est
from lamplighter.services.issuers.events import By, happened
from lamplighter.services.issuers.globalsign import GlobalSign
from lamplighter.services.issuers.issued import Connector, Refused, Unreachable, Use, certification_request
from lamplighter.services.issuers.kinds import Kind, Values, faults_of, kept_credentials
from lamplighter.services.issuers.model import (
    LWM2M,
    CertificateIssuer,
    CertificateIssuerRequest,
    CertificateIssuerUpdateRequest,
    CertificateIssuerVerification,
    Issued,
    Subject,
    issuer_of,
)
from lamplighter.services.issuers.noted import authority_of, facts_of, note_certificate
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Reader, Row, Transaction, UniqueViolation
from lamplighter.storage.seal import MasterKey

PURPOSE = "certificate issuer"
TEST_NAME = "lamplighter-test-certificate"
"""Endpoint name in the certificate by which an issuer is verified. It has the account where others have the device."""

Judge = Callable[[str, Sequence[bytes]], Awaitable[None]]
"""Raises CertificateError for a chain (DER, the leaf first) by which an account's device would not be let in."""


class Issuers:
    """Those of all accounts."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        master_key: MasterKey,
        authority: Authority,
        outbound: OutboundClient,
        judge: Judge,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._settings = settings.access
        self._master_key = master_key
        self._authority = authority
        self._outbound = outbound
        self._judge = judge
        self._opening = asyncio.Lock()
        """Opening a key holds up all threads; so the event loop has its turn before the next."""
        self.challenges = Challenges(database, clock, settings.issuers.acme_domains)
        self.configurations = Configurations(database, clock, ids, settings.access.certificate_configurations)

    # Certificates

    async def certify(self, reference: str, subject: Subject, request: bytes) -> Issued:
        """A certificate for the key of a PKCS#10 request (DER), by whom the account has configured for certificates of that
        name. Whatever the request says, it is the subject's.

        Raises CertificationRequestInvalid, IssuerFailed, IssuerUnreachable, IssuerNotTrusted, AuthorityAway.
        """
        key = await asyncio.to_thread(certified_key, subject.device_id, request)
        row = await self._issuer_for(subject.account_id, reference)
        if row is None:
            return await self._issued_here(key, subject)
        # Only clients of the vendor make their keys themselves.
        use = Use.LWM2M_OF_VENDOR if reference == LWM2M else Use.OWNERS
        return await self._issued_by(row, use, subject, strict_request(request))

    async def equip(self, subject: Subject, *, vendor: bool) -> tuple[ec.EllipticCurvePrivateKey, Issued]:
        """A key that is made here, and a certificate to register with it.

        Raises IssuerFailed, IssuerUnreachable, IssuerNotTrusted, AuthorityAway.

        :param vendor: for a client of the vendor
        """
        key = ec.generate_private_key(ec.SECP256R1())
        row = await self._issuer_for(subject.account_id, LWM2M)
        if row is None:
            return key, await self._issued_here(key.public_key(), subject)
        request = certification_request(key, subject, as_host=row["issuer_type"] == "ACME")
        return key, await self._issued_by(row, Use.LWM2M_OF_VENDOR if vendor else Use.LWM2M, subject, request)

    async def _issued_here(self, key: ec.EllipticCurvePublicKey, subject: Subject) -> Issued:
        return Issued(await self._authority.issue_device_for(key, *subject))

    async def _issued_by(self, row: Row, use: Use, subject: Subject, request: bytes) -> Issued:
        try:
            issued = Issued(tuple(await self._issue(row, use, subject, request)), row["id"])
        except Refused as refusal:
            raise errors.IssuerFailed(name=row["name"], reason=str(refusal)) from refusal
        except Unreachable as failure:
            raise errors.IssuerUnreachable(name=row["name"], reason=str(failure)) from failure
        if use is not Use.OWNERS:
            # Told now: with such a certificate the device would be turned away, and have no other any more. Clients may show
            # it without those above it.
            try:
                await self._judge(subject.account_id, issued.chain[:1])
            except CertificateError as error:
                if error.alert is AlertDescription.UNKNOWN_CA:
                    raise errors.IssuerNotTrusted(authority=authority_of(issued)) from error
                raise errors.IssuerFailed(name=row["name"], reason=error.detail) from error
        return issued

    async def _issuer_for(self, account_id: str, reference: str) -> Row | None:
        """Whoever issues certificates of that name; None: the installation's own authority."""
        configured = await store.configuration_of(self._database, account_id, reference)
        if configured is None or configured["issuer_id"] is None:
            return None
        return await store.issuer(self._database, account_id, configured["issuer_id"])

    async def _issue(self, row: Row, use: Use, subject: Subject, request: bytes) -> list[bytes]:
        """Raises Refused, Unreachable."""
        credentials = msgspec.json.decode(self._master_key.open(row["sealed"], PURPOSE, row["id"]), type=dict[str, str])
        now = self._clock.now()
        connector = self._connector(row["issuer_type"], _attributes(row), credentials)
        chain = await connector.issue(subject, request, now)
        await asyncio.to_thread(received.check, chain, subject, request, use, now)
        return chain

    def _connector(self, kind: Kind, attributes: Values, credentials: Values) -> Connector:
        match kind:
            case "CFSSL_AUTH":
                return Cfssl(self._outbound, attributes, credentials)
            case "GLOBAL_SIGN":
                return GlobalSign(self._outbound, attributes, credentials)
            case "EST":
                return Est(self._outbound, attributes, credentials)
            case "ACME":
                return Acme(self._outbound, self.challenges, attributes, credentials)

    async def note(
        self,
        tx: Transaction,
        account_id: str,
        device_id: str,
        reference: str,
        issued: Issued,
    ) -> None:
        """Note the certificate of that name that a device has from now on, for the report of what expires when."""
        await note_certificate(tx, self._ids, account_id, device_id, reference, issued, self._clock.now())

    async def has_noted(self, reader: Reader, account_id: str, device_id: str, reference: str) -> bool:
        """Whether a device was given a certificate of that name."""
        return await enrollment_store.has(reader, account_id, device_id, reference)

    async def challenge(self, token: str, host: str) -> bytes:
        """What an authority finds under a token at a host while it looks whether that is ours. Raises ChallengeNotFound."""
        answer = await self.challenges.answer(token, host) if is_token(token) else None
        if answer is None:
            raise errors.ChallengeNotFound(token=token[:40])
        return answer.encode()

    # Issuers

    async def issuers(self, account_id: str, page: Page) -> dict[str, Any]:
        """All of them: there are few, and the public API does not page them."""
        rows = await store.all_issuers(self._database, account_id)
        found = [issuer_of(row, _attributes(row)) for row in (reversed(rows) if page.descending else rows)]
        return envelope(page, found, has_more=False, total_count=len(found))

    async def issuer(self, account_id: str, issuer_id: str) -> CertificateIssuer:
        """Raises IssuerNotFound."""
        row = await _issuer(self._database, account_id, issuer_id)
        return issuer_of(row, _attributes(row))

    async def create_issuer(self, account_id: str, by: By, wanted: CertificateIssuerRequest) -> CertificateIssuer:
        """Raises InvalidParameters, ObjectLimitReached, IssuerNameTaken."""
        now, issuer_id, attributes = self._clock.now(), self._ids.new(), _given(wanted.issuer_attributes)
        await self._check(wanted.issuer_type, attributes, wanted.issuer_credentials)
        kept = await self._kept(wanted.issuer_type, wanted.issuer_credentials)
        try:
            async with self._database.transaction() as tx:
                await store.alone(tx, account_id)
                used, limit = len(await store.all_issuers(tx, account_id)), self._settings.certificate_issuers
                if used >= limit:
                    raise access.ObjectLimitReached(used=used, limit=limit, kind="certificate issuers")
                values = {
                    "account_id": account_id,
                    "id": issuer_id,
                    "name": wanted.name,
                    "name_key": _key_of(wanted.name),
                    "description": wanted.description,
                    "issuer_type": wanted.issuer_type,
                    "attributes": msgspec.json.encode(attributes).decode(),
                    "sealed": self._sealed(issuer_id, kept),
                    "version": 1,
                    "created_at": now,
                }
                await store.add_issuer(tx, values)
                await append(tx, happened("CertificateIssuerCreated", account_id, now, issuer_id, by=by))
                row = await _issuer(tx, account_id, issuer_id)
        except UniqueViolation:
            raise errors.IssuerNameTaken(name=wanted.name) from None
        return issuer_of(row, attributes)

    async def change_issuer(
        self, account_id: str, issuer_id: str, by: By, wanted: CertificateIssuerUpdateRequest
    ) -> CertificateIssuer:
        """Raises IssuerNotFound, InvalidParameters, IssuerNameTaken."""
        row = await _issuer(self._database, account_id, issuer_id)
        attributes = None if wanted.issuer_attributes is UNSET else _given(wanted.issuer_attributes)
        credentials = None if wanted.issuer_credentials is UNSET else wanted.issuer_credentials
        await self._check(row["issuer_type"], attributes, credentials)
        if credentials is not None:
            credentials = await self._kept(row["issuer_type"], credentials)
        now = self._clock.now()
        changed = [name for name in wanted.__struct_fields__ if getattr(wanted, name) is not UNSET]
        try:
            async with self._database.transaction() as tx:
                held = await store.lock_issuer(tx, account_id, issuer_id)
                if held is None:
                    raise errors.IssuerNotFound(issuer_id=issuer_id)
                name = held["name"] if wanted.name is UNSET else wanted.name
                await store.change_issuer(
                    tx,
                    account_id,
                    issuer_id,
                    name=name,
                    name_key=_key_of(name),
                    description=held["description"] if wanted.description is UNSET else wanted.description,
                    attributes=held["attributes"] if attributes is None else msgspec.json.encode(attributes).decode(),
                    sealed=held["sealed"] if credentials is None else self._sealed(issuer_id, credentials),
                )
                named = ",".join(changed)
                await append(tx, happened("CertificateIssuerChanged", account_id, now, issuer_id, by=by, changed=named))
                row = await _issuer(tx, account_id, issuer_id)
        except UniqueViolation:
            raise errors.IssuerNameTaken(name=wanted.name) from None
        return issuer_of(row, _attributes(row))

    async def delete_issuer(self, account_id: str, issuer_id: str, by: By) -> None:
        """Raises IssuerNotFound, IssuerInUse."""
        async with self._database.transaction() as tx:
            await store.alone(tx, account_id)
            await _issuer(tx, account_id, issuer_id)
            uses = await store.uses_of(tx, account_id, issuer_id)
            if uses:
                references = ", ".join(row["reference"] for row in uses)
                raise errors.IssuerInUse(issuer_id=issuer_id, references=references, configuration_id=uses[0]["id"])
            await store.delete_issuer(tx, account_id, issuer_id)
            await append(tx, happened("CertificateIssuerDeleted", account_id, self._clock.now(), issuer_id, by=by))

    async def verify_issuer(self, account_id: str, issuer_id: str, by: By) -> CertificateIssuerVerification:
        """Have it issue a certificate that nobody uses. Raises IssuerNotFound, IssuerUnreachable."""
        row = await _issuer(self._database, account_id, issuer_id)
        subject = Subject(_attributes(row).get("acme_test_name") or TEST_NAME, account_id, account_id)
        key, as_host = ec.generate_private_key(ec.SECP256R1()), row["issuer_type"] == "ACME"
        request = certification_request(key, subject, as_host=as_host)
        found = CertificateIssuerVerification(
            True, "The issuer issued a certificate for a key and a name of this test."
        )
        unreachable: Unreachable | None = None
        try:
            await self._issue(row, Use.OWNERS, subject, request)
        except Refused as refusal:
            found = CertificateIssuerVerification(False, f"The issuer issued no certificate: {refusal}.")
        except Unreachable as failure:
            unreachable = failure
            found = CertificateIssuerVerification(False, f"The issuer cannot be reached: {failure}.")
        told = msgspec.structs.asdict(found)
        async with self._database.transaction() as tx:
            now = self._clock.now()
            await append(tx, happened("CertificateIssuerVerified", account_id, now, issuer_id, by=by, **told))
        if unreachable is not None:
            raise errors.IssuerUnreachable(name=row["name"], reason=str(unreachable)) from unreachable
        return found

    # Steps

    async def _check(self, kind: Kind, attributes: Values | None, credentials: Values | None) -> None:
        """Raises InvalidParameters. In a thread: a passphrase takes long to try."""
        async with self._opening:
            faults = await asyncio.to_thread(faults_of, kind, attributes, credentials, self._clock.now())
        if faults:
            raise invalid(faults)

    async def _kept(self, kind: Kind, credentials: Values) -> dict[str, str]:
        async with self._opening:
            return await asyncio.to_thread(kept_credentials, kind, credentials)

    def _sealed(self, issuer_id: str, credentials: Values) -> bytes:
        return self._master_key.seal(msgspec.json.encode(credentials), PURPOSE, issuer_id)


async def _issuer(reader: Reader, account_id: str, issuer_id: str) -> Row:
    """Raises IssuerNotFound."""
    row = await store.issuer(reader, account_id, issuer_id) if is_id(issuer_id) else None
    if row is None:
        raise errors.IssuerNotFound(issuer_id=issuer_id[:40])
    return row


def _given(attributes: dict[str, str] | None) -> dict[str, str]:
    return attributes or {}


def _attributes(row: Row) -> dict[str, str]:
    return msgspec.json.decode(row["attributes"], type=dict[str, str])


def _key_of(name: str) -> str:
    return unicodedata.normalize("NFC", name)


__all__ = ["Issued", "Issuers", "Subject", "facts_of"]
