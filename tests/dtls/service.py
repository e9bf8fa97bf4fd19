"""A DTLS service on a loopback socket, and programs of others that talk to it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any, Literal

from lamplighter.dtls import (
    CertificateError,
    HandshakeFailed,
    ServerConfig,
    SessionEstablished,
    TrustAnchor,
    verify_chain,
)
from lamplighter.transport.core import DatagramCore
from lamplighter.transport.dtls import Accepted, DtlsTransport, PskKey, Rejected, SessionEvent, Verdict
from tests.dtls.pair import KEYS
from tests.dtls.pki import authority, server

PATIENCE = 20.0
"""Seconds after which a program that says nothing has failed the test."""


class Echo:
    """A core that says everything back in capital letters."""

    def __init__(self) -> None:
        self._answers: list[tuple[bytes, Any]] = []
        self.received: list[bytes] = []

    def receive_datagram(self, data: bytes, peer: Hashable, now: float) -> None:
        self.received.append(data)
        self._answers.append((data.upper(), peer))

    def handle_timer(self, now: float) -> None:
        pass  # the timer was the server's below

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Any]]:
        answers, self._answers = self._answers, []
        return answers

    def get_timer(self) -> float | None:
        return None

    def next_event(self) -> Any | None:
        return None


class Service:
    """The transport, and what its sessions did."""

    def __init__(
        self,
        core: DatagramCore | None = None,
        on_event: Any = None,
        engine: Literal["native", "openssl"] = "native",
        **changes: Any,
    ) -> None:
        self.authority = authority()
        self.credential = server(self.authority)
        self.anchor = TrustAnchor.from_der(self.authority.der)
        self.happened: list[SessionEvent] = []
        self._news = asyncio.Event()
        config = ServerConfig(
            **{
                "wall_time": time.time,
                "certificate_chain": self.credential.chain,
                "private_key": self.credential.key,
                **changes,
            }
        )
        self.core = core or Echo()
        self.transport = DtlsTransport(
            config,
            self.core,
            on_event or (lambda event: None),
            psk_key=self.psk_key,
            check_certificate=self.check_certificate,
            on_session=self._note,
            engine=engine,
        )
        self.transport.open("127.0.0.1", 0)
        self.port: int = self.transport.socket.address[1]

    def _note(self, event: SessionEvent) -> None:
        self.happened.append(event)
        self._news.set()

    async def wait_for(self, kind: type[SessionEvent]) -> None:
        """Until such an event has happened."""
        async with asyncio.timeout(PATIENCE):
            while not any(isinstance(event, kind) for event in self.happened):
                self._news.clear()
                await self._news.wait()

    async def psk_key(self, identity: bytes) -> PskKey | None:
        key = KEYS.get(identity)
        return PskKey(key, "credential of " + identity.decode()) if key else None

    async def check_certificate(self, chain: tuple[bytes, ...]) -> Verdict:
        try:
            return Accepted(verify_chain(chain, [self.anchor], time.time()), "a certificate")
        except CertificateError as error:
            return Rejected(error.alert, error.detail)

    @property
    def established(self) -> list[SessionEstablished]:
        return [event for event in self.happened if isinstance(event, SessionEstablished)]

    @property
    def failed(self) -> list[HandshakeFailed]:
        return [event for event in self.happened if isinstance(event, HandshakeFailed)]


@asynccontextmanager
async def serving(core: DatagramCore | None = None, on_event: Any = None, **changes: Any) -> AsyncIterator[Service]:
    service = Service(core, on_event, **changes)
    try:
        yield service
    finally:
        service.transport.close()


async def run(*command: str, say: str = "", until: str = "") -> str:
    """What the program printed, on both outputs. It is told ``say`` and ended once it printed ``until``.

    A program that is not installed fails the test.
    """
    assert shutil.which(command[0]), f"{command[0]} is needed for this test: install it"
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None and process.stdout is not None
    printed = b""
    try:
        async with asyncio.timeout(PATIENCE):
            if say:
                process.stdin.write(say.encode() + b"\n")
            while chunk := await process.stdout.read(65536):
                printed += chunk
                if until and until.encode() in printed:
                    break
    except TimeoutError:
        raise AssertionError(f"{' '.join(command)} came to no end. It printed:\n{printed.decode()}") from None
    finally:
        if process.returncode is None:
            try:
                process.kill()
            except ProcessLookupError:
                pass  # it ended just now
        process.stdin.close()
        await process.communicate()
    return printed.decode(errors="replace")
