"""When the database is away: 503 at once with when to come back, explained later, and everything works again by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.roles.serving import Serving, settings_for
from tests.servers import PostgresServer


@pytest.fixture
async def own_postgres() -> AsyncIterator[PostgresServer]:
    """A server of this test's own, to stop and start."""
    server = PostgresServer()
    await asyncio.to_thread(server.start)
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute("CREATE DATABASE outage")
    await connection.close()
    yield server
    await asyncio.to_thread(server.remove)


async def test_without_postgresql_calls_are_503_and_recover_by_themselves(
    own_postgres: PostgresServer, tmp_path: Path
) -> None:
    serving = Serving(tmp_path, settings_for(own_postgres.url("outage")))
    await serving.start()
    assert (await serving.call("POST", "/v3/device-groups", json={"name": "before"})).status_code == 201
    await asyncio.to_thread(lambda: own_postgres.stop(crash=True))
    answer = await serving.call("POST", "/v3/device-groups", json={"name": "during"})
    body = answer.json()
    assert (answer.status_code, body["type"]) == (503, "system_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "Send the request again" in body["message"]
    assert (await serving.process.ready())["database"]
    await asyncio.to_thread(own_postgres.start)
    async with asyncio.timeout(30):
        while (await serving.call("GET", "/v3/device-groups")).status_code != 200:
            pass
    listed = (await serving.call("GET", "/v3/device-groups")).json()
    assert [each["name"] for each in listed["data"]] == ["before"]
    assert await serving.process.ready() == {}
    explained = await serving.call("GET", f"/v3/errors/{body['request_id']}")
    assert (explained.status_code, explained.json()["code"]) == (200, 503)
    await serving.close()


async def test_a_locked_sqlite_file_is_503_and_recovers_by_itself(tmp_path: Path) -> None:
    serving = Serving(tmp_path, settings_for(database={"timeout": 0.3}))
    await serving.start()
    other = sqlite3.connect(tmp_path / "lamplighter.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answer = await serving.call("POST", "/v3/device-groups", json={"name": "during"})
    assert (answer.status_code, answer.json()["type"]) == (503, "system_unavailable")
    assert (await serving.call("GET", "/v3/device-groups")).status_code == 200  # reading needs no lock
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(10):
        while (await serving.call("POST", "/v3/device-groups", json={"name": "after"})).status_code == 503:
            pass
    listed = (await serving.call("GET", "/v3/device-groups")).json()
    assert [each["name"] for each in listed["data"]] == ["after"]
    await serving.close()
