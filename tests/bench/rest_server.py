"""The whole server for ``rest`` and ``errors``, in a process of its own: ``python -m tests.bench.rest_server FOLDER DEVICES``.

SQLite, the API over plain HTTP (no TLS in the figures), limits of rate switched on but too wide to be reached. Prints
the port and the administrator's key; leaves ``peer.db``, a copy of the filled database, for the peer.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from pathlib import Path

import uvloop

from lamplighter.api.server import ApiServer
from lamplighter.roles.interpreter import settle
from lamplighter.roles.log import configure
from lamplighter.roles.process import Process
from lamplighter.services.directory import counts
from tests.bench import directory
from tests.roles.serving import settings_for

LIMITS = {"rate_per_second": 1e6, "rate_burst": 10**9, "rate_per_second_address": 1e6, "rate_burst_address": 10**9}


def fill(path: Path, account_id: str, many: int) -> None:
    """Devices of ``directory``, in that account."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    connection.execute("BEGIN")
    places = ", ".join("?" * len(directory.COLUMNS))
    connection.executemany(
        f"INSERT INTO devices ({', '.join(directory.COLUMNS)}) VALUES ({places})",
        ([{**row, "account_id": account_id}[name] for name in directory.COLUMNS] for row in directory.rows(many)),
    )
    totals = [
        (account_id, name, amount)
        for _, name, amount in directory.totals(many)
        if not name.startswith(counts.of_group(""))
    ]
    connection.executemany("INSERT INTO device_counts VALUES (?, ?, ?)", totals)
    connection.execute("COMMIT")
    connection.close()


def plain_port_of(process: Process) -> int:
    """Open a port for plain HTTP beside the process's own; the setting cannot say "any port", 0 closes it there."""
    http = process.settings.http
    server = ApiServer(process.api, http.request_head_timeout, http.drain_timeout)
    return server.listen("127.0.0.1", 0, None, "http.plain_port")


async def serve(folder: Path, many: int) -> None:
    many_certificates = {"certificates_tier_0": 10**6, "certificates_tier_1": 10**6}
    settings = settings_for(http={"plaintext_api": True}, api=LIMITS, access=many_certificates)
    configure(settings)
    process = Process(folder, settings)
    await process.start()
    settle()
    port = plain_port_of(process)
    path = folder / "lamplighter.db"
    with sqlite3.connect(path) as connection:
        account_id: str = connection.execute("SELECT id FROM accounts WHERE root = 1").fetchone()[0]
    await asyncio.to_thread(fill, path, account_id, many)
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM INTO ?", (str(folder / "peer.db"),))
    key = process.folder.admin_key.read_text().strip()
    print("ready", json.dumps([port, key, account_id]).replace(" ", ""), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
