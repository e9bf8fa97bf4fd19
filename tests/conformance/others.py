"""The other ends of the CoAP plugtest: aiocoap and libcoap, as clients and as servers."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiocoap
import aiocoap.resource
from aiocoap.numbers.constants import TransportTuning
from aiocoap.numbers.optionnumbers import OptionNumber

from lamplighter.coap.numbers import Code, Type
from tests.conformance.plugtest_client import plugtest_client
from tests.conformance.plugtest_server import LARGE, XML
from tests.conformance.wire import Seen
from tests.dtls.service import run

Ask = Callable[..., Awaitable[str]]
"""``ask(port, method, path, payload, options=…, confirmable=…)``: what the client shows of the answer."""


class Fast(TransportTuning):
    ACK_TIMEOUT = 0.2


class FastUnreliable(Fast):
    reliability = False


def with_options(message: Any, options: Iterable[tuple[int, bytes]]) -> Any:
    for number, value in options:
        message.opt.add_option(OptionNumber(number).create_option(decode=value))
    return message


# Clients


@asynccontextmanager
async def aiocoap_client() -> AsyncIterator[Any]:
    context = await aiocoap.Context.create_client_context(transports=["udp6"])
    try:
        yield context
    finally:
        await context.shutdown()


class AiocoapObserver:
    """Observes a resource of ours; ``first`` is the first answer."""

    def __init__(self, context: Any, port: int, path: str, tuning: Any) -> None:
        uri = f"coap://127.0.0.1:{port}/{path}"
        message = aiocoap.Message(code=aiocoap.GET, uri=uri, observe=0, transport_tuning=tuning)
        self.request = context.request(message)
        self.first: Any = None
        self._notifications: Any = None

    async def start(self) -> None:
        self.first = await self.request.response
        self._notifications = aiter(self.request.observation)

    async def next(self) -> Any:
        """The next notification."""
        async with asyncio.timeout(20):
            return await anext(self._notifications)

    def forget(self) -> None:
        """Let go without a word: aiocoap takes one more notification, and resets what comes then."""
        self.request.observation.cancel()

    async def end(self) -> None:
        """Until the server has ended the observation."""
        with contextlib.suppress(aiocoap.error.NotObservable, StopAsyncIteration):
            while True:
                await self.next()


@asynccontextmanager
async def observing_with_aiocoap(port: int, path: str, tuning: Any = None) -> AsyncIterator[AiocoapObserver]:
    async with aiocoap_client() as context:
        observer = AiocoapObserver(context, port, path, tuning or Fast())
        await observer.start()
        yield observer


async def ask_with_aiocoap(
    port: int,
    method: str,
    path: str,
    payload: bytes = b"",
    *,
    options: Iterable[tuple[int, bytes]] = (),
    confirmable: bool = True,
) -> str:
    message = aiocoap.Message(
        code=getattr(aiocoap, method.upper()),
        uri=f"coap://127.0.0.1:{port}/{path}",
        payload=payload,
        transport_tuning=Fast() if confirmable else FastUnreliable(),
    )
    async with aiocoap_client() as context:
        answer = await context.request(with_options(message, options)).response
    return str(answer.payload.decode())


async def ask_with_libcoap(
    port: int,
    method: str,
    path: str,
    payload: bytes = b"",
    *,
    options: Iterable[tuple[int, bytes]] = (),
    confirmable: bool = True,
    more: Iterable[str] = (),
    until: str = "",
) -> str:
    """``more``: further options of the program, which is ended once it has shown ``until``."""
    command = ["coap-client-notls", "-m", method, "-B", "10", *more]
    command += [] if confirmable else ["-N"]
    command += ["-e", payload.decode(), "-t", "0"] if payload else []
    for number, value in options:
        command += ["-O", f"{number},0x{value.hex()}"]
    return (await run(*command, f"coap://127.0.0.1:{port}/{path}", until=until)).strip()


CLIENTS: dict[str, Ask] = {"aiocoap": ask_with_aiocoap, "libcoap": ask_with_libcoap}


# Servers


class Stored(aiocoap.resource.ObservableResource):  # type: ignore[misc]
    """A resource of aiocoap; ``links`` are what discovery says of it."""

    def __init__(self, payload: bytes = b"a lamp", content_format: int = 0, **links: str) -> None:
        super().__init__()
        self.payload = payload
        self.content_format = content_format
        self.links = links
        self.tuning: Any = Fast()

    def get_link_description(self) -> dict[str, Any]:
        return dict(self.links)

    async def render_get(self, request: Any) -> Any:
        return self.content()

    async def render_put(self, request: Any) -> Any:
        self.set(request.payload)
        return aiocoap.Message(code=aiocoap.CHANGED)

    async def render_delete(self, request: Any) -> Any:
        self.updated_state(aiocoap.Message(code=aiocoap.NOT_FOUND))
        return aiocoap.Message(code=aiocoap.DELETED)

    async def render_post(self, request: Any) -> Any:
        return with_options(
            aiocoap.Message(code=aiocoap.CREATED), [(8, b"location1"), (8, b"location2"), (8, b"location3")]
        )

    def content(self) -> Any:
        return aiocoap.Message(
            code=aiocoap.CONTENT,
            payload=self.payload,
            content_format=self.content_format,
            transport_tuning=self.tuning,
        )

    def set(self, payload: bytes) -> None:
        """Another state, and everybody is told."""
        self.payload = payload
        self.updated_state()

    @property
    def observed(self) -> int:
        return len(self._observations)


class Separate(Stored):
    """Answers once ``release`` is set: when the client has seen its request acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.release = asyncio.Event()

    async def render_get(self, request: Any) -> Any:
        await self.release.wait()
        return self.content()

    def look(self, seen: Seen) -> None:
        """For the listeners of the client's wire."""
        if not seen.ours and (seen.message.type, seen.message.code) == (Type.ACK, Code.EMPTY):
            self.release.set()


class Query(Stored):
    async def render_get(self, request: Any) -> Any:
        return aiocoap.Message(payload="&".join(request.opt.uri_query).encode())


class LocationQuery(Stored):
    async def render_post(self, request: Any) -> Any:
        return with_options(aiocoap.Message(code=aiocoap.CREATED), [(20, b"first=1"), (20, b"second=2")])


class MultiFormat(Stored):
    async def render_get(self, request: Any) -> Any:
        if request.opt.accept == 41:
            return aiocoap.Message(payload=XML, content_format=41)
        return self.content()


class Conditional(Stored):
    """Has an ETag, and minds If-Match and If-None-Match."""

    def __init__(self, payload: bytes = b"a lamp") -> None:
        super().__init__(payload)

    async def render_get(self, request: Any) -> Any:
        answer = self.content()
        aiocoap.resource.hashing_etag(request, answer)
        return answer

    async def render_put(self, request: Any) -> Any:
        answer = self.content()
        aiocoap.resource.hashing_etag(request, answer)
        if request.opt.if_match and answer.opt.etag not in request.opt.if_match:
            return aiocoap.Message(code=aiocoap.PRECONDITION_FAILED)
        if request.opt.if_none_match and self.payload:
            return aiocoap.Message(code=aiocoap.PRECONDITION_FAILED)
        code = aiocoap.CHANGED if self.payload else aiocoap.CREATED
        self.set(request.payload)
        return aiocoap.Message(code=code)


class Large(Stored):
    async def render_post(self, request: Any) -> Any:
        self.set(request.payload)
        return with_options(aiocoap.Message(code=aiocoap.CREATED), [(8, b"large-create"), (8, b"1")])


class LargePost(Stored):
    async def render_post(self, request: Any) -> Any:
        return aiocoap.Message(code=aiocoap.CHANGED, payload=request.payload.upper(), content_format=0)


class AiocoapServer:
    """``resources`` by path, on ``port``."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.separate = Separate()
        self.resources: dict[str, Stored] = {
            "test": Stored(),
            "seg1/seg2/seg3": Stored(),
            "query": Query(),
            "separate": self.separate,
            "location-query": LocationQuery(),
            "multi-format": MultiFormat(),
            "validate": Conditional(),
            "create1": Conditional(b""),
            "large": Stored(LARGE),
            "large-update": Stored(),
            "large-create": Large(),
            "large-create/1": Stored(),
            "large-post": LargePost(),
            "obs": Stored(),
            "obs-large": Stored(LARGE),
            "obs-pumping": Stored(),
            "link1": Stored(rt="Type1 Type2", **{"if": "If1"}),
            "link2": Stored(rt="Type2 Type3", **{"if": "If2"}, sz="1200"),
            "link3": Stored(rt="Type1 Type3", **{"if": "foo"}),
            "path": Stored(b"</path/sub1>,</path/sub2>", 40, ct="40"),
            "path/sub1": Stored(b"/path/sub1"),
        }

    def site(self) -> Any:
        site = aiocoap.resource.Site()
        for path, resource in self.resources.items():
            site.add_resource(path.split("/"), resource)
        site.add_resource(
            [".well-known", "core"], aiocoap.resource.WKCResource(site.get_resources_as_linkheader, impl_info=None)
        )
        return site


@asynccontextmanager
async def aiocoap_server() -> AsyncIterator[AiocoapServer]:
    server = AiocoapServer(free_port())
    context = await aiocoap.Context.create_server_context(
        server.site(), bind=("127.0.0.1", server.port), transports=["udp6"]
    )
    try:
        yield server
    finally:
        await context.shutdown()


class LibcoapServer:
    """``port`` without security; with it, the next one."""

    def __init__(self, port: int) -> None:
        self.port = port


@asynccontextmanager
async def libcoap_server(*options: str, program: str = "coap-server-notls") -> AsyncIterator[LibcoapServer]:
    """libcoap's example server: /, /time, /async and whatever is PUT to it."""
    assert shutil.which(program), f"{program} is needed for this test: install it"
    server = LibcoapServer(free_port())
    process = await asyncio.create_subprocess_exec(
        *(program, "-A", "127.0.0.1", "-p", str(server.port), "-d", "20", *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with plugtest_client(server.port) as client:
            await client.ping()
        yield server
    finally:
        process.kill()
        await process.wait()


def free_port() -> int:
    """A UDP port that nobody has; the next one is free as well."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
                try:
                    second.bind(("127.0.0.1", port + 1))
                except (OSError, OverflowError):
                    continue
            return port
