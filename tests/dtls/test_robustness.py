"""Hostile datagrams: real flights, damaged. Nothing may escape from the engine, and nothing may be left behind."""

from __future__ import annotations

from random import Random

import pytest

from lamplighter.dtls import DataReceived, DtlsServer, SessionEstablished
from lamplighter.dtls.client import DtlsClient
from tests.dtls.credentials import certificate_client, certificate_server
from tests.dtls.network import mutated
from tests.dtls.pair import CLIENT_ADDRESS, SERVER_ADDRESS, Pair, psk_client

DATAGRAMS = 5_000
"""For each of four kinds of peer, and as many again for the client."""


PEERS = {
    "key": (psk_client, {}),
    "key, small datagrams, no connection ID": (psk_client, {"connection_id": None, "mtu": 228}),
    "certificate": (certificate_client, {}),
    "certificate, draft connection ID": (certificate_client, {"connection_id_draft": True, "mtu": 300}),
}


@pytest.mark.parametrize("peer", PEERS)
def test_damaged_flights_raise_nothing_and_leave_nothing(peer: str) -> None:
    random = Random(peer)
    make, options = PEERS[peer]
    engine = DtlsServer(certificate_server())
    fed = 0
    while fed < DATAGRAMS:
        pair = Pair(make(**options), engine, (f"192.0.2.{random.randrange(250)}", random.randrange(1, 65535)))

        def hostile(datagram: bytes) -> list[bytes]:
            nonlocal fed
            damaged = [mutated(random, datagram) for _ in range(4)]
            fed += len(damaged)
            return [*damaged, datagram] if random.random() < 0.7 else damaged

        pair.up = hostile
        pair.connect()
        for _ in range(3):
            pair.client.send(b"hello", pair.now)
            pair.pump()
    engine.handle_timer(1e9)
    engine.handle_timer(2e9)
    assert engine.half_open == 0
    assert len(engine.sessions) == 0
    assert engine.get_timer() is None


@pytest.mark.parametrize("peer", PEERS)
def test_damaged_answers_raise_nothing_in_the_client(peer: str) -> None:
    random = Random(peer)
    make, options = PEERS[peer]
    fed = 0
    while fed < DATAGRAMS:
        pair = Pair(make(**options), certificate_server())

        def hostile(datagram: bytes) -> list[bytes]:
            nonlocal fed
            damaged = [mutated(random, datagram) for _ in range(8)]
            fed += len(damaged)
            return [*damaged, datagram]

        pair.down = hostile
        pair.connect()
        pair.advance(3)


def test_noise_raises_nothing() -> None:
    random = Random(1)
    pair = Pair()
    pair.connect()
    client = DtlsClient(psk_client())
    client.connect(0.0)
    for _ in range(3000):
        noise = random.choice((b"", b"\x16\xfe\xfd", b"\x19\xfe\xfd", b"\x17\xfe\xfd\0\1")) + random.randbytes(
            random.randrange(80)
        )
        pair.server.receive_datagram(noise, CLIENT_ADDRESS, pair.now)
        client.receive_datagram(noise, SERVER_ADDRESS, 0.0)
    pair.client.send(b"still here", pair.now)
    pair.pump()
    assert pair.of_server(SessionEstablished) and pair.of_server(DataReceived)
