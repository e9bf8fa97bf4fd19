"""The servers of ``streams``, each in a process of its own: ``python -m tests.bench.streams_servers ours|pyopenssl|aiocoap``."""

from __future__ import annotations

import asyncio
import sys
import time
from random import Random
from typing import Any, cast

import uvloop
from OpenSSL import SSL

from lamplighter.coap.tcp import StreamEndpoint
from lamplighter.dtls import ServerConfig
from lamplighter.roles.interpreter import settle
from lamplighter.transport.dtls import PskKey, Rejected
from lamplighter.transport.stream_session import StreamClosed, StreamEvent
from lamplighter.transport.tls import TlsTransport
from lamplighter.transport.tls_context import PskCallback, server_context
from tests.bench.coap_servers import TIME, responder
from tests.bench.dtls_servers import IDENTITIES

ANSWER = bytes(8) + b"\xff" + TIME
"""As long as the answer of a CoAP server."""


async def ours() -> None:
    endpoint = StreamEndpoint(Random(1))

    async def psk_key(identity: bytes) -> PskKey | None:
        key = IDENTITIES.get(identity)
        return PskKey(key, "credential") if key else None

    async def check_certificate(chain: tuple[bytes, ...]) -> Rejected:
        raise RuntimeError("the clients of this benchmark have keys")

    def on_session(event: StreamEvent) -> None:
        if isinstance(event, StreamClosed):
            endpoint.forget(event.session, transport.now())

    transport = TlsTransport(
        ServerConfig(wall_time=time.time),
        endpoint,
        responder(endpoint),
        psk_key=psk_key,
        check_certificate=check_certificate,
        on_session=on_session,
    )
    await transport.open("127.0.0.1", 0)
    settle()
    print("ready", transport.address[1], flush=True)
    await asyncio.Event().wait()


class RawTls(asyncio.Protocol):
    """OpenSSL over a memory BIO and nothing else: every record is answered with one of the size of an answer."""

    def __init__(self, context: SSL.Context) -> None:
        self._tls = SSL.Connection(context, None)
        self._tls.set_accept_state()
        self._shaken = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._tls.bio_write(data)
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            while True:
                self._tls.recv(1 << 14)
                self._tls.send(ANSWER)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self._transport.close()
        try:
            self._transport.write(self._tls.bio_read(1 << 16))
        except SSL.WantReadError:
            pass


async def pyopenssl() -> None:
    psk = PskCallback()
    psk.find = lambda identity: IDENTITIES.get(identity, b"")
    context = server_context(
        (), None, list(ServerConfig(wall_time=time.time).suites), psk, alpn=lambda *asked: SSL.NO_OVERLAPPING_PROTOCOLS
    )
    server = await asyncio.get_running_loop().create_server(lambda: RawTls(context), "127.0.0.1", 0)
    settle()
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def aiocoap() -> None:
    """Over TCP without security: its TLS takes no keys."""
    import aiocoap as library
    from aiocoap import resource
    from aiocoap.transports.tcp import TCPServer

    class Time(resource.Resource):  # type: ignore[misc]
        async def render_get(self, request: Any) -> Any:
            return library.Message(payload=TIME)

    site = resource.Site()
    site.add_resource(["time"], Time())
    TCPServer._default_port = 0  # or it takes the registered one where none is named
    context = await library.Context.create_server_context(site, bind=("127.0.0.1", None), transports=["tcpserver"])
    (manager,) = context.request_interfaces
    print("ready", manager.token_interface.server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run({"ours": ours, "pyopenssl": pyopenssl, "aiocoap": aiocoap}[sys.argv[1]]())
