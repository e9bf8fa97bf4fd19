"""Channels that are delivered to Kafka: what arrives, what is refused, and what survives."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.clock import SystemClock
from lamplighter.outbound import kafka as optional
from lamplighter.services.certificates.authority import Authority
from lamplighter.services.channels.retention import REMOVED
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN
from tests.outbound.kafka_broker import KafkaBroker, kafka
from tests.outbound.librdkafka import cluster, reading
from tests.outbound.receivers import PATIENCE, ca_file, server_tls
from tests.services.channels.killable import Child
from tests.services.channels.served import (
    DEVICE,
    Served,
    callers,
    deregistered,
    events_of,
    finished,
    notified,
    registered,
    serving,
)
from tests.services.channels.test_named import CHANNELS, got, put, shown

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
OTHER_DEVICE = "0" * 31 + "e"


def channel(*ports: int, **more: Any) -> dict[str, Any]:
    servers = [f"127.0.0.1:{port}" for port in ports]
    return {"type": "kafka", "kafka": {"servers": servers, "topic": "lamps", "tls": False, **more}}


async def stream(served: Served, body: dict[str, Any], name: str = "stream") -> None:
    answer = await put(served, name, body)
    assert answer.status_code == 201, answer.text


async def refusal(served: Served, body: dict[str, Any]) -> dict[str, Any]:
    answer = await put(served, "stream", body)
    assert answer.status_code == 400, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def deliveries(served: Served) -> dict[str, Any]:
    found: dict[str, Any] = (await served.call("GET", f"{CHANNELS}/stream/deliveries")).json()
    return found


def paths(broker: KafkaBroker) -> list[str]:
    return [item["path"] for each in broker.stored if "path" in (item := json.loads(each.value))]


async def arrived(broker: KafkaBroker, *numbers: int) -> None:
    """Wait for these notifications, in this order; one that came again counts once."""
    wanted = [f"/3303/0/{number}" for number in numbers]
    async with asyncio.timeout(3 * PATIENCE), broker.arrived:
        await broker.arrived.wait_for(lambda: list(dict.fromkeys(paths(broker))) == wanted)


async def test_what_devices_say_reaches_a_consumer_an_event_a_record(database: Database) -> None:
    with cluster() as servers:
        async with serving(database) as served, reading(servers, "lamps") as reader:
            await stream(served, channel(*(port for _, port in servers)))
            await served.happen(registered(), *(notified(number) for number in range(3)))
            await served.happen(finished("request"), registered(OTHER_DEVICE), deregistered())
            found = await reader.read(7)
    own = [each for each in found if each.key() == DEVICE.encode()]
    headers = [dict(each.headers()) for each in own]
    assert [each["kind"] for each in headers] == [
        b"registrations",
        *[b"notifications"] * 3,
        b"async-responses",
        b"de-registrations",
    ]
    assert len({each["uid"] for each in headers}) == 6
    assert headers[0]["content-type"] == b"application/json"
    values = [json.loads(each.value()) for each in own]
    assert [each["path"] for each in values[1:4]] == ["/3303/0/0", "/3303/0/1", "/3303/0/2"]
    assert values[4]["id"] == "request" and values[5] == {"ep": DEVICE}
    assert len({each.partition() for each in own}) == 1
    (other,) = [each for each in found if each.key() != DEVICE.encode()]
    assert other.key() == OTHER_DEVICE.encode()


async def test_the_serialization_of_the_channel_is_that_of_its_records(database: Database) -> None:
    async with kafka() as broker, serving(database) as served:
        options = {"include_uid": True, "include_original_ep": True}
        await stream(served, {**channel(broker.port), "serialization": {"type": "v2", "cfg": options}})
        await served.happen(notified(1))
        (record,) = await broker.got(1)
    value = json.loads(record.value)
    assert value["uid"] == record.headers["uid"].decode() and value["original-ep"] == "lamp"


async def test_a_broker_that_dies_gets_everything_in_order_when_it_is_back(database: Database) -> None:
    async with kafka() as broker, serving(database, pause=lambda failures: 0.05) as served:
        await stream(served, channel(broker.port))
        await served.happen(notified(0))
        await arrived(broker, 0)
        await broker.close()
        await served.happen(notified(1), notified(2))
        await shown(served, "stream", state="failing")
        state = await deliveries(served)
        assert state["failures"][0]["kind"] == "connection" and state["queue_size"] == 2
        await broker.open()
        await arrived(broker, 0, 1, 2)
        await shown(served, "stream", state="delivering", queue_size=0)


async def test_records_that_the_broker_refuses_wait_and_the_reason_is_shown(database: Database) -> None:
    async with kafka() as broker, serving(database, pause=lambda failures: 0.02) as served:
        await stream(served, channel(broker.port))
        broker.produce_errors = deque([29] * 3)
        await served.happen(notified(0), notified(1))
        await arrived(broker, 0, 1)
        state = await deliveries(served)
        assert [each["reason"] for each in state["failures"]] == ["the user may not write to the topic"] * 3


async def test_a_channel_that_fails_for_too_long_is_removed(database: Database) -> None:
    async with kafka() as broker:
        async with serving(database, pause=lambda failures: 0.02, limits={"failing": 0.2}) as served:
            await stream(served, channel(broker.port))
            await broker.close()
            await served.happen(notified(0))
            async with asyncio.timeout(PATIENCE):
                while not await events_of(served, REMOVED):  # noqa: ASYNC110 - it announces nothing
                    await asyncio.sleep(0.02)
            assert (await served.call("GET", f"{CHANNELS}/stream")).status_code == 404


async def test_the_test_button_tells_whether_the_broker_takes_the_connection(database: Database) -> None:
    async with kafka(KafkaBroker(user=("ada", "secret"))) as broker, serving(database) as served:
        await stream(served, channel(broker.port, username="ada", password="secret"))
        answer = (await served.call("POST", f"{CHANNELS}/stream/test")).json()
        assert answer["acknowledged"] and not broker.stored
        broker.user = ("ada", "another")
        answer = (await served.call("POST", f"{CHANNELS}/stream/test")).json()
        assert not answer["acknowledged"] and answer["reason"] == "user or password is wrong"


async def test_passwords_and_keys_are_not_shown_again_and_lie_sealed(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path / "pki", SystemClock().now())
    own = authority.issue_device("notifications", "0" * 32, "1" * 32)
    certificate, key = own.certificate_pem.decode(), own.key_pem.decode()
    broker = KafkaBroker(user=("ada", "s3cr3t"))
    async with kafka(broker, server_tls(authority)), serving(database) as served:
        broker.advertised = ("localhost", broker.port)
        body = channel(broker.port, username="ada", password="s3cr3t", mechanism="PLAIN", tls=True)
        body["kafka"] |= {"servers": [f"localhost:{broker.port}"], "certificate": certificate, "private_key": key}
        body["kafka"]["ca"] = ca_file(authority).read_text()
        await stream(served, body)
        await served.happen(notified(0))
        await arrived(broker, 0)
        shown_again = await got(served, "stream")
        assert shown_again["kafka"]["username"] == "ada" and shown_again["kafka"]["certificate"] == certificate
        listed = (await served.call("GET", CHANNELS)).text
        row = await served.channels._store.get(ACCOUNT, "subject", "stream")
    assert row is not None and row.endpoint is not None
    for text in (json.dumps(shown_again), listed, row.endpoint.decode("latin-1"), caplog.text):
        assert "s3cr3t" not in text and "PRIVATE KEY" not in text


@only_sqlite
@pytest.mark.parametrize(
    ("broker", "more", "word"),
    [
        (KafkaBroker(topic_errors=deque([3] * 9)), {}, "the topic does not exist"),
        (KafkaBroker(user=("ada", "secret")), {"username": "ada", "password": "guess"}, "password is wrong"),
        (KafkaBroker(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n"), {}, "not Kafka's"),
        (KafkaBroker(advertised=("10.1.2.3", 9092)), {}, "sends its clients to 10.1.2.3"),
        (KafkaBroker(), {"servers": ["192.168.1.1:9092"]}, "not a public address"),
    ],
)
async def test_a_broker_that_takes_nothing_is_not_registered_and_the_answer_says_why(
    database: Database, broker: KafkaBroker, more: dict[str, Any], word: str
) -> None:
    async with kafka(broker), serving(database) as served:
        answer = await refusal(served, channel(broker.port, **more))
        assert word in answer["message"] and answer["type"] == "bad_request"
        assert (await served.call("GET", f"{CHANNELS}/stream")).status_code == 404


@only_sqlite
async def test_a_broker_whose_authority_is_unknown_is_not_registered(database: Database, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", SystemClock().now())
    async with kafka(KafkaBroker(), server_tls(authority)) as broker, serving(database) as served:
        body = channel(broker.port, tls=True)
        assert "its certificate is not trusted" in (await refusal(served, body))["message"]


@only_sqlite
async def test_all_faults_of_a_body_are_told_at_once(database: Database) -> None:
    async with serving(database) as served:
        body = {
            "type": "kafka",
            "serialization": {"type": "v2", "max_chunk_size": 1},
            "mqtt": {"url": "mqtts://lamps.example"},
            "kafka": {
                "servers": ["http://lamps.example"],
                "topic": "all lamps",
                "username": "ada",
                "certificate": "x",
            },
        }
        names = {fault["name"] for fault in (await refusal(served, body))["fields"]}
        assert names == {
            "serialization.max_chunk_size",
            "mqtt",
            "kafka.servers",
            "kafka.topic",
            "kafka.password",
            "kafka.private_key",
        }


@only_sqlite
async def test_without_the_extra_a_registration_says_what_to_install_and_nothing_else_breaks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kafka() as broker:
        async with serving(database) as served:
            await stream(served, channel(broker.port))
        monkeypatch.setattr(optional, "find_spec", lambda name: None)
        async with serving(database) as served:
            answer = await refusal(served, channel(broker.port))
            assert "kafka" in answer["message"] and "pip install 'lamplighter[kafka]'" in answer["message"]
            await served.happen(notified(0))
            assert (await got(served, "stream"))["queue_size"] == 1
            await served.registered()
            async with served.socket() as socket:
                await served.happen(notified(1))
                assert "/3303/0/1" in await socket.recv(decode=True)
        monkeypatch.undo()
        async with serving(database):
            await arrived(broker, 0, 1)


async def test_of_what_happens_around_kills_everything_comes_in_order(database: Database) -> None:
    child = Child("one")
    await child.start(database)
    writer = Served(database, LocalBus(), callers(), 5.0, 1.0)
    async with kafka() as broker, httpx2.AsyncClient() as client:
        url = f"http://127.0.0.1:{child.port}{CHANNELS}/stream"
        bearer = {"Authorization": f"Bearer {ADMIN}"}
        answer = await client.put(url, headers=bearer, json=channel(broker.port), timeout=PATIENCE)
        assert answer.status_code == 201, answer.text
        for run in range(3):
            for number in range(60 * run, 60 * run + 60, 3):
                await writer.happen(*(notified(each) for each in range(number, number + 3)))
                if run < 2 and number == 60 * run + 30:
                    await broker.got(60 * run + 1)
                    await child.kill()
                    await child.start(database)
        await arrived(broker, *range(180))
    await child.kill()
    await writer.outbound.close()
