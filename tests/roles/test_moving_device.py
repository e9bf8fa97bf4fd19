"""A device moves between two gateways, and what it tells and is asked follows it: each role is a process of its own."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from lamplighter.coap.numbers import Code
from tests.outbound.receivers import LOOPBACK, Receiver, receiving
from tests.roles.separate import Separate
from tests.servers import NatsServer
from tests.services.channels.sse import Stream, events

PATH = "/3303/0/5700"
NETWORKS = {"OUTBOUND_ALLOWED_NETWORKS": ",".join(LOOPBACK)}


def payloads(items: list[dict[str, Any]]) -> list[str]:
    """The values of that resource among notifications."""
    return [base64.b64decode(each["payload"]).decode() for each in items if each.get("path") == PATH]


async def of_webhook(receiver: Receiver, number: int) -> list[str]:
    while True:
        bodies = [json.loads(request.body) for request in receiver.requests]
        found = payloads([each for body in bodies for each in body.get("notifications", ())])
        if len(found) >= number:
            return found
        await receiver.got(len(bodies) + 1)


async def of_socket(socket: Any, found: list[str], number: int) -> list[str]:
    while len(found) < number:
        found += payloads(json.loads(await socket.recv()).get("notifications", []))
    return found


async def response(socket: Any, async_id: str) -> dict[str, Any]:
    while True:
        for each in json.loads(await socket.recv()).get("async-responses", []):
            if each["id"] == async_id:
                found: dict[str, Any] = each
                return found


async def of_stream(stream: Stream, found: list[str], number: int) -> list[str]:
    while len(found) < number:
        found += payloads([each for each in (await stream.told()).items if isinstance(each, dict)])
    return found


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_webhook_socket_and_stream_follow_a_device_from_gateway_to_gateway(
    database_url: str, nats: NatsServer, tmp_path: Path
) -> None:
    async with (
        Separate(tmp_path / "data", database_url, nats.url, gateways=2, workers=1, more=NETWORKS) as separate,
        receiving() as receiver,
    ):
        here, there = separate.here, separate.there
        hook = {"type": "webhook", "webhook": {"url": receiver.url()}}
        assert (await here.put("/v2/notification/channels/hook", json=hook)).is_success
        assert (await here.put("/v2/notification/websocket")).is_success
        url = f"ws://127.0.0.1:{separate.api_ports[1]}/v2/notification/websocket-connect"
        headers = {"Authorization": f"Bearer {separate.key}"}
        async with (
            asyncio.timeout(30),
            connect(url, additional_headers=headers) as socket,
            events(separate.api_ports[0], key=separate.key) as stream,
        ):
            _, device = await separate.registered()
            device_id = device.location[-1]
            subscribed = await there.put(f"/v2/subscriptions/{device_id}/{PATH}")
            assert subscribed.status_code == 202
            assert (await response(socket, subscribed.json()["async-response-id"]))["status"] == 200
            seen: tuple[list[str], list[str]] = [], []
            told: list[str] = []
            for turn, port in enumerate([*separate.lwm2m_ports, *separate.lwm2m_ports]):
                if turn:
                    device.go_to(port)
                told.append(f"{turn}.5")
                device.notify(PATH, told[-1].encode())
                await of_socket(socket, seen[0], len(told))
                await of_stream(stream, seen[1], len(told))
                assert [seen[0], seen[1], await of_webhook(receiver, len(told))] == [told] * 3
                asked = {"method": "GET", "uri": "/3/0/0"}
                path = f"/v2/device-requests/{device_id}?async-id=turn-{turn}"
                assert (await (here, there)[turn % 2].post(path, json=asked)).status_code == 202
                assert (await response(socket, f"turn-{turn}"))["status"] == 200
            assert (await device.update()).code == Code.CHANGED
