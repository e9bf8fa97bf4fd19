from __future__ import annotations

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Type, format_code
from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import decode
from lamplighter.lwm2m.path import parse_path
from lamplighter.simulator.events import ConnectionLost
from tests.simulator.town import Town, town

TEMPERATURE = "/3303/0/5700"


def times(place: Town) -> list[float]:
    return [when for when, _, _ in place.notifications]


def numbers(place: Town) -> list[float]:
    return [float(message.payload) for _, _, message in place.notifications]


def watched(path: str = TEMPERATURE, accept: int | None = None, **attributes: float) -> Town:
    """A town whose lamp is observed at that path, with these attributes."""
    place = town()
    if attributes:
        assert place.ask(management.write_attributes(path, attributes)).code == Code.CHANGED
    _, answer = place.observe(management.observe(path, accept))
    assert answer.code == Code.CONTENT and answer.observe is not None
    return place


def test_every_change_is_told_confirmably_with_a_rising_number() -> None:
    place = watched()
    place.run(60)
    messages = [message for _, _, message in place.notifications]
    assert 20 <= len(messages) <= 40
    assert {message.type for message in messages} == {Type.CON}
    assert [message.observe for message in messages] == list(range(3, 3 + len(messages)))
    assert len(set(numbers(place))) > 5


def test_pmin_holds_changes_back_and_tells_the_newest_when_it_is_over() -> None:
    place = watched(pmin=20)
    place.run(100)
    assert times(place) == [1020.0, 1040.0, 1060.0, 1080.0, 1100.0]
    assert numbers(place)[-1] == float(place.ask(management.read(TEMPERATURE)).payload)


def test_pmax_tells_a_value_that_has_not_changed() -> None:
    place = watched("/3/0/0", pmax=30)
    place.run(100)
    assert times(place) == [1030.0, 1060.0, 1090.0]
    assert {message.payload for _, _, message in place.notifications} == {b"Lamplighter"}


def test_periods_written_to_the_object_hold_for_what_is_below_and_nearer_ones_win() -> None:
    place = town()
    place.ask(management.write_attributes("/3303", {"pmin": 50}))
    place.observe(management.observe(TEMPERATURE))
    place.run(100)
    assert times(place) == [1050.0, 1100.0]
    place.ask(management.write_attributes(TEMPERATURE, {"pmin": 0}))
    place.run(20)
    assert len(times(place)) > 4


def test_the_server_account_has_the_default_periods() -> None:
    place = town()
    place.ask(management.write("/1/0/3", b"25", None))
    place.observe(management.observe("/3/0/0"))
    place.run(60)
    assert times(place) == [1025.0, 1050.0]


def test_a_step_is_told_only_when_the_value_has_gone_that_far() -> None:
    place = watched(st=0.5)
    first = float(town().ask(management.read(TEMPERATURE)).payload)
    place.run(1200)
    told = [first, *numbers(place)]
    assert len(told) > 5
    assert all(abs(later - earlier) >= 0.5 for earlier, later in zip(told, told[1:], strict=False))


@pytest.mark.parametrize("name", ["gt", "lt"])
def test_a_threshold_is_told_only_when_it_is_crossed(name: str) -> None:
    place = watched(**{name: 21.3})
    first = float(town().ask(management.read(TEMPERATURE)).payload)
    place.run(3600)
    sides = [value > 21.3 for value in (first, *numbers(place))]
    assert len(sides) > 3
    assert all(earlier != later for earlier, later in zip(sides, sides[1:], strict=False))


@pytest.mark.parametrize(
    ("path", "attributes"),
    [
        (TEMPERATURE, {"pmin": 10, "pmax": 5}),
        (TEMPERATURE, {"gt": 20, "lt": 21}),
        (TEMPERATURE, {"gt": 21, "lt": 20, "st": 0.5}),
        (TEMPERATURE, {"st": 0}),
        (TEMPERATURE, {"st": -1}),
        (TEMPERATURE, {"pmin": -1}),
        (TEMPERATURE, {"pmin": 1.5}),
        (TEMPERATURE, {"gt": "warm"}),
        ("/3/0/0", {"gt": 1}),
        ("/3303/0", {"st": 1}),
        ("/3311/0/5850", {"gt": 1}),
    ],
)
def test_attributes_that_make_no_sense_are_refused(path: str, attributes: dict[str, str | int | float | None]) -> None:
    assert format_code(town().ask(management.write_attributes(path, attributes)).code) == "4.00"


def test_an_attribute_without_a_value_is_taken_away() -> None:
    place = watched(pmin=30)
    place.ask(management.write_attributes(TEMPERATURE, {"pmin": None}))
    place.run(30)
    assert len(times(place)) > 3
    assert place.ask(management.discover(TEMPERATURE)).payload == b"</3303/0/5700>"


def test_a_write_is_told_to_whoever_observes_the_resource_the_instance_or_the_object() -> None:
    place = town()
    for path in ("/3311/0/5850", "/3311/0", "/3311"):
        place.observe(management.observe(path, ContentFormat.SENML_JSON))
    place.ask(management.write("/3311/0/5850", b"1", None))
    assert len(place.notifications) == 3
    for _, _, message in place.notifications:
        told = decode(ContentFormat.SENML_JSON, message.payload, parse_path("/3311"))
        assert (parse_path("/3311/0/5850"), True) in told


def test_a_notification_has_the_content_format_that_was_asked_for() -> None:
    place = watched("/3303/0", ContentFormat.SENML_CBOR)
    place.run(10)
    assert {message.content_format for _, _, message in place.notifications} == {ContentFormat.SENML_CBOR}


def test_a_button_is_pressed_by_itself_and_every_press_is_told() -> None:
    place = watched("/3347/0/5501")
    place.run(1800)
    assert numbers(place) == [float(count) for count in range(1, len(numbers(place)) + 1)]
    assert 15 < len(numbers(place)) < 50


def test_a_cancelled_observation_tells_nothing_more() -> None:
    place = town()
    token, _ = place.observe(management.observe(TEMPERATURE))
    place.run(10)
    place.endpoint.cancel_observation(0, token, place.now)
    place.settle()
    count = len(place.notifications)
    assert count > 0
    place.run(60)
    assert len(place.notifications) == count and not len(place.devices[0].observations)


def test_a_reset_ends_the_observation() -> None:
    place = watched()
    place.rejecting = True
    place.run(60)
    assert len(place.notifications) == 1 and not len(place.devices[0].observations)


def test_observing_again_takes_the_place_of_the_observation_before() -> None:
    place = town()
    place.observe(management.observe(TEMPERATURE))
    token, _ = place.observe(management.observe(TEMPERATURE))
    place.run(20)
    assert {message.token for _, _, message in place.notifications} == {token}


@pytest.mark.parametrize(("path", "expected"), [("/9/0/1", "4.04"), ("/3/0/4", "4.05"), ("/5/0/0", "4.05")])
def test_what_cannot_be_read_cannot_be_observed(path: str, expected: str) -> None:
    place = town()
    _, answer = place.observe(management.observe(path))
    assert (format_code(answer.code), answer.observe) == (expected, None)
    assert not len(place.devices[0].observations)


def test_the_observer_of_a_deleted_instance_is_told_that_it_is_gone() -> None:
    place = town()
    place.ask(management.create("/3311", b""))
    place.observe(management.observe("/3311/1/5850"))
    place.ask(management.delete("/3311/1"))
    place.settle()
    assert [message.code for _, _, message in place.notifications] == [Code.NOT_FOUND]
    assert not len(place.devices[0].observations)


def test_an_unacknowledged_notification_is_the_last_until_it_is_settled_and_then_ends_the_connection() -> None:
    place = watched()
    place.reachable = False
    device = place.devices[0]
    place.run(20)
    assert device.notified == 1
    place.run(80)
    assert "a notification was not acknowledged" in [
        event.reason for _, event in place.of(ConnectionLost) if isinstance(event, ConnectionLost)
    ]
    assert not len(device.observations)


def test_a_long_notification_is_served_block_by_block() -> None:
    place = town()
    colour = b"#" * 900
    place.observe(management.observe("/3311/0/5706"))
    place.ask(management.write("/3311/0/5706", colour, None))
    place.settle()
    assert [message.payload for _, _, message in place.notifications] == [colour]


def test_an_observed_device_asks_for_a_timer_and_an_unobserved_one_only_for_its_registration() -> None:
    quiet = town("1.0")
    busy = watched()
    waits = [place.devices[0].get_timer() for place in (quiet, busy)]
    assert waits[0] is not None and waits[0] > 1200.0
    assert waits[1] is not None and waits[1] < 1010.0


def test_a_read_with_observe_1_answers_without_observing() -> None:
    answer: Message = watched().ask(management.cancel(TEMPERATURE))
    assert (answer.code, answer.observe) == (Code.CONTENT, None)


def test_epmin_lets_values_go_by_that_come_too_soon_after_the_last_look() -> None:
    place = watched(epmin=15)
    place.run(100)
    told = times(place)
    assert 4 <= len(told) <= 6 and all(later - earlier >= 15 for earlier, later in zip(told, told[1:], strict=False))


def test_epmin_decides_which_value_is_held_against_a_threshold() -> None:
    every, seldom = watched(st=0.3), watched(st=0.3, epmin=60)
    for place in (every, seldom):
        place.run(1200)
    assert 0 < len(times(seldom)) <= 20 and len(times(seldom)) < len(times(every))


def test_evaluation_periods_hold_for_what_is_below_and_are_shown() -> None:
    place = town()
    assert place.ask(management.write_attributes("/3303", {"epmin": 15, "epmax": 60})).code == Code.CHANGED
    place.observe(management.observe(TEMPERATURE))
    place.run(60)
    assert 2 <= len(times(place)) <= 4
    shown = place.ask(management.read("/3303", ContentFormat.LINK_FORMAT)).payload.decode()
    assert shown.startswith("</3303>;ver=1.1;epmin=15;epmax=60") or "</3303>;epmin=15;epmax=60" in shown


@pytest.mark.parametrize(("edge", "value"), [(1, b"1"), (0, b"0")])
def test_an_edge_tells_only_when_a_boolean_becomes_that(edge: int, value: bytes) -> None:
    place = watched("/3200/0/5500", edge=edge)
    place.run(600)
    assert len(place.notifications) > 3 and {message.payload for _, _, message in place.notifications} == {value}


@pytest.mark.parametrize(
    ("version", "path", "attributes"),
    [
        ("1.1", TEMPERATURE, {"epmin": 60, "epmax": 60}),
        ("1.1", TEMPERATURE, {"edge": 1}),
        ("1.1", "/3200/0/5500", {"edge": 2}),
        ("1.1", TEMPERATURE, {"epmin": -1}),
        ("1.0", TEMPERATURE, {"epmin": 1}),
        ("1.0", "/3200/0/5500", {"edge": 1}),
    ],
)
def test_attributes_that_cannot_be_or_are_of_a_later_version_are_refused(
    version: str, path: str, attributes: dict[str, float]
) -> None:
    assert town(version).ask(management.write_attributes(path, attributes)).code == Code.BAD_REQUEST
