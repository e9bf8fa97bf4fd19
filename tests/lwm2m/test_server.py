from __future__ import annotations

from random import Random

import pytest

from lamplighter.coap.blockwise import Block
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import AnswerSent, RequestReceived
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.path import Path
from lamplighter.lwm2m.registration import (
    Registration,
    RegistrationUpdate,
    deregister_request,
    register_request,
    update_request,
)
from lamplighter.lwm2m.server import (
    DeregisterRequested,
    Lwm2mEvent,
    Lwm2mServer,
    RegisterRequested,
    RequestDelegated,
    RequestRefused,
    SendRequested,
    UpdateRequested,
)

LOCATION = ("rd", "0" * 32, "1" * 32)
REGISTRATION = Registration(endpoint_name="lamp", links=(Link("/3/0"),))


class Bench:
    """A server, and the one request it was sent."""

    def __init__(self, message: Message, version: str = "1.0") -> None:
        self.endpoint = Endpoint(Random(1))
        self.server = Lwm2mServer(self.endpoint, delegated=frozenset({"est"}))
        message.mid = 7
        self.endpoint.receive_datagram(message.encode(), "p", 0.0)
        request = self.endpoint.next_event()
        assert isinstance(request, RequestReceived)
        self.event: Lwm2mEvent = self.server.handle(request, 0.0, version=version)

    def answer(self) -> Message:
        ((data, _),) = self.endpoint.datagrams_to_send(0.0)
        return decode(data)


def send(content_format: int, payload: bytes, code: int = Code.POST) -> Message:
    return Message(code, payload=payload).add(Option.URI_PATH, "dp").add(Option.CONTENT_FORMAT, content_format)


def test_a_registration_is_answered_with_its_location_and_told_when_sent() -> None:
    bench = Bench(register_request(REGISTRATION))
    event = bench.event
    assert isinstance(event, RegisterRequested) and event.registration == REGISTRATION
    bench.server.accept_registration(event, LOCATION, 0.0)
    answer = bench.answer()
    assert (answer.code, answer.location_path()) == (Code.CREATED, LOCATION)
    assert answer.option(Option.MAX_AGE) is None
    assert bench.endpoint.next_event() == AnswerSent(event.request)


def test_a_lifetime_goes_as_max_age_of_at_least_a_minute() -> None:
    for lifetime, max_age in ((120, 120), (10, 60)):
        bench = Bench(register_request(REGISTRATION))
        assert isinstance(bench.event, RegisterRequested)
        bench.server.accept_registration(bench.event, ("rd", "1"), 0.0, lifetime=lifetime)
        assert bench.answer().max_age == max_age


def test_a_registration_in_blocks_is_one_question_and_its_last_block_is_echoed() -> None:
    endpoint = Endpoint(Random(1))
    server = Lwm2mServer(endpoint)
    whole = register_request(Registration(endpoint_name="lamp", links=tuple(Link(f"/3303/{n}") for n in range(90))))
    for num in range(2):
        part = Message(whole.code, list(whole.options), whole.payload[num * 512 : num * 512 + 512], b"abcd", mid=num)
        part.options.append((Option.BLOCK1, Block(num, (num + 1) * 512 < len(whole.payload), 5).encode()))
        endpoint.receive_datagram(part.encode(), "p", 0.0)
    request = endpoint.next_event()
    assert isinstance(request, RequestReceived)
    event = server.handle(request, 0.0)
    assert isinstance(event, RegisterRequested) and len(event.registration.links) == 90
    server.accept_registration(event, LOCATION, 0.0)
    first, last = (decode(data) for data, _ in endpoint.datagrams_to_send(0.0))
    assert (first.code, last.code) == (Code.CONTINUE, Code.CREATED)
    assert last.option(Option.BLOCK1) == Block(1, False, 5).encode()


def test_a_storm_is_refused_with_5_03_and_a_time_to_come_back() -> None:
    bench = Bench(register_request(REGISTRATION))
    assert isinstance(bench.event, RegisterRequested)
    bench.server.reject(bench.event, Code.SERVICE_UNAVAILABLE, 0.0, max_age=45, diagnostic="é" * 200)
    answer = bench.answer()
    assert (answer.code, answer.max_age) == (Code.SERVICE_UNAVAILABLE, 45)
    assert answer.payload.decode() == "é" * 128


def test_an_update_and_a_deregistration_are_asked_with_their_location() -> None:
    bench = Bench(update_request(LOCATION, RegistrationUpdate(lifetime=60)))
    assert isinstance(bench.event, UpdateRequested)
    assert (bench.event.location, bench.event.changes.lifetime) == (LOCATION, 60)
    bench.server.accept_update(bench.event, 0.0)
    assert bench.answer().code == Code.CHANGED
    bench = Bench(deregister_request(LOCATION))
    assert isinstance(bench.event, DeregisterRequested) and bench.event.location == LOCATION
    bench.server.accept_deregistration(bench.event, 0.0)
    assert bench.answer().code == Code.DELETED


def test_the_binding_of_an_update_is_judged_by_the_version_of_its_registration() -> None:
    update = RegistrationUpdate(binding="UT", queue_mode=True)
    assert isinstance(Bench(update_request(LOCATION, update), "1.1").event, UpdateRequested)
    assert isinstance(Bench(update_request(LOCATION, update), "1.0").event, RequestRefused)


def test_an_update_of_an_unknown_registration_is_answered_4_04() -> None:
    bench = Bench(update_request(LOCATION, RegistrationUpdate()))
    assert isinstance(bench.event, UpdateRequested)
    bench.server.reject(bench.event, Code.NOT_FOUND, 0.0)
    assert bench.answer().code == Code.NOT_FOUND


def test_a_faulty_registration_is_answered_with_its_faults() -> None:
    bench = Bench(register_request(Registration(endpoint_name=None, binding="X")))
    assert isinstance(bench.event, RequestRefused) and len(bench.event.faults) == 2
    answer = bench.answer()
    assert answer.code == Code.BAD_REQUEST and b"ep is missing" in answer.payload


def test_values_sent_unasked_are_given_with_their_times() -> None:
    bench = Bench(send(110, b'[{"bn":"/3303/0/5700","bt":1600000000,"v":20.5}]'))
    assert isinstance(bench.event, SendRequested)
    assert bench.event.records == ((1600000000, Path(3303, 0, 5700), 20.5),)
    bench.server.accept_send(bench.event, 0.0)
    assert bench.answer().code == Code.CHANGED


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (send(110, b"["), Code.BAD_REQUEST),
        (send(0, b"x"), Code.UNSUPPORTED_CONTENT_FORMAT),
        (send(110, b"[]", Code.PUT), Code.METHOD_NOT_ALLOWED),
        (Message(Code.GET), Code.NOT_FOUND),
        (Message(Code.GET, [(Option.URI_PATH, b"x")]), Code.NOT_FOUND),
        (Message(Code.GET, [(Option.URI_PATH, b"rd")]), Code.METHOD_NOT_ALLOWED),
        (Message(Code.DELETE, [(Option.URI_PATH, b"rd")]), Code.METHOD_NOT_ALLOWED),
        (Message(Code.GET, [(Option.URI_PATH, b"\xff")]), Code.BAD_REQUEST),
    ],
)
def test_a_request_that_is_nobodys_is_answered_here(message: Message, code: int) -> None:
    bench = Bench(message)
    assert isinstance(bench.event, RequestRefused) and bench.event.code == code
    assert bench.answer().code == code


def test_a_path_of_somebody_else_is_delegated_unanswered() -> None:
    bench = Bench(Message(Code.POST, [(Option.URI_PATH, b"est"), (Option.URI_PATH, b"sen")]))
    assert isinstance(bench.event, RequestDelegated) and bench.event.path == ("est", "sen")
    assert bench.endpoint.datagrams_to_send(0.0) == []


@pytest.mark.parametrize("path", ["fw", "download", "rd"])
def test_what_a_device_names_by_proxy_uri_is_never_fetched(path: str) -> None:
    """The vendor's client asks so for a block of its firmware (wire facts, section 5.2): 5.03 alone would be tried again."""
    message = Message(Code.GET).add(Option.URI_PATH, path).add(Option.PROXY_URI, "http://192.0.2.9/secret")
    bench = Bench(message.add(Option.BLOCK2, 5))
    assert isinstance(bench.event, RequestRefused)
    answer = bench.answer()
    assert (answer.code, answer.payload) == (Code.PROXYING_NOT_SUPPORTED, b"")
