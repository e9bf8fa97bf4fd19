"""A CoAP service over TCP or TLS on a loopback port, and devices that talk to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from lamplighter.coap.events import RequestReceived, ResponseReceived
from lamplighter.coap.framing import Framing
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.coap.tcp import StreamEndpoint
from lamplighter.dtls import CertificateError, ServerConfig, TrustAnchor, verify_chain
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.transport.dtls import Accepted, PskKey, Rejected, Verdict
from lamplighter.transport.stream import StreamTransport
from lamplighter.transport.stream_session import (
    StreamClosed,
    StreamEstablished,
    StreamEvent,
    StreamLimits,
    StreamRefused,
    StreamSession,
)
from lamplighter.transport.tcp import TcpTransport
from lamplighter.transport.tcp_client import TcpClientTransport
from lamplighter.transport.tls import TlsTransport
from lamplighter.transport.tls_client import TlsClientTransport
from tests.coap.pair import get, request
from tests.dtls.pair import KEYS
from tests.dtls.pki import Credential, authority, device, server

PATIENCE = 10.0
LARGE = bytes(range(256)) * 60


class Service:
    """Answers GET /large with 15,360 bytes, everything else with the session's credential and the path or payload."""

    def __init__(self, *, secure: bool = True, limits: StreamLimits | None = None, **changes: Any) -> None:
        self.authority = authority()
        self.anchors = [TrustAnchor.from_der(self.authority.der)]
        self.credential = server(self.authority)
        self.keys = dict(KEYS)
        self.happened: list[StreamEvent] = []
        self._news = asyncio.Event()
        self.core = StreamEndpoint(Random(3))
        self.transport: StreamTransport
        if secure:
            config = ServerConfig(
                **{
                    "wall_time": time.time,
                    "certificate_chain": self.credential.chain,
                    "private_key": self.credential.key,
                    **changes,
                }
            )
            self.transport = TlsTransport(
                config,
                self.core,
                self._answer,
                psk_key=self.psk_key,
                check_certificate=self.check_certificate,
                on_session=self._note,
                limits=limits,
            )
        else:
            self.transport = TcpTransport(self.core, self._answer, on_session=self._note, limits=limits)

    @property
    def port(self) -> int:
        port: int = self.transport.address[1]
        return port

    @property
    def established(self) -> list[StreamSession]:
        return [event.session for event in self.happened if isinstance(event, StreamEstablished)]

    @property
    def refused(self) -> list[str]:
        return [event.reason for event in self.happened if isinstance(event, StreamRefused)]

    @property
    def closed(self) -> list[str]:
        return [event.reason for event in self.happened if isinstance(event, StreamClosed)]

    async def wait_for(self, kind: type[StreamEvent], count: int = 1) -> None:
        """Until that many such events have happened."""
        async with asyncio.timeout(PATIENCE):
            while sum(isinstance(event, kind) for event in self.happened) < count:
                self._news.clear()
                await self._news.wait()

    async def psk_key(self, identity: bytes) -> PskKey | None:
        key = self.keys.get(identity)
        return PskKey(key, "credential of " + identity.decode()) if key else None

    async def check_certificate(self, chain: tuple[bytes, ...]) -> Verdict:
        try:
            path = verify_chain(chain, self.anchors, time.time())
            return Accepted(path, f"a certificate of {len(path.fingerprints) - 1}")
        except CertificateError as error:
            return Rejected(error.alert, error.detail)

    def _note(self, event: StreamEvent) -> None:
        if isinstance(event, StreamClosed):
            self.core.forget(event.session, self.transport.now())
        self.happened.append(event)
        self._news.set()

    def _answer(self, event: Any) -> None:
        if isinstance(event, RequestReceived):
            path = "/".join(event.message.uri_path())
            said = event.message.payload or path.encode()
            payload = LARGE if path == "large" else event.peer.credential.encode() + b": " + said
            self.core.respond(event, Message(Code.CONTENT, payload=payload), self.transport.now())


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Service]:
    service = Service(**options)
    await service.transport.open("127.0.0.1", 0)
    try:
        yield service
    finally:
        service.transport.close()


class StreamDevice:
    """A device over TLS with a config, over TCP without."""

    def __init__(self, config: ClientConfig | None, framing: Framing, **options: Any) -> None:
        self.core = StreamEndpoint(Random(4))
        self.answers: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed: asyncio.Queue[str] = asyncio.Queue()
        self.transport = (
            TcpClientTransport(self.core, self._take, framing=framing, on_close=self.closed.put_nowait)
            if config is None
            else TlsClientTransport(
                config, self.core, self._take, framing=framing, on_close=self.closed.put_nowait, **options
            )
        )

    async def connect(self, service: Service) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.transport.connect("127.0.0.1", service.port)

    async def ask(self, path: str, payload: bytes = b"") -> bytes:
        message = request(Code.POST, path, payload=payload) if payload else get(path)
        self.core.request(self.transport.session, message, asyncio.get_running_loop().time())
        self.transport.flush()
        async with asyncio.timeout(PATIENCE):
            return await self.answers.get()

    def _take(self, event: Any) -> None:
        if isinstance(event, ResponseReceived):
            self.answers.put_nowait(event.message.payload)


def with_certificate(service: Service, credential: Credential | None = None, **changes: Any) -> ClientConfig:
    credential = credential or device(service.authority)
    return ClientConfig(
        **{
            "wall_time": time.time,
            "certificate_chain": credential.chain,
            "private_key": credential.key,
            "trust_anchors": service.anchors,
            **changes,
        }
    )
