"""The vendor's edge gateway: devices behind it that answer, notify, come and go."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code
from lamplighter.lwm2m import management
from lamplighter.lwm2m.registration import merge_links, split_links
from lamplighter.simulator.mediated import FIRST, MOST
from lamplighter.simulator.profile import Profile
from tests.simulator.test_vendor import updates, vendor_town


def test_a_gateway_registers_with_the_devices_behind_it() -> None:
    registration = vendor_town(profile=Profile.GATEWAY).registrations[0]
    assert (registration.endpoint_type, registration.lifetime) == ("MBED_GW", 3600)
    own, mediated = split_links(registration.links)
    assert sorted(mediated) == [f"sensor-{number}" for number in range(1, FIRST + 1)]
    assert next(link for link in own if link.target == "/d/sensor-1").get("name") == "sensor-1"
    assert "/3303/0/5700" in [link.target for link in mediated["sensor-2"]]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (management.read("/d/sensor-1/3303/0/5700"), Code.CONTENT),
        (management.read("/d/sensor-1/3303/0"), Code.CONTENT),
        (management.write("/d/sensor-1/3311/0/5851", b"20", None), Code.CHANGED),
        (management.execute("/d/sensor-1/3303/0/5605"), Code.CHANGED),
        (management.read("/d/sensor-1"), Code.METHOD_NOT_ALLOWED),
        (management.execute("/d/sensor-1"), Code.METHOD_NOT_ALLOWED),
        (management.read("/d/nobody/3303/0/5700"), Code.NOT_FOUND),
        (management.read("/d/sensor-1/3/0/0"), Code.NOT_FOUND),
        (management.read("/3/0/0"), Code.CONTENT),
    ],
)
def test_requests_reach_the_device_that_they_name(message: Message, code: Code) -> None:
    assert vendor_town(profile=Profile.GATEWAY).ask(message).code == code


def test_devices_behind_a_gateway_measure_differently_and_notify_under_their_own_tokens() -> None:
    place = vendor_town(profile=Profile.GATEWAY)
    tokens = [place.observe(management.observe(f"/d/sensor-{number}/3303/0/5700"))[0] for number in (1, 2)]
    place.run(30)
    told = {token: [m.payload for _, _, m in place.notifications if m.token == token] for token in tokens}
    assert all(len(values) > 5 for values in told.values()) and told[tokens[0]] != told[tokens[1]]


def test_a_gateway_and_the_devices_behind_it_send_one_notification_at_a_time() -> None:
    place = vendor_town(profile=Profile.GATEWAY)
    for number in (1, 2, 3):
        place.observe(management.observe(f"/d/sensor-{number}/3303/0/5700"))
    place.reachable = False
    before = len(place.datagrams)
    place.run(20)
    sent = {decode(data).mid for _, _, data in place.datagrams[before:] if data[1] == Code.CONTENT}
    assert len(sent) == 1
    place.reachable = True
    place.run(30)
    assert len({message.token for _, _, message in place.notifications}) == 3


def test_devices_come_and_go_by_updates_of_links_that_are_new_or_gone() -> None:
    place = vendor_town(profile=Profile.GATEWAY)
    place.run(3000)
    links = place.registrations[0].links
    changes = [event.changes.links for event in updates(place) if event.changes.links]
    assert len(changes) > 10
    for change in changes:
        names = {link.target.split("/")[2] for link in change}
        assert len(names) == 1 or any(link.removed for link in change)
        assert all(link.target.count("/") == 2 for link in change if link.removed)
        links = merge_links(links, change)
        assert 1 <= len(split_links(links)[1]) <= MOST
    assert any(link.removed for change in changes for link in change)
    assert any(not link.removed for change in changes for link in change)
    known = place.devices[0]
    for name in split_links(links)[1]:
        assert place.ask(management.read(f"/d/{name}/3200/0/5500")).code == Code.CONTENT
    assert known.answered > 0


def test_a_restart_of_a_gateway_keeps_the_devices_behind_it() -> None:
    place = vendor_town(profile=Profile.GATEWAY)
    before = split_links(place.registrations[0].links)[1].keys()
    place.ask(management.execute("/3/0/4"))
    place.run(5)
    assert split_links(place.registrations[0].links)[1].keys() == before
