"""What may happen to claims of devices, and what the bootstrap asks and tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lamplighter.api.page import Page
from lamplighter.bus.bus import Bus
from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339
from lamplighter.errors import enrollment as errors
from lamplighter.ids import Ids, is_id
from lamplighter.services.enrollment import denials, store
from lamplighter.services.enrollment.bulk import Bulk
from lamplighter.services.enrollment.claiming import Claiming, gone
from lamplighter.services.enrollment.events import CLAIM_CREATED, CLAIM_USED, DENIED
from lamplighter.services.enrollment.identity import identity_of, identity_of_fingerprint, key_of
from lamplighter.services.enrollment.model import (
    BlackListedDeviceData,
    DenialAttemptsResponse,
    EnrollmentIdentities,
    EnrollmentIdentity,
)
from lamplighter.services.enrollment.worker import BulkWorker
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Reader, Row, Transaction, UniqueViolation

__all__ = ["Claim", "Enrollment", "identity_of", "identity_of_fingerprint"]

LARGE = 10_000
"""Claims of an account above which their number is remembered for api.count_age: to count them takes milliseconds."""
PRUNED = 500
"""Expired claims that one transaction deletes."""
AGAIN = 60 * MICROSECONDS
"""A device that is refused again within this time is counted and not written anew."""
NAME_LENGTH = 255
"""Characters of an endpoint name that a refused device gave itself."""


class Claim(NamedTuple):
    """Who has claimed a device, and as which device it was enrolled, if it was."""

    account_id: str
    id: str
    device_id: str | None


class Enrollment:
    """The claims of all accounts.

    :param process: the name of this process, for bulk jobs; another life of it goes on with them at once. Empty: nobody else
        has the name for certain, and a job waits until its time is up
    """

    def __init__(
        self, database: Database, clock: Clock, ids: Ids, settings: Settings, bus: Bus, *, process: str = ""
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._settings = settings
        self._claiming = Claiming(clock, ids, settings)
        self._counted: dict[str, tuple[int, float]] = {}
        self.bulk = Bulk(database, clock, ids, settings, bus)
        self.worker = BulkWorker(database, clock, ids, bus, self._claiming, process)

    # The device side

    async def claim_of(self, reader: Reader, identity: str, now: int) -> Claim | None:
        """The live claim of a device, whichever account has it."""
        row = await store.by_key(reader, key_of(identity))
        if row is None or (row["open_until"] is not None and row["open_until"] <= now):
            return None
        return Claim(row["account_id"], row["id"], row["device_id"])

    async def claimed(self, tx: Transaction, claim: Claim, device_id: str) -> None:
        """The claimed device was bootstrapped as this one: its claim does not expire any more.

        Told again of the same device, it changes nothing; of another one (the record was deleted meanwhile), the claim names
        the new one, and keeps when it was first used. Raises EnrollmentNotFound when the claim was deleted or has expired.
        """
        now = self._clock.now()
        row = await store.get(tx, claim.account_id, claim.id, now)
        if row is not None and row["device_id"] == device_id:
            return
        enrolled = await store.enrol(tx, claim.account_id, claim.id, device_id, now) if row is not None else None
        if enrolled is None:
            raise errors.EnrollmentNotFound(enrollment_id=claim.id)
        data = {"identity": enrolled["identity"], "id": claim.id, "device_id": device_id}
        await append(tx, Event(kind=CLAIM_USED, account_id=claim.account_id, device_id=device_id, time=now, data=data))

    async def denied(self, trusted: Mapping[str, str], endpoint_name: str, why: str) -> None:
        """A device was refused; those accounts trust the certificate that it came with.

        :param trusted: that certificate's id, by account
        :param why: a sentence for the account
        """
        now = self._clock.now()
        shown = "".join([each if each.isprintable() else "?" for each in endpoint_name[:NAME_LENGTH]])

        async def work(tx: Transaction) -> None:
            for account_id, certificate_id in sorted(trusted.items()):
                await self._note(tx, account_id, certificate_id, shown, why, now)

        await self._database.together(work)

    async def _note(
        self, tx: Transaction, account_id: str, certificate_id: str, endpoint_name: str, reason: str, now: int
    ) -> None:
        if await denials.again(tx, account_id, certificate_id, endpoint_name, reason, now - AGAIN):
            return
        seen = {
            "id": self._ids.new(),
            "trusted_certificate_id": certificate_id,
            "endpoint_name": endpoint_name,
            "reason": reason,
        }
        await denials.add(tx, account_id=account_id, now=now, most=self._settings.enrollment.denials, **seen)
        await append(tx, Event(kind=DENIED, account_id=account_id, time=now, data=seen))

    # The owner's side

    async def create(self, account_id: str, identity: str, actor: Mapping[str, str]) -> EnrollmentIdentity:
        """Claim a device. Raises IdentityClaimed, ObjectLimitReached."""
        now = self._clock.now()
        key = key_of(identity)
        row = self._claiming.row(account_id, identity, key, now)
        try:
            async with self._database.transaction() as tx:
                found = await store.by_key(tx, key)
                if found is not None:
                    if found["open_until"] is None or found["open_until"] > now:
                        raise errors.IdentityClaimed(identity=identity)
                    await store.forget_expired(tx, [key], now)
                if not await self._claiming.room.take(tx, account_id, 1):
                    raise self._claiming.full()
                await store.add(tx, row)
                data = {"identity": identity, "id": row["id"], "device_id": None, "by": actor}
                await append(tx, Event(kind=CLAIM_CREATED, account_id=account_id, time=now, data=data))
        except UniqueViolation:
            raise errors.IdentityClaimed(identity=identity) from None
        return _shown(row)

    async def get(self, account_id: str, claim_id: str) -> EnrollmentIdentity:
        """Raises EnrollmentNotFound."""
        row = await store.get(self._database, account_id, claim_id, self._clock.now()) if is_id(claim_id) else None
        if row is None:
            raise errors.EnrollmentNotFound(enrollment_id=claim_id[:40])
        return _shown(row)

    async def list(self, account_id: str, page: Page) -> EnrollmentIdentities:
        now = self._clock.now()
        rows = await store.page(self._database, account_id, page.after, page.descending, page.limit + 1, now)
        return EnrollmentIdentities(
            data=[_shown(row) for row in rows[: page.limit]],
            limit=page.limit,
            after=page.after,
            order=page.order,
            has_more=len(rows) > page.limit,
            total_count=await self._count(account_id, now),
        )

    async def delete(self, account_id: str, claim_id: str, actor: Mapping[str, str]) -> None:
        """Free a device for whoever claims it next; one that was enrolled goes on as it is until it is reset.

        Raises EnrollmentNotFound.
        """
        now = self._clock.now()
        async with self._database.transaction() as tx:
            row = await store.delete(tx, account_id, claim_id, now) if is_id(claim_id) else None
            if row is None:
                raise errors.EnrollmentNotFound(enrollment_id=claim_id[:40])
            await append(tx, gone(account_id, claim_id, row["identity"], row["device_id"], by=actor, now=now))

    async def denial(self, account_id: str, denial_id: str, *, reason: bool = False) -> BlackListedDeviceData:
        """Raises EnrollmentDenialNotFound."""
        row = await denials.get(self._database, account_id, denial_id) if is_id(denial_id) else None
        if row is None:
            raise errors.EnrollmentDenialNotFound(denial_id=denial_id[:40])
        return _denial(row, reason=reason)

    async def list_denials(
        self, account_id: str, certificate_id: str, endpoint_name: str | None, page: Page
    ) -> DenialAttemptsResponse:
        start = page.after or (store.BEHIND_ALL if page.descending else store.BEFORE_ALL)
        rows, total = await denials.page(
            self._database,
            account_id,
            certificate_id,
            endpoint_name,
            after=start,
            descending=page.descending,
            most=page.limit + 1,
        )
        return DenialAttemptsResponse(
            data=[_denial(row, reason="reason" in page.include) for row in rows[: page.limit]],
            limit=page.limit,
            after=page.after,
            order=page.order,
            has_more=len(rows) > page.limit,
            total_count=total,
        )

    # Chores

    async def prune(self) -> int:
        """Forget expired claims, and bulk jobs that were kept for long enough; how many claims."""
        forgotten = 0
        while True:
            async with self._database.transaction() as tx:
                found = await store.prune(tx, self._clock.now(), PRUNED)
            forgotten += found
            if found < PRUNED:
                break
        await self.bulk.prune()
        return forgotten

    async def _count(self, account_id: str, now: int) -> int:
        known = self._counted.get(account_id)
        if known is not None and self._clock.monotonic() - known[1] < self._settings.api.count_age:
            return known[0]
        counted = await store.count(self._database, account_id, now)
        self._counted.pop(account_id, None)
        if counted > LARGE:
            self._counted[account_id] = (counted, self._clock.monotonic())
        return counted


def _shown(row: Row | Mapping[str, Any]) -> EnrollmentIdentity:
    return EnrollmentIdentity(
        id=row["id"],
        account_id=row["account_id"],
        enrollment_identity=row["identity"],
        created_at=to_rfc3339(row["created_at"]),
        claimed_at=to_rfc3339(row["claimed_at"]) if row["claimed_at"] is not None else None,
        expires_at=to_rfc3339(row["expires_at"]),
        enrolled_device_id=row["device_id"],
        etag=str(row["version"]),
    )


def _denial(row: Row, *, reason: bool) -> BlackListedDeviceData:
    found = BlackListedDeviceData(
        id=row["id"],
        account_id=row["account_id"],
        trusted_certificate_id=row["trusted_certificate_id"],
        endpoint_name=row["endpoint_name"],
        created_at=to_rfc3339(row["created_at"]),
    )
    if reason:
        found.reason, found.attempts = row["reason"], row["attempts"]
    return found
