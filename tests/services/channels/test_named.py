"""Channels with names: several of one application, each with all that happens, each by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from lamplighter.bus.local import LocalBus
from lamplighter.services.channels.retention import REMOVED
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN, OTHER
from tests.outbound.receivers import PATIENCE, Receiver, ok, receiving, stall, status
from tests.services.channels.served import (
    OTHER_APP,
    PULL,
    SECOND_KEY,
    SOCKET,
    Served,
    ShiftedClock,
    close_code,
    collect,
    events_of,
    finished,
    frame,
    notified,
    registered,
    serving,
)

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
CHANNELS = "/v2/notification/channels"
WEBSOCKET = {"type": "websocket"}


def webhook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"type": "webhook", "webhook": {"url": receiver.url(), **more}}


async def put(served: Served, name: str, body: dict[str, Any], key: str = ADMIN) -> httpx2.Response:
    return await served.call("PUT", f"{CHANNELS}/{name}", key, json=body)


async def hook(served: Served, receiver: Receiver, name: str, **more: Any) -> None:
    """Register a webhook, and forget its probe."""
    answer = await put(served, name, {**webhook(receiver), **more})
    assert answer.status_code in (200, 201), answer.text
    receiver.requests.clear()


async def got(served: Served, name: str, key: str = ADMIN) -> dict[str, Any]:
    answer = await served.call("GET", f"{CHANNELS}/{name}", key)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def shown(served: Served, name: str, **wanted: Any) -> None:
    """Wait until the channel is shown so."""
    async with asyncio.timeout(PATIENCE):
        while not wanted.items() <= (await got(served, name)).items():  # noqa: ASYNC110 - it announces nothing
            await asyncio.sleep(0.02)  # calls are limited


@asynccontextmanager
async def opened(served: Served, name: str, key: str = ADMIN) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {key}"}
    url = f"ws://127.0.0.1:{served.port}{CHANNELS}/{name}/connect"
    async with connect(url, additional_headers=headers, subprotocols=["wss"]) as socket:  # type: ignore[list-item]
        yield socket


def paths(receiver: Receiver) -> list[str]:
    return [item["path"] for each in receiver.requests for item in json.loads(each.body).get("notifications", ())]


async def arrived(receiver: Receiver, wanted: list[str]) -> None:
    async with asyncio.timeout(PATIENCE), receiver.arrived:
        await receiver.arrived.wait_for(lambda: paths(receiver) == wanted)


def numbered(*numbers: int) -> list[str]:
    return [f"/3303/0/{number}" for number in numbers]


async def test_every_channel_of_an_application_gets_everything(database: Database) -> None:
    async with serving(database) as served, receiving() as one, receiving() as other:
        await served.registered()
        await hook(served, one, "one")
        await hook(served, other, "other")
        assert (await put(served, "live", WEBSOCKET)).status_code == 201
        async with served.socket() as old, opened(served, "live") as live:
            await served.happen(*(notified(number) for number in range(3)))
            for receiver in (one, other):
                await arrived(receiver, numbered(0, 1, 2))
            for socket in (old, live):
                assert [item["path"] for item in await collect(socket, 3)] == numbered(0, 1, 2)


async def test_a_dead_channel_delays_no_other_of_its_application(database: Database) -> None:
    async with serving(database, outbound={"timeout": 60.0}) as served, receiving() as dead, receiving() as alive:
        await hook(served, dead, "dead")
        await hook(served, alive, "alive")
        dead.script = stall
        for number in range(3):
            await served.happen(notified(number))
            await arrived(alive, numbered(*range(number + 1)))
        assert len(dead.requests) <= 1
        assert (await got(served, "dead"))["queue_size"] == 3
        await shown(served, "alive", queue_size=0)


async def test_a_channel_is_changed_under_its_name_and_keeps_its_place(database: Database) -> None:
    async with serving(database, pause=lambda failures: 3600.0) as served, receiving() as one, receiving() as other:
        await hook(served, one, "lamp")
        one.script = status(500)
        await served.happen(notified(1), notified(2))
        await shown(served, "lamp", state="failing")
        other.script = ok
        changed = await put(served, "lamp", {**webhook(other), "serialization": {"type": "v2", "max_chunk_size": 200}})
        assert changed.status_code == 200
        assert changed.json()["serialization"]["max_chunk_size"] == 200
        assert changed.json()["webhook"]["url"] == other.url()
        other.requests = [each for each in other.requests if each.body != b"{}"]
        await arrived(other, numbered(1, 2))


async def test_a_channel_that_becomes_one_of_another_type_keeps_its_place(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await put(served, "lamp", WEBSOCKET)
        await served.happen(notified(1), notified(2))
        async with opened(served, "lamp") as socket:
            assert len(await collect(socket, 2)) == 2
        await served.happen(notified(3))
        receiver.script = ok
        assert (await put(served, "lamp", webhook(receiver))).status_code == 200
        receiver.requests = [each for each in receiver.requests if each.body != b"{}"]
        await arrived(receiver, numbered(3))
        assert (await put(served, "lamp", WEBSOCKET)).json()["type"] == "websocket"
        assert (await served.call("GET", f"{CHANNELS}/lamp/deliveries")).status_code == 404


async def test_all_channels_are_listed_the_one_without_a_name_as_default(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        assert (await served.call("GET", CHANNELS)).json() == {"object": "list", "total_count": 0, "data": []}
        await put(served, "b", WEBSOCKET)
        await hook(served, receiver, "a", webhook={"url": receiver.url(), "headers": {"x-lamp": "1"}})
        await served.registered()
        listed = (await served.call("GET", CHANNELS)).json()
        assert listed["total_count"] == 3
        assert [(each["name"], each["type"]) for each in listed["data"]] == [
            ("default", "websocket"),
            ("a", "webhook"),
            ("b", "websocket"),
        ]
        (_, hooked, socket) = listed["data"]
        assert hooked["webhook"] == {"url": receiver.url(), "headers": {"x-lamp": "1"}}
        assert (hooked["state"], socket["state"]) == ("delivering", "disconnected")
        assert hooked["queue_size"] == hooked["discarded"] == 0
        assert len(hooked["position"]) == 32 and hooked["since"].endswith("Z")
        assert "webhook" not in socket
        assert await got(served, "default") == listed["data"][0]
        assert (await served.call("GET", CHANNELS, OTHER_APP)).json()["data"] == []


async def test_the_channel_without_a_name_keeps_its_rules_beside_named_ones(database: Database) -> None:
    async with serving(database) as served:
        await put(served, "lamp", WEBSOCKET)
        assert (await served.call("GET", "/v2/notification/channel")).status_code == 404
        assert (await served.registered()).status_code == 201
        refused = await served.call("GET", PULL)
        assert (refused.status_code, refused.json()["type"]) == (400, "bad_request")
        assert (await served.call("DELETE", SOCKET)).status_code == 204
        assert (await got(served, "lamp"))["type"] == "websocket"
        assert (await served.call("GET", f"{CHANNELS}/default")).status_code == 404


async def test_results_from_before_it_was_registered_are_not_for_a_named_channel(database: Database) -> None:
    async with serving(database) as served:
        await served.happen(finished("early"))
        await put(served, "lamp", WEBSOCKET)
        await served.registered()
        await served.happen(finished("late"))
        async with opened(served, "lamp") as named, served.socket() as old:
            assert [item["id"] for item in await collect(named, 1)] == ["late"]
            assert [item["id"] for item in await collect(old, 2)] == ["early", "late"]


@only_sqlite
@pytest.mark.parametrize(
    ("name", "body", "fields"),
    [
        ("Lamp", WEBSOCKET, ["name"]),
        ("-lamp", WEBSOCKET, ["name"]),
        ("l" * 41, WEBSOCKET, ["name"]),
        ("lamp", {}, ["type"]),
        ("lamp", {"type": "pigeon"}, ["type"]),
        ("lamp", {"type": "webhook"}, ["webhook"]),
        ("lamp", {"type": "webhook", "webhook": {}}, ["webhook.url"]),
        (
            "lamp",
            {
                "type": "webhook",
                "webhook": {"url": "ftp://lamp", "headers": {"host": "x"}},
                "serialization": {"type": "v2", "max_chunk_size": 7},
                "from": "yesterday",
            },
            ["serialization.max_chunk_size", "webhook.url", "webhook.headers.host", "from"],
        ),
        ("lamp", {"type": "websocket", "webhook": {"url": "https://lamp.example"}}, ["webhook"]),
        ("lamp", {"type": "websocket", "from": "2001-01-01T00:00:00Z"}, ["from"]),
        ("lamp", {"type": "websocket", "from": "2101-01-01T00:00:00Z"}, ["from"]),
        ("lamp", {"type": "websocket", "from": "7" * 32}, ["from"]),
    ],
)
async def test_all_that_is_wrong_with_a_channel_is_told_at_once(
    database: Database, name: str, body: dict[str, Any], fields: list[str]
) -> None:
    async with serving(database) as served:
        answer = await put(served, name, body)
        assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
        assert [each["name"] for each in answer.json()["fields"]] == fields
        assert (await served.call("GET", CHANNELS)).json()["total_count"] == 0


@only_sqlite
async def test_the_name_default_cannot_be_given(database: Database) -> None:
    async with serving(database) as served:
        answer = await put(served, "default", WEBSOCKET)
        assert (answer.status_code, answer.json()["type"]) == (400, "bad_request")
        assert "without a name" in answer.json()["message"]


@only_sqlite
async def test_a_type_that_this_server_has_not_is_refused(database: Database) -> None:
    async with serving(database) as served:
        served.channels._carriers.pop("CALLBACK")
        answer = await put(served, "lamp", {"type": "webhook", "webhook": {"url": "https://lamp.example"}})
        assert answer.status_code == 400 and "webhook" in answer.json()["message"]


@only_sqlite
async def test_a_webhook_must_confirm_its_registration_under_a_name_too(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        receiver.script = status(500)
        answer = await put(served, "lamp", webhook(receiver))
        assert answer.status_code == 400 and "500" in answer.json()["message"]
        private = await put(served, "lamp", {"type": "webhook", "webhook": {"url": "http://10.1.2.3/"}})
        assert private.status_code == 400 and "10.1.2.3" in private.json()["message"]
        assert (await served.call("GET", f"{CHANNELS}/lamp")).status_code == 404


async def test_there_are_as_many_named_channels_as_the_setting_says(database: Database) -> None:
    async with serving(database, limits={"named": 3}) as served:
        await served.registered()  # does not count
        answers = await asyncio.gather(*(put(served, f"lamp-{number}", WEBSOCKET) for number in range(6)))
        assert sorted(each.status_code for each in answers) == [201] * 3 + [403] * 3
        (refused, *_) = [each.json() for each in answers if each.status_code == 403]
        assert refused["type"] == "account_limit_exceeded" and "3" in refused["message"]
        assert (await put(served, "lamp-0", WEBSOCKET, OTHER_APP)).status_code == 201
        (name, *_) = [
            each["name"] for each in (await served.call("GET", CHANNELS)).json()["data"] if each["name"] != "default"
        ]
        assert (await put(served, name, WEBSOCKET)).status_code == 200
        assert (await served.call("DELETE", f"{CHANNELS}/{name}")).status_code == 204
        assert (await put(served, "another", WEBSOCKET)).status_code == 201


async def test_a_deleted_channel_ends_its_connection_and_begins_anew(database: Database) -> None:
    async with serving(database) as served:
        await put(served, "lamp", WEBSOCKET)
        async with opened(served, "lamp") as socket:
            await served.happen(notified(1))
            await collect(socket, 1)
            assert (await served.call("DELETE", f"{CHANNELS}/lamp")).status_code == 204
            assert await close_code(socket) == 1000
        assert (await served.call("DELETE", f"{CHANNELS}/lamp")).status_code == 404
        await served.happen(notified(2))
        assert (await put(served, "lamp", WEBSOCKET)).status_code == 201
        await served.happen(notified(3))
        async with opened(served, "lamp") as socket:
            assert [item["path"] for item in await collect(socket, 1)] == numbered(3)


async def test_a_long_poll_channel_is_shown_as_connected_while_its_client_comes(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, long_poll=0.01) as served:
        await served.call("GET", PULL)
        state = await got(served, "default")
        assert (state["type"], state["state"]) == ("long-poll", "connected")
        clock.shift = 300
        assert (await got(served, "default"))["state"] == "disconnected"


@only_sqlite
@pytest.mark.parametrize("name", ["Lamp", "l" * 41, "%00", "a%2Fb", "%C3%A9"])
async def test_what_cannot_be_a_name_is_not_found(database: Database, name: str) -> None:
    async with serving(database) as served:
        answer = await served.call("GET", f"{CHANNELS}/{name}")
        assert (answer.status_code, answer.json()["type"]) == (404, "not_found")


@only_sqlite
async def test_default_can_be_deleted_by_that_name(database: Database) -> None:
    async with serving(database) as served:
        await served.registered()
        assert (await served.call("DELETE", f"{CHANNELS}/default")).status_code == 204
        assert (await served.call("GET", SOCKET)).status_code == 404


async def test_a_newer_connection_replaces_that_of_the_same_channel_only(database: Database) -> None:
    async with serving(database) as served:
        for name in ("one", "two"):
            await put(served, name, WEBSOCKET)
        async with opened(served, "one") as first, opened(served, "two") as other:
            assert (await got(served, "one"))["state"] == "connected"
            async with opened(served, "one", SECOND_KEY) as second:
                assert await close_code(first) == 1001
                await served.happen(notified(1))
                for socket in (second, other):
                    await collect(socket, 1)


@only_sqlite
async def test_a_connection_needs_a_named_websocket_channel(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await hook(served, receiver, "hook")
        for name in ("hook", "absent"):
            with pytest.raises(InvalidStatus) as refused:
                async with opened(served, name):
                    pass
            assert refused.value.response.status_code == 404


async def test_channels_of_one_name_of_two_accounts_are_two(database: Database) -> None:
    async with serving(database) as served:
        assert (await put(served, "lamp", WEBSOCKET)).status_code == 201
        assert (await put(served, "lamp", WEBSOCKET, OTHER)).status_code == 201
        async with opened(served, "lamp", OTHER) as foreign, opened(served, "lamp") as mine:
            await served.happen(notified(1))
            await collect(mine, 1)
            await served.happen(registered(account=served.callers.known[OTHER].account_id))
            assert list(await frame(foreign)) == ["registrations"]


async def test_a_named_webhook_is_shown_tried_and_signed(database: Database) -> None:
    async with serving(database, pause=lambda failures: 3600.0) as served, receiving() as receiver:
        await hook(served, receiver, "lamp")
        tried = await served.call("POST", f"{CHANNELS}/lamp/test")
        assert tried.json()["acknowledged"] is True
        assert receiver.requests.pop().body == b"{}"
        assert (await served.call("POST", f"{CHANNELS}/lamp/secret")).json()["secret"].startswith("whsec_")
        receiver.script = status(503)
        await served.happen(notified(1))
        await receiver.got(1)
        assert "webhook-signature" in receiver.requests[0].headers
        async with asyncio.timeout(PATIENCE):
            while (going := (await served.call("GET", f"{CHANNELS}/lamp/deliveries")).json())["state"] != "failing":
                pass
        assert going["signed"] is True and [each["status"] for each in going["failures"]] == [503]
        assert (await got(served, "lamp"))["state"] == "failing"
        assert (await served.call("DELETE", f"{CHANNELS}/lamp/secret")).status_code == 204
        await put(served, "live", WEBSOCKET)
        for method, what in (("POST", "test"), ("GET", "deliveries"), ("POST", "secret"), ("DELETE", "secret")):
            assert (await served.call(method, f"{CHANNELS}/live/{what}")).status_code == 404


@only_sqlite
async def test_failures_go_with_their_channel(database: Database) -> None:
    async with serving(database, pause=lambda failures: 3600.0) as served, receiving() as receiver:
        await hook(served, receiver, "lamp")
        receiver.script = status(503)
        await served.happen(notified(1))
        async with asyncio.timeout(PATIENCE):
            while not (await served.call("GET", f"{CHANNELS}/lamp/deliveries")).json()["failures"]:
                pass
        await served.call("DELETE", f"{CHANNELS}/lamp")
        receiver.script = ok
        await hook(served, receiver, "lamp")
        assert (await served.call("GET", f"{CHANNELS}/lamp/deliveries")).json()["failures"] == []


@only_sqlite
async def test_a_named_channel_that_a_rule_removes_is_gone_and_does_not_count(database: Database) -> None:
    slow: dict[str, Any] = {"pause": lambda failures: 0.01}
    async with serving(database, limits={"failing": 0.05, "named": 1}, **slow) as served, receiving() as receiver:
        await hook(served, receiver, "lamp")
        receiver.script = status(500)
        await served.happen(notified(1))
        async with asyncio.timeout(PATIENCE):
            while (await served.call("GET", f"{CHANNELS}/lamp")).status_code == 200:
                pass
        (told,) = await events_of(served, REMOVED)
        assert (told["id"], told["name"]) == ("subject", "lamp")
        assert (await put(served, "another", WEBSOCKET)).status_code == 201


async def test_all_channels_of_an_application_end_with_it(database: Database) -> None:
    async with serving(database) as served, receiving() as receiver:
        await served.registered()
        await hook(served, receiver, "hook")
        await put(served, "live", WEBSOCKET)
        async with opened(served, "live") as socket:
            await served.channels.end_subject(ACCOUNT, "subject")
            assert await close_code(socket) == 1000
        assert (await served.call("GET", CHANNELS)).json()["total_count"] == 0


async def test_two_processes_share_the_channels_of_an_application(database: Database) -> None:
    bus = LocalBus()
    async with serving(database, bus=bus, process="one", look=0.02) as one, receiving() as receiver:
        async with serving(database, bus=bus, process="two", look=0.02) as two:
            await put(one, "live", WEBSOCKET)
            await hook(two, receiver, "hook")
            async with opened(two, "live") as socket:
                assert (await got(one, "live"))["state"] == "connected"
                await one.happen(notified(1))
                await collect(socket, 1)
                await arrived(receiver, numbered(1))
