"""Reads that are answered by a value that is still of age, and what makes a value old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.services.connect.service import NoAnswer, Registered
from lamplighter.services.connect.value_cache import LARGEST, MOST, ValueCache
from lamplighter.settings import Lwm2m, Settings
from lamplighter.storage.database import Database
from tests.services.connect.bench import AUTO_TOKEN, Bench, FakePeer

VALUE = "/3303/0/5700"
DAY = 86400


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    bench = Bench(database, settings=Settings(lwm2m=Lwm2m()))
    yield bench
    await bench.connect.close()


async def read(bench: Bench, peer: FakePeer, registered: Registered, async_id: str, uri: str = VALUE) -> None:
    """A read that the device is asked for and answers."""
    await bench.request(registered.device_id, async_id, uri=uri)
    (await peer.asked()).answer(b"20")
    await bench.idle()


async def asked_again(bench: Bench, peer: FakePeer, registered: Registered, uri: str = VALUE) -> bool:
    """Whether another read reaches the device."""
    await bench.request(registered.device_id, "again", uri=uri)
    asked, idle = asyncio.ensure_future(peer.asked()), asyncio.ensure_future(bench.idle())
    await asyncio.wait({asked, idle}, return_when=asyncio.FIRST_COMPLETED)
    if asked.done():
        asked.result().answer(b"21")
    await idle
    asked.cancel()
    await asyncio.wait({asked})
    return (await bench.ends())["again"] == (200, "21")


async def test_a_read_within_the_age_of_the_value_does_not_reach_the_device(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await read(bench, peer, registered, "one")
    bench.clock.advance(20)
    assert not await asked_again(bench, peer, registered)
    item = (await bench.told("async-responses"))[-1]
    assert item == {"id": "again", "status": 200, "payload": "MjA=", "ct": "text/plain", "max-age": "40"}
    assert await bench.told_to("async-responses") == [("subject",), ("subject",)]


async def test_a_value_is_of_age_for_a_minute_where_the_device_does_not_say(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await read(bench, peer, registered, "one")
    bench.clock.advance(61)
    assert await asked_again(bench, peer, registered)


@pytest.mark.parametrize(
    ("max_age", "after", "reaches"),
    [
        (0, 0, True),
        (600, 599, False),
        (600, 601, True),
        (2**32 - 1, 3 * DAY - 1, False),
        (2**32 - 1, 3 * DAY + 1, True),
    ],
)
async def test_the_devices_max_age_counts_up_to_three_days(
    bench: Bench, max_age: int, after: float, reaches: bool
) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, lifetime=10 * DAY)
    message = Message(Code.CONTENT, payload=b"2").add(Option.MAX_AGE, max_age)
    await bench.connect.notified(peer, AUTO_TOKEN, message)
    bench.clock.advance(after)
    assert await asked_again(bench, peer, registered, "/10252/0/2") is reaches


@pytest.mark.parametrize(
    ("method", "uri", "reaches"),
    [
        ("PUT", VALUE, True),
        ("PUT", "/3303/0", True),
        ("DELETE", "/3303/0", True),
        ("POST", "/3/0/4", True),
        ("PUT", "/3/0/15", False),
        ("GET", "/3/0/15", False),
    ],
)
async def test_what_changes_a_value_makes_it_old_and_nothing_else(
    bench: Bench, method: str, uri: str, reaches: bool
) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await read(bench, peer, registered, "one")
    await bench.request(registered.device_id, "two", method, uri)
    (await peer.asked()).answer(code=Code.CHANGED)
    await bench.idle()
    assert await asked_again(bench, peer, registered) is reaches


async def test_a_write_that_may_have_arrived_makes_the_value_old(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await read(bench, peer, registered, "one")
    await bench.request(registered.device_id, "two", "PUT", VALUE)
    (await peer.asked()).fail(NoAnswer())
    (await peer.asked()).fail(NoAnswer())
    await bench.idle()
    await bench.update(peer, registered)
    assert await asked_again(bench, peer, registered)


async def test_a_read_behind_a_write_waits_for_it(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await read(bench, peer, registered, "one")
    await bench.request(registered.device_id, "two", "PUT", VALUE)
    await bench.request(registered.device_id, "three", uri=VALUE)
    (await peer.asked()).answer(code=Code.CHANGED)
    asked = await peer.asked()
    assert asked.message.code == Code.GET
    asked.answer(b"30")
    await bench.idle()
    assert (await bench.ends())["three"] == (200, "30")


async def test_a_full_registration_begins_with_no_value_and_another_format_or_query_is_asked_for(
    bench: Bench,
) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await read(bench, peer, registered, "one")
    assert await asked_again(bench, peer, registered, f"{VALUE}?x=1")
    path = f"/v2/device-requests/{registered.device_id}?async-id=json"
    await bench.call("POST", path, json={"method": "GET", "uri": VALUE, "accept": "application/senml+json"})
    (await peer.asked()).answer(b"[]")
    await bench.idle()
    await bench.register(peer)
    await bench.request(registered.device_id, "anew", uri=VALUE)
    (await peer.asked()).answer(b"22")
    await bench.idle()
    assert (await bench.ends())["anew"] == (200, "22")


async def test_a_sleeping_device_need_not_wake_for_a_value_that_is_of_age(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, queue_mode=True)
    await bench.connect.notified(peer, AUTO_TOKEN, Message(Code.CONTENT, payload=b"2").add(Option.MAX_AGE, 1000))
    bench.clock.advance(500)
    await bench.request(registered.device_id, "known", uri="/10252/0/2")
    await bench.request(registered.device_id, "unknown", uri=VALUE)
    await bench.request(registered.device_id, "behind", uri="/10252/0/2")
    await bench.idle()
    assert await bench.ends() == {"known": (200, "2")} and peer.is_left_alone
    await bench.update(peer, registered)
    (await peer.asked()).answer(b"20")
    await bench.idle()
    assert await bench.ends() == {"known": (200, "2"), "unknown": (200, "20"), "behind": (200, "2")}


def test_a_cache_is_bounded_in_number_and_size() -> None:
    cache = ValueCache(60)
    for number in range(MOST + 1):
        cache.put(f"/3303/{number}/5700", b"1", None, 60, 0)
    assert cache.fresh("/3303/0/5700", None, 0) is None
    assert cache.fresh("/3303/1/5700", None, 0) is not None
    cache.put("/3303/1/5700", b"x" * (LARGEST + 1), None, 60, 0)
    assert cache.fresh("/3303/1/5700", None, 0) is None and cache.latest("/3303/1/5700") is None


def test_an_old_value_is_still_the_latest() -> None:
    cache = ValueCache(60)
    cache.put("/3303/0/5700", b"1", ContentFormat.OCTET_STREAM, 60, 0)
    cache.outdate("/3303")
    assert not cache.is_fresh(0) and cache.latest("/3303/0/5700") == (b"1", ContentFormat.OCTET_STREAM)
    cache.clear()
    assert cache.latest("/3303/0/5700") is None
