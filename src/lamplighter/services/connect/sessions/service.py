"""Sessions of devices that outlive the process (gateway rules 2.7 and 2.8).

A session is stored in the transaction of its first effect, so that it costs no commit of its own; from then on every effect
notes, in its own transaction, how far the session was heard. Nothing is loaded at a start: a device that speaks brings its
connection ID. Who loads a session takes its next life first, durably; who still holds the life before can send nothing
that this one will ever send, and finds at its next effect that it has lost the session.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.dtls import Session
from lamplighter.dtls.records import INCARNATION_LIMIT
from lamplighter.dtls.sessions import export_session
from lamplighter.errors import Error
from lamplighter.services.connect.peer import SessionLost
from lamplighter.services.connect.sessions import store
from lamplighter.services.connect.sessions.starts import Start, begin
from lamplighter.storage.database import Database, Row, Transaction
from lamplighter.storage.seal import MasterKey, SealBroken

log = logging.getLogger(__name__)

TAKEN = "sessions.taken"
"""Bus subject: a process has loaded a session that another one held."""
CANDIDATES = 4
"""Sessions tried for an address or a credential; there are more than one only for a moment."""
PRUNED_TOGETHER = 1000
STARTS_COUNT = 2**15
"""Starts up to which their number is the least life of a session loaded after them: the lives must not run out of it."""
GONE = 4000
"""Sessions remembered after they went from here, for effects of them that are still on their way."""

Also = Callable[[Transaction], Awaitable[None]]


class Stored(NamedTuple):
    """A session as it is stored, opened."""

    id: str
    incarnation: int
    process: str
    receive_mark: int
    credential: str
    blob: bytes
    """What ``export_session`` made of it."""


class Taken(msgspec.Struct, frozen=True):
    """A session begins another life."""

    id: str
    incarnation: int


class _Held:
    """What this process knows of a session beside the session itself."""

    __slots__ = ("credential", "id", "incarnation", "lost", "stated", "stored")

    def __init__(self, session_id: str, incarnation: int, credential: str, stored: bool) -> None:
        self.id = session_id
        self.incarnation = incarnation
        self.credential = credential
        self.stored = stored
        self.stated: object = None
        """What of it can change, as it was stored last."""
        self.lost = False

    def was_stored(self, stated: object) -> None:
        self.stored = True
        self.stated = stated


class DeviceSessions:
    """The stored sessions, and those of them that this process holds.

    :param folder: where the number of starts is kept beside the database; None: a server keeps the database
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        master_key: MasterKey,
        *,
        process: str = "lwm2m",
        folder: Path | None = None,
    ) -> None:
        self.on_lost: Callable[[Session], None] = lambda session: None
        """Told of each session that another process has taken over."""
        self._database = database
        self._clock = clock
        self._bus = bus
        self._master_key = master_key
        self._process = process
        self._folder = folder
        self._start = Start(0, "")
        self._held: dict[Session, _Held] = {}
        self._by_id: dict[str, Session] = {}
        self._gone: dict[Session, _Held] = {}
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises DatabaseUnavailable, OSError."""
        self._start = await begin(self._database, self._folder)
        self._subscription = await self._bus.subscribe(TAKEN, self._on_taken)

    async def close(self) -> None:
        """Stop. What is held stays stored, for whoever comes next."""
        if self._subscription is not None:
            await self._subscription.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def first_token(self) -> int:
        """Where the tokens of this process begin: 16 bits of the start's number above 32 that count (RFC 9175 section 4)."""
        return self._start.number % 2**16 << 32

    # Sessions of this process

    def hold(self, session: Session, credential: str) -> None:
        """A new session, that is stored with its first effect. ``credential``: the identity it rests on."""
        self._hold(session, _Held(session.cid.hex() or secrets.token_hex(8), session.incarnation, credential, False))

    def id_of(self, session: Session) -> str:
        """The name that an observation in it is stored with; empty for one that is not held."""
        held = self._held.get(session)
        return held.id if held is not None else ""

    def is_held(self, session_id: str) -> bool:
        """Whether the session of that name is in this process's memory."""
        return session_id in self._by_id

    async def note(self, tx: Transaction, session: Session) -> None:
        """To be called in the transaction of every effect that a record of the session has.

        Raises SessionLost when another process has it now, or what it rests on is gone: then there is no effect. What a
        session did before it ended still counts.
        """
        held = self._held.get(session)
        if held is None:
            gone = self._gone.get(session)
            if gone is not None and gone.lost:
                raise SessionLost
            if gone is not None:
                await store.remove(tx, gone.id, gone.incarnation)
            return
        mark = session.receive_mark
        stated = (session.address, session.reader.failures)
        if held.stored and stated == held.stated:
            await store.note(tx, SessionLost, held.id, held.incarnation, mark)
            return
        if not held.stored:
            kept = await store.put(tx, **self._row(session, held, mark))
        else:  # or it could not be reached there after a restart, and forgeries would not add up over its lives
            kept = await store.restate(tx, held.id, held.incarnation, mark, self._sealed(session, held))
        if not kept:
            raise SessionLost
        tx.after_commit(lambda: held.was_stored(stated))

    async def carry(self, session: Session, also: Also) -> None:
        """Do something durably that a session begins with. Raises SessionLost, DatabaseUnavailable."""

        async def work(tx: Transaction) -> None:
            await self.note(tx, session)
            await also(tx)

        await self._database.together(work)

    def ended(self, session: Session) -> None:
        """A session ended: nobody is to load it any more."""
        held = self._let_go(session)
        if held is not None:
            self._spawn(self._remove(held))

    def lost(self, session: Session) -> None:
        """A session is another process's now."""
        held = self._let_go(session)
        if held is not None:
            held.lost = True

    # Sessions of nobody, or of another process

    async def find(self, cid: bytes, address: str) -> list[Stored]:
        """What is stored under that connection ID; without one, under that address."""
        if cid:
            row = await store.session(self._database, cid.hex())
            return self._open([row] if row is not None else [])
        return self._open(await store.sessions_at(self._database, address, CANDIDATES))

    async def of_credential(self, credential: str) -> list[Stored]:
        """What rests on that identity, the youngest first."""
        return self._open(await store.sessions_of(self._database, credential, CANDIDATES))

    async def take(self, stored: Stored, also: Also) -> int | None:
        """Begin the session's next life here, durably; its incarnation. None: somebody else has, or its lives are used up.

        ``also`` is done in the same transaction.
        """
        least = self._start.number if self._start.number < STARTS_COUNT else 0
        following = max(stored.incarnation + 1, least)
        if following >= INCARNATION_LIMIT:
            return None

        async def work(tx: Transaction) -> bool:
            if not await store.take(
                tx, stored.id, stored.incarnation, following, self._process, self._start.generation
            ):
                return False
            await also(tx)
            return True

        if not await self._database.together(work):
            return None
        if stored.process != self._process:
            self._bus.publish(TAKEN, msgspec.json.encode(Taken(stored.id, following)))
        return following

    def taken(self, session: Session, stored: Stored) -> None:
        """The session that was loaded from it lives here now."""
        self._hold(session, _Held(stored.id, session.incarnation, stored.credential, True))

    async def discard(self, stored: Stored) -> None:
        """It is void. A younger session of the same identity is not touched."""
        async with self._database.transaction() as tx:
            await store.remove(tx, stored.id, stored.incarnation)

    async def prune(self) -> int:
        """Remove some sessions whose time is over; how many."""
        async with self._database.transaction() as tx:
            return await store.prune(tx, self._clock.now(), PRUNED_TOGETHER)

    # Inside

    def _hold(self, session: Session, held: _Held) -> None:
        self._held[session] = held
        self._by_id[held.id] = session

    def _let_go(self, session: Session) -> _Held | None:
        held = self._held.pop(session, None)
        if held is not None:
            if self._by_id.get(held.id) is session:
                del self._by_id[held.id]
            self._gone[session] = held
            if len(self._gone) > GONE:
                del self._gone[next(iter(self._gone))]
        return held

    def _row(self, session: Session, held: _Held, mark: int) -> dict[str, object]:
        return {
            "id": held.id,
            "address": None if session.cid else text_of(session.address),
            "incarnation": held.incarnation,
            "process": self._process,
            "sealed": self._sealed(session, held),
            "receive_mark": mark,
            "credential": held.credential,
            "expires_at": round(session.valid_until * MICROSECONDS),
        }

    def _sealed(self, session: Session, held: _Held) -> bytes:
        return self._master_key.seal(export_session(session), _PURPOSE, self._owner(held.id))

    def _open(self, rows: Sequence[Row]) -> list[Stored]:
        found = []
        for row in rows:
            try:
                blob = self._master_key.open(row["sealed"], _PURPOSE, self._owner(row["id"]))
            except SealBroken:  # of a generation that is void
                continue
            kept = (row["id"], row["incarnation"], row["process"], row["receive_mark"], row["credential"])
            found.append(Stored(*kept, blob))
        return found

    def _owner(self, session_id: str) -> str:
        return f"{self._start.generation} {session_id}"

    async def _remove(self, held: _Held) -> None:
        async def work(tx: Transaction) -> None:
            await store.remove(tx, held.id, held.incarnation)

        try:
            await self._database.together(work)
        except Error as error:
            log.warning("a session that ended stays stored until its time is over: %s", error)

    def _on_taken(self, data: bytes) -> None:
        taken = msgspec.json.decode(data, type=Taken)
        session = self._by_id.get(taken.id)
        if session is not None and self._held[session].incarnation < taken.incarnation:
            self.on_lost(session)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_PURPOSE = "device session"


def text_of(address: object) -> str:
    """A socket address as a session without connection ID is found by."""
    return " ".join(map(str, address)) if isinstance(address, tuple) else str(address)
