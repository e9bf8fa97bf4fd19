"""Whatever happens to processes, no nonce is used for two plaintexts, and no record has its effect twice.

A model of everything around one session: some processes, a durable row, a network that repeats and delays, crashes at any
moment, exports of any age. The rules are what services/connect/sessions does on a database, in a dozen lines.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from lamplighter.dtls import DataReceived, DtlsServer, Session, SessionEstablished, SessionWanted
from lamplighter.dtls.records import INCARNATION_LIMIT
from tests.dtls.pair import CLIENT_ADDRESS, Pair, psk_client, server_config

PROCESSES = st.integers(0, 1)
ADDRESSES = st.sampled_from([CLIENT_ADDRESS, ("198.51.100.9", 6000), ("203.0.113.5", 7000)])


class Life:
    """One process, and what it has received and not committed yet."""

    def __init__(self) -> None:
        self.server = DtlsServer(server_config(stored_sessions=True, cid_secret=b"s" * 32))
        self.session: Session | None = None
        self.uncommitted: list[bytes] = []
        self.wanted: list[SessionWanted] = []


class OneSession(RuleBasedStateMachine):
    records: Bundle[bytes] = Bundle("records")
    exports: Bundle[bytes] = Bundle("exports")

    @initialize(target=exports, draft=st.booleans(), own=st.sampled_from([b"", b"device"]))
    def connect(self, draft: bool, own: bytes) -> bytes:
        self.lives = [Life() for _ in range(2)]
        pair = Pair(psk_client(connection_id=own, connection_id_draft=draft), self.lives[0].server)
        pair.connect()
        (established,) = pair.of_server(SessionEstablished)
        self.client = pair.client
        self.lives[0].session = established.session
        # The durable row: what one compare-and-swap changes, and what is committed with each effect.
        self.incarnation = established.session.incarnation
        self.mark = established.session.receive_mark
        self.blob = pair.server.export_session(established.session)
        self.effects: list[bytes] = []
        self.sealed: dict[bytes, bytes] = {}
        self.sent = 0
        self.now = pair.now
        for datagram in pair.to_client:
            self.note(datagram)
        return self.blob

    def note(self, datagram: bytes) -> None:
        """Every record that a process ever protected: its number is its nonce, and is for one ciphertext."""
        if datagram[0] in (20, 22):  # a flight of epoch 0, or what follows ChangeCipherSpec
            return
        number = datagram[3:11]
        assert self.sealed.setdefault(number, datagram) == datagram, f"nonce {number.hex()} twice"

    def collect(self, life: Life) -> None:
        while (event := life.server.next_event()) is not None:
            match event:
                case DataReceived(session, data):
                    assert session is life.session
                    life.uncommitted.append(data)
                case SessionWanted():
                    life.wanted.append(event)
        for datagram, _ in life.server.datagrams_to_send(self.now):
            self.note(datagram)

    # What may happen

    @rule(target=records)
    def the_device_speaks(self) -> bytes:
        self.sent += 1
        self.client.send(b"message %d" % self.sent, self.now)
        ((datagram, _),) = self.client.datagrams_to_send(self.now)
        return datagram

    @rule(record=records, process=PROCESSES, address=ADDRESSES)
    def a_record_arrives(self, record: bytes, process: int, address: Any) -> None:
        """Anywhere, at any time, any number of times."""
        life = self.lives[process]
        life.server.receive_datagram(record, address, self.now)
        self.collect(life)

    @rule(process=PROCESSES, size=st.integers(0, 60))
    def a_process_speaks(self, process: int, size: int) -> None:
        """Whether or not it still owns the session: it cannot know."""
        life = self.lives[process]
        if life.session is not None:
            life.server.send(life.session, bytes([process, size]) * size, self.now)
            self.collect(life)

    @rule(process=PROCESSES)
    def a_process_commits(self, process: int) -> None:
        """What it received, and the mark, if the row is still of this life."""
        life = self.lives[process]
        if life.session is None or not life.uncommitted:
            return
        if life.session.incarnation != self.incarnation:
            life.server.forget(life.session)
            life.session, life.uncommitted = None, []
            return
        self.effects += life.uncommitted
        life.uncommitted = []
        self.mark = max(self.mark, life.session.receive_mark)

    @rule(target=exports, process=PROCESSES)
    def a_process_exports(self, process: int) -> bytes:
        life = self.lives[process]
        return self.blob if life.session is None else life.server.export_session(life.session)

    @rule(process=PROCESSES, export=exports, dies=st.booleans())
    def a_process_loads(self, process: int, export: bytes, dies: bool) -> None:
        """From an export of any age; and it may die between taking the life and using it."""
        life = self.lives[process]
        if not life.wanted:
            return
        wanted = life.wanted.pop(0)
        if life.server.proven_session(wanted, export, receive_mark=self.mark) is None:
            life.server.refuse_session(wanted)
            return
        self.incarnation += 1
        assert self.incarnation < INCARNATION_LIMIT
        if dies:
            self.lives[process] = Life()
            return
        taken = self.incarnation
        life.uncommitted = []
        life.session = life.server.restore_session(wanted, export, self.now, incarnation=taken, receive_mark=self.mark)
        self.collect(life)

    @rule(process=PROCESSES)
    def a_process_crashes(self, process: int) -> None:
        self.lives[process] = Life()

    @rule(process=PROCESSES, record=records, address=ADDRESSES, export=exports)
    def a_process_restarts(self, process: int, record: bytes, address: Any, export: bytes) -> None:
        """The three steps in a row, which is what mostly happens."""
        self.a_process_crashes(process)
        self.a_record_arrives(record, process, address)
        self.a_process_loads(process, export, dies=False)

    @invariant()
    def no_message_had_its_effect_twice(self) -> None:
        effects = getattr(self, "effects", [])
        assert len(effects) == len(set(effects))


OneSession.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestOneSession = OneSession.TestCase
