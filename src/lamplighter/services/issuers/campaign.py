"""Certificates that are renewed by themselves before they expire, as configurations say (``renewal_days``).

Every process that does chores looks; a certificate is claimed by the one that begins its renewal, for as long as it may take. A
pace keeps a fleet whose certificates end on one day from asking the issuer for all of them at once.
"""

from __future__ import annotations

import structlog

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import Error, connect
from lamplighter.errors import issuers as errors
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.services.issuers import enrollment_store as store
from lamplighter.services.issuers.renewals import Renewals
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Row

log = structlog.get_logger("lamplighter.renewals")

LOOK = 10.0
"""Seconds between two looks."""
DAY = 86_400 * MICROSECONDS
AFTER_RENEWAL = DAY
"""Until a certificate whose renewal was begun is looked at again: where it succeeded, there is a new one by then."""
AFTER_ABSENCE = 3600 * MICROSECONDS
"""The same of a device that could not be asked."""


class Campaign:
    """Begins what is due."""

    def __init__(self, database: Database, clock: Clock, settings: Settings, renewals: Renewals) -> None:
        self._database = database
        self._clock = clock
        self._together = max(1, round(settings.issuers.renewals_per_minute * LOOK / 60))
        self._renewals = renewals
        self._looked = -LOOK
        self._turn = 0

    async def tick(self) -> int:
        """Look, if it is time to; how many renewals were begun. Raises DatabaseUnavailable."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK:
            return 0
        self._looked = now
        await self._renewals.ask_again()
        return await self.step()

    async def step(self) -> int:
        """Begin as many as the pace allows; how many. Raises DatabaseUnavailable."""
        rules = await store.rules(self._database)
        if not rules:
            return 0
        # Another rule is first each time, so that one with many that are due does not keep the others waiting.
        self._turn = (self._turn + 1) % len(rules)
        begun, left = 0, self._together
        for place in range(len(rules)):
            rule, share = rules[(self._turn + place) % len(rules)], -(-left // (len(rules) - place))
            now = self._clock.now()
            before = now + rule["renewal_days"] * DAY
            names = (rule["account_id"], rule["reference"])
            for row in await store.due(self._database, *names, before=before, now=now, limit=share):
                left -= 1
                begun += await self._begin(row, now)
        return begun

    async def _begin(self, row: Row, now: int) -> bool:
        async with self._database.transaction() as tx:
            if not await store.claim(tx, row, now + AFTER_RENEWAL):
                return False
        own = (row["account_id"], row["device_id"])
        try:
            await self._renewals.renew(*own, row["certificate_name"], None)
        except errors.RenewalRunning:
            return False
        except (errors.RenewalNotConnected, connect.QueueIsFull):
            await self._later(row, now, AFTER_ABSENCE)
            return False
        except DeviceNotFound:
            async with self._database.transaction() as tx:
                await store.forget(tx, *own)
            return False
        except errors.RenewalNotSupported as error:
            log.info("a certificate is about to expire and cannot be renewed", account_id=own[0], why=error.text)
            return False
        except Error:
            await self._later(row, now, 0)
            raise
        return True

    async def _later(self, row: Row, now: int, wait: int) -> None:
        """Nothing was begun: it may be tried again before the claim has passed."""
        claimed = {"account_id": row["account_id"], "id": row["id"], "try_at": now + AFTER_RENEWAL}
        async with self._database.transaction() as tx:
            await store.claim(tx, claimed, now + wait)
