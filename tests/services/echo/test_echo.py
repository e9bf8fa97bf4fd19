"""Device Echo over the REST API: what a device says and what it is asked to write, on both databases."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lamplighter.clock import MICROSECONDS, to_rfc3339
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.link import parse_links
from lamplighter.services.connect.service import Ending, Registered
from lamplighter.services.echo.operations import operations
from lamplighter.services.echo.service import CURSOR, Echoes
from lamplighter.settings import Echo, Settings
from lamplighter.storage.database import Database
from tests import contract
from tests.api.toy import ACCOUNT, OTHER, Toy
from tests.services.connect.bench import AUTO_TOKEN, Bench, FakePeer

TEMPERATURE = "/3303/0/5700"
DAY = 86400.0


class EchoBench(Bench):
    """The bench, with an echo that is written when a test says so."""

    def __init__(self, database: Database, **limits: Any) -> None:
        super().__init__(database, settings=Settings(echo=Echo(**limits)))
        self.echoes = Echoes(database, self.clock, self.settings, self.log, self.directory, self.connect)
        self.echo = Toy(self.settings, bound=operations.bind(self.echoes))

    async def start(self) -> None:
        await self.log.commit(CURSOR, await self.log.end())

    async def follow(self) -> None:
        """Until all that happened is in the echo."""
        while await self.echoes.step():
            pass

    async def shown(self, registered: Registered) -> dict[str, Any]:
        await self.follow()
        path = f"/v3/devices/{registered.device_id}/echo"
        answer = await self.echo.call("GET", path)
        assert answer.status_code == 200, answer.text
        contract.check("getDeviceEchoObject", 200, answer.json())
        return dict(answer.json())

    async def resource(self, registered: Registered, path: str) -> dict[str, Any] | None:
        resources = (await self.shown(registered))["resources"]
        return next((each for each in resources if each["resource_path"] == path), None)

    async def write(self, registered: Registered, async_id: str, value: bytes, uri: str = "/3/0/15") -> None:
        body = {"method": "PUT", "uri": uri, "payload-b64": base64.b64encode(value).decode()}
        path = f"/v2/device-requests/{registered.device_id}?async-id={async_id}"
        assert (await self.call("POST", path, json=body)).status_code == 202


@pytest.fixture
async def echo(database: Database) -> AsyncIterator[EchoBench]:
    bench = EchoBench(database)
    await bench.start()
    yield bench
    await bench.connect.close()


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def content(payload: bytes, content_format: int = 0) -> Message:
    return Message(Code.CONTENT, payload=payload).add(Option.CONTENT_FORMAT, content_format)


async def test_an_echo_begins_with_the_values_of_the_registration(echo: EchoBench) -> None:
    registered = await echo.register(FakePeer())
    now = to_rfc3339(echo.clock.now())
    assert await echo.shown(registered) == {
        "object": "device-echo",
        "device_id": registered.device_id,
        "endpoint_name": registered.endpoint_name,
        "created_at": now,
        "updated_at": now,
        "last_reported_at": now,
        "resources": [
            {
                "resource_path": "/10252/0/2",
                "subscribed": False,
                "reported": {"value": b64(b"1"), "content_type": "text/plain", "reported_at": now, "expires_at": now},
            }
        ],
    }


async def test_an_update_tells_values_too_and_the_last_registration_is_the_full_one(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    began = to_rfc3339(echo.clock.now())
    echo.clock.advance(60)
    await echo.update(peer, registered, links=tuple(parse_links('</10252/0/2>;v="7"')))
    shown = await echo.shown(registered)
    assert shown["updated_at"] == began
    assert shown["last_reported_at"] == to_rfc3339(echo.clock.now())
    assert shown["resources"][0]["reported"]["value"] == b64(b"7")


async def test_a_read_and_a_notification_are_reported_with_their_age(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.request(registered.device_id, "one", uri=TEMPERATURE)
    (await peer.asked()).answer(b"20.5")
    await echo.idle()
    at = echo.clock.now()
    first = await echo.resource(registered, TEMPERATURE)
    assert first is not None
    assert first["reported"] == {
        "value": b64(b"20.5"),
        "content_type": "text/plain",
        "reported_at": to_rfc3339(at),
        "expires_at": to_rfc3339(at + 60 * MICROSECONDS),
    }
    echo.clock.advance(5)
    await echo.connect.notified(peer, AUTO_TOKEN, content(b"2").add(Option.MAX_AGE, 10))
    told = await echo.resource(registered, "/10252/0/2")
    assert told is not None and told["reported"]["value"] == b64(b"2")
    assert told["reported"]["expires_at"] == to_rfc3339(echo.clock.now() + 10 * MICROSECONDS)


async def test_a_subscription_shows_on_its_resource_and_on_what_lies_in_it(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.connect.subscribe(ACCOUNT, "subject", registered.device_id, "/3303")
    (await peer.asked()).answer(b"", observe=1)
    await echo.request(registered.device_id, "one", uri=TEMPERATURE)
    (await peer.asked()).answer(b"20.5")
    await echo.idle()
    shown = {each["resource_path"]: each["subscribed"] for each in (await echo.shown(registered))["resources"]}
    assert shown == {TEMPERATURE: True, "/10252/0/2": False}


async def test_a_representation_of_an_instance_is_taken_apart(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.request(registered.device_id, "one", uri="/3/0")
    asked = await peer.asked()
    asked.future.set_result(content(b"\xc4\x00Acme\xc1\x09\x5f", ContentFormat.LWM2M_TLV))
    await echo.idle()
    shown = {
        each["resource_path"]: base64.b64decode(each["reported"]["value"])
        for each in (await echo.shown(registered))["resources"]
    }
    assert shown == {"/3/0/0": b"Acme", "/3/0/9": b"95", "/10252/0/2": b"1"}


async def test_a_write_is_desired_until_the_device_has_answered(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.write(registered, "w1", b"UTC")
    asked = await peer.asked()
    at = to_rfc3339(echo.clock.now())
    pending = await echo.resource(registered, "/3/0/15")
    assert pending == {
        "resource_path": "/3/0/15",
        "subscribed": False,
        "desired": {"value": b64(b"UTC"), "status": 0, "desired_at": at, "status_updated_at": at},
    }
    echo.clock.advance(3)
    asked.answer(code=Code.CHANGED)
    await echo.idle()
    shown = await echo.shown(registered)
    assert shown["last_desired_at"] == at
    done = next(each for each in shown["resources"] if each["resource_path"] == "/3/0/15")
    assert done["desired"]["status"] == 1
    assert done["desired"]["status_updated_at"] == to_rfc3339(echo.clock.now())


@pytest.mark.parametrize("how", ["refused", "expired", "removed"])
async def test_a_write_that_did_not_happen_has_failed(echo: EchoBench, how: str) -> None:
    peer = FakePeer()
    registered = await echo.register(peer, queue_mode=how == "expired")
    if how == "expired":
        echo.clock.advance(100)
        await echo.write(registered, "w1", b"UTC")
        echo.clock.advance(4 * DAY)
        await echo.connect.commands.expire()
    else:
        await echo.write(registered, "w1", b"UTC")
        asked = await peer.asked()
        if how == "refused":
            asked.answer(code=Code.METHOD_NOT_ALLOWED)
            await echo.idle()
        else:
            await echo.connect.end(ACCOUNT, registered.device_id, Ending.DEREGISTERED, before=echo.clock.now())
    shown = await echo.resource(registered, "/3/0/15")
    assert shown is not None and shown["desired"]["status"] == 2


async def test_the_end_of_an_older_write_says_nothing_of_the_newer_one(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.write(registered, "w1", b"UTC")
    first = await peer.asked()
    await echo.write(registered, "w2", b"CET")
    first.answer(code=Code.CHANGED)
    second = await peer.asked()
    pending = await echo.resource(registered, "/3/0/15")
    assert pending is not None
    assert (pending["desired"]["value"], pending["desired"]["status"]) == (b64(b"CET"), 0)
    second.answer(code=Code.CHANGED)
    await echo.idle()
    done = await echo.resource(registered, "/3/0/15")
    assert done is not None and done["desired"]["status"] == 1


async def test_notification_rules_are_no_desired_value(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.request(registered.device_id, "rules", method="PUT", uri=f"{TEMPERATURE}?pmin=10")
    (await peer.asked()).answer(code=Code.CHANGED)
    await echo.idle()
    assert await echo.resource(registered, TEMPERATURE) is None


async def test_a_deleted_echo_stays_deleted_and_begins_anew(echo: EchoBench) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.connect.notified(peer, AUTO_TOKEN, content(b"2"))  # not read from the log yet
    echo.clock.advance(1)
    path = f"/v3/devices/{registered.device_id}/echo"
    answer = await echo.echo.call("DELETE", path)
    assert (answer.status_code, answer.content) == (200, b"")
    contract.check("deleteDeviceEchoObject", 200, None)
    assert (await echo.shown(registered))["resources"] == []
    echo.clock.advance(1)
    await echo.connect.notified(peer, AUTO_TOKEN, content(b"3"))
    assert (await echo.shown(registered))["resources"][0]["reported"]["value"] == b64(b"3")


async def test_an_echo_goes_with_its_device(echo: EchoBench) -> None:
    registered = await echo.register(FakePeer())
    await echo.shown(registered)
    async with echo.database.transaction() as tx:
        records = echo.directory.records
        await records.delete(tx, await records.locked(tx, ACCOUNT, registered.device_id))
    await echo.follow()
    answer = await echo.echo.call("GET", f"/v3/devices/{registered.device_id}/echo")
    assert (answer.status_code, answer.json()["type"]) == (404, "not_found")
    assert await echo.echoes.prune() == 0  # nothing is left


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_device_and_another_accounts_are_the_same(echo: EchoBench, method: str) -> None:
    registered = await echo.register(FakePeer())
    await echo.follow()
    for device_id, key in ((registered.device_id, OTHER), ("0" * 32, None), ("lamp", None)):
        more = {} if key is None else {"key": key}
        answer = await echo.echo.call(method, f"/v3/devices/{device_id}/echo", **more)
        assert (answer.status_code, answer.json()["type"]) == (404, "not_found")
    assert len((await echo.shown(registered))["resources"]) == 1


async def test_of_many_resources_the_newest_stay_and_what_is_too_large_is_not_kept(database: Database) -> None:
    echo = EchoBench(database, resources=3, value_size=8)
    await echo.start()
    peer = FakePeer()
    registered = await echo.register(peer)
    for number in range(4):
        echo.clock.advance(1)
        await echo.update(peer, registered, links=tuple(parse_links(f'</3303/{number}/5700>;v="{number}"')))
    echo.clock.advance(1)
    await echo.update(peer, registered, links=tuple(parse_links('</3303/1/5700>;v="123456789"')))
    shown = (await echo.shown(registered))["resources"]
    assert [each["resource_path"] for each in shown] == [f"/3303/{number}/5700" for number in (1, 2, 3)]
    assert shown[0]["reported"]["value"] == b64(b"1")
    await echo.connect.close()


async def test_an_echo_is_kept_while_its_device_registers_and_then_as_long_as_the_setting_says(
    echo: EchoBench,
) -> None:
    peer = FakePeer()
    registered = await echo.register(peer)
    await echo.follow()
    echo.clock.advance(180 * DAY)
    await echo.update(peer, registered, lifetime=600)
    echo.clock.advance(4 * DAY)
    assert await echo.echoes.prune() == 0  # only its update was heard, which no echo reads
    await echo.connect.end(ACCOUNT, registered.device_id, Ending.EXPIRED, before=echo.clock.now())
    echo.clock.advance(178 * DAY)
    assert await echo.echoes.prune() == 0
    echo.clock.advance(6 * DAY)
    assert await echo.echoes.prune() == 1
    assert (await echo.shown(registered))["resources"] == []


async def test_two_workers_write_each_event_once(echo: EchoBench) -> None:
    other = Echoes(echo.database, echo.clock, echo.settings, echo.log, echo.directory, echo.connect)
    peer = FakePeer()
    registered = await echo.register(peer)
    position = await echo.log.cursor(CURSOR)
    assert position is not None
    end = (await echo.log.read(position, 500))[-1].position
    async with echo.database.transaction() as tx:
        assert await echo.log.commit(CURSOR, end, tx)
        assert not await echo.log.commit(CURSOR, end, tx)
    assert not await other.step()
    assert (await echo.shown(registered))["resources"] == []  # those events were another's


async def test_a_batch_that_fails_is_done_wholly_or_not_at_all(
    echo: EchoBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = await echo.register(FakePeer())
    before = await echo.log.cursor(CURSOR)
    with monkeypatch.context() as broken:
        broken.setattr("lamplighter.services.echo.store._trim", _fail)
        with pytest.raises(RuntimeError):
            await echo.echoes.step()
    assert await echo.log.cursor(CURSOR) == before
    assert len((await echo.shown(registered))["resources"]) == 1


async def _fail(*_: Any) -> int:
    raise RuntimeError("the lamp fell")


async def test_a_running_echo_follows_by_itself(echo: EchoBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamplighter.services.echo.service.GROUP", 0.0)
    await echo.bus.start()
    await echo.echoes.start()
    registered = await echo.register(FakePeer())
    path = f"/v3/devices/{registered.device_id}/echo"
    while not (await echo.echo.call("GET", path)).json()["resources"]:
        assert echo.echoes._task is not None and not echo.echoes._task.done()
    await echo.echoes.close()
    await echo.bus.close()
