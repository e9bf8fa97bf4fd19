"""The renewal of devices' certificates over the air.

A renewal is a row and, in the same transaction, a command in the device's queue: ``POST /35011/0/27002``. The device makes a key
and sends a certification request on its LwM2M session (EST); the answer is kept, so that it is the same when the request is
repeated. The device's answer to the command ends the renewal, in the transaction that ends the command.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from lamplighter.api.filter import Condition
from lamplighter.api.page import Page, envelope
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import Error, FieldFault, connect
from lamplighter.errors import issuers as errors
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.lwm2m.renewal import RENEWAL, RenewalStatus, renewal_payload, renewal_status
from lamplighter.services.connect.model import DeviceRequest
from lamplighter.services.connect.service import Connect, Registered
from lamplighter.services.directory.service import Directory
from lamplighter.services.issuers import enrollment_store as store
from lamplighter.services.issuers import holders
from lamplighter.services.issuers.events import happened
from lamplighter.services.issuers.model import (
    LWM2M,
    NAME,
    CertificateEnrollment,
    Issued,
    Subject,
    device_certificate_of,
    enrollment_of,
)
from lamplighter.services.issuers.service import Issuers, facts_of
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row, Transaction, UniqueViolation

log = structlog.get_logger("lamplighter.renewals")

SERVICE: Final = "renewal"
RETRIES, EXPIRY = 2, 3 * 86400
"""Deliveries of the command after the first, and seconds until it is given up."""
MOST_ANSWERS = 3
"""Keys for which one renewal gives certificates: a device that is restarted meanwhile makes another one."""
ASKED_TOGETHER = 100
PRUNED_TOGETHER = 500
"""Rows that one transaction deletes at most: others want to write too."""
LONGEST_DETAIL = 400
"""Characters."""

WORDS: Final[Mapping[int, str]] = {
    RenewalStatus.ERROR: "The device failed and does not say why.",
    RenewalStatus.INVALID_PARAMETER: "The device was built with a wrong parameter.",
    RenewalStatus.INSUFFICIENT_BUFFER: "A buffer of the device is too small.",
    RenewalStatus.OUT_OF_MEMORY: "The device is out of memory.",
    RenewalStatus.ITEM_NOT_FOUND: "The device has no certificate of that name.",
    RenewalStatus.DEVICE_BUSY: "The device is processing too many certificate renewals.",
    RenewalStatus.BAD_INPUT_FROM_SERVER: "The device could not read the request for the renewal.",
    RenewalStatus.EST_ERROR: "The device did not get a certificate (EST).",
    RenewalStatus.STORAGE_ERROR: "The device could not store the certificate.",
    RenewalStatus.RENEWAL_ITEM_VALIDATION_ERROR: "The device found that the certificate does not fit its key.",
    RenewalStatus.BACKUP_ITEM_ERROR: "The device could not keep its old certificate aside.",
    RenewalStatus.ORIGINAL_ITEM_ERROR: "The device could not read its old certificate.",
    RenewalStatus.RESTORE_BACKUP_ERROR: "The device could not take its old certificate back.",
    RenewalStatus.RENEWAL_STATUS_ERROR: "The device could not note how far the renewal was.",
    RenewalStatus.FORBIDDEN_REQUEST: "The device does not let its bootstrap certificate be renewed.",
    RenewalStatus.ITEM_IS_EMPTY: "The certificate of that name is empty on the device.",
    RenewalStatus.NOT_INITIALIZED: "The device was not ready for renewals.",
    RenewalStatus.INIT_FAILED: "The device could not be made ready for renewals.",
}
"""What the device's answer means, for ``enroll_result_detail``."""


class Renewals:
    """Those of all accounts. In every process that has devices."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        connect: Connect,
        directory: Directory,
        issuers: Issuers,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._connect = connect
        self._directory = directory
        self._issuers = issuers
        # A device is busy with an earlier word of ours, whose end went to a process that is no more.
        self._busy_wait = round(settings.issuers.busy_wait * MICROSECONDS)
        self._kept = round(settings.issuers.enrollments_kept * MICROSECONDS)
        connect.own_commands.listen(SERVICE, self._ended)
        connect.device_deleted = store.forget

    # The applications' side

    async def renew(
        self, account_id: str, device_id: str, certificate_name: str, by: Mapping[str, str] | None
    ) -> CertificateEnrollment:
        """Have a device renew a certificate; this returns once that is durable.

        Raises InvalidParameters, DeviceNotFound, RenewalNotSupported, RenewalNotConnected, RenewalRunning, QueueIsFull.
        """
        if certificate_name != LWM2M and not re.fullmatch(NAME, certificate_name):
            fault = f"must be like customer.dlms, with 1 to 10 of A-Z, a-z, 0-9, _ and - on each side of the dot, or {LWM2M}"
            raise invalid([FieldFault("certificate-name", fault)])
        if not is_id(device_id):
            raise DeviceNotFound(device_id=device_id[:40])
        own = (account_id, device_id, certificate_name)
        try:
            async with self._database.transaction() as tx:
                row = await store.running(tx, *own)
                if row is not None:
                    raise _running(row)
                row = await self._begin(tx, *own, by)
        except UniqueViolation:
            row = await store.running(self._database, *own)
            if row is None:  # the other one has just ended
                return await self.renew(account_id, device_id, certificate_name, by)
            raise _running(row) from None
        return enrollment_of(row)

    async def _begin(
        self, tx: Transaction, account_id: str, device_id: str, certificate_name: str, by: Mapping[str, str] | None
    ) -> Row:
        now, enrollment_id = self._clock.now(), self._ids.new()
        await self._ask(tx, account_id, device_id, certificate_name, enrollment_id)
        values = {
            "account_id": account_id,
            "id": enrollment_id,
            "device_id": device_id,
            "certificate_name": certificate_name,
            "enroll_status": "new",
            "enroll_result": None,
            "detail": None,
            "request": None,
            "chain": None,
            "answers": 0,
            "try_at": None,
            "issuer_id": None,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        await store.add(tx, values)
        await append(tx, self._event("CertificateRenewalBegun", values, by=by))
        row = await store.get(tx, account_id, enrollment_id)
        assert row is not None
        return row

    async def _ask(
        self, tx: Transaction, account_id: str, device_id: str, certificate_name: str, enrollment_id: str
    ) -> None:
        """Raises DeviceNotFound, RenewalNotSupported, RenewalNotConnected, QueueIsFull."""
        payload = base64.b64encode(renewal_payload(certificate_name)).decode()
        body = DeviceRequest("POST", str(RENEWAL), payload_b64=payload)
        try:
            await self._connect.command(tx, SERVICE, account_id, device_id, enrollment_id, body, RETRIES, EXPIRY)
        except connect.ResourceNotFound:
            raise errors.RenewalNotSupported(device_id=device_id) from None
        except connect.DeviceNotConnected:
            raise errors.RenewalNotConnected(device_id=device_id, certificate_name=certificate_name) from None

    async def ask_again(self) -> int:
        """Ask the devices that were busy; how many were to be asked. Raises DatabaseUnavailable."""
        now = self._clock.now()
        found = await store.waiting(self._database, now, ASKED_TOGETHER)
        for row in found:
            account_id, enrollment_id = row["account_id"], row["id"]
            try:
                async with self._database.transaction() as tx:
                    held = await store.lock(tx, account_id, enrollment_id)
                    if held is None or held["try_at"] != row["try_at"]:
                        continue  # another process was first
                    await self._ask(tx, account_id, held["device_id"], held["certificate_name"], enrollment_id)
                    await store.again(tx, account_id, enrollment_id, None)
            except (
                DeviceNotFound,
                errors.RenewalNotSupported,
                errors.RenewalNotConnected,
                connect.QueueIsFull,
            ) as error:
                async with self._database.transaction() as tx:
                    if now < row["created_at"] + EXPIRY * MICROSECONDS:
                        await store.again(tx, account_id, enrollment_id, now + self._busy_wait)
                    else:
                        await self._complete(tx, row, error.text)
        return len(found)

    async def prune(self) -> None:
        """Forget renewals that ended long ago, and certificates that have expired. Raises DatabaseUnavailable."""
        before, found = self._clock.now() - self._kept, PRUNED_TOGETHER
        while found == PRUNED_TOGETHER:
            async with self._database.transaction() as tx:
                found = await store.prune(tx, before, PRUNED_TOGETHER)
        async with self._database.transaction() as tx:
            await holders.prune(tx, self._clock.now())

    async def enrollment(self, account_id: str, enrollment_id: str) -> CertificateEnrollment:
        """Raises CertificateEnrollmentNotFound."""
        row = await store.get(self._database, account_id, enrollment_id) if is_id(enrollment_id) else None
        if row is None:
            raise errors.CertificateEnrollmentNotFound(enrollment_id=enrollment_id[:40])
        return enrollment_of(row)

    async def enrollments(self, account_id: str, page: Page, conditions: Sequence[Condition]) -> dict[str, Any]:
        return await self._page(store.ENROLLMENTS, enrollment_of, account_id, page, conditions)

    async def certificates(self, account_id: str, page: Page, conditions: Sequence[Condition]) -> dict[str, Any]:
        """What devices were given, and when it ends."""
        return await self._page(store.CERTIFICATES, device_certificate_of, account_id, page, conditions)

    async def _page(
        self, search: Any, shown: Any, account_id: str, page: Page, conditions: Sequence[Condition]
    ) -> dict[str, Any]:
        own, order = {"account_id": account_id}, "DESC" if page.descending else "ASC"
        found = await search.page(self._database, own, conditions, order=order, after=page.after, limit=page.limit)
        count = await search.count(self._database, own, conditions)
        data = [shown(row) for row in found[: page.limit]]
        return envelope(page, data, has_more=len(found) > page.limit, total_count=count)

    async def accounts_given(self, leaf: bytes) -> frozenset[str]:
        """The accounts for whose devices that certificate (DER) was issued."""
        return frozenset(await holders.accounts_of(self._database, leaf))

    # The device's side

    async def certify(self, registered: Registered, certificate_name: str, request: bytes) -> tuple[bytes, ...]:
        """The certificates (DER, the leaf first) for a registered device that asks on its session. They are for that device,
        whatever its request says.

        Raises CertificateNotAsked, CertificationRequestInvalid, IssuerFailed, IssuerUnreachable, IssuerNotTrusted.
        """
        account_id, device_id = registered.account_id, registered.device_id
        digest = hashlib.sha256(request).hexdigest()
        refusal = errors.CertificateNotAsked(device_id=device_id, certificate_name=certificate_name[:50])
        row = await store.running(self._database, account_id, device_id, certificate_name)
        if row is not None and row["request"] == digest:
            return _unpacked(row["chain"])
        if row is None or row["answers"] >= MOST_ANSWERS:
            raise refusal
        subject = Subject(registered.endpoint_name, account_id, device_id)
        try:
            issued = await self._issuers.certify(certificate_name, subject, request)
        except Error as error:
            async with self._database.transaction() as tx:
                await store.note(tx, account_id, row["id"], self._clock.now(), error.text[:LONGEST_DETAIL])
            raise
        fingerprint = hashlib.sha256(issued.chain[0]).hexdigest()
        async with self._database.transaction() as tx:
            held = await store.lock(tx, account_id, row["id"])
            if held is None or held["answers"] != row["answers"]:
                raise refusal
            now, packed = self._clock.now(), _packed(issued.chain)
            await store.issued(tx, account_id, row["id"], now, request=digest, chain=packed, issuer_id=issued.issuer_id)
            await holders.hold(tx, account_id, certificate_name, issued)
            await append(tx, self._event("CertificateIssued", row, fingerprint=fingerprint))
        return issued.chain

    async def _ended(
        self, tx: Transaction, account_id: str, device_id: str, item: Mapping[str, Any], details: Mapping[str, Any]
    ) -> None:
        """The command to a device has ended."""
        row = await store.lock(tx, account_id, str(item["id"]))
        if row is None:
            return
        now = self._clock.now()
        if _is_busy(item) and now < row["created_at"] + EXPIRY * MICROSECONDS:
            await store.again(tx, account_id, row["id"], now + self._busy_wait)
            return
        await self._complete(tx, row, _failure(row, item, details))

    async def _complete(self, tx: Transaction, row: Row, failure: str | None) -> None:
        if failure is None:
            await self._keep(tx, row)
            await append(tx, self._event("CertificateRenewed", row))
        else:
            await append(tx, self._event("CertificateRenewalFailed", row, reason=failure))
        result = "success" if failure is None else "failure"
        await store.complete(tx, row["account_id"], row["id"], self._clock.now(), result, failure)
        log.info(
            "a certificate was renewed" if failure is None else "a certificate was not renewed",
            **{name: row[name] for name in ("account_id", "device_id", "certificate_name")},
            why=failure,
        )

    async def _keep(self, tx: Transaction, row: Row) -> None:
        """The device has the certificate that it was given."""
        account_id, device_id = row["account_id"], row["device_id"]
        issued = Issued(_unpacked(row["chain"]), row["issuer_id"])
        await self._issuers.note(tx, account_id, device_id, row["certificate_name"], issued)
        if row["certificate_name"] != LWM2M:
            return
        try:
            await self._directory.reported(tx, account_id, device_id, facts_of(issued))
        except DeviceNotFound:
            return  # deleted meanwhile

    def _event(self, kind: str, row: Row | Mapping[str, Any], **more: Any) -> Any:
        facts = {"certificate_name": row["certificate_name"], **more}
        own = {"device_id": row["device_id"], "by": facts.pop("by", None)}
        return happened(kind, row["account_id"], self._clock.now(), row["id"], **own, **facts)


def _is_busy(item: Mapping[str, Any]) -> bool:
    """Whether the device would have taken it at another time: its own status, or 4.12 as some answer."""
    if item["status"] == 412:
        return True
    return item["status"] == 200 and renewal_status(base64.b64decode(item["payload"])) == RenewalStatus.DEVICE_BUSY


def _failure(row: Row, item: Mapping[str, Any], details: Mapping[str, Any]) -> str | None:
    """Why the device has no new certificate; None: it has."""
    if item["status"] != 200:
        word = item.get("error") or f"status {item['status']}"
        failure = f"The request for the renewal was not done by the device ({word}). {details.get('why', '')}"
    else:
        status = renewal_status(base64.b64decode(item["payload"]))
        if status == RenewalStatus.SUCCESS and row["chain"]:
            return None
        if status is None:
            failure = "The device's answer is no status of a renewal."
        elif status == RenewalStatus.SUCCESS:
            failure = "The device says that it is done, and has fetched no certificate."
        else:
            failure = f"{WORDS.get(status, 'The device failed.')} It answered {status:#x}."
    noted = row["detail"]
    return f"{failure.strip()}{' ' + noted if noted else ''}"


def _running(row: Row) -> errors.RenewalRunning:
    facts = {name: row[name] for name in ("device_id", "certificate_name")}
    return errors.RenewalRunning(**facts, enrollment_id=row["id"])


def _packed(chain: Sequence[bytes]) -> bytes:
    return b"".join(len(each).to_bytes(2, "big") + each for each in chain)


def _unpacked(packed: bytes) -> tuple[bytes, ...]:
    chain, position = list[bytes](), 0
    while position < len(packed):
        length = int.from_bytes(packed[position : position + 2], "big")
        chain.append(bytes(packed[position + 2 : position + 2 + length]))
        position += 2 + length
    return tuple(chain)
