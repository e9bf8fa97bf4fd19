"""What no server can do without: bare ASGI on uvicorn, the same statements on the same SQLite, the same answers by msgspec.

``python -m tests.bench.rest_peer DATABASE ACCOUNT KEY``: no routing table, no permissions, no limits, no metrics, no
identities of requests, one connection on the event loop. The credential is a digest looked up in a dictionary.
"""

from __future__ import annotations

import hashlib
import socket
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from lamplighter.bus import outbox
from lamplighter.clock import SystemClock
from lamplighter.ids import Ids
from lamplighter.services.directory import counts, store, tables
from lamplighter.services.directory.model import DeviceCreate
from lamplighter.storage.query import Query
from lamplighter.storage.sqlite import open_connection

JSON = [(b"content-type", b"application/json")]
ENCODER = msgspec.json.Encoder()
CREATE = msgspec.json.Decoder(DeviceCreate)


def _insert(table: sa.Table, *left_out: str) -> Query:
    return Query(
        sa.insert(table).values({each.name: sa.bindparam(each.name) for each in table.c if each.name not in left_out})
    )


_EVENT = _insert(tables.device_events)
_COUNT = _insert(tables.device_count_changes, "position")
_TOLD = _insert(outbox.events, "position", "xid")


class Peer:
    def __init__(self, database: Path, account_id: str, key: str) -> None:
        self.connection = open_connection(database, timeout=1)
        self.account_id = account_id
        self.keys = {hashlib.sha256(f"Bearer {key}".encode()).digest(): account_id}
        self.ids = Ids(SystemClock())

    def run(self, query: Any, **values: Any) -> list[sqlite3.Row]:
        text, arguments = query.render("sqlite", values)
        return self.connection.execute(text, arguments).fetchall()

    def shown(self, rows: list[sqlite3.Row]) -> list[Any]:
        ids = [row["id"] for row in rows]
        groups: dict[str, list[str]] = {each: [] for each in ids}
        for row in self.run(store._GROUPS_OF, account_id=self.account_id, ids=ids):
            groups[row["device_id"]].append(row["group_id"])
        return [store._shown(row, groups[row["id"]]) for row in rows]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        authorization = dict(scope["headers"])[b"authorization"]
        account_id = self.keys[hashlib.sha256(authorization).digest()]
        path: str = scope["path"]
        status, value = 200, None
        if scope["method"] == "POST":
            body = (await receive())["body"]
            status, value = 201, self.create(account_id, CREATE.decode(body))
        elif path == "/v3/devices":
            rows = self.connection.execute(
                "SELECT * FROM devices WHERE account_id = ? ORDER BY id LIMIT 51", (account_id,)
            ).fetchall()
            total = sum(row["amount"] for row in self.run(counts._READ, account_id=account_id, names=counts.ALL_STATES))
            data = self.shown(rows[:50])
            value = {"object": "list", "limit": 50, "order": "ASC", "after": None, "has_more": len(rows) > 50}
            value |= {"total_count": total, "data": data}
        else:
            value = self.shown(self.run(store._GET, account_id=account_id, id=path[len("/v3/devices/") :]))[0]
        answer = ENCODER.encode(value)
        headers = [*JSON, (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def create(self, account_id: str, device: DeviceCreate) -> Any:
        """The writes of a new device in one transaction, on disk before the answer."""
        now = time.time_ns() // 1000
        device_id = self.ids.new()
        row = {
            **store.BLANK,
            "account_id": account_id,
            "id": device_id,
            "endpoint_name": device_id,
            "endpoint_key": device_id,
            "name": device.name or "",
            "name_key": device.name or "",
            "created_at": now,
            "updated_at": now,
        }
        stored = {**row, "custom_attributes": "{}", "component_attributes": "{}"}
        self.connection.execute("BEGIN IMMEDIATE")
        self.run(store._INSERT, **stored)
        self.run(
            _EVENT,
            account_id=account_id,
            id=self.ids.new(),
            device_id=device_id,
            date_time=now,
            created_at=now,
            event_type="DEV_CREATED",
            event_type_category="INFO_RECORD",
            event_type_description="INFO",
            description="Device record created",
            state_change=1,
            data="{}",
        )
        for name in (counts.EVENTS, counts.of_state("unenrolled")):
            self.run(_COUNT, account_id=account_id, name=name, amount=1)
        told = {"account_id": account_id, "device_id": device_id, "time": now, "data": "{}"}
        self.run(_TOLD, kind="DeviceCreated", **told)
        self.connection.execute("COMMIT")
        return self.shown(self.run(store._GET, account_id=account_id, id=device_id))[0]


async def serve(database: Path, account_id: str, key: str) -> None:
    config = uvicorn.Config(
        Peer(database, account_id, key),
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=75,
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print("ready", listener.getsockname()[1], flush=True)
    await server.serve([listener])


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
