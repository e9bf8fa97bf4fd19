"""The servers of ``coap``, each in a process of its own: ``python -m tests.bench.coap_servers ours|aiocoap``."""

from __future__ import annotations

import asyncio
import sys
from random import Random
from typing import Any

import uvloop

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.transport.udp import UdpTransport

TIME = b"Nov 21 20:15:01"


def responder(endpoint: Endpoint) -> Any:
    """Answers every request with 2.05 and a short text."""
    now = asyncio.get_running_loop().time

    def answer(event: Any) -> None:
        if isinstance(event, RequestReceived):
            event.message.uri_path()
            endpoint.respond(event, Message(Code.CONTENT, payload=TIME), now())

    return answer


async def ours() -> None:
    endpoint = Endpoint(Random(1))
    transport = UdpTransport(endpoint, responder(endpoint))
    transport.open("127.0.0.1", 0)
    print("ready", transport.socket.address[1], flush=True)
    await asyncio.Event().wait()


async def aiocoap() -> None:
    import aiocoap as library
    from aiocoap import resource

    from tests.bench.coap import free_port

    class Time(resource.Resource):  # type: ignore[misc]
        async def render_get(self, request: Any) -> Any:
            return library.Message(payload=TIME)

    site = resource.Site()
    site.add_resource(["time"], Time())
    port = free_port()
    await library.Context.create_server_context(site, bind=("127.0.0.1", port), transports=["udp6"])
    print("ready", port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run({"ours": ours, "aiocoap": aiocoap}[sys.argv[1]]())
