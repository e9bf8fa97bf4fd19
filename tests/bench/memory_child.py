"""Fills a process with sessions and prints what each takes: ``python -m tests.bench.memory_child WHICH SESSIONS FOLDER``.

The clients are in the same process and gone, one by one, before the memory is read.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from OpenSSL import SSL

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.dtls import DataReceived, DtlsServer, PskRequested, ServerConfig
from lamplighter.dtls.client import DtlsClient
from tests.bench.coap import get_time
from tests.bench.dtls import psk_config
from tests.bench.dtls_servers import IDENTITIES, context

WARM = 1_000
"""Sessions made before the first reading, so that code and caches do not count."""


def resident() -> float:
    """KB in memory, after giving back what is free."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


class Ours:
    def __init__(self) -> None:
        self.server = DtlsServer(ServerConfig(wall_time=time.time))
        self.endpoint = Endpoint(Random(1))
        self.now = 0.0

    def connect(self, number: int) -> None:
        client = DtlsClient(psk_config(number))
        client.connect(self.now)
        address = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 40000)
        self.carry(client, address)
        client.send(get_time(number), self.now)
        self.carry(client, address)

    def carry(self, client: DtlsClient, address: tuple[str, int]) -> None:
        server, endpoint, now = self.server, self.endpoint, self.now
        while sent := client.datagrams_to_send(now):
            for datagram, _ in sent:
                server.receive_datagram(datagram, address, now)
            while (event := server.next_event()) is not None:
                if isinstance(event, PskRequested):
                    server.provide_psk(event.handshake, IDENTITIES.get(event.identity), now)
                elif isinstance(event, DataReceived):
                    endpoint.receive_datagram(event.data, event.session, now)
            while (asked := endpoint.next_event()) is not None:
                if isinstance(asked, RequestReceived):
                    endpoint.respond(asked, Message(Code.CONTENT, payload=b"Nov 21 20:15:01"), now)
            for data, session in endpoint.datagrams_to_send(now):
                server.send(session, data, now)  # type: ignore[arg-type]
            for datagram, _ in server.datagrams_to_send(now):
                client.receive_datagram(datagram, "server", now)

    def idle(self) -> None:
        """Ten minutes pass: flights and messages need no longer be remembered."""
        self.now += 600.0
        self.server.handle_timer(self.now)
        while self.endpoint._peers.next_sweep() is not None and self.endpoint._peers.next_sweep() <= self.now:
            self.endpoint.handle_timer(self.now)


def established(many: int) -> tuple[float, float]:
    """Right after one request each, and ten minutes later."""
    ours = Ours()
    for number in range(WARM):
        ours.connect(number)
    before = resident()
    for number in range(WARM, WARM + many):
        ours.connect(number)
    talking = (resident() - before) / many
    ours.idle()
    return talking, (resident() - before) / many


def exported(many: int) -> float:
    ours = Ours()
    kept: dict[bytes, bytes] = {}

    def keep(numbers: range) -> None:
        for number in numbers:
            ours.connect(number)
            for session in list(ours.server.sessions):
                kept[session.cid] = ours.server.export_session(session)
                ours.server.forget(session)
                ours.endpoint.forget(session, ours.now)

    keep(range(WARM))
    before = resident()
    keep(range(WARM, WARM + many))
    return (resident() - before) / many


def pyopenssl(many: int, folder: Path) -> float:
    """Connections that have answered one record. Their clients are ours, and gone."""
    made = context(folder)
    made.set_cookie_generate_callback(lambda _: b"a cookie")
    made.set_cookie_verify_callback(lambda _, cookie: cookie == b"a cookie")
    kept: list[SSL.Connection] = []

    def connect(number: int) -> None:
        server = SSL.Connection(made, None)
        server.set_accept_state()
        server.set_ciphertext_mtu(1200)
        client = DtlsClient(psk_config(number, None))
        client.connect(0.0)
        _carry(client, server, lambda: server.do_handshake())
        client.send(b"hello", 0.0)
        _carry(client, server, lambda: server.send(server.recv(100)))
        kept.append(server)

    for number in range(200):
        connect(number)
    before = resident()
    for number in range(200, 200 + many):
        connect(number)
    return (resident() - before) / many


def _carry(client: DtlsClient, server: SSL.Connection, step: Callable[[], object]) -> None:
    while sent := client.datagrams_to_send(0.0):
        for datagram, _ in sent:
            server.bio_write(datagram)
            try:
                step()
            except SSL.WantReadError:
                pass
            try:
                client.receive_datagram(server.bio_read(65535), "server", 0.0)
            except SSL.WantReadError:
                pass


if __name__ == "__main__":
    which, many = sys.argv[1], int(sys.argv[2])
    if which == "pyopenssl":
        found: tuple[float, ...] = (pyopenssl(many, Path(sys.argv[3])),)
    elif which == "exported":
        found = (exported(many),)
    else:
        found = established(many)
    print("ready", *(round(each, 3) for each in found), flush=True)
