"""Stored sessions at work: one is loaded when its device speaks or something waits for it, and goes on with whoever has it.

A device that makes a new handshake where it was is here too: the registration made through its session goes on in the new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import structlog

from lamplighter.dtls import (
    CloseReason,
    DtlsServer,
    ForgedTooOften,
    Session,
    SessionClosed,
    SessionEstablished,
    SessionWanted,
)
from lamplighter.dtls import stored_session as look_into
from lamplighter.errors import Error
from lamplighter.errors.connect import DeviceBlocked
from lamplighter.roles.device_port import DevicePeer, DevicePort
from lamplighter.roles.device_ports import DevicePorts
from lamplighter.roles.gate import Gate, holder_in
from lamplighter.roles.tasks import Tasks
from lamplighter.services.connect.service import Connect, Moved, SessionLost, parse_identity
from lamplighter.services.connect.sessions.service import DeviceSessions, Stored, text_of
from lamplighter.storage.database import Transaction
from lamplighter.transport.dtls import SessionEvent

log = structlog.get_logger("lamplighter.lwm2m")

PRUNE_EVERY = 600.0
"""Seconds between two looks for stored sessions whose time is over."""


class StoredSessions:
    """Joins the table of sessions, the engine, and the registrations made through sessions.

    With another engine than ours nothing is stored; only what a new handshake means is the same.
    """

    def __init__(self, sessions: DeviceSessions, connect: Connect, gate: Gate, ports: DevicePorts[DevicePort]) -> None:
        self._sessions = sessions
        self._connect = connect
        self._gate = gate
        self._ports = ports
        self._replaced: Session | None = None
        """A registered device's session that gave way to another, until that is known."""
        self._tasks = Tasks()

    async def start(self) -> None:
        """Raises DatabaseUnavailable, OSError."""
        self._sessions.on_lost = self.lose
        await self._sessions.start()
        self._tasks.spawn(self._prune())

    async def close(self) -> None:
        """What is held stays stored, for whoever comes next."""
        await self._tasks.close()
        await self._sessions.close()

    def on_session(self, event: SessionEvent) -> None:
        """Take what happens to sessions."""
        match event:
            case SessionEstablished(session):
                if self._engine is not None:
                    self._sessions.hold(session, holder_in(session))
                self._succeed(session)
            case SessionWanted():
                self._tasks.spawn(self._resume(event))
            case SessionClosed(session, reason):
                self._sessions.ended(session)
                if reason is CloseReason.REPLACED and self._port.is_registered(session):
                    self._replaced = session
                    asyncio.get_running_loop().call_soon(self._end_replaced, session)
                else:
                    self._port.disconnected(session)

    def reach(self, account_id: str, device_id: str) -> None:
        """Something waits for a device that listens, and that may not have spoken since its session was stored."""
        if self._ports.bound.coaps and (engine := self._engine) is not None:
            self._tasks.spawn(self._reach(engine, account_id, device_id))

    def lose(self, session: Session) -> None:
        """Another process has the session: let go of it without a word to the device."""
        self._ports.dtls.server.forget(session)
        self._sessions.lost(session)
        self._ports.forget(session)
        self._port.disconnected(session)

    @property
    def _port(self) -> DevicePort:
        return self._ports.secure

    @property
    def _engine(self) -> DtlsServer | None:
        """Our own; None: another, and nothing is stored."""
        server = self._ports.dtls.server
        return server if isinstance(server, DtlsServer) else None

    # Loading

    async def _resume(self, wanted: SessionWanted) -> None:
        """A device speaks in a session that is not in memory: load it, or drop what came."""
        engine = self._engine
        assert engine is not None, "only ours wants sessions"
        resumed = False
        try:
            for stored in await self._sessions.find(wanted.cid, text_of(wanted.address)):
                if resumed := await self._load(engine, wanted, stored):
                    break
        except (Error, ValueError) as error:
            log.warning("a stored session was not loaded", why=str(error))
        finally:
            if not resumed:
                engine.refuse_session(wanted)
        self._ports.dtls.flush()

    async def _load(self, engine: DtlsServer, wanted: SessionWanted, stored: Stored) -> bool:
        """Take the session over, with the registration made through it. False: it is not the one, or not good any more.

        Raises DatabaseUnavailable, and ValueError for one that cannot be used.
        """
        mark = stored.receive_mark
        try:
            seen = engine.proven_session(wanted, stored.blob, receive_mark=mark)
        except ForgedTooOften as error:
            log.warning("a stored session is void", why=str(error), credential=stored.credential)
            await self._sessions.discard(stored)
            return False
        if seen is None or (taken := await self._take(stored, seen, wanted.address)) is None:
            return False
        incarnation, moved = taken
        now = self._port.now()
        session = engine.restore_session(wanted, stored.blob, now, incarnation=incarnation, receive_mark=mark)
        self._resumed(session, stored, moved)
        return True

    async def _reach(self, engine: DtlsServer, account_id: str, device_id: str) -> None:
        try:
            credential = await self._connect.credential_of_listening(account_id, device_id)
            found = await self._sessions.of_credential(credential) if credential else []
            if not found or self._sessions.is_held(found[0].id) or self._connect.is_here(account_id, device_id):
                return
            stored = found[0]
            seen = look_into(stored.blob)
            if (taken := await self._take(stored, seen, seen.address)) is None:
                return
            if self._connect.is_here(account_id, device_id):
                return  # it came meanwhile, by another session: that is the one to go on in, not what it left behind
            incarnation, moved = taken
            session = engine.import_session(
                stored.blob, self._port.now(), incarnation=incarnation, receive_mark=stored.receive_mark
            )
        except (Error, ValueError) as error:
            log.warning("a stored session was not loaded", why=str(error))
            return
        peer = self._resumed(session, stored, moved)
        if peer is not None:
            self._connect.contacted(peer)

    async def _take(self, stored: Stored, seen: Session, address: Hashable) -> tuple[int, Moved | None] | None:
        """Make a stored session this process's, with the registration made through it; its incarnation. None: it is not to
        be had, or what it rests on is gone."""
        if not await self._gate.credential_holds(seen):
            log.info("a stored session is void: what it rests on is gone", credential=stored.credential)
            await self._sessions.discard(stored)
            return None
        moved: list[Moved | None] = []

        async def move(tx: Transaction) -> None:
            identity = parse_identity(holder_in(seen))
            moved[:] = [await self._connect.move(tx, identity, stored.id, text_of(address))]

        try:
            incarnation = await self._sessions.take(stored, move)
        except DeviceBlocked:
            log.info("a stored session is void: its device is kept out", credential=stored.credential)
            await self._sessions.discard(stored)
            return None
        return None if incarnation is None else (incarnation, moved[0])

    def _resumed(self, session: Session, stored: Stored, moved: Moved | None) -> DevicePeer | None:
        """The session is in memory: let its device go on, if it is registered."""
        self._sessions.taken(session, stored)
        self._ports.resting.add(session)
        if moved is None:
            return None
        peer = self._port.resumed(session)
        self._connect.moved(moved, peer)
        return peer

    # A device that made a new handshake where it was: some do so after a pause, and neither register nor update

    def _succeed(self, session: Session) -> None:
        """The session that gave way to this one is told just before it; the registration made through it goes on here."""
        former, self._replaced = self._replaced, None
        if former is not None and (former.address, former.credential) == (session.address, session.credential):
            self._tasks.spawn(self._go_on(former, session))
        elif former is not None:
            self._port.disconnected(former)

    def _end_replaced(self, session: Session) -> None:
        if self._replaced is session:  # by one that was loaded: that has its registration already
            self._replaced = None
            self._port.disconnected(session)

    async def _go_on(self, former: Session, session: Session) -> None:
        moved: list[Moved | None] = []

        async def move(tx: Transaction) -> None:
            identity, where = parse_identity(holder_in(session)), text_of(session.address)
            moved[:] = [await self._connect.move(tx, identity, self._sessions.id_of(session), where)]

        try:
            await self._sessions.carry(session, move)
            for each in filter(None, moved):
                peer = self._port.resumed(session)
                self._connect.moved(each, peer)
                self._connect.contacted(peer)
        except (Error, SessionLost) as error:
            log.info("a registration does not go on in its device's new session", why=str(error))
        finally:
            self._port.disconnected(former)

    async def _prune(self) -> None:
        while True:
            try:
                while await self._sessions.prune():
                    pass
            except Error as error:
                log.warning("stored sessions whose time is over stay for now", why=str(error))
            await asyncio.sleep(PRUNE_EVERY)
