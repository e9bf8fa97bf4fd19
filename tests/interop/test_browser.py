"""Chromium opens channels from a page of another origin, over TLS, and hears what a device says."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.browser import Page, chromium, page, public_key_hash
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

OPEN_STREAM = """
(async () => {
    const answer = await fetch(%s, { headers: { Authorization: `Bearer ${%s}`, ...%s } });
    if (!answer.ok) return [answer.status, (await answer.json()).type];
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    (async () => {
        let text = "";
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return hear("the end");
            const blocks = (text += value).split("\\n\\n");
            text = blocks.pop();
            blocks.forEach(hear);
        }
    })();
    return [answer.status, answer.headers.get("X-Request-ID").length];
})()
"""


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

    async def open_stream(self, path: str, key: str = "", **headers: str) -> list[Any]:
        address = f"https://{self.address}{path}"
        script = OPEN_STREAM % (json.dumps(address), json.dumps(key or self.serving.key), json.dumps(headers))
        answer = await self.page.run(script)
        assert isinstance(answer, list)
        return answer

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
    pages = await asyncio.start_server(blank, "localhost", 0)
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


async def blank(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An empty page of another origin than the API's."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


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


async def test_a_page_reads_an_event_stream_and_goes_on_where_it_was(opened: Opened) -> None:
    assert await opened.open_stream("/v2/notification/events") == [200, 32]
    first = await opened.until(await opened.dim(7))
    fields = dict(line.split(": ", 1) for line in first.split("\n"))
    assert fields["event"] == "notifications"
    assert json.loads(fields["data"])["notifications"][0]["path"] == DIMMER
    second = await opened.until(await opened.dim(8))
    await opened.page.run("heard.length = 0")
    assert await opened.open_stream("/v2/notification/events", **{"Last-Event-ID": fields["id"]}) == [200, 32]
    assert await opened.until(second) == second


async def test_a_page_is_told_why_it_gets_no_event_stream(opened: Opened) -> None:
    wrong = opened.serving.key[:-1] + "~"
    assert await opened.open_stream("/v2/notification/events", wrong) == [401, "invalid_accesskey"]
    assert await opened.open_stream("/v2/notification/channels/none/events") == [404, "not_found"]
