"""What a handshake by key takes in the engine's calls alone, in process, without sockets; beside OpenSSL over a memory BIO."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from OpenSSL import SSL

from lamplighter.dtls import DtlsServer, PskRequested, ServerConfig
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig
from tests.bench.dtls_servers import IDENTITIES, context
from tests.bench.measure import Options, Row

HANDSHAKES = 100
"""In one turn."""
COOKIE = bytes(16)

Answer = Callable[[Sequence[bytes]], Sequence[bytes]]
"""A server that takes a client's datagrams and gives its own."""


class OpenSsl:
    """One listening connection for every stranger, as ``dtls_servers`` has it; the peer's own after its cookie."""

    def __init__(self, folder: Path) -> None:
        self._context = context(folder)
        self._context.set_cookie_generate_callback(lambda _: COOKIE)
        self._context.set_cookie_verify_callback(lambda _, cookie: cookie == COOKIE)
        self._listener = self._new()

    def _new(self) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_accept_state()
        connection.set_ciphertext_mtu(1200)
        return connection

    def peer(self) -> Answer:
        connection: SSL.Connection | None = None

        def answer(sent: Sequence[bytes]) -> Sequence[bytes]:
            nonlocal connection
            speaking = connection or self._listener
            for datagram in sent:
                speaking.bio_write(datagram)
            try:
                if connection is None:
                    speaking.DTLSv1_listen()
                    connection, self._listener = speaking, self._new()
                speaking.do_handshake()
            except SSL.Error:  # more is to come: a hello with its cookie, the client's second flight
                pass
            return [speaking.bio_read(65535)]

        return answer


class Ours:
    def __init__(self) -> None:
        self._engine = DtlsServer(ServerConfig(wall_time=time.time))
        self._peers = 0

    def peer(self) -> Answer:
        engine = self._engine
        self._peers += 1
        address = ("127.0.0.1", self._peers)

        def answer(sent: Sequence[bytes]) -> Sequence[bytes]:
            for datagram in sent:
                engine.receive_datagram(datagram, address, 0.0)
            while (event := engine.next_event()) is not None:
                if isinstance(event, PskRequested):
                    engine.provide_psk(event.handshake, IDENTITIES.get(event.identity), 0.0)
            return [datagram for datagram, _ in engine.datagrams_to_send(0.0)]

        return answer


def microseconds(server: Ours | OpenSsl, config: Callable[[int], ClientConfig]) -> list[float]:
    """What each of some handshakes took on the server's side."""
    clock = time.perf_counter_ns
    spent = []
    for number in range(HANDSHAKES):
        client = DtlsClient(config(number))
        client.connect(0.0)
        before = clock()
        answer = server.peer()
        took = clock() - before
        while sent := [datagram for datagram, _ in client.datagrams_to_send(0.0)]:
            before = clock()
            answers = answer(sent)
            took += clock() - before
            for datagram in answers:
                client.receive_datagram(datagram, "server", 0.0)
        if client.session is None:
            raise RuntimeError("no session")
        spent.append(took / 1000)
    return spent


def row(options: Options, config: Callable[[int], ClientConfig], folder: Path) -> Row:
    """``config`` gives clients with a key; ``folder`` is that of the servers' credentials."""
    ours, theirs = Ours(), OpenSsl(folder)
    found: dict[Ours | OpenSsl, list[float]] = {ours: [], theirs: []}
    for _ in range(4 * options.rounds):
        for server, spent in found.items():
            spent += microseconds(server, config)
    return Row(
        what="PSK handshake, engine calls only",
        ours=median(found[ours]),
        peer="pyOpenSSL",
        theirs=median(found[theirs]),
        goal="≤ 60 µs",
        goal_ratio=60 / 59.5,
        limit=60,
    )
