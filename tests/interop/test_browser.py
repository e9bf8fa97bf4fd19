"""Chromium opens channels from a page of another origin, over TLS, and hears what a device says."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.interop.browser import PATIENCE, Page, chromium, page, public_key_hash
from tests.roles.serving import Serving, settings_for
from tests.roles.simulated import simulated

DIMMER = "/3311/0/5851"

LISTEN = """
// What was heard, to be awaited: `until` gives the first text that fits, of those that came before too.
const heard = [], waiting = new Set();
function hear(text) { heard.push(text); waiting.forEach(look => look()); }
function until(part) {
    return new Promise(resolve => {
        const look = () => {
            const found = heard.find(text => text.includes(part));
            if (found !== undefined) { waiting.delete(look); resolve(found); }
        };
        waiting.add(look);
        look();
    });
}
"""

OPEN_SOCKET = """
new Promise((resolve, reject) => {
    const socket = new WebSocket(%s, %s);
    socket.onopen = () => resolve(socket.protocol);
    socket.onerror = () => reject(new Error("the socket was refused"));
    socket.onmessage = message => hear(message.data);
    socket.onclose = end => hear(`closed ${end.code}`);
})
"""

OPEN_SOURCE = """
new Promise(resolve => {
    const source = new EventSource("/events");
    source.onopen = resolve;
    source.addEventListener("notifications", event => hear(event.data));
}).then(() => null)
"""

FOLLOW = """
(async () => {
    try {
        for await (const message of events(%s, %s)) hear(JSON.stringify(message));
    } catch (error) {
        hear(error.message);
    }
})();
null
"""


def documented() -> str:
    """The function that the documents give to pages."""
    text = (Path(__file__).parents[2] / "docs" / "event_stream.md").read_text()
    code = text.partition("```js\n")[2].partition("```")[0]
    function, _, use = code.partition("\n\n")
    assert function.startswith("async function* events(url, key)") and "of events(" in use
    return function


class Opened(NamedTuple):
    """A page in the browser, and the server with a device that it listens to."""

    page: Page
    serving: Serving
    device: str

    @property
    def address(self) -> str:
        """Without its scheme."""
        return f"localhost:{self.serving.process.port}"

    async def open_socket(self, *protocols: str) -> str:
        address = f"wss://{self.address}/v2/notification/websocket-connect"
        protocol = await self.page.run(OPEN_SOCKET % (json.dumps(address), json.dumps(protocols)))
        assert isinstance(protocol, str)
        return protocol

    async def follow(self, path: str, key: str = "") -> None:
        """Have the page hear an event stream, as the documents say how."""
        address = f"https://{self.address}{path}"
        await self.page.run(documented())
        await self.page.run(FOLLOW % (json.dumps(address), json.dumps(key or self.serving.key)))
        if not key:
            await until_streams(self.serving)

    async def until(self, part: str) -> str:
        """Wait until the page has heard that."""
        heard = await self.page.run(f"until({json.dumps(part)})")
        assert isinstance(heard, str)
        return heard

    async def dim(self, value: int) -> str:
        """Set the device's dimmer; how a notification writes the value."""
        payload = base64.b64encode(str(value).encode()).decode()
        body = {"method": "PUT", "uri": DIMMER, "content-type": "text/plain", "payload-b64": payload}
        answer = await self.serving.call("POST", f"/v2/device-requests/{self.device}?async-id=set-{value}", json=body)
        assert answer.status_code == 202, answer.text
        return f'"payload":"{payload}"'


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    serving = Serving(tmp_path / "data", settings_for())
    await serving.start()
    pages = await asyncio.start_server(partial(own_server, serving), "localhost", 0)
    port = pages.sockets[0].getsockname()[1]
    trusted = await asyncio.to_thread(public_key_hash, "localhost", serving.process.port)
    async with simulated(serving, 1) as (device,):
        async with chromium(tmp_path / "profile", trusted) as tools:
            shown = await page(tools, f"http://localhost:{port}/")
            await shown.run(LISTEN)
            subscribed = await serving.call("PUT", f"/v2/subscriptions/{device}{DIMMER}")
            assert subscribed.status_code in (200, 202)
            yield Opened(shown, serving, device)
    pages.close()
    await serving.close()


async def own_server(serving: Serving, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An application's own server, of another origin than the API's: an empty page, and /events, to which it adds the key."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    if request.startswith("GET /events "):
        await pass_on(serving, request, writer)
    else:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def pass_on(serving: Serving, request: str, writer: asyncio.StreamWriter) -> None:
    """Ask the API for events with the key and what the browser says that it has, and pass on all that it answers."""
    trusted = ssl.create_default_context(cafile=str(serving.process.folder.pki / "ca.pem"))
    events, asking = await asyncio.open_connection("localhost", serving.process.port, ssl=trusted)
    lines = ["GET /v2/notification/events HTTP/1.1", "Host: localhost", f"Authorization: Bearer {serving.key}"]
    lines += [line for line in request.split("\r\n") if line.lower().startswith("last-event-id:")]
    asking.write(("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode())
    with contextlib.suppress(OSError):  # the browser has gone
        while piece := await events.read(65536):
            writer.write(piece)
            await writer.drain()
    asking.close()


async def test_a_page_opens_the_websocket_with_its_key_among_the_subprotocols(opened: Opened) -> None:
    assert (await opened.serving.call("PUT", "/v2/notification/websocket")).status_code == 201
    key = f"pelion_{opened.serving.key}"
    assert await opened.open_socket("wss", key) == "wss"
    await opened.until(await opened.dim(7))
    assert await opened.open_socket(key, "wss") == "wss"  # in the other order; it takes the channel over
    assert await opened.until("closed") == "closed 1001"
    heard = json.loads(await opened.until(await opened.dim(8)))
    assert [(each["ep"], each["path"]) for each in heard["notifications"]] == [(opened.device, DIMMER)]


async def test_a_page_with_a_wrong_key_is_refused_the_websocket(opened: Opened) -> None:
    await opened.serving.call("PUT", "/v2/notification/websocket")
    with pytest.raises(AssertionError, match="the socket was refused"):
        await opened.open_socket("wss", f"pelion_{opened.serving.key[:-1]}")


async def test_a_page_follows_an_event_stream_as_documented_and_misses_nothing_when_it_ends(opened: Opened) -> None:
    await opened.follow("/v2/notification/events")
    heard = json.loads(await opened.until(await opened.dim(7)))
    assert [(each["ep"], each["path"]) for each in heard["notifications"]] == [(opened.device, DIMMER)]
    opened.serving.process.api.end_streams()
    await opened.until(await opened.dim(8))  # said while the page was away, or had just come back
    told = [text for text in await opened.page.run("heard") if "notifications" in text]
    assert len(told) == len(set(told)) == 2


async def test_an_event_source_at_a_server_that_adds_the_key_comes_back_by_itself_and_misses_nothing(
    opened: Opened,
) -> None:
    await opened.page.run(OPEN_SOURCE)
    await opened.until(await opened.dim(7))
    opened.serving.process.api.end_streams()
    await opened.until(await opened.dim(8))
    heard = await opened.page.run("heard")
    assert len(heard) == len(set(heard)) == 2


async def test_a_page_follows_a_registered_stream_from_where_it_was(opened: Opened) -> None:
    named = "/v2/notification/channels/page"
    assert (await opened.serving.call("PUT", named, json={"type": "event-stream"})).status_code == 201
    value = await opened.dim(7)
    await opened.follow(f"{named}/events")
    await opened.until(value)


async def test_a_page_is_told_why_it_gets_no_event_stream(opened: Opened) -> None:
    await opened.follow("/v2/notification/events", opened.serving.key[:-1])
    assert "invalid_accesskey" in await opened.until("error")
    await opened.page.run("heard.length = 0")
    await opened.follow("/v2/notification/channels/none/events", opened.serving.key)
    assert "not_found" in await opened.until("error")


async def until_streams(serving: Serving) -> None:
    """Wait until a stream has begun: what happens from then on is told."""
    async with asyncio.timeout(PATIENCE):
        while not any(each.started for each in serving.process.api._outlets):  # noqa: ASYNC110 - a request announces nothing here
            await asyncio.sleep(0.01)
