"""A client of event streams, for tests: it reads server-sent events one by one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.api.streaming import Client
from tests.api.toy import ADMIN

EVENTS = "/v2/notification/events"


class Told(NamedTuple):
    """An event, or a block without data that only moves the position."""

    id: str
    kind: str
    items: list[Any]


class Stream:
    """An open event stream."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.last = ""
        """What a browser would send as Last-Event-ID."""
        self.comments: list[str] = []
        self.retry = 0
        self._text = ""

    async def block(self) -> Told | None:
        """The next block; None at the end."""
        while "\n\n" not in self._text:
            chunk = await self.client.chunk()
            if not chunk:
                return None
            self._text += chunk.decode()
        block, _, self._text = self._text.partition("\n\n")
        fields = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name:
                fields[name] = value.removeprefix(" ")
            else:
                self.comments.append(value.strip())
        self.retry = int(fields.get("retry", self.retry))
        self.last = fields.get("id", self.last)
        if "data" not in fields:
            return Told(self.last, "", [])
        ((kind, items),) = json.loads(fields["data"]).items()
        assert kind == fields["event"]
        return Told(self.last, kind, items)

    async def told(self) -> Told:
        """The next event."""
        while (block := await self.block()) is not None:
            if block.kind:
                return block
        raise EOFError("the stream has ended")

    async def items(self, number: int) -> list[Any]:
        """That many items, whatever events they come in."""
        found: list[Any] = []
        while len(found) < number:
            found += (await self.told()).items
        return found

    async def end(self) -> None:
        """Read until the server ends it."""
        while await self.block() is not None:
            pass


@asynccontextmanager
async def events(
    port: int, path: str = EVENTS, key: str = ADMIN, *, last: str | None = None, **more: Any
) -> AsyncIterator[Stream]:
    """Open a stream and read up to its first block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **more)
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    if last is not None:
        lines.append(f"Last-Event-ID: {last}")
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    stream = Stream(Client(reader, writer))
    try:
        status, headers = await stream.client.head()
        assert status == 200, await reader.read(1000)
        assert headers["content-type"] == "text/event-stream"
        await stream.block()
        yield stream
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
