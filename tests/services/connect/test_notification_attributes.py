"""Notification attributes: what was written to a device is written to it again when it has forgotten it."""

from __future__ import annotations

import pytest

from lamplighter.bus.event import Event
from lamplighter.coap.numbers import Code
from lamplighter.services.connect import notification_attributes
from lamplighter.services.connect.handlers import Handlers
from lamplighter.services.connect.registering import Ending
from lamplighter.services.connect.service import NoAnswer, Registered
from lamplighter.services.directory import events as directory_events
from tests.api.toy import ACCOUNT
from tests.services.connect.bench import Asked, Bench, FakePeer
from tests.services.connect.test_presubscriptions import LINKS, RULE, VALUE, consent, put


async def write(bench: Bench, peer: FakePeer, registered: Registered, query: str, code: int = Code.CHANGED) -> None:
    """An application writes attributes, and the device answers."""
    await bench.request(registered.device_id, "".join(filter(str.isalnum, query)), "PUT", f"{VALUE}?{query}")
    asked = await peer.asked()
    assert asked.message.uri_query() == tuple(query.split("&"))
    asked.answer(code=code)
    await bench.idle()


async def written_again(peer: FakePeer) -> tuple[Asked, str]:
    asked = await peer.asked()
    assert (asked.message.code, asked.path, asked.message.payload) == (Code.PUT, VALUE, b"")
    return asked, "&".join(asked.message.uri_query())


async def test_a_device_that_registers_anew_is_told_its_attributes_before_it_is_observed(bench: Bench) -> None:
    await put(bench, RULE)
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    await consent(bench, peer, VALUE)
    await write(bench, peer, registered, "pmin=5&pmax=60")
    await write(bench, peer, registered, "pmin=7&st=2")
    await bench.update(peer, registered, lifetime=90)
    assert peer.is_left_alone

    await bench.register(peer, links=LINKS)
    asked, query = await written_again(peer)
    assert query == "pmin=7&pmax=60&st=2"
    asked.answer(code=Code.CHANGED)
    await consent(bench, peer, VALUE)


async def test_an_attribute_without_a_value_is_taken_away(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await write(bench, peer, registered, "pmin=5&gt=9")
    await write(bench, peer, registered, "pmin")
    await bench.register(peer)
    asked, query = await written_again(peer)
    assert query == "gt=9"
    asked.answer(code=Code.CHANGED)
    await bench.idle()

    await write(bench, peer, registered, "gt")
    await bench.register(peer)
    await bench.idle()
    assert peer.is_left_alone


async def test_what_the_device_refused_is_not_written_again(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await write(bench, peer, registered, "pmin=9&pmax=1", Code.BAD_REQUEST)
    await bench.register(peer)
    await bench.idle()
    assert peer.is_left_alone


async def test_a_device_that_does_not_answer_is_told_at_its_next_contact(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await write(bench, peer, registered, "pmin=5")
    registered = await bench.register(peer)
    asked, _ = await written_again(peer)
    asked.fail(NoAnswer())
    await bench.idle()
    await bench.update(peer, registered, lifetime=90)
    asked, query = await written_again(peer)
    assert query == "pmin=5"
    asked.answer(code=Code.NOT_FOUND)  # it has the resource no more: it is not asked again
    await bench.idle()
    await bench.update(peer, registered, lifetime=91)
    await bench.idle()
    assert peer.is_left_alone


@pytest.mark.parametrize("how", [Ending.DEREGISTERED, Ending.EXPIRED])
async def test_attributes_outlive_the_registration(bench: Bench, how: Ending) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await write(bench, peer, registered, "pmin=5")
    await bench.connect.end(ACCOUNT, registered.device_id, how, before=bench.clock.now() + 1)
    again = FakePeer()
    await bench.register(again)
    asked, query = await written_again(again)
    assert query == "pmin=5"
    asked.answer(code=Code.CHANGED)
    await bench.idle()


async def test_attributes_go_with_the_device(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer)
    await write(bench, peer, registered, "pmin=5")
    assert await notification_attributes.of(bench.database, ACCOUNT, registered.device_id) == {VALUE: "pmin=5"}
    deleted = Event(
        kind=directory_events.DEVICE_DELETED,
        account_id=ACCOUNT,
        device_id=registered.device_id,
        time=bench.clock.now(),
        data={"endpoint_name": registered.endpoint_name},
    )
    await Handlers(bench.connect, bench.directory, bench.database).handle(deleted)
    assert await notification_attributes.of(bench.database, ACCOUNT, registered.device_id) == {}
