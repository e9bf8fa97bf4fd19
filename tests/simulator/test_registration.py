from __future__ import annotations

import pytest

from lamplighter.coap.numbers import Code
from lamplighter.lwm2m import management
from lamplighter.lwm2m.server import DeregisterRequested, RegisterRequested, UpdateRequested
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import (
    ConnectionLost,
    Deregistered,
    Registered,
    RegistrationUpdated,
    Restarted,
    Stopped,
)
from lamplighter.simulator.registration import Phase
from tests.simulator.town import Town, town


def updates(place: Town) -> list[tuple[float, UpdateRequested]]:
    return [(when, event) for when, event in place.questions(UpdateRequested) if isinstance(event, UpdateRequested)]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_device_registers_with_its_name_lifetime_version_and_objects(version: str) -> None:
    place = town(version)
    registration = place.registrations[0]
    assert (registration.endpoint_name, registration.lifetime, registration.version) == ("lamp-1", 600, version)
    targets = [link.target for link in registration.links]
    assert [target for target in targets if target.count("/") == 2] == [
        "/1/0", "/3/0", "/5/0", "/3200/0", "/3303/0", "/3311/0", "/3347/0"
    ]  # fmt: skip
    assert ("/1" in targets) == (version == "1.1")
    assert not any(target.startswith("/0") for target in targets)


def test_a_registration_is_renewed_at_about_three_quarters_of_its_lifetime() -> None:
    place = town(lifetime=1000)
    place.run(10_000)
    moments = [1000.0, *(when for when, _ in updates(place))]
    waits = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
    assert 12 <= len(waits) <= 14
    assert all(700 <= wait <= 800 for wait in waits) and len(set(waits)) == len(waits)
    assert all(event.changes.changes_nothing for _, event in updates(place))
    assert len(place.of(RegistrationUpdated)) == len(waits)


def test_the_update_trigger_brings_an_update_after_its_answer() -> None:
    place = town()
    assert place.ask(management.execute("/1/0/8")).code == Code.CHANGED
    assert [event.changes.changes_nothing for _, event in updates(place)] == [True]


def test_a_new_lifetime_is_told_and_counts_from_then_on() -> None:
    place = town()
    assert place.ask(management.write("/1/0/1", b"60", None)).code == Code.CHANGED
    assert [event.changes.lifetime for _, event in updates(place)] == [60]
    place.run(100)
    assert [event.changes.lifetime for _, event in updates(place)] == [60, None, None]


@pytest.mark.parametrize(
    ("path", "value"), [("/1/0/1", b"0"), ("/1/0/1", b"4294967296"), ("/1/0/7", b"X"), ("/1/0/7", b"UU")]
)
def test_a_lifetime_or_binding_that_cannot_be_is_refused_and_not_told(path: str, value: bytes) -> None:
    place = town()
    assert place.ask(management.write(path, value, None)).code == Code.BAD_REQUEST
    assert updates(place) == []


@pytest.mark.parametrize(("version", "binding", "queue"), [("1.0", "UQ", True), ("1.1", "UT", None)])
def test_a_new_binding_is_told(version: str, binding: str, queue: bool | None) -> None:
    place = town(version)
    place.ask(management.write("/1/0/7", binding.encode(), None))
    ((_, event),) = updates(place)
    assert (event.changes.binding, bool(event.changes.queue_mode)) == (binding, bool(queue))


def test_a_created_instance_is_told_with_all_links() -> None:
    place = town()
    place.ask(management.create("/3311", b""))
    ((_, event),) = updates(place)
    assert "/3311/1" in [link.target for link in event.changes.links]


def test_a_server_that_has_forgotten_the_registration_gets_a_new_one_at_once() -> None:
    place = town()
    place.observe(management.observe("/3303/0/5700"))
    place.registrations.clear()
    place.ask(management.execute("/1/0/8"))
    assert place.registrations[0].endpoint_name == "lamp-1"
    assert len(place.of(Registered)) == 2
    assert not len(place.devices[0].observations)


def test_a_refused_registration_is_tried_again_after_ever_longer_waits() -> None:
    place = Town()
    place.refusals = [(Code.FORBIDDEN, None)] * 5
    place.add(Device("lamp-1", place.now, seed=7))
    place.run(600)
    delays = [event.delay for _, event in place.of(ConnectionLost) if isinstance(event, ConnectionLost)]
    assert len(delays) == 5
    assert all(2 * 2**n <= delay <= 10 * 2**n for n, delay in enumerate(delays))
    reasons = {event.reason for _, event in place.of(ConnectionLost) if isinstance(event, ConnectionLost)}
    assert reasons == {"the registration was answered 4.03 (not now)"}
    assert place.devices[0].phase is Phase.REGISTERED


def test_max_age_of_a_busy_server_is_the_least_wait() -> None:
    place = Town()
    place.refusals = [(Code.SERVICE_UNAVAILABLE, 120)]
    place.add(Device("lamp-1", place.now, seed=7))
    place.run(119)
    assert len(place.questions(RegisterRequested)) == 1
    place.run(2)
    assert place.devices[0].phase is Phase.REGISTERED


def test_a_device_that_finds_nobody_comes_as_soon_as_somebody_is_there() -> None:
    place = Town()
    place.reachable = False
    place.add(Device("lamp-1", place.now, seed=7))
    place.run(100)
    assert len(place.of(ConnectionLost)) >= 3
    place.reachable = True
    place.run(200)
    assert place.devices[0].phase is Phase.REGISTERED


def test_a_server_that_falls_silent_is_found_out_at_the_next_update() -> None:
    place = town(lifetime=100)
    place.silent = True
    place.run(200)
    lost = [event for _, event in place.of(ConnectionLost) if isinstance(event, ConnectionLost)]
    assert [event.reason for event in lost][:1] == ["the server did not answer"]
    place.silent = False
    place.run(300)
    assert place.devices[0].phase is Phase.REGISTERED


def test_a_reboot_is_answered_first_and_then_the_device_registers_anew_without_leaving() -> None:
    place = town()
    place.observe(management.observe("/3303/0/5700"))
    assert place.ask(management.execute("/3/0/4")).code == Code.CHANGED
    assert len(place.of(Restarted)) == 1 and not len(place.devices[0].observations)
    place.run(4)
    assert len(place.of(Registered)) == 2
    assert place.questions(DeregisterRequested) == []


def test_a_factory_reset_restarts_with_the_first_values_and_without_attributes() -> None:
    place = town()
    place.ask(management.write("/3311/0/5851", b"10", None))
    place.ask(management.write("/1/0/1", b"900", None))
    place.ask(management.write_attributes("/3303/0/5700", {"pmin": 30}))
    assert place.ask(management.execute("/3/0/5")).code == Code.CHANGED
    place.run(4)
    assert place.registrations[0].lifetime == 600
    assert place.ask(management.read("/3311/0/5851")).payload == b"100"
    assert place.ask(management.discover("/3303/0/5700")).payload == b"</3303/0/5700>"


def test_a_disabled_device_deregisters_and_comes_back_when_its_time_is_over() -> None:
    place = town()
    place.ask(management.write("/1/0/5", b"500", None))
    assert place.ask(management.execute("/1/0/4")).code == Code.CHANGED
    assert [event for _, event in place.of(Deregistered)] == [Deregistered(500.0)]
    assert place.registrations == {}
    place.run(499)
    assert place.registrations == {}
    place.run(2)
    assert place.registrations[0].endpoint_name == "lamp-1"


def test_a_stopped_device_deregisters_and_is_off() -> None:
    place = town()
    place.devices[0].stop(place.now)
    place.settle()
    assert place.registrations == {}
    assert len(place.of(Stopped)) == 1 and place.devices[0].phase is Phase.OFF
    place.run(10_000)
    assert len(place.questions(RegisterRequested)) == 1


def test_a_device_that_cannot_say_goodbye_stops_all_the_same() -> None:
    place = town()
    place.silent = True
    place.devices[0].stop(place.now)
    place.run(100)
    assert len(place.of(Stopped)) == 1


def test_a_device_that_is_waiting_stops_at_once() -> None:
    place = Town()
    place.reachable = False
    place.add(Device("lamp-1", place.now))
    place.settle()
    place.devices[0].stop(place.now)
    place.settle()
    assert place.devices[0].phase is Phase.OFF
