"""A confirmable CoAP request with deduplication, over UDP: our endpoint in its transport, beside libcoap and aiocoap."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.bench.measure import Load, Options, Row, child, microseconds, program
from tests.bench.udp_load import SOCKETS, Flow, ask, connected

TAIL = b"\xb4time"
"""Uri-Path "time": the one resource that every server here has."""


def get_time(number: int) -> bytes:
    """A confirmable GET with its own message ID and token."""
    mid = (number & 0xFFFF).to_bytes(2, "big")
    return b"\x44\x01" + mid + number.to_bytes(4, "big") + TAIL


def load_for(port: int, message: Callable[[int], bytes] = get_time) -> Load:
    flows = [Flow(port, message) for _ in range(SOCKETS)]
    return lambda seconds: ask(flows, seconds)


def measure(options: Options) -> list[Row]:
    with ExitStack() as stack:
        pid, (port,) = stack.enter_context(child("tests.bench.coap_servers", "ours"))
        servers = {"ours": (pid, load_for(int(port)))}
        pid, (port,) = stack.enter_context(child("tests.bench.coap_servers", "aiocoap"))
        servers["aiocoap"] = (pid, load_for(int(port)))
        libcoap = shutil.which("coap-server-notls") or shutil.which("coap-server")
        if libcoap:
            number = free_port()
            process = stack.enter_context(program(libcoap, "-A", "127.0.0.1", "-p", str(number)))
            _wait_for(number)
            servers["libcoap"] = (process.pid, load_for(number))
        found = microseconds(servers, options)
    what = "CON CoAP request, deduplicated"
    goal = "≤ 14 µs"
    ours = found["ours"]
    rows = []
    if "libcoap" in found:
        rows.append(
            Row(
                what=what, ours=ours, peer="libcoap", theirs=found["libcoap"], goal=goal, limit=14, goal_ratio=14 / 10.9
            )
        )
    rows.append(Row(what=what, ours=ours, peer="aiocoap", theirs=found["aiocoap"]))
    return rows


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    """Until a server that says nothing when it is ready answers."""
    end = time.monotonic() + 5
    with connected(port) as sock:
        sock.setblocking(True)
        sock.settimeout(0.1)
        while time.monotonic() < end:
            try:
                sock.send(get_time(1))
                sock.recv(2048)
                return
            except (TimeoutError, ConnectionRefusedError):
                time.sleep(0.05)
    raise RuntimeError(f"nothing answers on port {port}")
