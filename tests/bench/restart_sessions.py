"""A start with 100,000 stored sessions, to the first record of one of them that is answered: no handshake between."""

from __future__ import annotations

import select
import sqlite3
import tempfile
import time
from pathlib import Path
from statistics import median

from lamplighter.coap.numbers import Code
from tests.bench.device import PATIENCE, Refused, SecureDevice, key_of
from tests.bench.measure import Options, Row, udp_ports
from tests.bench.start import LWM2M, started
from tests.bench.udp_load import connected

ENDPOINT = "the-lamp-that-speaks-first"
SESSIONS = 100_000
_COPIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
_SESSION_COPIES = (
    f"{_COPIES} INSERT INTO device_sessions SELECT lower(hex(randomblob(8))), address, incarnation, process, sealed,"
    " receive_mark, credential || i, expires_at FROM n, device_sessions WHERE id = ?"
)


def multiply(folder: Path, many: int) -> None:
    """Store so many more sessions and registrations of the size that the device has. Nobody ever opens them."""
    connection = sqlite3.connect(folder / "lamplighter.db")
    (session,) = connection.execute("SELECT id FROM device_sessions").fetchone()
    columns = [row[1] for row in connection.execute("PRAGMA table_info(registrations)")]
    changed = {
        "device_id": "lower(hex(randomblob(16)))",
        "endpoint_name": "endpoint_name || i",
        "credential": "credential || i",
    }
    values = ", ".join(changed.get(column, column) for column in columns)
    connection.execute(_SESSION_COPIES, (many, session))
    connection.execute(f"{_COPIES} INSERT INTO registrations SELECT {values} FROM n, registrations WHERE 1", (many,))
    connection.commit()
    connection.close()


def restart(folder: Path, device: SecureDevice) -> tuple[float, float]:
    """Seconds from the command until serve says that it runs, and until it has answered the device."""
    before = time.monotonic()
    with started(folder) as server:
        running = time.monotonic() - before
        device.socket.close()
        device.socket = connected(udp_ports(server.pid)[LWM2M])
        session = device.client.session
        device.send_update()
        end = before + PATIENCE
        while not device.answers(Code.CHANGED):
            if time.monotonic() > end:
                raise Refused(f"{device.name} had no answer in {PATIENCE:g} s")
            select.select([device.socket], [], [], 1.0)
        took = time.monotonic() - before
    assert session is not None and device.client.session is session and not session.closed
    return running, took


def measure(options: Options) -> list[Row]:
    many = options.devices or SESSIONS
    with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as name:
        folder = Path(name)
        with started(folder) as server:
            key = {"endpoint_name": ENDPOINT, "secret_hex": key_of(ENDPOINT).hex()}
            server.call("POST", "/v2/device-shared-keys", key)
            device = SecureDevice(udp_ports(server.pid)[LWM2M], ENDPOINT)
            device.register()
        empty = [restart(folder, device) for _ in range(options.rounds)]
        multiply(folder, many)
        full = [restart(folder, device) for _ in range(options.rounds)]
        device.close()
    start = median(running for running, _ in empty)
    beyond = median(answered for _, answered in full) - start
    return [
        Row(
            what="restart with one stored session, to its first answer",
            ours=median(each for _, each in empty),
            unit="s",
        ),
        Row(what=f"restart with {many:,} stored sessions, to one's first answer", ours=beyond + start, unit="s"),
        Row(what="the same, beyond the start", ours=beyond, unit="s", goal="≤ 0.5 s", limit=0.5),
    ]
