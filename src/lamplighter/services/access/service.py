"""Accounts, users, policy groups, applications, keys and sessions: who may do what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import chain

import structlog

from lamplighter.api.caller import KEY_LENGTH
from lamplighter.api.filter import Condition
from lamplighter.api.limits import Buckets
from lamplighter.api.operation import Bound
from lamplighter.bus import outbox
from lamplighter.bus.bus import Bus, Subscription
from lamplighter.bus.event import Event
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import Error
from lamplighter.ids import Ids
from lamplighter.services.access import bootstrap, limits
from lamplighter.services.access.accounts import store as account_store
from lamplighter.services.access.accounts.operations import operations as account_operations
from lamplighter.services.access.apikeys.operations import operations as api_key_operations
from lamplighter.services.access.applications.operations import operations as application_operations
from lamplighter.services.access.authenticator import CredentialAuthenticator
from lamplighter.services.access.credentials import Mint
from lamplighter.services.access.events import REVOKED
from lamplighter.services.access.groups.operations import operations as group_operations
from lamplighter.services.access.last_used import LastUsed
from lamplighter.services.access.passwords import Passwords
from lamplighter.services.access.quota import OperationQuota
from lamplighter.services.access.sessions import store as sessions
from lamplighter.services.access.sessions.attempts import FailedLogins
from lamplighter.services.access.sessions.operations import operations as session_operations
from lamplighter.services.access.sessions.throttle import Throttle
from lamplighter.services.access.users.operations import operations as user_operations
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Transaction

log = structlog.get_logger("lamplighter.access")

BEAT = 1.0
"""Seconds between two writings of what is counted in memory."""


TIER_REMEMBERED = 60.0
"""Seconds."""


class Access:
    """The service. ``start`` it after the database and the bus, and ``close`` it before them.

    :param pepper: at least 16 secret bytes, the same in every process and never in the database
    :param passwords: how passwords are hashed, where the standard cost is not wanted
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ids: Ids,
        settings: Settings,
        pepper: bytes,
        bus: Bus,
        *,
        passwords: Passwords | None = None,
    ) -> None:
        self.database = database
        self.clock = clock
        self.ids = ids
        self.settings = settings
        self.bus = bus
        self.mint = Mint(pepper)
        self.passwords = passwords or Passwords()
        self.quota = OperationQuota(database, settings)
        self.authenticator = CredentialAuthenticator(self)
        self.throttle = Throttle(settings.access.login_failures)
        self.failing = Buckets(settings.api.rate_per_second_address, settings.api.rate_burst_address)
        self.failed_logins = FailedLogins()
        self._sessions_kept = max(sessions.KEPT, round(2 * settings.access.session_idle * MICROSECONDS))
        self._tiers: dict[str, tuple[str, float]] = {}
        self._subscription: Subscription | None = None
        self._writer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def operations(self) -> list[Bound]:
        """Everything that this service does over REST."""
        tables = (
            account_operations,
            user_operations,
            group_operations,
            application_operations,
            api_key_operations,
            session_operations,
        )
        return list(chain.from_iterable(table.bind(self) for table in tables))

    async def start(self) -> None:
        """Listen for revocations of other processes, and write once a second what is counted in memory."""
        self._closing.clear()
        self._subscription = await self.bus.subscribe(
            REVOKED, lambda message: self.authenticator.forget(message.decode())
        )
        self._writer = asyncio.create_task(self._write_for_ever())

    async def close(self) -> None:
        self._closing.set()
        if self._writer is not None:
            # Not cancelled: of a commit that is cancelled nobody knows whether it counts.
            await self._writer
            self._writer = None
        if self._subscription is not None:
            await self._subscription.cancel()
            self._subscription = None
        await self._try_to_flush()
        self.passwords.close()

    async def bootstrap(self, before_commit: Callable[[str], None] | None = None) -> str | None:
        """Make the root account with its groups and an application with an administrator access key.

        The key, the only time it can be seen; None when there is a root account already.

        :param before_commit: is given the key before it counts, to keep it where no crash loses it
        """
        return await bootstrap.bootstrap(self, before_commit)

    async def root_account(self) -> str:
        """The id of the root account. Raises AccountNotFound before ``bootstrap``."""
        return await bootstrap.root_account(self)

    async def tier_of(self, account_id: str) -> str:
        """The tier of an account. Remembered for a minute: an account changes it a few times in its life."""
        now = self.clock.monotonic()
        known = self._tiers.get(account_id)
        if known is None or now - known[1] > TIER_REMEMBERED:
            row = await self.database.fetch_one(account_store.GET, id=account_id)
            known = self._tiers[account_id] = (str(row["tier"]) if row is not None else limits.FREE, now)
        return known[0]

    async def certificate_limit(self, account_id: str) -> int:
        """How many trusted certificates an account may have, developer certificates among them."""
        return limits.certificates(self.settings, await self.tier_of(account_id))

    async def make_administrator(self, username: str, email: str, password: str) -> str:
        """Make an administrator user of the root account; the user's id.

        Raises InvalidParameters, UserNameTaken, UserEmailTaken, and AccountNotFound before ``bootstrap``.
        """
        return await bootstrap.make_administrator(self, username, email, password)

    @asynccontextmanager
    async def changing(self, account_id: str) -> AsyncIterator[Transaction]:
        """A transaction that changes an account's users, groups or keys: one at a time in each account.

        They are rare, and so no two can take the last place under a limit, miss each other's deletions, or wait for
        each other in a circle. Raises AccountNotFound.
        """
        async with self.database.transaction() as tx:
            await limits.hold(tx, account_id)
            yield tx

    async def record(self, tx: Transaction, *happened: Event, revokes: bool = False) -> None:
        """Write what happened in an account, in its transaction.

        :param revokes: what processes know of the account's credentials may be wrong from the commit on
        """
        await outbox.append(tx, *happened)
        if revokes and happened:
            tx.after_commit(lambda: self.revoke(happened[0].account_id))

    def revoke(self, account_id: str) -> None:
        """Have every process look up the account's credentials anew."""
        self.authenticator.forget(account_id)
        self.bus.publish(REVOKED, account_id.encode())

    def by_digest(self, condition: Condition) -> Condition:
        """A filter by a whole key compares digests; one by a key as lists show it compares that."""
        if condition.field != "key" or len(condition.value) != KEY_LENGTH:
            return condition
        return Condition("digest", condition.operator, self.mint.digest(condition.value))

    async def flush(self) -> None:
        """Write what is counted in memory now. Raises DatabaseUnavailable, and then keeps it for the next time."""
        counts = self.quota.take()
        times = self.authenticator.last_used.take()
        attempts = self.failed_logins.take()
        if not counts and not times and not attempts:
            return
        try:
            async with self.database.transaction() as tx:
                await self.quota.write(tx, counts)
                await LastUsed.write(tx, times)
                # Sessions before users, as everybody who writes both: so nobody waits in a circle.
                await tx.execute(sessions.PURGE, before=self.clock.now() - self._sessions_kept)
                await FailedLogins.write(tx, attempts)
        except BaseException:
            self.quota.put_back(counts)
            self.authenticator.last_used.put_back(times)
            self.failed_logins.put_back(attempts)
            raise

    async def _write_for_ever(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await self._closing.wait()
            await self._try_to_flush()

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
        except Error as error:
            log.warning("counts are not written yet", error=error.name)
        except Exception:  # a defect; but what is counted later must not suffer for it
            log.exception("counts could not be written")
