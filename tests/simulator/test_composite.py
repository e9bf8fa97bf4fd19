"""Composite operations and Send of a 1.1 device."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m import management
from lamplighter.lwm2m.codecs import Value, decode
from lamplighter.lwm2m.path import ROOT, Path, parse_path
from lamplighter.lwm2m.server import SendRequested
from tests.simulator.town import Town, town

FORMATS = [int(ContentFormat.SENML_CBOR), int(ContentFormat.SENML_JSON)]
DIMMER, COLOUR = Path(3311, 0, 5851), Path(3311, 0, 5706)


def values_of(message: Message) -> dict[str, Value]:
    return {str(path): value for path, value in decode(message.content_format, message.payload, ROOT)}


@pytest.mark.parametrize("content_format", FORMATS)
def test_several_paths_are_read_at_once_and_what_is_not_there_is_left_out(content_format: int) -> None:
    paths = [parse_path(path) for path in ("/3/0/2", "/3311/0", "/9/0/1", "/3/0/4")]
    answer = town().ask(management.read_composite(paths, content_format))
    assert answer.code == Code.CONTENT and answer.content_format == content_format
    values = values_of(answer)
    assert values["/3/0/2"] == "00000001" and values["/3311/0/5851"] == 100
    assert {path.split("/")[1] for path in values} == {"3", "3311"}


def test_the_root_reads_everything() -> None:
    values = values_of(town().ask(management.read_composite([ROOT])))
    assert {path.split("/")[1] for path in values} == {"1", "3", "5", "3200", "3303", "3311", "3347"}


@pytest.mark.parametrize("content_format", FORMATS)
def test_several_resources_are_written_at_once(content_format: int) -> None:
    place = town()
    written = management.write_composite([(DIMMER, 40), (COLOUR, "#ffffff")], content_format)
    assert place.ask(written).code == Code.CHANGED
    assert place.ask(management.read("/3311/0/5851")).payload == b"40"
    assert place.ask(management.read("/3311/0/5706")).payload == b"#ffffff"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (Path(3303, 0, 5700), 1.0, Code.METHOD_NOT_ALLOWED),
        (Path(3311, 7, 5851), 1, Code.NOT_FOUND),
        (DIMMER, 101, Code.BAD_REQUEST),
    ],
)
def test_a_composite_write_that_cannot_be_done_in_one_place_is_done_in_none(
    path: Path, value: Value, code: Code
) -> None:
    place = town()
    assert place.ask(management.write_composite([(COLOUR, "#ffffff"), (path, value)])).code == code
    assert place.ask(management.read("/3311/0/5706")).payload == b"#ffb84d"


def test_paths_are_observed_together_under_one_token() -> None:
    place = town()
    token, first = place.observe(management.observe_composite([DIMMER, COLOUR]))
    assert first.observe == 2 and set(values_of(first)) == {"/3311/0/5851", "/3311/0/5706"}
    place.ask(management.write("/3311/0/5706", b"#000000", None))
    ((_, _, message),) = place.notifications
    assert message.token == token and values_of(message)["/3311/0/5706"] == "#000000"


def test_a_cancelled_composite_observation_tells_nothing_more() -> None:
    place = town()
    token, _ = place.observe(management.observe_composite([DIMMER]))
    place.endpoint.cancel_observation(0, token, place.now)
    place.settle()
    place.ask(management.write("/3311/0/5851", b"1", None))
    assert place.notifications == [] and len(place.devices[0].observations) == 0


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (Message(Code.FETCH, payload=b"[]").add(Option.CONTENT_FORMAT, ContentFormat.SENML_JSON), Code.BAD_REQUEST),
        (Message(Code.FETCH, payload=b"[1]").add(Option.CONTENT_FORMAT, ContentFormat.SENML_JSON), Code.BAD_REQUEST),
        (Message(Code.FETCH, payload=b"\xff").add(Option.CONTENT_FORMAT, ContentFormat.SENML_CBOR), Code.BAD_REQUEST),
        (Message(Code.FETCH, payload=b"/3/0/0"), Code.UNSUPPORTED_CONTENT_FORMAT),
        (Message(Code.IPATCH, payload=b"[]").add(Option.CONTENT_FORMAT, ContentFormat.SENML_JSON), Code.BAD_REQUEST),
    ],
)
def test_a_composite_request_that_cannot_be_read_is_refused(message: Message, code: Code) -> None:
    assert town().ask(message).code == code


def sent(place: Town) -> list[SendRequested]:
    return [event for _, event in place.questions(SendRequested) if isinstance(event, SendRequested)]


def test_a_sensor_sends_its_values_now_and_then_unless_it_is_muted() -> None:
    place = town()
    place.run(3600)
    events = sent(place)
    assert 5 <= len(events) <= 25
    assert {str(record.path) for record in events[0].records} == {"/3303/0/5700", "/3303/0/5601", "/3303/0/5602"}
    place.ask(management.write("/1/0/23", b"1", None))
    place.run(3600)
    assert len(sent(place)) == len(events)


def test_a_device_of_1_0_sends_nothing() -> None:
    place = town("1.0")
    place.run(3600)
    assert sent(place) == []
