"""OMA ETS LwM2M 1.1, information reporting: observations with their attributes, and values sent unasked."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path as Folder
from typing import Any

import pytest

from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.codecs import encode
from lamplighter.lwm2m.path import ROOT, parse_path
from lamplighter.simulator.behaviour import Behaviour
from lamplighter.storage.database import Database
from tests.conformance.lamp import NAME, SENML_CBOR, SENML_JSON, TEXT, TLV, Site, site, values_of
from tests.conformance.marks import conforms
from tests.roles.lwm2m_serving import Serving

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
LONG = 86400
"""Seconds of a lifetime that no test outlasts."""
TEMPERATURE, LEAST, MAKER, DIMMER = "/3303/0/5700", "/3303/0/5601", "/3/0/0", "/3311/0/5851"
TOGETHER = f"{MAKER},{DIMMER}"
"""A resource that stays as it is, and one that is written."""


@pytest.fixture
async def lamp(database: Database, tmp_path: Folder) -> AsyncIterator[Site]:
    async with site(database, tmp_path, lifetime=LONG) as place:
        yield place


@pytest.fixture
async def sleeper(database: Database, tmp_path: Folder) -> AsyncIterator[Site]:
    async with site(database, tmp_path, lifetime=LONG, behaviours={Behaviour.SLEEP: 3600.0}) as place:
        yield place


def number(item: dict[str, Any]) -> float:
    return float(base64.b64decode(item["payload"]))


@conforms("LightweightM2M-1.1-int-301", peer="simulator")
async def test_a_value_is_told_no_sooner_than_pmin_and_no_later_than_pmax(lamp: Site) -> None:
    device = lamp.lamp.device
    assert (await lamp.ask("PUT", f"{TEMPERATURE}?pmin=5&pmax=15"))["status"] == 200
    assert (await lamp.ask("PUT", f"{MAKER}?pmin=10&pmax=20"))["status"] == 200
    first = await lamp.subscribe(TEMPERATURE)
    assert (await lamp.subscribe(MAKER))["status"] == 200
    lamp.lamp.live(4)
    assert device.notified == 0
    lamp.lamp.live(2)
    (told,) = await lamp.notifications(1)
    assert told["path"] == TEMPERATURE and number(told) != number(first)
    await lamp.lamp.settled()
    lamp.lamp.live(13)
    told = (await lamp.notifications(2))[-1]
    assert told["path"] == TEMPERATURE
    await lamp.lamp.settled()
    lamp.lamp.live(2)
    # What has not changed is told after pmax all the same.
    told = (await lamp.notifications(3))[-1]
    assert (told["path"], base64.b64decode(told["payload"])) == (MAKER, b"Lamplighter")


@conforms("LightweightM2M-1.1-int-302", peer="simulator")
async def test_a_reset_ends_one_observation_and_then_the_other(sleeper: Site) -> None:
    device = sleeper.lamp.device
    for path in (TEMPERATURE, "/3200/0/5501"):
        assert (await sleeper.subscribe(path))["status"] == 200
    for left, path in ((1, TEMPERATURE), (0, "/3200/0/5501")):
        assert len(device.observations) == left + 1
        await sleeper.unsubscribe(path)  # a device that sleeps is told by the reset of what it says next
        sleeper.lamp.live(200)
        await sleeper.lamp.until_true(lambda left=left: len(device.observations) == left)  # type: ignore[misc]
        await sleeper.lamp.settled()


@conforms("LightweightM2M-1.1-int-303", peer="simulator")
async def test_cancelled_observations_end_one_after_the_other(lamp: Site) -> None:
    device = lamp.lamp.device
    for path in (TEMPERATURE, MAKER):
        assert (await lamp.subscribe(path))["status"] == 200
    lamp.lamp.live(5)
    await lamp.notifications(1)
    await lamp.lamp.settled()
    for left, path in ((1, TEMPERATURE), (0, MAKER)):
        await lamp.unsubscribe(path)
        await lamp.lamp.until_true(lambda left=left: len(device.observations) == left)  # type: ignore[misc]
    told = device.notified
    lamp.lamp.live(60)
    assert device.notified == told


async def sends(lamp: Site, seconds: int = 3000) -> bool:
    """Whether the lamp sends values within that time."""
    sent = lamp.lamp.device.sent
    for _ in range(seconds // 20):
        lamp.lamp.live(20)
        await lamp.lamp.settled()
        if lamp.lamp.device.sent > sent:
            return True
    return False


@conforms("LightweightM2M-1.1-int-306", peer="simulator")
async def test_values_that_a_device_sends_are_accepted_and_told(lamp: Site) -> None:
    assert (await lamp.ask("PUT", f"{LEAST}?lt=-1000"))["status"] == 200
    assert (await lamp.subscribe(LEAST))["status"] == 200
    assert await sends(lamp)
    told = {item["path"]: number(item) for item in await lamp.notifications(1)}
    assert lamp.lamp.device.notified == 0
    assert told[LEAST] == await lamp.value(LEAST)


@conforms("LightweightM2M-1.1-int-307", peer="simulator")
async def test_a_device_that_is_muted_sends_nothing_until_it_may_again(lamp: Site) -> None:
    assert await sends(lamp)
    assert await lamp.write("/1/0/23", {"/1/0/23": True}, TEXT) == 200
    assert not await sends(lamp)
    assert await lamp.write("/1/0/23", {"/1/0/23": False}, TEXT) == 200
    assert await sends(lamp)


@conforms("LightweightM2M-1.1-int-306", "LightweightM2M-1.1-int-311", peer="strict client")
@pytest.mark.parametrize("content_format", [SENML_JSON, SENML_CBOR], ids=["JSON", "CBOR"])
async def test_values_of_several_objects_are_sent_at_once(
    database: Database, tmp_path: Folder, content_format: int
) -> None:
    serving = Serving(database, tmp_path)
    await serving.start()
    device = await serving.device_with_key(NAME)
    device.resources |= {"/1/0/1": b"300", "/3303/0/5700": b"21.5"}
    assert (await device.register(NAME, version="1.1")).code == Code.CREATED
    for path in ("/1/0/1", "/3303/0/5700"):
        answer = await serving.call("PUT", f"/v2/subscriptions/{device.location[-1]}{path}")
        await serving.response(answer.json()["async-response-id"])
    values = [(parse_path("/1/0/1"), 86400), (parse_path("/3303/0/5700"), 23.5)]
    message = Message(Code.POST, path_options(["dp"]), encode(content_format, values, ROOT))
    assert (await device.ask(message.add(Option.CONTENT_FORMAT, content_format))).code == Code.CHANGED
    told = [each.item for each in await serving.deliveries("notifications")]
    assert {(item["path"], number(item)) for item in told} == {("/1/0/1", 86400.0), ("/3303/0/5700", 23.5)}  # type: ignore[index,arg-type]
    await serving.close()


async def told_together(lamp: Site, before: int, count: int) -> dict[str, str]:
    """Paths and values of the next notifications of what is observed together; what the sensor sends is left aside."""

    async def enough() -> list[Any]:
        told: list[Any] = [each.item for each in await lamp.serving.deliveries("notifications")]
        found = [item for item in told if not item["path"].startswith("/3303/")]
        return found if len(found) >= before + count else []

    items: list[dict[str, Any]] = (await lamp.serving.until(enough))[before:]
    assert len(items) == count
    return {item["path"]: base64.b64decode(item["payload"]).decode() for item in items}


@conforms("LightweightM2M-1.1-int-304", peer="simulator")
async def test_resources_of_several_objects_are_observed_together(lamp: Site) -> None:
    first = await lamp.subscribe(TOGETHER)
    assert (first["status"], first["ct"]) == (200, "application/senml+cbor")
    assert values_of(first, ROOT) == {MAKER: "Lamplighter", DIMMER: 100}
    assert await lamp.write(DIMMER, {DIMMER: 40}, TEXT) == 200
    assert await told_together(lamp, 0, 2) == {MAKER: "Lamplighter", DIMMER: "40"}
    await lamp.lamp.settled()
    assert await lamp.write(DIMMER, {DIMMER: 30}, TEXT) == 200
    assert await told_together(lamp, 2, 2) == {MAKER: "Lamplighter", DIMMER: "30"}
    assert len(lamp.lamp.device.observations) == 1


@conforms("LightweightM2M-1.1-int-305", peer="simulator")
async def test_what_is_observed_together_ends_when_it_is_cancelled(lamp: Site) -> None:
    device = lamp.lamp.device
    assert (await lamp.subscribe(TOGETHER))["status"] == 200
    assert await lamp.write(DIMMER, {DIMMER: 40}, TEXT) == 200
    await told_together(lamp, 0, 2)
    await lamp.lamp.settled()
    await lamp.unsubscribe(TOGETHER)
    await lamp.lamp.until_true(lambda: len(device.observations) == 0)
    told = device.notified
    assert await lamp.write(DIMMER, {DIMMER: 30}, TEXT) == 200
    lamp.lamp.live(60)
    assert device.notified == told


@conforms("LightweightM2M-1.1-int-308", "LightweightM2M-1.1-int-309", peer="simulator")
async def test_an_instance_appears_in_what_is_observed_together_and_disappears(lamp: Site) -> None:
    first = values_of(await lamp.subscribe("/3311,/3/0/0"), ROOT)
    assert await lamp.write("/3311", {"/3311/1/5851": 50}, SENML_CBOR, method="POST") == 200
    told = await told_together(lamp, 0, 2 * len(first) - 1)
    assert told.keys() == {*first, *(path.replace("/3311/0/", "/3311/1/") for path in first)}
    assert told["/3311/1/5851"] == "50"
    await lamp.lamp.settled()
    assert (await lamp.ask("DELETE", "/3311/1"))["status"] == 200
    assert (await told_together(lamp, len(told), len(first))).keys() == first.keys()


@conforms("LightweightM2M-1.1-int-310", peer="simulator")
async def test_new_periods_hold_for_what_is_observed_together(lamp: Site) -> None:
    assert (await lamp.subscribe(TOGETHER))["status"] == 200
    assert await lamp.write("/1/0", {"/1/0/2": 10, "/1/0/3": 50}, TLV, method="POST") == 200
    lamp.lamp.live(45)
    assert lamp.lamp.device.notified == 0
    lamp.lamp.live(10)  # what has not changed is told after pmax all the same
    assert await told_together(lamp, 0, 2) == {MAKER: "Lamplighter", DIMMER: "100"}
    await lamp.lamp.settled()
    assert await lamp.write(DIMMER, {DIMMER: 40}, TEXT) == 200
    assert lamp.lamp.device.notified == 1  # no sooner than pmin
    lamp.lamp.live(11)
    assert await told_together(lamp, 2, 2) == {MAKER: "Lamplighter", DIMMER: "40"}
