"""The CoAP servers, each in a process of its own: ``python -m tests.bench.coap_servers ours|aiocoap|rd``."""

from __future__ import annotations

import asyncio
import os
import sys
from random import Random
from typing import Any

import uvloop

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.roles.interpreter import settle
from lamplighter.transport.udp import UdpTransport
from tests.bench.measure import udp_ports

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
    settle()
    print("ready", transport.socket.address[1], flush=True)
    await asyncio.Event().wait()


async def aiocoap() -> None:
    import aiocoap as library
    from aiocoap import resource

    class Time(resource.Resource):  # type: ignore[misc]
        async def render_get(self, request: Any) -> Any:
            return library.Message(payload=TIME)

    site = resource.Site()
    site.add_resource(["time"], Time())
    context = await library.Context.create_server_context(site, bind=("127.0.0.1", 0), transports=["udp6"])
    print("ready", udp_ports(os.getpid())[0], flush=True)
    await asyncio.Event().wait()
    await context.shutdown()  # never reached; but a context that nobody holds is collected, and its port closed


async def rd() -> None:
    """aiocoap's resource directory: Register and Update as LwM2M has them, without security, in memory."""
    import aiocoap as library
    from aiocoap.cli.rd import StandaloneResourceDirectory

    context = await library.Context.create_server_context(None, bind=("127.0.0.1", 0), transports=["udp6"])
    context.serversite = StandaloneResourceDirectory(context=context, lwm2m_compat=True)
    print("ready", udp_ports(os.getpid())[0], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run({"ours": ours, "aiocoap": aiocoap, "rd": rd}[sys.argv[1]]())
