"""A client of answers that go on, for tests: it reads them chunk by chunk."""

from __future__ import annotations

import asyncio

PATIENCE = 10.0
"""Seconds after which a test that waits has failed."""


class Client:
    """Reads a chunked answer from a connection on which it was asked for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def head(self) -> tuple[int, dict[str, str]]:
        found = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        status, *lines = found.decode().rstrip().split("\r\n")
        return int(status.split()[1]), {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }

    async def chunk(self) -> bytes:
        """The next chunk; empty at the end."""
        size = int(await asyncio.wait_for(self.reader.readline(), PATIENCE), 16)
        return (await asyncio.wait_for(self.reader.readexactly(size + 2), PATIENCE))[:-2]

    def pause(self) -> None:
        """Read nothing more from the socket."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def resume(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    def leave(self) -> None:
        self.writer.close()
