"""Connections that end without a word: what was written to them and never arrived comes again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.exceptions import ConnectionClosed

from lamplighter.services.channels.connection import Connection
from lamplighter.services.channels.store import Channel, Store
from lamplighter.storage.database import Database
from tests.services.channels.served import Served, close_code, collect, notified, serving, until


class Wire:
    """The network between a client and the server. When ``dead``, both still believe in it and nothing arrives."""

    def __init__(self, port: int) -> None:
        self.dead = False
        self._to = port
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._opened, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _opened(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += [writer, back]
        self._pumps += [asyncio.create_task(self._pump(reader, back)), asyncio.create_task(self._pump(there, writer))]

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.dead:
                writer.write(data)

    def cut(self) -> None:
        """Both ends learn that it is gone."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        self.cut()
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@asynccontextmanager
async def wire(served: Served) -> AsyncIterator[tuple[Wire, Served]]:
    """The server behind a network of its own: connect through the second."""
    between = Wire(served.port)
    direct, served.port = served.port, await between.start()
    try:
        yield between, served
    finally:
        served.port = direct
        await between.close()


def opened(served: Served) -> Connection:
    (connection,) = [each for group in served.channels.sockets._open.values() for each in group]
    return connection


async def numbers(served: Served, count: int) -> list[str]:
    async with served.socket() as socket:
        return [each["path"] for each in await collect(socket, count)]


async def test_frames_in_flight_when_the_network_breaks_come_again(database: Database) -> None:
    async with serving(database, look=0.02) as served:
        await served.registered()
        async with wire(served) as (between, _), served.socket() as socket:
            await served.happen(notified(0))
            await collect(socket, 1)
            connection = opened(served)
            await until(lambda: connection.channel.since < connection.channel.cursor == connection.sent)
            between.dead = True
            before = connection._way.frame
            await served.happen(notified(1), notified(2))
            await until(lambda: connection._way.frame > before)
            between.cut()
            with pytest.raises(ConnectionClosed):
                await socket.recv()
            await asyncio.wait_for(connection.ended.wait(), 10)
        assert await numbers(served, 2) == ["/3303/0/1", "/3303/0/2"]


async def test_frames_on_a_dead_network_are_not_settled_however_long_it_seems_alive(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    get = Store.get

    async def counted(store: Store, account_id: str, subject_id: str, name: str = "") -> Channel | None:
        nonlocal looks
        looks += 1
        return await get(store, account_id, subject_id, name)

    monkeypatch.setattr(Store, "get", counted)
    async with serving(database, look=0.01) as served:
        await served.registered()
        async with wire(served) as (between, _), served.socket():
            connection = opened(served)
            between.dead = True
            before = connection.sent
            await served.happen(notified(1), notified(2))
            await until(lambda: connection._way.frame > before)
            looks = 0
            await until(lambda: looks >= 10)
            assert connection.channel.cursor < connection._way.frame
            between.cut()
            await asyncio.wait_for(connection.ended.wait(), 10)
        assert await numbers(served, 2) == ["/3303/0/1", "/3303/0/2"]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_client_that_comes_back_before_its_old_connection_is_missed_gets_what_was_in_flight(
    database: Database,
) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        async with wire(served) as (between, _), served.socket():
            connection = opened(served)
            between.dead = True
            before = connection.sent
            await served.happen(notified(1), notified(2))
            await until(lambda: connection._way.frame > before)
            served.port, through = between._to, served.port
            assert await numbers(served, 2) == ["/3303/0/1", "/3303/0/2"]
            served.port = through
            between.cut()


async def test_a_client_that_closes_with_another_code_gets_its_unproven_frames_again(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        await served.happen(notified(1))
        async with served.socket() as socket:
            await collect(socket, 1)
            connection = opened(served)
            await socket.close(1011, "could not store it")
            await asyncio.wait_for(connection.ended.wait(), 10)
        assert await numbers(served, 1) == ["/3303/0/1"]


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_a_server_that_stops_settles_what_a_live_client_has(database: Database) -> None:
    async with serving(database, look=60.0) as served:
        await served.registered()
        await served.happen(notified(1))
        async with served.socket() as socket:
            await collect(socket, 1)
            connection = opened(served)
            closing = asyncio.create_task(served.channels.close())
            assert await close_code(socket) == 1012
            await closing
            assert connection.channel.cursor == connection.sent
