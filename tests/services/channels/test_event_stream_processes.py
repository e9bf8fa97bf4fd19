"""Event streams in two processes of one installation: whatever one is told or asked, the other's streams know."""

from __future__ import annotations

from lamplighter.services.channels import event_stream
from tests.services.channels.served import SECOND_KEY, Served, notified
from tests.services.channels.sse import events
from tests.services.channels.test_event_stream import NAMED, named, state


async def test_streams_in_both_processes_are_told_what_happens_in_either(two: tuple[Served, Served]) -> None:
    first, second = two
    await named(first)
    async with (
        events(first.port) as watching,
        events(second.port, key=SECOND_KEY) as other,
        events(first.port, NAMED) as here,
        events(second.port, NAMED) as there,
    ):
        for number in range(10):
            await two[number % 2].happen(notified(number))
        for stream in (watching, other, here, there):
            told = await stream.items(10)
            assert [each["path"] for each in told] == [f"/3303/0/{number}" for number in range(10)]


async def test_a_client_goes_on_at_another_process(two: tuple[Served, Served]) -> None:
    first, second = two
    await named(first)
    async with events(first.port) as watching, events(first.port, NAMED) as stream:
        await first.happen(notified(1))
        await watching.items(1)
        await stream.items(1)
    await first.happen(notified(2))
    async with events(second.port, last=watching.last) as again:
        assert [each["path"] for each in await again.items(1)] == ["/3303/0/2"]
    async with events(second.port, NAMED, last=stream.last) as again:
        assert [each["path"] for each in await again.items(1)] == ["/3303/0/2"]


async def test_one_process_knows_of_the_streams_of_the_other_and_ends_them_with_the_channel(
    two: tuple[Served, Served],
) -> None:
    first, second = two
    await named(first)
    assert (await state(second))["state"] == "disconnected"
    async with events(second.port, NAMED) as stream:
        assert (await state(first))["state"] == "connected"
        await second.happen(notified(1))
        await stream.items(1)
        answer = await first.call("POST", "/v2/notification/channels/page/replay", json={"from": "earliest"})
        assert answer.status_code == 200
        assert [each["path"] for each in await stream.items(1)] == ["/3303/0/1"]
        assert (await first.call("DELETE", "/v2/notification/channels/page")).status_code == 204
        await stream.end()
        assert stream.comments == [event_stream.DELETED]
