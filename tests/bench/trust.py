"""Credentials by the tens of thousands: developer certificates made one after the other, 100,000 pre-shared keys listed, and
100,000 devices suspended with the certificate that they came by. The peer for certificates is CFSSL, which keeps nothing.
"""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.device_load import p99
from tests.bench.enrollment import read
from tests.bench.errors import call
from tests.bench.http_load import Ask, load
from tests.bench.measure import SERVER_CORE, Options, Row, microseconds, program
from tests.bench.rest import DEVICES, Served, served

KEYS = "/v2/device-shared-keys"
PAGE = 1000
LOOK = 0.2
"""Seconds between two looks at how many devices are suspended."""
AUTHORITY = {"CN": "bench", "key": {"algo": "ecdsa", "size": 256}}
PROFILE = {"signing": {"default": {"expiry": "8760h", "usages": ["digital signature", "client auth"]}}}
NEW_CERTIFICATE = '{"request": {"CN": "lamp-%d", "hosts": [], "key": {"algo": "ecdsa", "size": 256}}}'


def measure(options: Options) -> list[Row]:
    many = options.devices or DEVICES
    with served(Options(devices=many)) as ours:
        return [*_issued(ours, options), *_listed(ours, many), *_blocked(ours)]


def _issued(ours: Served, options: Options) -> list[Row]:
    developer = Ask("a developer certificate", "POST", "/v3/developer-certificates", 201, ours.key, '{"name": "of %d"}')
    theirs = Ask("a certificate", "POST", "/api/v1/cfssl/newcert", 200, body=NEW_CERTIFICATE)
    with _cfssl(ours.folder) as (pid, port):
        servers = {
            "ours": (ours.pid, load(ours.port, developer, ours.folder)),
            "cfssl": (pid, load(port, theirs, ours.folder)),
        }
        found = microseconds(servers, options)
    what = "a key and its certificate made, stored, and its C file written"
    return [Row(what=what, ours=found["ours"], peer="cfssl, stores nothing", theirs=found["cfssl"])]


@contextmanager
def _cfssl(folder: Path) -> Iterator[tuple[int, int]]:
    """``cfssl serve`` on the server's core: its process and port. Raises RuntimeError where there is none."""
    cfssl = shutil.which("cfssl")
    if cfssl is None:
        raise RuntimeError("cfssl is needed for this benchmark: install it (Debian: golang-cfssl)")
    files = {name: folder / name for name in ("request.json", "config.json", "cfssl.pem", "cfssl-key.pem")}
    files["request.json"].write_text(json.dumps(AUTHORITY))
    files["config.json"].write_text(json.dumps(PROFILE))
    made = subprocess.run([cfssl, "genkey", "-initca", str(files["request.json"])], capture_output=True, check=True)
    authority = json.loads(made.stdout)
    files["cfssl.pem"].write_text(authority["cert"])
    files["cfssl-key.pem"].write_text(authority["key"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [cfssl, "serve", "-address", "127.0.0.1", "-port", str(port), "-config", str(files["config.json"])]
    authority_files = ["-ca", str(files["cfssl.pem"]), "-ca-key", str(files["cfssl-key.pem"])]
    with program(*command, *authority_files, errors=folder / "cfssl.log") as process:
        end = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            if time.monotonic() > end or process.poll() is not None:
                raise RuntimeError(f"cfssl does not serve on core {SERVER_CORE}: {(folder / 'cfssl.log').read_text()}")
            time.sleep(0.05)
        yield process.pid, port


def _listed(ours: Served, many: int) -> list[Row]:
    now = time.time_ns() // 1000
    rows = ((f"lamp-with-a-key-{number:07}", ours.account_id, secrets.token_bytes(44), now) for number in range(many))
    with sqlite3.connect(ours.folder / "lamplighter.db", timeout=20) as connection:
        connection.executemany("INSERT INTO pre_shared_keys VALUES (?, ?, ?, ?)", rows)
    connection.close()
    pages, marker, began, seen = list[float](), "", time.monotonic(), set[str]()
    while True:
        before = time.monotonic()
        after = f"&after={marker}" if marker else ""
        page = json.loads(read(ours, f"{KEYS}?limit={PAGE}{after}"))
        pages.append(time.monotonic() - before)
        seen.update(each["endpoint_name"] for each in page["data"])
        if not page["has_more"]:
            break
        marker = page["continuation_marker"]
    took = time.monotonic() - began
    if len(seen) != many:
        raise RuntimeError(f"{len(seen)} of {many} keys were listed")
    what = f"{many:,} pre-shared keys listed by their continuation marker"
    return [
        Row(what=what, ours=took, unit="s"),
        Row(what=f"a page of {PAGE:,} of them, p99", ours=p99(sorted(pages)), unit="ms"),
    ]


def _blocked(ours: Served) -> list[Row]:
    """A developer certificate: to the directory it is a trusted one like others."""
    made = call(ours, "POST", "/v3/developer-certificates", {"name": "behind all"})
    with sqlite3.connect(ours.folder / "lamplighter.db", timeout=20) as connection:
        devices = connection.execute("UPDATE devices SET ca_id = ?", (made["id"],)).rowcount
    connection.close()
    trusted = f"/v3/trusted-certificates/{made['id']}"
    shown: dict[str, Any] = call(ours, "GET", trusted)
    rows = []
    for status, suspended, what in (("INACTIVE", "true", "suspended"), ("ACTIVE", "false", "resumed")):
        body = {name: shown[name] for name in ("name", "certificate", "service")} | {"status": status}
        began, gets = time.monotonic(), list[float]()
        call(ours, "PUT", trusted, body)
        left, path = devices, f"/v3/devices?limit=2&include=total_count&system_suspended__neq={suspended}"
        while left:
            before = time.monotonic()
            call(ours, "GET", f"/v3/devices/{ours.ids[len(gets) % len(ours.ids)]}")
            gets.append(time.monotonic() - before)
            time.sleep(LOOK)
            left = call(ours, "GET", path)["total_count"]
        took = time.monotonic() - began
        rows.append(Row(what=f"{devices:,} devices {what} with their certificate", ours=took, unit="s"))
        rows.append(Row(what="a device read meanwhile, longest", ours=max(gets) * 1e3, unit="ms"))
    return rows
