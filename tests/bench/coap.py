"""A confirmable CoAP request with deduplication, over UDP: our endpoint in its transport, beside libcoap and aiocoap."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack

from tests.bench.measure import Load, Options, Row, child, microseconds, program, udp_ports
from tests.bench.udp_load import SOCKETS, Flow, ask

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
            process = stack.enter_context(program(libcoap, "-A", "127.0.0.1", "-p", "0"))
            number = udp_ports(process.pid)[0]
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
