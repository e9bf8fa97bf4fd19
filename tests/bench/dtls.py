"""Requests and handshakes over DTLS 1.2 with AES_128_CCM_8, sockets and CoAP included, beside pyOpenSSL; and in process."""

from __future__ import annotations

import select
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lamplighter.dtls import Event, SessionEstablished
from lamplighter.dtls.client import DtlsClient
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.dtls.numbers import ContentType
from tests.bench import dtls_engine
from tests.bench.coap import get_time
from tests.bench.dtls_servers import IDENTITIES, KEY
from tests.bench.measure import Load, Options, Row, child, microseconds
from tests.bench.udp_load import SOCKETS, Flow, ask, connected
from tests.dtls.pki import Credential, authority, device, server

PSK_CCM_8, ECDSA_CCM_8 = 0xC0A8, 0xC0AE
AT_ONCE = 64
"""Handshakes under way at once, in step: as when a network comes back. Our client costs more than either server, so with
fewer, or out of step, a server would mostly be woken for single datagrams, and what is measured were the waking."""
LAMPS = 1000
"""Devices with certificates of their own: more than anyone keeps in memory, as in a fleet that comes back."""
GIVE_UP = 4.0
"""Seconds after which a handshake is not waited for any more. Its cost stays with the others."""


def psk_config(number: int, connection_id: bytes | None = b"") -> ClientConfig:
    return ClientConfig(
        wall_time=time.time,
        psk_identity=b"lamp-%d" % (number % len(IDENTITIES)),
        psk=KEY,
        cipher_suites=(PSK_CCM_8,),
        connection_id=connection_id,
    )


class Handshake:
    """One client over a socket of its own."""

    def __init__(self, port: int, config: ClientConfig) -> None:
        self.socket = connected(port)
        self.client = DtlsClient(config)
        self.started = time.monotonic()
        self.client.connect(self.started)
        self.flush()

    def flush(self) -> None:
        for datagram, _ in self.client.datagrams_to_send(0.0):
            self.socket.send(datagram)

    def receive(self) -> bool:
        """Take what came; True once the session is there."""
        try:
            while True:
                self.client.receive_datagram(self.socket.recv(65535), "server", time.monotonic())
        except BlockingIOError:
            self.flush()
        event: Event | None = None
        while (following := self.client.next_event()) is not None:
            event = following
        if event is not None and not isinstance(event, SessionEstablished):
            raise RuntimeError(f"the handshake failed: {event}")
        return event is not None


def shake(port: int, config: Callable[[int], ClientConfig], seconds: float, least: int = 0) -> list[Handshake]:
    """Handshakes without pause for so long, and at least so many."""
    poll = select.epoll()
    open_: dict[int, Handshake] = {}
    finished: list[Handshake] = []
    started = 0
    end = time.monotonic() + seconds
    while open_ or time.monotonic() < end or len(finished) < least:
        while len(open_) < AT_ONCE and (time.monotonic() < end or started < least):
            handshake = Handshake(port, config(started))
            started += 1
            open_[handshake.socket.fileno()] = handshake
            poll.register(handshake.socket, select.EPOLLIN)
        ready = poll.poll(0.3)
        patience = time.monotonic() + 0.1
        while len(ready) < len(open_) and time.monotonic() < patience:
            time.sleep(0.001)
            ready = poll.poll(0)
        if not ready:  # something was lost, or the server shed load
            _repeat(open_)
        for number, _ in ready:
            if open_[number].receive():
                handshake = open_.pop(number)
                poll.unregister(number)
                if not least:
                    handshake.socket.close()
                finished.append(handshake)
    poll.close()
    return finished


def _repeat(waiting: dict[int, Handshake]) -> None:
    now = time.monotonic()
    for number, handshake in list(waiting.items()):
        handshake.client.handle_timer(now)
        handshake.flush()
        if now - handshake.started > GIVE_UP:
            del waiting[number]
            handshake.socket.close()


def requests(port: int, connection_id: bytes | None) -> Load:
    """Requests on sessions that were made before."""
    made = shake(port, lambda number: psk_config(number, connection_id), 0.0, SOCKETS)
    flows = []
    for handshake in made[:SOCKETS]:
        session = handshake.client.session
        assert session is not None

        def message(number: int, protect: Callable[[int, bytes], bytes] = session.writer.protect) -> bytes:
            return protect(ContentType.APPLICATION_DATA, get_time(number))

        flows.append(Flow(port, message, handshake.socket))
    return lambda seconds: ask(flows, seconds)


def handshakes(port: int, config: Callable[[int], ClientConfig]) -> Load:
    return lambda seconds: len(shake(port, config, seconds))


def write_credentials(folder: Path) -> Callable[[int], ClientConfig]:
    """An authority and the server's certificate into files; gives clients with certificates by the same authority."""
    issuer = authority()
    issuer.write(folder, "ca")
    server(issuer).write(folder, "server")
    lamps: list[Credential] = [device(issuer, f"lamp-{number}") for number in range(LAMPS)]

    def config(number: int) -> ClientConfig:
        lamp = lamps[number % len(lamps)]
        return ClientConfig(
            wall_time=time.time, certificate_chain=lamp.chain, private_key=lamp.key, cipher_suites=(ECDSA_CCM_8,)
        )

    return config


def measure(options: Options) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        certificates = write_credentials(folder)
        with (
            child("tests.bench.dtls_servers", "ours", name) as (pid, (port,)),
            child("tests.bench.dtls_servers", "pyopenssl", name) as (other_pid, (other_port,)),
        ):
            mine, theirs = int(port), int(other_port)
            found = microseconds(
                {
                    "cid": (pid, requests(mine, b"")),
                    "plain": (pid, requests(mine, None)),
                    "pyOpenSSL": (other_pid, requests(theirs, None)),
                },
                options,
            )
            for what, key in (("with connection ID", "cid"), ("without connection ID", "plain")):
                rows.append(
                    Row(
                        what=f"DTLS-PSK CoAP request, {what}",
                        ours=found[key],
                        peer="pyOpenSSL",
                        theirs=found["pyOpenSSL"],
                        goal="≤ 25 µs",
                        goal_ratio=25 / 25.6,
                        limit=25,
                    )
                )
            goals = ((psk_config, "PSK handshake", 165, 260), (certificates, "mutual P-256 handshake", 1000, 1148))
            for config, what, limit, reference in goals:
                found = microseconds(
                    {"ours": (pid, handshakes(mine, config)), "pyOpenSSL": (other_pid, handshakes(theirs, config))},
                    options,
                )
                rows.append(
                    Row(
                        what=what,
                        ours=found["ours"],
                        peer="pyOpenSSL",
                        theirs=found["pyOpenSSL"],
                        goal=f"≤ {limit:,} µs",
                        goal_ratio=limit / reference,
                        limit=limit,
                    )
                )
        rows.append(dtls_engine.row(options, lambda number: psk_config(number, None), folder))
    return rows
