"""A session has one process at a time: whoever its device speaks to."""

from __future__ import annotations

import pytest

from lamplighter.bus.local import LocalBus
from lamplighter.bus.nats import NatsBus
from lamplighter.coap.numbers import Code
from tests.roles.house import (
    PATH,
    House,
    gone,
    notifications,
    registered,
    sessions_in,
    stored,
    subscribe,
)
from tests.servers import NatsServer


@pytest.mark.parametrize("draft", [False, True], ids=["54", "254"])
async def test_a_device_that_speaks_to_another_process_is_taken_over_and_the_first_lets_go(
    house: House, draft: bool
) -> None:
    bus = LocalBus()
    first, second = await house.start("lwm2m-1", bus=bus), await house.start("lwm2m-2", bus=bus)
    device = await registered(first, connection_id_draft=draft)
    await subscribe(first, device)
    device.go_to(second.role.port)
    device.notify(PATH, b"23.0")
    await notifications(second, 1)
    await gone(first)
    assert (await second.request(device.location[-1], "GET", "/3/0/0"))["status"] == 200
    assert (await stored(second, device))["process"] == "lwm2m-2"
    assert not first.connect.attached.devices and not device.closed.done()
    assert house.handshakes == 1


async def test_a_device_is_taken_over_across_nats(house: House, nats: NatsServer) -> None:
    buses = [NatsBus(nats.url), NatsBus(nats.url)]
    for bus in buses:
        await bus.start()
    first, second = await house.start("lwm2m-1", bus=buses[0]), await house.start("lwm2m-2", bus=buses[1])
    device = await registered(first)
    await subscribe(first, device)
    device.go_to(second.role.port)
    device.notify(PATH, b"23.0")
    await notifications(second, 1)
    await gone(first)
    answer = await first.request(device.location[-1], "GET", "/3/0/0")  # asked here, delivered there
    assert answer["status"] == 200 and house.handshakes == 1
    await house.close()
    for bus in buses:
        await bus.close()


async def test_a_process_that_was_not_told_finds_at_the_next_effect_that_it_lost_the_session(house: House) -> None:
    first, second = await house.start("lwm2m-1"), await house.start("lwm2m-2")
    device = await registered(first)
    there = device.transport.socket._socket.getpeername()  # type: ignore[union-attr]
    device.go_to(second.role.port)
    assert (await device.update()).code == Code.CHANGED
    assert sessions_in(first) == 1
    device.go_to(there[1])
    assert (await device.update()).code == Code.CHANGED  # it is taken back when the device repeats its request
    assert (await stored(first, device))["process"] == "lwm2m-1"
    assert house.handshakes == 1
