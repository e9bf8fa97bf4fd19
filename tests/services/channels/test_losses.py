"""What limits discard is told to the channel that lost it, before what follows."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from lamplighter.services.channels.losses import Loss, message_of, together, without
from lamplighter.services.channels.model import Options, Serialization
from lamplighter.services.channels.store import Channel
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, ADMIN
from tests.outbound.receivers import PATIENCE, ok, receiving, status
from tests.services.channels.served import (
    PULL,
    Served,
    ShiftedClock,
    collect,
    frame,
    notified,
    registered,
    serving,
)
from tests.services.channels.test_named import CHANNELS, WEBSOCKET, arrived, hook, numbered, opened, put, shown

HOUR = 3600.0
DISCARDED = "notifications-discarded"
ASKING = {"serialization": {"type": "v2", "cfg": {"include_discarded": True}}}


def losses(*given: tuple[str, int, int, int]) -> str:
    return msgspec.json.encode([Loss(*each) for each in given]).decode()  # type: ignore[arg-type]


def test_losses_of_one_reason_are_told_together() -> None:
    first = together(None, [Loss("age", 2, 10, 20)])
    assert first == losses(("age", 2, 10, 20))
    second = together(first, [Loss("size", 1, 15, 15), Loss("age", 3, 20, 40)])
    assert second == losses(("age", 5, 10, 40), ("size", 1, 15, 15))
    assert together(None, []) is None


def test_what_is_lost_while_it_is_told_remains_to_be_told() -> None:
    told = losses(("age", 2, 10, 20))
    assert without(told, told) is None
    more = together(told, [Loss("age", 3, 30, 40), Loss("size", 1, 50, 50)])
    left = without(more, told)
    assert left == losses(("age", 3, 21, 40), ("size", 1, 50, 50))
    assert without(left, told) == left, "told twice, it is taken away once"
    assert without(None, told) is None


def test_a_message_of_losses_says_how_many_why_and_from_when_to_when() -> None:
    message = json.loads(message_of(losses(("size", 7, 0, 1_000_000))))
    assert message == {
        DISCARDED: [
            {
                "count": 7,
                "reason": "size",
                "first": "1970-01-01T00:00:00.000000Z",
                "last": "1970-01-01T00:00:01.000000Z",
            }
        ]
    }


async def age(served: Served, clock: ShiftedClock, *numbers: int) -> None:
    """Have all that waits grow too old, and more happen."""
    clock.shift += 24.1 * HOUR
    await served.happen(*(msgspec.structs.replace(notified(number), time=clock.now()) for number in numbers))
    await served.channels._sweeper.sweep()


def told(message: dict[str, Any]) -> list[tuple[str, int]]:
    assert list(message) == [DISCARDED]
    for each in message[DISCARDED]:
        assert each["first"] <= each["last"] and each["first"].endswith("Z")
    return [(each["reason"], each["count"]) for each in message[DISCARDED]]


PATIENT: dict[str, Any] = {"failing": 1e9, "unconnected": 1e9, "unpolled": 1e9}


async def row(served: Served, name: str) -> Channel:
    found = await served.channels._store.get(ACCOUNT, "subject", name)
    assert found is not None
    return found


async def test_a_webhook_is_told_before_what_follows_until_it_has_taken_it(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits=PATIENT, pause=lambda failures: 0.02) as served:
        async with receiving() as receiver:
            await hook(served, receiver, "lamp")
            receiver.script = status(500)
            await served.happen(notified(1), notified(2))
            await shown(served, "lamp", state="failing")
            await age(served, clock, 3, 4)
            receiver.requests.clear()
            await receiver.got(2)  # refused, it comes again
            receiver.script = ok
            await arrived(receiver, numbered(3, 4))
            messages = [json.loads(each.body) for each in receiver.requests]
            at = next(index for index, message in enumerate(messages) if "notifications" in message and index)
            before = [each for each in receiver.requests[:at] if DISCARDED in json.loads(each.body)]
            assert len(before) >= 2 and told(json.loads(before[0].body)) == [("age", 2)]
            assert (await row(served, "lamp")).losses is None
            await shown(served, "lamp", discarded=2)


async def test_a_named_socket_is_told_once_before_what_follows(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits=PATIENT) as served:
        await put(served, "lamp", WEBSOCKET)
        await served.happen(notified(1), registered())
        await age(served, clock, 3)
        async with opened(served, "lamp") as socket:
            assert told(await frame(socket)) == [("age", 2)]
            assert [item["path"] for item in await collect(socket, 1)] == numbered(3)
        async with asyncio.timeout(PATIENCE):
            while (await row(served, "lamp")).losses is not None:  # noqa: ASYNC110 - it announces nothing
                await asyncio.sleep(0.01)
        await served.happen(msgspec.structs.replace(notified(4), time=clock.now()))
        async with opened(served, "lamp") as socket:
            assert [item["path"] for item in await collect(socket, 1)] == numbered(4)


async def test_a_socket_that_goes_without_a_word_is_told_again(database: Database) -> None:
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits=PATIENT, look=3600.0) as served:
        await put(served, "lamp", WEBSOCKET)
        await served.happen(notified(1))
        await age(served, clock)
        for _ in range(2):
            async with opened(served, "lamp") as socket:
                assert told(await frame(socket)) == [("age", 1)]
                socket.transport.abort()


async def test_the_channel_without_a_name_is_told_where_its_serialization_asks(database: Database) -> None:
    """The vendor's test libraries fail at a member that they do not know."""
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits=PATIENT) as served:
        assert "include_discarded" not in (await served.registered()).json()["serialization"]["cfg"]
        await served.happen(notified(1), notified(2))
        await age(served, clock, 3)
        async with served.socket() as socket:
            assert [item["path"] for item in await collect(socket, 1)] == numbered(3)
        asked = await served.registered(body=ASKING)
        assert asked.json()["serialization"]["cfg"]["include_discarded"] is True
        async with served.socket() as socket:
            assert told(await frame(socket)) == [("age", 2)]


async def test_a_long_poll_channel_is_told_once_where_its_serialization_asks(database: Database) -> None:
    """Its operations give it none, but its row may have one."""
    clock = ShiftedClock()
    async with serving(database, clock=clock, limits=PATIENT, long_poll=0.05) as served:
        await served.call("GET", PULL)
        await served.happen(notified(1))
        await age(served, clock, 2)
        caller = served.callers.known[ADMIN]
        await served.channels.register(caller, "LONG_POLLING", Serialization(cfg=Options(include_discarded=True)))
        assert told((await served.call("GET", PULL)).json()) == [("age", 1)]
        assert list((await served.call("GET", PULL)).json()) == ["notifications"]
        assert (await served.call("GET", PULL)).status_code == 204
        await asyncio.gather(*served.channels.polls._tasks)
        assert (await row(served, "")).losses is None


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
async def test_what_size_takes_is_told_as_such(database: Database) -> None:
    limits = {"queue_bytes": 100_000}
    async with serving(database, limits=limits) as served:
        await put(served, "lamp", WEBSOCKET)
        for start in range(0, 1000, 100):
            await served.happen(*(notified(number, payload="x" * 500) for number in range(start, start + 100)))
        async with opened(served, "lamp") as socket:
            ((reason, count),) = told(await frame(socket))
            kept = await collect(socket, 1000 - count)
            assert reason == "size" and count > 0
            assert [item["path"] for item in kept] == numbered(*range(count, 1000))
        answer = (await served.call("GET", f"{CHANNELS}/lamp")).json()
        assert answer["discarded"] == count
