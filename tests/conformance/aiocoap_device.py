"""A device made of aiocoap, over plain UDP: it gives what a test laid into it, and keeps what was written."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path as Folder
from typing import Any

import aiocoap
import aiocoap.resource

from lamplighter.lwm2m.codecs import Value
from lamplighter.lwm2m.path import parse_path
from lamplighter.services.connect.formats import MEDIA_TYPES
from lamplighter.storage.database import Database
from tests.conformance.lamp import values_of
from tests.roles.lwm2m_serving import Serving

LINKS = b'</>;rt="oma.lwm2m";ct="60 110 112 11543",</1/0>,</3/0>,</16/0>'


class _Everything(aiocoap.resource.Resource, aiocoap.resource.PathCapable):  # type: ignore[misc]
    """Every path, whatever it is."""

    def __init__(self, device: AiocoapDevice) -> None:
        super().__init__()
        self.device = device

    async def render(self, request: Any) -> Any:
        return self.device.answer(request)


class AiocoapDevice:
    """``written``: method, path, content format and payload; ``attributes``: what Write-Attributes brought, by path."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self.written: list[tuple[str, str, int | None, bytes]] = []
        self.attributes: dict[str, tuple[str, ...]] = {}
        self.device_id = ""
        self._held: dict[tuple[str, int], bytes] = {}

    def holds(self, path: str, content_format: int, payload: bytes) -> None:
        """This is what it answers to a read of that path in that format."""
        self._held[path, content_format] = payload

    def answer(self, request: Any) -> Any:
        path = "/" + "/".join(request.opt.uri_path)
        if request.code == aiocoap.GET:
            payload = self._held.get((path, request.opt.accept))
            if payload is None:
                return aiocoap.Message(code=aiocoap.NOT_ACCEPTABLE)
            return aiocoap.Message(code=aiocoap.CONTENT, payload=payload, content_format=request.opt.accept)
        if request.opt.uri_query:
            self.attributes[path] = request.opt.uri_query
        else:
            content_format = request.opt.content_format
            number = None if content_format is None else int(content_format)
            self.written.append((request.code.name, path, number, request.payload))
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def register(self, context: Any) -> None:
        uri = f"coap://127.0.0.1:{self.serving.role.plain_port}/rd?ep=aiocoap-device&lt=300&lwm2m=1.1&b=U"
        message = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=LINKS, content_format=40)
        created = await context.request(message).response
        assert created.code == aiocoap.CREATED
        self.device_id = created.opt.location_path[-1]

    async def read(self, path: str, accept: int) -> dict[str, Value]:
        item = await self.serving.request(self.device_id, "GET", path, accept=MEDIA_TYPES[accept])
        assert (item["status"], item["ct"]) == (200, MEDIA_TYPES[accept]), item
        return values_of(item, parse_path(path))

    async def discover(self, path: str) -> bytes:
        item = await self.serving.request(self.device_id, "GET", path, accept=MEDIA_TYPES[40])
        assert item["status"] == 200
        return base64.b64decode(item["payload"])

    async def write(self, method: str, uri: str, content_format: int | None, payload: bytes) -> int:
        more = {} if content_format is None else {"content-type": MEDIA_TYPES[content_format]}
        status: int = (await self.serving.request(self.device_id, method, uri, payload, **more))["status"]
        return status


@asynccontextmanager
async def aiocoap_device(database: Database, folder: Folder) -> AsyncIterator[AiocoapDevice]:
    """The device, registered."""
    serving = Serving(database, folder)
    await serving.start()
    device = AiocoapDevice(serving)
    context = await aiocoap.Context.create_server_context(
        _Everything(device), bind=("127.0.0.1", 0), transports=["udp6"]
    )
    try:
        await device.register(context)
        yield device
    finally:
        await context.shutdown()
        await serving.close()
