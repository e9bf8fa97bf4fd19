"""Pre-subscriptions: rules by which devices are observed as they register, for one application or many."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest
import sqlalchemy as sa

from lamplighter.bus.event import Event
from lamplighter.bus.local import LocalBus
from lamplighter.bus.outbox import append
from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.link import parse_links
from lamplighter.services.connect.presubscriptions import Presubscription, _absolute, _matches
from lamplighter.services.connect.service import NoAnswer, Registered
from lamplighter.storage.query import Query
from tests.api.toy import ACCOUNT, OTHER, TOKEN
from tests.services.connect.bench import AUTO_TOKEN, Asked, Bench, FakePeer
from tests.services.connect.test_subscriptions import content

VALUE = "/3303/0/5700"
LINKS = tuple(
    parse_links('</3/0>,</3303/0/5700>;obs,</3303/0/5601>;obs,</3303/1/5700>;obs,</10252/0/2>;v="1";aobs="343"')
)
_ONE = Query(sa.select(sa.literal(1)))
RULE = {"resource-path": [VALUE]}


async def put(bench: Bench, *rules: dict[str, Any]) -> None:
    answer = await bench.call("PUT", "/v2/subscriptions", "updatePreSubscriptions", json=list(rules))
    assert (answer.status_code, answer.content) == (204, b""), answer.text


async def consent(bench: Bench, peer: FakePeer, *paths: str) -> list[Asked]:
    """The device is asked to be observed there and nowhere else, and agrees."""
    asked = []
    for number, path in enumerate(paths):
        asked.append(await peer.asked())
        assert (asked[-1].path, asked[-1].message.observe) == (path, 0)
        asked[-1].answer(str(20 + number).encode(), observe=1)
    await bench.idle()
    assert peer.is_left_alone
    return asked


async def listed(bench: Bench, registered: Registered) -> list[str]:
    answer = await bench.call("GET", f"/v2/subscriptions/{registered.device_id}")
    return [] if answer.status_code == 404 else answer.text.split("\n")


async def values(bench: Bench) -> list[tuple[str, bytes]]:
    return [(each["path"], base64.b64decode(each["payload"])) for each in await bench.told("notifications")]


async def test_a_rule_observes_a_device_as_it_registers_and_its_first_value_is_a_notification(bench: Bench) -> None:
    await put(bench, RULE)
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    (asked,) = await consent(bench, peer, VALUE)
    assert await values(bench) == [(VALUE, b"20")] and await bench.ends() == {}
    assert asked.token is not None and await bench.connect.notified(peer, asked.token, content(b"21"))
    assert await values(bench) == [(VALUE, b"20"), (VALUE, b"21")]
    assert await bench.told_to("notifications") == [("subject",), ("subject",)]
    assert await listed(bench, registered) == [VALUE]


async def test_a_full_registration_makes_anew_what_rules_made_and_nothing_else(bench: Bench) -> None:
    await put(bench, RULE)
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    await consent(bench, peer, VALUE)
    await bench.connect.subscribe(ACCOUNT, "subject", registered.device_id, "/3303/1/5700")
    await consent(bench, peer, "/3303/1/5700")
    assert await listed(bench, registered) == [VALUE, "/3303/1/5700"]
    await bench.register(peer, links=LINKS)
    await consent(bench, peer, VALUE)
    assert await listed(bench, registered) == [VALUE]


async def test_a_device_that_is_registered_is_observed_at_its_next_update_and_once(bench: Bench) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    await put(bench, RULE)
    assert peer.is_left_alone
    await bench.update(peer, registered)
    await consent(bench, peer, VALUE)
    await bench.update(peer, registered)
    await bench.idle()
    assert peer.is_left_alone


async def test_new_links_of_an_update_are_looked_at(bench: Bench) -> None:
    await put(bench, {"resource-path": ["/3303/*"]})
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS[:2])
    await consent(bench, peer, VALUE)
    await bench.update(peer, registered, links=LINKS)
    await consent(bench, peer, "/3303/0/5601", "/3303/1/5700")


@pytest.mark.parametrize(
    ("rule", "paths"),
    [
        ({}, ["/3303/0/5601", VALUE, "/3303/1/5700"]),
        ({"resource-path": ["*"]}, ["/3303/0/5601", VALUE, "/3303/1/5700"]),
        ({"resource-path": ["/3303/0*"]}, ["/3303/0/5601", VALUE]),
        ({"resource-path": ["3303/0/*", "/3303/0/57*"]}, ["/3303/0/5601", VALUE]),
        ({"resource-path": ["/3/0/9", "/9/9/9"]}, ["/3/0/9"]),
        ({"resource-path": ["/3303/0"]}, ["/3303/0"]),
        ({"endpoint-type": "Light"}, ["/3303/0/5601", VALUE, "/3303/1/5700"]),
        ({"endpoint-type": "Lamp"}, []),
        ({"endpoint-name": "0*", **RULE}, [VALUE]),
        ({"endpoint-name": "lamp*"}, []),
        ({"endpoint-name": "{id}", **RULE}, [VALUE]),
        ({"endpoint-name": "{id}", "endpoint-type": "Lamp"}, []),
    ],
)
async def test_a_rule_is_for_devices_by_id_and_type_and_for_paths_by_pattern(
    bench: Bench, rule: dict[str, Any], paths: list[str]
) -> None:
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS, endpoint_type="Light")
    if rule.get("endpoint-name") == "{id}":
        rule = {**rule, "endpoint-name": registered.device_id}
    await put(bench, rule)
    await bench.update(peer, registered)
    await consent(bench, peer, *paths)
    subscribed = await listed(bench, registered)
    assert [path for path in subscribed if path != "/10252/0/2"] == sorted(paths)


@pytest.mark.parametrize(("pattern", "paths"), [("/3303/*", ["/3303/0", "/3303/1"]), ("*", [])])
async def test_of_a_standard_client_which_says_nothing_a_pattern_takes_instances(
    bench: Bench, pattern: str, paths: list[str]
) -> None:
    await put(bench, {"resource-path": [pattern]})
    peer = FakePeer()
    registered = await bench.register(peer, links=tuple(parse_links("</>,</3/0>,</3303>,</3303/0>,</3303/1>")))
    await consent(bench, peer, *paths)
    assert await listed(bench, registered) == paths


async def test_what_a_device_observes_itself_is_told_without_asking_it(bench: Bench) -> None:
    await put(bench, {"resource-path": ["/10252/*"]})
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    await bench.idle()
    assert peer.is_left_alone and await listed(bench, registered) == ["/10252/0/2"]
    await bench.connect.notified(peer, AUTO_TOKEN, content(b"2"))
    assert await bench.told_to("notifications") == [("subject",)]


async def test_several_applications_cost_the_device_one_observation(bench: Bench) -> None:
    await put(bench, RULE)
    await bench.connect.presubscribe(ACCOUNT, "second", [Presubscription(resource_path=["/3303/0/*"])])
    peer = FakePeer()
    await bench.register(peer, links=LINKS)
    await consent(bench, peer, "/3303/0/5601", VALUE)
    assert await bench.told_to("notifications") == [("second",), ("second", "subject")]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_ending_the_rules_ends_what_they_made_and_no_other_applications(bench: Bench, method: str) -> None:
    await put(bench, {"resource-path": ["/3303/0/*"]})
    await bench.connect.presubscribe(ACCOUNT, "second", [Presubscription(resource_path=[VALUE])])
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    other, shared = await consent(bench, peer, "/3303/0/5601", VALUE)
    if method == "PUT":
        await put(bench)
    else:
        answer = await bench.call("DELETE", "/v2/subscriptions", "deletePreSubscriptions")
        assert (answer.status_code, answer.content) == (204, b"")
    assert await listed(bench, registered) == []
    assert peer.cancelled == [(other.token, True)]
    assert shared.token is not None and await bench.connect.notified(peer, shared.token, content(b"9"))
    assert (await bench.told_to("notifications"))[-1] == ("second",)
    await bench.update(peer, registered)
    await bench.idle()
    assert peer.is_left_alone and await listed(bench, registered) == []


async def test_other_rules_replace_all_that_were_and_keep_what_both_ask_for(bench: Bench) -> None:
    await put(bench, {"resource-path": [VALUE, "/3303/1/5700"]})
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    kept, gone = await consent(bench, peer, VALUE, "/3303/1/5700")
    await put(bench, {"resource-path": [VALUE, "/3303/0/5601"]})
    assert peer.cancelled == [(gone.token, True)]
    assert await listed(bench, registered) == [VALUE]
    await bench.update(peer, registered)
    await consent(bench, peer, "/3303/0/5601")
    assert await listed(bench, registered) == ["/3303/0/5601", VALUE]
    assert kept.token is not None and await bench.connect.notified(peer, kept.token, content(b"9"))


async def test_a_resource_that_cannot_be_observed_is_no_subscription_and_is_not_asked_for_again(bench: Bench) -> None:
    await put(bench, {"resource-path": [VALUE, "/3/0/9"]})
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS)
    (await peer.asked()).answer(code=Code.METHOD_NOT_ALLOWED)
    (await peer.asked()).answer(b"20", observe=1)
    await bench.idle()
    assert await listed(bench, registered) == [VALUE]
    await bench.update(peer, registered)
    await bench.idle()
    assert peer.is_left_alone


async def test_a_device_that_does_not_answer_is_asked_at_its_next_contact(bench: Bench) -> None:
    await put(bench, RULE)
    peer = FakePeer()
    registered = await bench.register(peer, links=LINKS, queue_mode=True)
    (await peer.asked()).fail(NoAnswer())
    await bench.idle()
    assert peer.is_left_alone
    await bench.update(peer, registered)
    await consent(bench, peer, VALUE)
    assert await values(bench) == [(VALUE, b"20")]


async def test_the_rules_are_read_as_they_were_set(bench: Bench) -> None:
    answer = await bench.call("GET", "/v2/subscriptions", "getPreSubscriptions")
    assert (answer.status_code, answer.json()) == (200, [])
    rules = [{"endpoint-name": "0*", "endpoint-type": "Light", "resource-path": ["3303/*"]}, {}]
    await put(bench, *rules)
    answer = await bench.call("GET", "/v2/subscriptions", "getPreSubscriptions")
    assert answer.json() == rules
    assert (await bench.call("GET", "/v2/subscriptions", key=OTHER)).json() == []


async def test_all_faults_of_rules_are_told_at_once_and_nothing_is_changed(bench: Bench) -> None:
    await put(bench, RULE)
    bad = [
        {"endpoint-name": "x" * 65, "endpoint-type": ""},
        {"resource-path": []},
        {"resource-path": ["/" + "1" * 128]},
        {"endpoint-type": 7},
    ]
    answer = await bench.call("PUT", "/v2/subscriptions", "updatePreSubscriptions", json=bad)
    assert answer.status_code == 400
    names = [fault["name"] for fault in answer.json()["fields"]]
    assert names == [
        "[0].endpoint-name",
        "[0].endpoint-type",
        "[1].resource-path",
        "[2].resource-path[0]",
        "[3].endpoint-type",
    ]
    stars = [{"endpoint-name": "a*b"}, {"resource-path": ["/3303/*/5700", "/1"]}]
    answer = await bench.call("PUT", "/v2/subscriptions", "updatePreSubscriptions", json=stars)
    assert [fault["name"] for fault in answer.json()["fields"]] == ["[0].endpoint-name", "[1].resource-path[0]"]
    assert (await bench.call("GET", "/v2/subscriptions")).json() == [RULE]


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([{"endpoint-type": "Light"}] * 1024, 204),
        ([{"endpoint-type": "Light"}] * 1025, 400),
        ([{"resource-path": [f"/1/{number}" for number in range(256)]}, {"resource-path": ["1/7"]}], 204),
        ([{"resource-path": [f"/1/{number}" for number in range(256)]}, {"resource-path": ["/2"]}], 400),
        ([{"endpoint-name": "x" * 64, "endpoint-type": "y" * 64, "resource-path": ["/" + "1" * 127]}], 204),
        ({}, 400),
        ([7], 400),
    ],
)
async def test_the_documented_limits_hold(bench: Bench, rules: Any, status: int) -> None:
    answer = await bench.call("PUT", "/v2/subscriptions", "updatePreSubscriptions", json=rules)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_a_key_has_rules(bench: Bench, method: str) -> None:
    answer = await bench.call(method, "/v2/subscriptions", key=TOKEN, **({"json": []} if method == "PUT" else {}))
    assert (answer.status_code, answer.json()["type"]) == (403, "access_denied")


async def test_another_process_hears_of_new_rules_and_of_an_application_that_ends(bench: Bench) -> None:
    bus = LocalBus()
    await bus.start()
    there = Bench(bench.database, clock=bench.clock, bus=bus, process="lwm2m")
    here = Bench(bench.database, clock=bench.clock, bus=bus, process="api")
    await there.connect.start()
    peer = FakePeer()
    registered = await there.register(peer, links=LINKS)  # it knows that there are no rules
    await put(here, RULE)
    for number in itertools.count():
        await there.update(peer, registered, lifetime=1000 + number)
        if not peer.is_left_alone:
            break
        assert number < 10_000
    (asked,) = await consent(there, peer, VALUE)
    ended = Event(kind="ApplicationDeleted", account_id=ACCOUNT, time=here.clock.now(), data={"id": "subject"})
    async with bench.database.transaction() as tx:
        await append(tx, ended)
    while not peer.cancelled:
        await there.database.fetch_all(_ONE)
    assert peer.cancelled == [(asked.token, True)]
    assert (await here.call("GET", "/v2/subscriptions")).json() == []
    await there.connect.close()
    await bus.close()


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "/3/0", True),
        ("/3/*", "/3/0", True),
        ("/3/*", "/3", False),
        ("/3/*", "/33/0", False),
        ("/3*", "/33/0", True),
        ("3//0/", "/3/0", True),
        ("/3/0", "/3/0/1", False),
    ],
)
def test_a_pattern_of_paths_is_read_as_a_path(pattern: str, path: str, matches: bool) -> None:
    assert _matches(_absolute(pattern), path) is matches
