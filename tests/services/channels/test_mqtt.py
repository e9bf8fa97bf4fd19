"""Channels that are delivered to MQTT: what arrives, under which topics, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from lamplighter.clock import SystemClock
from lamplighter.outbound import mqtt as optional
from lamplighter.services.certificates.authority import Authority
from lamplighter.services.connect import events
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.outbound.mosquitto import Mosquitto, Subscriber, mosquitto, server_lines, subscribed
from tests.services.channels.served import DEVICE, deregistered, finished, notified, now, registered, serving
from tests.services.channels.test_kafka import deliveries, only_sqlite, refusal, stream
from tests.services.channels.test_named import CHANNELS, got, shown


def channel(broker: Mosquitto, **more: Any) -> dict[str, Any]:
    return {"type": "mqtt", "mqtt": {"url": f"mqtt://{broker.host}:{broker.port}", **more}}


async def payloads(subscriber: Subscriber, number: int) -> list[dict[str, Any]]:
    return [json.loads((await subscriber.next())["payload"]) for _ in range(number)]


async def test_what_devices_say_reaches_a_subscriber_an_event_a_message(database: Database, tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with serving(database) as served, subscribed(broker) as subscriber:
            await stream(served, channel(broker))
            await served.happen(registered(), notified(0), notified(1), finished("request"), deregistered())
            found = [await subscriber.next() for _ in range(5)]
    assert [each["topic"] for each in found] == [
        f"{ACCOUNT}/{DEVICE}/{kind}"
        for kind in ("registrations", "notifications", "notifications", "async-responses", "de-registrations")
    ]
    values = [json.loads(each["payload"]) for each in found]
    assert [each["path"] for each in values[1:3]] == ["/3303/0/0", "/3303/0/1"]
    assert values[4] == {"ep": DEVICE}
    properties = [each["properties"]["user-properties"] for each in found]
    assert [each["kind"] for each in properties][0] == "registrations"
    assert len({each["uid"] for each in properties}) == 5
    assert {(each["qos"], each["retain"]) for each in found} == {(1, 0)}


async def test_a_topic_has_the_variables_of_the_event_and_no_levels_or_wildcards_of_theirs(
    database: Database, tmp_path: Path
) -> None:
    named = events.registered(ACCOUNT, DEVICE, now(), {"ep": DEVICE, "resources": []}, "a/+#é")
    with mosquitto(tmp_path) as broker:
        async with serving(database) as served, subscribed(broker) as subscriber:
            await stream(served, channel(broker, topic="lamps/{endpoint_name}/{path}", version="3.1.1"))
            await served.happen(notified(0), named)
            assert [(await subscriber.next())["topic"] for _ in range(2)] == [
                "lamps/lamp/3303/0/0",
                "lamps/a%2F%2B%23%C3%A9/-",
            ]


async def test_a_broker_that_dies_gets_the_rest_when_it_is_back(database: Database, tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with serving(database, pause=lambda failures: 0.05) as served:
            await stream(served, channel(broker))
            async with subscribed(broker) as subscriber:
                await served.happen(notified(0))
                assert [each["path"] for each in await payloads(subscriber, 1)] == ["/3303/0/0"]
            broker.stop(signal.SIGKILL)
            await served.happen(notified(1), notified(2))
            await shown(served, "stream", state="failing")
            assert (await deliveries(served))["failures"][0]["kind"] == "connection"
            broker.start()
            await shown(served, "stream", state="delivering", queue_size=0)


async def test_a_session_that_the_broker_keeps_gets_all_of_it(database: Database, tmp_path: Path) -> None:
    """A subscriber with a session of its own: what was acknowledged while it was away is there when it comes back."""
    with mosquitto(tmp_path) as broker:
        async with serving(database) as served:
            session = ("-i", "reader", "-c", "-x", "3600")
            async with subscribed(broker, *session):
                pass
            await stream(served, channel(broker))
            await served.happen(*(notified(number) for number in range(20)))
            await shown(served, "stream", queue_size=0)
            async with subscribed(broker, *session) as subscriber:
                found = await payloads(subscriber, 20)
    assert [each["path"] for each in found] == [f"/3303/0/{number}" for number in range(20)]


async def test_a_topic_that_the_user_may_not_write_is_shown_as_the_reason(database: Database, tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic write allowed/#\n")
    with mosquitto(tmp_path, "allow_anonymous true", f"acl_file {rights}") as broker:
        async with serving(database, pause=lambda failures: 0.05) as served:
            await stream(served, channel(broker))
            await served.happen(notified(0))
            await shown(served, "stream", state="failing")
            state = await deliveries(served)
    assert state["failures"][0]["reason"] == "it refused a message: not authorized"
    assert state["failures"][0]["kind"] == "refused"


@only_sqlite
async def test_a_broker_that_takes_nothing_is_not_registered_and_the_answer_says_why(
    database: Database, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "pki", SystemClock().now())
    with mosquitto(tmp_path, "allow_anonymous false", *server_lines(*authority.server_files)) as broker:
        async with serving(database) as served:
            secured = f"mqtts://localhost:{broker.port}"
            assert "its certificate is not trusted" in (await refusal(served, channel(broker, url=secured)))["message"]
            ca = (authority.folder / "ca.pem").read_text()
            assert "not authorized" in (await refusal(served, channel(broker, url=secured, ca=ca)))["message"]
            broker.stop()
            assert "cannot be made" in (await refusal(served, channel(broker)))["message"]
            private = channel(broker, url="mqtt://10.1.2.3")
            assert "not a public address" in (await refusal(served, private))["message"]


@only_sqlite
async def test_passwords_are_not_shown_again(database: Database, tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with serving(database) as served:
            await stream(served, channel(broker, username="ada", password="s3cr3t"))
            shown_again = await got(served, "stream")
            assert shown_again["mqtt"] == {"url": f"mqtt://127.0.0.1:{broker.port}", "username": "ada"}


@only_sqlite
async def test_without_the_extra_a_registration_says_what_to_install(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    with mosquitto(tmp_path) as broker:
        async with serving(database) as served:
            answer = await refusal(served, channel(broker))
            assert "pip install 'lamplighter[mqtt]'" in answer["message"]
            assert (await served.call("GET", f"{CHANNELS}/stream")).status_code == 404


class SlowBroker:
    """Acknowledges so many messages on its first connection, and then none; on later ones all."""

    def __init__(self, first: int) -> None:
        self._left: float = first
        self.topics: list[list[str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        topics: list[str] = []
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, body = await packet(reader)
                if kind == 0x10:
                    writer.write(b"\x20\x02\x00\x00")
                elif kind == 0x32:
                    if not topics:
                        self.topics.append(topics)
                    length = int.from_bytes(body[:2])
                    topics.append(body[2 : 2 + length].decode())
                    self._left -= 1
                    if self._left >= 0:
                        writer.write(b"\x40\x02" + body[2 + length : 4 + length])
                elif kind == 0xE0 or not kind:
                    break
        if topics:
            self._left = float("inf")
        writer.close()


async def packet(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """A control packet (MQTT 3.1.1 section 2.2): its first byte, and what follows its length."""
    kind, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        part = (await reader.readexactly(1))[0]
        length, shift = length + ((part & 127) << shift), shift + 7
        if part < 128:
            return kind, await reader.readexactly(length)


async def test_a_broker_too_slow_for_a_whole_message_gets_the_rest_of_it(database: Database) -> None:
    slow = SlowBroker(first=70)
    server = await asyncio.start_server(slow.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    body = {"url": f"mqtt://127.0.0.1:{port}", "version": "3.1.1", "topic": "{path}"}
    outbound = {"timeout": 1.0}
    async with serving(database, pause=lambda failures: 0.05, outbound=outbound) as served:
        await stream(served, {"type": "mqtt", "mqtt": body})
        await served.happen(*(notified(number) for number in range(120)))
        await shown(served, "stream", queue_size=0)
    server.close()
    assert slow.topics[0] == [f"3303/0/{number}" for number in range(100)]
    assert [topic for topics in slow.topics[1:] for topic in topics] == [f"3303/0/{n}" for n in range(50, 120)]
