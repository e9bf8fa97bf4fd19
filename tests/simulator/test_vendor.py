"""The vendor's client, from its bootstrap to its registration, and its quirks byte by byte."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.lwm2m import management
from lamplighter.lwm2m.bootstrap import SecurityMode
from lamplighter.lwm2m.registration import auto_observations, resource_values
from lamplighter.lwm2m.server import RegisterRequested, UpdateRequested
from lamplighter.simulator.behaviour import Behaviour
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import Bootstrapped, ConnectionLost, ConnectRequested, Registered
from lamplighter.simulator.profile import Profile
from tests.simulator.bootstrap_server import ACCOUNT, BootstrapServer, developer_account
from tests.simulator.town import Town

MODES = [SecurityMode.CERTIFICATE, SecurityMode.EST]


def vendor_town(mode: SecurityMode = SecurityMode.EST, profile: Profile = Profile.VENDOR, **more: object) -> Town:
    """A town with one client of the vendor, bootstrapped and registered."""
    place = Town()
    place.bootstrap = BootstrapServer(place.endpoint, mode)
    behaviours = {Behaviour(name): measure for name, measure in more.items() if isinstance(measure, float)}
    made_with = developer_account()
    device = Device("developer", place.now, seed=7, profile=profile, made_with=made_with, behaviours=behaviours)
    place.add(device)
    place.settle()
    return place


def adopt(place: Town) -> dict[str, bytes]:
    """Take the client's own observations, as the server does: tokens by path."""
    tokens = auto_observations(place.registrations[0].links)
    for token in tokens:
        place.endpoint.adopt_observation(0, token, None, place.now)
    return {path: token for token, path in tokens.items()}


def updates(place: Town) -> list[UpdateRequested]:
    return [event for _, event in place.questions(UpdateRequested) if isinstance(event, UpdateRequested)]


def of_code(place: Town, code: int, since: int = 0) -> list[Message]:
    messages = [decode(data) for _, _, data in place.datagrams[since:]]
    return [message for message in messages if message.code == code]


@pytest.mark.parametrize("mode", MODES)
def test_a_client_is_bootstrapped_and_registers_as_what_it_was_given(mode: SecurityMode) -> None:
    place = vendor_town(mode)
    told = [type(event) for _, _, event in place.told]
    assert told == [ConnectRequested, Bootstrapped, ConnectRequested, Registered]
    registration, account = place.registrations[0], place.devices[0].account
    assert account is not None and account.device_id == place.bootstrap.given[0]  # type: ignore[union-attr]
    assert (registration.endpoint_name, registration.endpoint_type, registration.lifetime) == (
        "developer",
        "default",
        7200,
    )
    assert (registration.account, registration.domain, registration.client_version) == (ACCOUNT, ACCOUNT, "4.13.2")
    assert (registration.version, registration.binding, registration.queue_mode) == ("1.0", "U", False)
    assert account.port == 5684


def test_the_registration_has_values_and_the_tokens_of_what_the_client_observes_itself() -> None:
    links = vendor_town().registrations[0].links
    values = {path: value for _, path, value in resource_values(links)}
    assert values["/3/0/0"] == "Lamplighter" and values["/14/0/0"] == "MAIN" and values["/10252/0/2"] == 1
    vendor = values["/10255/0/3"]
    assert isinstance(vendor, bytes) and len(vendor) == 16
    tokens = auto_observations(links)
    assert all(len(token) == 2 for token in tokens) and len(tokens) == 8
    numbers = [int.from_bytes(token, "big") for token in tokens]
    assert max(numbers) - min(numbers) == 7
    assert [link for link in links if link.target == "/3303/0/5700"][0].observable


def test_a_restarted_client_keeps_its_account_and_goes_on_with_its_session() -> None:
    place = vendor_town()
    assert place.ask(management.execute("/3/0/4")).code == Code.CHANGED
    place.run(10)
    requests = [event for _, event in place.of(ConnectRequested)]
    assert requests == [ConnectRequested(bootstrap=True), ConnectRequested(), ConnectRequested(resume=True)]
    assert place.bootstrap is not None and place.bootstrap.asked == [None]


def test_after_a_factory_reset_a_client_bootstraps_without_its_id() -> None:
    place = vendor_town()
    assert place.ask(management.execute("/3/0/5")).code == Code.CHANGED
    place.run(10)
    assert place.bootstrap is not None and place.bootstrap.asked == [None, None]
    assert place.devices[0].account is not None and place.devices[0].account.device_id == place.bootstrap.given[1]


@pytest.mark.parametrize("code", [Code.BAD_REQUEST, Code.FORBIDDEN])
def test_a_client_whose_registration_is_refused_bootstraps_again_with_its_id(code: Code) -> None:
    place = vendor_town()
    place.refusals = [(code, None)]
    del place.registrations[0]
    assert (
        place.ask(management.execute("/1/0/8")).code == Code.CHANGED
    )  # the update meets 4.04, the register the refusal
    ((when, lost),) = place.of(ConnectionLost)
    assert isinstance(lost, ConnectionLost) and 20 <= lost.delay <= 100
    place.run(120)
    assert place.bootstrap is not None and place.bootstrap.asked == [None, place.bootstrap.given[0]]
    assert 0 in place.registrations


def test_a_refused_bootstrap_is_tried_again_after_a_while() -> None:
    place = Town()
    place.bootstrap = BootstrapServer(place.endpoint, SecurityMode.EST)
    place.bootstrap.refusals = [Code.SERVICE_UNAVAILABLE]
    place.add(Device("developer", place.now, profile=Profile.VENDOR, made_with=developer_account()))
    place.settle()
    ((_, lost),) = place.of(ConnectionLost)
    assert isinstance(lost, ConnectionLost) and lost.reason == "the bootstrap was answered 5.03 (not now)"
    place.run(20)
    assert 0 in place.registrations


def test_a_post_is_acknowledged_first_and_answered_under_the_message_id_of_the_request() -> None:
    place = vendor_town()
    before = len(place.datagrams)
    assert place.ask(management.execute("/3303/0/5605")).code == Code.CHANGED
    raw = [data for _, _, data in place.datagrams[before:]]
    acknowledgement, answer = raw[0], decode(raw[1])
    assert acknowledgement[:2] == b"\x60\x00" and acknowledgement[4:] == b"\xc0"
    assert (answer.type, answer.code, answer.content_format) == (Type.CON, Code.CHANGED, 0)
    assert answer.mid == int.from_bytes(acknowledgement[2:4], "big")
    place.run(60)
    assert len(place.datagrams) == before + 2  # it knows the acknowledgement as its own


def test_a_restart_is_answered_under_a_message_id_of_its_own() -> None:
    place = vendor_town()
    before = len(place.datagrams)
    place.ask(management.execute("/3/0/4"))
    acknowledgement, answer = [data for _, _, data in place.datagrams[before : before + 2]]
    assert acknowledgement[2:4] != answer[2:4]


def test_a_payload_above_512_bytes_is_refused_with_the_size_of_a_block() -> None:
    place = vendor_town()
    before = len(place.datagrams)
    long = management.write("/3311/0/5750", b"x" * 900, None)
    exchange = place.endpoint.request(0, long, place.now, block_size=1024)
    place.settle()
    refusal = of_code(place, Code.REQUEST_ENTITY_TOO_LARGE, before)[0]
    assert refusal.option(Option.BLOCK1) == b"\x0d"
    assert place.responses.pop(exchange).code == Code.CHANGED
    assert place.ask(management.read("/3311/0/5750")).payload == b"x" * 900


def test_notifications_of_its_own_come_one_at_a_time_under_two_byte_tokens() -> None:
    place = vendor_town()
    tokens = adopt(place)
    place.reachable = False
    device = place.devices[0]
    device.lamp.device.put(1, "another model")
    device.lamp.device.put(2, "another serial")
    before = len(place.datagrams)
    device.handle_timer(place.now)
    place.settle()
    (first,) = of_code(place, Code.CONTENT, before)
    assert first.token == tokens["/3/0/1"] and first.type == Type.CON and first.max_age == 0
    place.reachable = True
    place.run(10)
    assert [message.token for _, _, message in place.notifications] == [tokens["/3/0/1"], tokens["/3/0/2"]]


def test_what_the_client_observes_itself_cannot_be_observed_and_a_reset_does_not_end_it() -> None:
    place = vendor_town()
    assert place.ask(management.observe("/3/0/1")).code == Code.BAD_REQUEST
    device = place.devices[0]
    for model in ("one", "two"):  # nobody has adopted the tokens: both notifications are reset
        device.lamp.device.put(1, model)
        device.handle_timer(place.now)
        place.settle()
    assert len([message for message in of_code(place, Code.CONTENT) if message.payload in (b"one", b"two")]) == 2


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (management.write("/1/0/1", b"59", None), Code.NOT_ACCEPTABLE),
        (management.read("/3/0", accept=11543), Code.NOT_ACCEPTABLE),
        (management.read("/3/0", accept=99), Code.CONTENT),
        (management.observe("/3303/0/5700"), Code.CONTENT),
        (management.read_composite([]), Code.METHOD_NOT_ALLOWED),
        (management.execute("/10252/0/1", b"no manifest"), Code.CHANGED),
    ],
)
def test_requests_are_answered_as_the_client_does(message: Message, code: Code) -> None:
    assert vendor_town().ask(message).code == code


def test_a_lifetime_below_a_minute_is_refused_and_a_longer_one_is_told_alone() -> None:
    place = vendor_town()
    assert place.ask(management.write("/1/0/1", b"60", None)).code == Code.CHANGED
    (update,) = updates(place)
    assert (update.changes.lifetime, update.changes.endpoint_type, update.changes.links) == (60, "default", ())


def test_a_new_instance_is_told_as_new_links_only_and_a_deleted_one_as_gone() -> None:
    place = vendor_town()
    created = place.ask(management.create("/3311", b""))
    assert created.code == Code.CREATED
    place.ask(management.delete("/3311/1"))
    new, gone = [event.changes.links for event in updates(place)]
    assert new and all(link.target.startswith("/3311/1/") and not link.removed for link in new)
    assert all(link.removed for link in gone) and {link.target for link in gone} == {link.target for link in new}


def test_a_second_post_of_what_still_runs_is_refused() -> None:
    place = vendor_town(slow=30.0)
    for _ in range(2):
        place.endpoint.request(0, management.execute("/3/0/4"), place.now)
        place.settle()
    place.run(5)
    assert Code.PRECONDITION_FAILED in [message.code for message in place.responses.values()]


def test_the_lifetime_that_the_server_grants_is_taken() -> None:
    place = vendor_town()
    place.grant = 120
    place.ask(management.execute("/3/0/4"))
    place.run(10)
    assert place.ask(management.read("/1/0/1")).payload == b"120"
    registers = [event for _, event in place.questions(RegisterRequested)]
    assert len(registers) == 2
    before = len(updates(place))
    place.run(100)
    assert len(updates(place)) == before + 1 and updates(place)[-1].changes.lifetime is None
