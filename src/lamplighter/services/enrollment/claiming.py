"""Making and deleting many claims in one transaction, row by row as the same calls one by one would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lamplighter.bus.event import Event
from lamplighter.bus.outbox import append
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import FieldFault, access
from lamplighter.errors import enrollment as errors
from lamplighter.ids import Ids
from lamplighter.services.enrollment import store
from lamplighter.services.enrollment.events import CLAIM_DELETED, CLAIMS_CREATED
from lamplighter.services.enrollment.identities_file import Entry
from lamplighter.services.enrollment.identity import key_of
from lamplighter.services.enrollment.reports import ReportLines
from lamplighter.services.enrollment.room import Room
from lamplighter.settings import Settings
from lamplighter.storage.database import Transaction


class Claiming:
    """Claims of all accounts, as they are written."""

    def __init__(self, clock: Clock, ids: Ids, settings: Settings) -> None:
        self.room = Room(clock, settings.enrollment.open_claims)
        self._life = round(settings.enrollment.claim_life * MICROSECONDS)
        self._ids = ids

    def row(self, account_id: str, identity: str, key: str, now: int) -> dict[str, Any]:
        """A new claim.

        :param key: what the identity is compared by
        """
        return {
            "account_id": account_id,
            "id": self._ids.new(),
            "identity": identity,
            "identity_key": key,
            "created_at": now,
            "expires_at": now + self._life,
            "open_until": now + self._life,
            "claimed_at": None,
            "device_id": None,
            "version": 1,
        }

    async def claim_all(
        self, tx: Transaction, account_id: str, entries: Sequence[Entry], job_id: str, now: int
    ) -> ReportLines:
        """Claim them, as far as they are free and there is room. Raises UniqueViolation when others were faster."""
        keys = _keys(entries)
        known = await store.by_keys(tx, keys) if keys else ()
        taken = {row["identity_key"] for row in known if row["open_until"] is None or row["open_until"] > now}
        if len(taken) < len(known):
            await store.forget_expired(tx, keys, now)
        room = await self.room.take(tx, account_id, len(keys) - len(taken))
        lines = ReportLines(now)
        rows: list[dict[str, Any]] = []
        for text, fault in entries:
            if fault is not None:
                lines.failed(text, malformed(fault))
            elif (key := key_of(text)) in taken:
                lines.failed(text, errors.IdentityClaimed(identity=text))
            elif len(rows) == room:
                lines.failed(text, self.full())
            else:
                taken.add(key)
                rows.append(self.row(account_id, text, key, now))
                lines.done(text)
        if rows:
            await store.add_later(tx, rows)
            data = {"identities": [row["identity"] for row in rows], "bulk_id": job_id}
            await append(tx, Event(kind=CLAIMS_CREATED, account_id=account_id, time=now, data=data))
        return lines

    async def delete_all(
        self, tx: Transaction, account_id: str, entries: Sequence[Entry], job_id: str, now: int
    ) -> ReportLines:
        """Delete the account's claims of them."""
        keys = _keys(entries)
        found = await store.delete_keys(tx, account_id, keys, now) if keys else ()
        deleted = {row["identity_key"]: row for row in found}
        await append(
            tx,
            *[gone(account_id, row["id"], row["identity"], row["device_id"], bulk_id=job_id, now=now) for row in found],
        )
        lines = ReportLines(now)
        for text, fault in entries:
            if fault is not None:
                lines.failed(text, malformed(fault))
            elif deleted.pop(key_of(text), None) is not None:
                lines.done(text)
            else:
                lines.failed(text, errors.IdentityNotClaimed(identity=text))
        return lines

    def full(self) -> access.ObjectLimitReached:
        most = self.room.most
        return access.ObjectLimitReached(used=most, limit=most, kind="enrollments whose devices have not come")


def _keys(entries: Sequence[Entry]) -> list[str]:
    """What the rows without a fault are compared by, each once."""
    return list(dict.fromkeys([key_of(entry.text) for entry in entries if entry.fault is None]))


def malformed(fault: str) -> errors.IdentityMalformed:
    return errors.IdentityMalformed(fault=fault, fields=[FieldFault("enrollment_identity", fault)])


def gone(account_id: str, claim_id: str, identity: str, device_id: str | None, *, now: int, **origin: Any) -> Event:
    """A claim was deleted.

    :param origin: who (``by``) or what (``bulk_id``) did it
    """
    data = {"identity": identity, "id": claim_id, "device_id": device_id, **origin}
    return Event(kind=CLAIM_DELETED, account_id=account_id, device_id=device_id, time=now, data=data)
