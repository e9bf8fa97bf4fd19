"""How events are written: one kind a message, in order, as the serialization says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.bus.event import Event
from lamplighter.services.channels.messages import MESSAGE_BYTES, messages
from lamplighter.services.channels.model import Options, Serialization
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.tail import Item, item_of
from tests.services.channels.served import deregistered, finished, notified, registered


def items(*happened: Event) -> list[Item]:
    found = [item_of(Place(0, number), event) for number, event in enumerate(happened, 1)]
    return [each for each in found if each is not None]


def written(found: list[Item], serialization: Serialization | None = None) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in messages(found, serialization or Serialization())]


def test_without_a_cfg_items_are_as_the_event_has_them_and_device_ids_plain_strings() -> None:
    assert written(items(deregistered("a"), deregistered("b"))) == [{"de-registrations": ["a", "b"]}]
    event = notified(1)
    assert written(items(event)) == [{"notifications": [event.data["item"]]}]


@pytest.mark.parametrize("event", [registered(), notified(1), finished("x"), deregistered("a")])
def test_each_option_adds_its_member_to_every_kind(event: Event) -> None:
    every = Options(deregistrations_as_object=True, include_uid=True, include_timestamp=True, include_original_ep=True)
    ((found,),) = written(items(event), Serialization(cfg=every))[0].values()
    assert found["uid"] == "0" * 31 + "1"
    assert found["timestamp"] == event.time // 1000
    assert found["original-ep"] == "lamp"
    for name, member in (
        ("include_uid", "uid"),
        ("include_timestamp", "timestamp"),
        ("include_original_ep", "original-ep"),
    ):
        only = Options(deregistrations_as_object=True, **{name: True})
        ((found,),) = written(items(event), Serialization(cfg=only))[0].values()
        own = event.data["item"] if isinstance(event.data["item"], dict) else {"ep": ""}
        assert set(found) == {*own, member}


def test_device_ids_stay_strings_when_objects_were_not_asked_for() -> None:
    cfg = Options(include_uid=True, include_timestamp=True)
    assert written(items(deregistered("a")), Serialization(cfg=cfg)) == [{"de-registrations": ["a"]}]


def test_a_message_ends_at_the_chunk_size_and_before_it_grows_too_large() -> None:
    found = items(*(notified(number) for number in range(250)))
    assert [len(each["notifications"]) for each in written(found, Serialization(max_chunk_size=100))] == [100, 100, 50]
    large = items(*(notified(number, payload="A" * (MESSAGE_BYTES // 3)) for number in range(7)))
    assert [len(each["notifications"]) for each in written(large)] == [3, 3, 1]


KINDS = {"r": registered, "d": deregistered, "n": lambda: notified(1), "f": lambda: finished("x")}


@given(st.text("rdnf", max_size=60), st.integers(1, 10))
def test_no_event_is_lost_or_overtaken_and_no_message_has_two_kinds(kinds: str, size: int) -> None:
    found = items(*(KINDS[kind]() for kind in kinds))
    made = list(messages(found, Serialization(max_chunk_size=size)))
    order = []
    for each in made:
        ((key, members),) = json.loads(each.body).items()
        assert 1 <= len(members) <= size
        order += [key] * len(members)
        assert each.place.position == len(order), "the place of a message is that of its last event"
    assert order == [item.key for item in found]


def test_places_sort_as_the_log_does_and_uids_as_places() -> None:
    places = [Place.of(text) for text in ("0.9", "0.10", "2.0", "10.1")]
    assert places == sorted(places)
    assert [str(place) for place in places] == ["0.9", "0.10", "2.0", "10.1"]
    assert sorted(place.uid for place in places) == [place.uid for place in places]
