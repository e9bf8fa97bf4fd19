"""TLS over loopback: credentials, records, resumption, refusals and limits, with our own client and with OpenSSL by hand."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from OpenSSL import SSL

from lamplighter.coap.framing import Framing
from lamplighter.dtls import CertificateIdentity, PskIdentity, TrustAnchor
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.transport import tls
from lamplighter.transport.datagram_socket import CannotBind
from lamplighter.transport.dtls import PskKey
from lamplighter.transport.stream import StreamTransport
from lamplighter.transport.stream_session import StreamClosed, StreamEstablished, StreamLimits, StreamRefused
from lamplighter.transport.tcp_client import ConnectionRefused
from lamplighter.transport.tls import TlsTransport
from lamplighter.transport.tls_client import TlsClientTransport
from lamplighter.transport.tls_context import PskOffer, client_context
from tests.coap.pair import get
from tests.dtls.pki import SIGN, authority, device, issue
from tests.transport.stream_service import LARGE, PATIENCE, Service, StreamDevice, serving, with_certificate


def with_key(identity: bytes = b"lamp-1", key: bytes = b"0123456789abcdef") -> ClientConfig:
    return ClientConfig(wall_time=time.time, psk_identity=identity, psk=key)


@pytest.mark.parametrize("framing", [Framing.RECORD, Framing.RFC8323])
async def test_a_device_with_a_key_is_answered(framing: Framing) -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(), framing)
        await lamp.connect(service)
        assert await lamp.ask("3") == b"credential of lamp-1: 3"
        (session,) = service.established
        assert session.identity == PskIdentity(b"lamp-1")
        assert session.cipher == "PSK-AES128-CCM8"
        assert service.core.framing_of(session) is framing
        lamp.transport.close()
        await service.wait_for(StreamClosed)
        assert service.closed == ["the peer closed the session"]


@pytest.mark.parametrize("framing", [Framing.RECORD, Framing.RFC8323])
async def test_a_device_with_a_certificate_is_answered(framing: Framing) -> None:
    async with serving() as service:
        lamp = StreamDevice(with_certificate(service), framing, alpn=framing is Framing.RFC8323)
        await lamp.connect(service)
        assert await lamp.ask("3") == b"a certificate of 1: 3"
        (session,) = service.established
        assert isinstance(session.identity, CertificateIdentity) and len(session.identity.fingerprints) == 2
        assert session.valid_until == pytest.approx(time.time() + 30 * 86400, abs=60)
        assert session.cipher == "ECDHE-ECDSA-AES128-CCM8"
        lamp.transport.close()


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [((0xC02C, 0xC02B), "ECDHE-ECDSA-AES128-GCM-SHA256"), ((0xC02C,), "ECDHE-ECDSA-AES256-GCM-SHA384")],
)
async def test_sha_384_is_agreed_last_because_mbed_tls_then_signs_with_it(
    offered: tuple[int, ...], agreed: str
) -> None:
    async with serving() as service:
        lamp = StreamDevice(with_certificate(service, cipher_suites=offered), Framing.RECORD)
        await lamp.connect(service)
        assert await lamp.ask("3") == b"a certificate of 1: 3"
        assert service.established[0].cipher == agreed
        lamp.transport.close()


async def test_a_chain_with_an_intermediate_is_judged_whole_at_first_and_when_resumed() -> None:
    async with serving() as service:
        middle = issue("Lamp makers, hall 2", service.authority, ca=True, key_usage=SIGN)
        lamp = StreamDevice(with_certificate(service, device(middle)), Framing.RECORD)
        for resumed in (False, True):
            await lamp.connect(service)
            assert await lamp.ask("3") == b"a certificate of 2: 3"
            assert isinstance(lamp.transport, TlsClientTransport)
            assert lamp.transport.resumed is resumed
            lamp.transport.close()
            await lamp.closed.get()


@pytest.mark.parametrize("framing", [Framing.RECORD, Framing.RFC8323])
async def test_long_bodies_go_both_ways(framing: Framing) -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(), framing)
        await lamp.connect(service)
        assert await lamp.ask("large") == LARGE
        assert await lamp.ask("x", LARGE) == b"credential of lamp-1: " + LARGE
        lamp.transport.close()


@pytest.mark.parametrize("identity", [b"lamp-1", b"nobody"])
async def test_a_wrong_key_and_an_unknown_name_end_alike_and_without_an_alert(identity: bytes) -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(identity, b"not the key at all"), Framing.RECORD)
        with pytest.raises(ConnectionRefused) as refusal:
            await lamp.connect(service)
        assert "alert" not in str(refusal.value)
        await service.wait_for(StreamRefused)
        assert service.refused == ["the pre-shared key is wrong, or nobody's"]
        assert service.transport.half_open.count == 0


async def test_a_certificate_of_a_stranger_is_refused_with_an_alert_before_our_finished() -> None:
    async with serving() as service:
        stranger = authority("Somebody else")
        lamp = StreamDevice(with_certificate(service, device(stranger)), Framing.RECORD)
        with pytest.raises(ConnectionRefused, match="unknown ca"):
            await lamp.connect(service)
        await service.wait_for(StreamRefused)
        assert "no trusted issuer" in service.refused[0]
        assert service.established == []


async def test_a_device_without_any_credential_is_refused() -> None:
    async with serving() as service:
        config = with_certificate(service)
        lamp = StreamDevice(config, Framing.RECORD)
        lamp.transport._context = client_context((), None, config.cipher_suites, None)  # type: ignore[attr-defined]
        with pytest.raises(ConnectionRefused, match="handshake"):
            await lamp.connect(service)
        await service.wait_for(StreamRefused)
        assert "did not return a certificate" in service.refused[0]


async def test_a_server_that_is_not_the_devices_is_refused_by_the_device() -> None:
    async with serving() as service:
        wrong = [TrustAnchor.from_der(authority("Somebody else").der)]
        lamp = StreamDevice(with_certificate(service, trust_anchors=wrong), Framing.RECORD)
        with pytest.raises(ConnectionRefused, match="unknown_ca"):
            await lamp.connect(service)


async def test_a_session_is_resumed_by_its_ticket_with_the_same_identity() -> None:
    async with serving() as service:
        for lamp in (StreamDevice(with_key(), Framing.RECORD), StreamDevice(with_certificate(service), Framing.RECORD)):
            for _ in range(2):
                await lamp.connect(service)
                await lamp.ask("3")
                lamp.transport.close()
                await lamp.closed.get()
        events = [event for event in service.happened if isinstance(event, StreamEstablished)]
        assert [event.resumed for event in events] == [False, True, False, True]
        assert events[0].session.identity == events[1].session.identity == PskIdentity(b"lamp-1")
        assert events[2].session.identity == events[3].session.identity
        assert events[1].session.credential == "credential of lamp-1"


async def test_a_ticket_of_another_process_leads_to_a_whole_handshake_and_a_ticket_of_this_one() -> None:
    async with (
        serving() as first,
        serving(certificate_chain=first.credential.chain, private_key=first.credential.key) as second,
    ):
        second.anchors = first.anchors
        for lamp in (StreamDevice(with_key(), Framing.RECORD), StreamDevice(with_certificate(first), Framing.RECORD)):
            for service in (first, second, second, first):
                await lamp.connect(service)
                await lamp.ask("3")
                lamp.transport.close()
                await lamp.closed.get()
        told = [[each.resumed for each in at.happened if isinstance(each, StreamEstablished)] for at in (first, second)]
        assert told == [[False] * 4, [False, True] * 2]


async def test_tickets_are_sealed_with_a_new_key_when_the_old_one_is_of_age(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        for age in (tls.TICKET_KEY_AGE, 0.0, tls.TICKET_KEY_AGE):
            monkeypatch.setattr(tls, "TICKET_KEY_AGE", age)
            await lamp.connect(service)
            assert await lamp.ask("3") == b"credential of lamp-1: 3"
            lamp.transport.close()
            await lamp.closed.get()
        events = [event for event in service.happened if isinstance(event, StreamEstablished)]
        assert [event.resumed for event in events] == [False, False, True]


@pytest.mark.parametrize("changed", [None, b"another key for it"])
async def test_a_deleted_or_changed_key_ends_resumption(changed: bytes | None) -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        await lamp.connect(service)
        lamp.transport.close()
        await lamp.closed.get()
        await service.wait_for(StreamClosed)
        del service.keys[b"lamp-1"]
        if changed:
            service.keys[b"lamp-1"] = changed
        await lamp.transport.connect("127.0.0.1", service.port)
        await service.wait_for(StreamRefused)
        assert service.refused == ["the key that the session rests on is gone"]


async def test_a_certificate_that_is_blocked_meanwhile_ends_resumption() -> None:
    async with serving() as service:
        lamp = StreamDevice(with_certificate(service), Framing.RECORD)
        await lamp.connect(service)
        lamp.transport.close()
        await lamp.closed.get()
        service.anchors.clear()
        await lamp.transport.connect("127.0.0.1", service.port)
        await service.wait_for(StreamRefused)
        assert "no trusted issuer" in service.refused[0]


async def test_a_session_that_is_not_remembered_is_not_resumed_and_the_next_handshake_is_whole() -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        await lamp.connect(service)
        lamp.transport.close()
        await lamp.closed.get()
        assert isinstance(service.transport, TlsTransport)
        service.transport._sessions.clear()
        await lamp.transport.connect("127.0.0.1", service.port)
        await service.wait_for(StreamRefused)
        await lamp.closed.get()
        await lamp.connect(service)
        assert await lamp.ask("3") == b"credential of lamp-1: 3"
        lamp.transport.close()


async def test_a_key_that_cannot_be_looked_up_ends_the_connection_and_is_reported() -> None:
    loop = asyncio.get_running_loop()
    reported: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda loop, context: reported.append(context))
    async with serving() as service:

        async def away(identity: bytes) -> PskKey | None:
            raise ConnectionError("the database is away")

        assert isinstance(service.transport, TlsTransport)
        service.transport.psk_key = away
        with pytest.raises(ConnectionRefused):
            await StreamDevice(with_key(), Framing.RECORD).connect(service)
        await service.wait_for(StreamRefused)
    loop.set_exception_handler(None)
    assert isinstance(reported[0]["exception"], ConnectionError)


class Raw:
    """OpenSSL on a socket of asyncio, by hand: every record as it was sent."""

    def __init__(self, config: ClientConfig) -> None:
        self._offer = PskOffer(config.psk_identity, config.psk)
        self.tls = SSL.Connection(
            client_context((), None, config.cipher_suites, self._offer),
            None,
        )
        self.tls.set_connect_state()

    async def connect(self, service: Service) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", service.port)
        while True:
            try:
                self.tls.do_handshake()
            except SSL.WantReadError:
                await self._carry()
            else:
                break
        self._drain()

    async def receive(self) -> bytes:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    return self.tls.recv(1 << 16)
                except SSL.WantReadError:
                    await self._carry()

    def send(self, *records: bytes) -> None:
        """All of them in one segment."""
        for data in records:
            self.tls.send(data)
        self._drain()

    async def _carry(self) -> None:
        self._drain()
        async with asyncio.timeout(PATIENCE):
            data = await self.reader.read(65536)
        assert data, "the server closed the connection"
        self.tls.bio_write(data)

    def _drain(self) -> None:
        try:
            self.writer.write(self.tls.bio_read(1 << 16))
        except SSL.WantReadError:
            return


async def test_records_of_the_vendors_client_are_messages_even_when_they_arrive_together() -> None:
    async with serving() as service:
        raw = Raw(with_key())
        await raw.connect(service)
        first, second = bytes.fromhex("44010001000000aab133"), bytes.fromhex("44010002000000bbb134")
        raw.send(first, second, bytes.fromhex("40000003"))
        answers = [await raw.receive() for _ in range(3)]
        text = b"credential of lamp-1: "
        assert answers == [
            bytes.fromhex("70000003"),  # the engine answers a ping itself, at once
            bytes.fromhex("64450001000000aaff") + text + b"3",
            bytes.fromhex("64450002000000bbff") + text + b"4",
        ]
        raw.writer.close()


async def test_the_vendors_client_hears_nothing_before_it_speaks() -> None:
    async with serving() as service:
        raw = Raw(with_key())
        await raw.connect(service)
        await service.wait_for(StreamEstablished)
        service.core.request(service.established[0], get("3"), service.transport.now())
        service.transport.flush()
        raw.send(bytes.fromhex("40000001"))
        assert (await raw.receive())[1] == 1  # the GET that waited, and no CSM before it
        raw.writer.close()


async def test_the_time_is_in_the_servers_random() -> None:
    async with serving() as service:
        raw = Raw(with_key())
        await raw.connect(service)
        assert int.from_bytes((raw.tls.server_random() or b"")[:4], "big") == pytest.approx(time.time(), abs=30)
        assert raw.tls.get_protocol_version_name() == "TLSv1.2"
        raw.writer.close()


async def test_renegotiation_is_refused() -> None:
    async with serving() as service:
        raw = Raw(with_key())
        await raw.connect(service)
        raw.tls.renegotiate()
        with pytest.raises(SSL.WantReadError):
            raw.tls.do_handshake()
        with pytest.raises(SSL.Error, match="no renegotiation"):
            await raw.receive()
        raw.writer.close()


def client_hello(*extensions: int) -> bytes:
    """One record: PSK-AES128-CCM8, and these extensions, empty."""
    listed = b"".join(number.to_bytes(2, "big") + b"\0\0" for number in extensions)
    hello = b"\x03\x03" + bytes(32) + bytes.fromhex("00 0004 c0a8 00ff 01 00") + len(listed).to_bytes(2, "big") + listed
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    return bytes.fromhex("160303") + len(message).to_bytes(2, "big") + message


EXTENDED_MASTER_SECRET, SESSION_TICKET = 23, 35


@pytest.mark.parametrize(
    ("setting", "extensions", "ticket"),
    [
        ("preferred", (SESSION_TICKET,), False),  # RFC 7627 section 5.3: nothing to resume
        ("preferred", (SESSION_TICKET, EXTENDED_MASTER_SECRET), True),
        ("required", (SESSION_TICKET, EXTENDED_MASTER_SECRET), True),
        ("required", (SESSION_TICKET,), None),
    ],
)
async def test_without_the_extended_master_secret_there_is_no_ticket_or_no_session(
    setting: str, extensions: tuple[int, ...], ticket: bool | None
) -> None:
    async with serving(extended_master_secret=setting) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(client_hello(*extensions))
        async with asyncio.timeout(PATIENCE):
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[3:], "big"))
        if ticket is None:
            assert head + body == bytes.fromhex("15030300020228")  # handshake_failure
        else:
            assert (b"\x00\x23\x00\x00" in body) is ticket
            assert (b"\x00\x17\x00\x00" in body) is (EXTENDED_MASTER_SECRET in extensions)
        writer.close()


async def test_what_is_written_after_the_peer_has_gone_is_dropped() -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        await lamp.connect(service)
        await lamp.ask("3")
        connection = service.transport.connections[service.established[0]]
        service.transport.end_session(service.established[0])
        connection.write(b"too late")
        await service.wait_for(StreamClosed)
        assert service.closed == ["closed from this side"]


async def test_too_much_handshake_and_garbage_end_the_connection() -> None:
    async with serving() as service:
        for data in (bytes.fromhex("1603034000") + bytes(17000), b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(data)
            async with asyncio.timeout(PATIENCE):
                try:
                    await reader.read()
                except ConnectionResetError:
                    pass
            writer.close()
        await service.wait_for(StreamRefused, 2)
        assert "bytes of handshake" in service.refused[0]
        assert service.transport.half_open.count == 0


async def test_a_handshake_that_takes_too_long_is_ended() -> None:
    async with serving(limits=StreamLimits(opening=0.01)) as service:
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        await service.wait_for(StreamRefused)
        assert service.refused == ["the handshake took too long"]
        writer.close()


async def test_a_device_that_says_nothing_after_its_handshake_is_closed() -> None:
    async with serving(limits=StreamLimits(opening=0.2)) as service:
        raw = Raw(with_key())
        await raw.connect(service)
        await service.wait_for(StreamClosed)
        assert service.closed == ["the peer said nothing"]
        raw.writer.close()


async def test_a_silent_device_and_one_whose_time_is_over_are_closed() -> None:
    async with serving(limits=StreamLimits(opening=0.2, idle=0.1)) as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        await lamp.connect(service)
        await lamp.ask("3")
        await service.wait_for(StreamClosed)
        assert service.closed == ["the peer was silent for too long"]
    async with serving(limits=StreamLimits(opening=0.2), session_age=0.0) as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        await lamp.connect(service)
        await lamp.ask("3")
        await service.wait_for(StreamClosed)
        assert service.closed == ["the session's time is over"]


async def test_open_connections_are_limited_by_network_and_in_all() -> None:
    async with serving(limits=StreamLimits(half_open_network=1)) as service:
        _, first = await asyncio.open_connection("127.0.0.1", service.port)
        _, second = await asyncio.open_connection("127.0.0.1", service.port)
        await service.wait_for(StreamRefused)
        assert service.refused == ["too many connections"]
        assert len(service.transport.connections) == 1
        first.close()
        second.close()
    async with serving(limits=StreamLimits(connections=1)) as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        await lamp.connect(service)
        with pytest.raises((ConnectionRefused, ConnectionResetError)):
            await StreamDevice(with_key(), Framing.RECORD).connect(service)
        assert await lamp.ask("3") == b"credential of lamp-1: 3"
        lamp.transport.close()


async def test_a_device_that_does_not_read_is_closed() -> None:
    async with serving(limits=StreamLimits(unsent=1000)) as service:
        raw = Raw(with_key())
        await raw.connect(service)
        raw.send(bytes.fromhex("40000001"))
        await raw.receive()
        connection = service.transport.connections[service.established[0]]
        while not service.closed:
            connection.write(bytes(16384))
            await asyncio.sleep(0)
        assert service.closed == ["the peer does not read what it is sent"]
        raw.writer.close()


async def test_ending_a_session_tells_the_device() -> None:
    async with serving() as service:
        lamp = StreamDevice(with_key(), Framing.RECORD)
        await lamp.connect(service)
        await service.wait_for(StreamEstablished)
        service.transport.end_session(service.established[0])
        async with asyncio.timeout(PATIENCE):
            assert await lamp.closed.get() == "the server closed the session"


async def test_a_port_in_use_is_named() -> None:
    async with serving() as service:
        another = StreamTransport(service.core, lambda event: None)
        with pytest.raises(CannotBind, match=f"{service.port}/tcp"):
            await another.open("127.0.0.1", service.port)
