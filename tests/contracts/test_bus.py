"""What every bus does alike. Two handles are two processes; on the local bus they are one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from lamplighter.bus.bus import Bus, NoResponder, RequestFailed
from lamplighter.bus.local import LocalBus
from lamplighter.bus.nats import NatsBus
from tests.servers import NatsServer


@pytest.fixture(params=["local", "nats"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bus, Bus]]:
    if request.param == "local":
        local = LocalBus()
        yield local, local
        await local.close()
        return
    server: NatsServer = request.getfixturevalue("nats")
    first, second = NatsBus(server.url), NatsBus(server.url)
    await first.start()
    await second.start()
    yield first, second
    await first.close()
    await second.close()


class Mailbox:
    """Collects messages and lets a test wait for them."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self._arrived = asyncio.Event()

    def __call__(self, data: bytes) -> None:
        self.messages.append(data)
        self._arrived.set()

    async def wait_for(self, count: int) -> list[bytes]:
        async with asyncio.timeout(10):
            while len(self.messages) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.messages


async def echo(data: bytes) -> bytes:
    return b"echo " + data


async def test_a_message_reaches_everybody_once(pair: tuple[Bus, Bus]) -> None:
    here, there = pair
    mine, theirs = Mailbox(), Mailbox()
    await here.subscribe("a.b", mine)
    await there.subscribe("a.b", theirs)
    here.publish("a.b", b"1")
    there.publish("a.b", b"2")
    assert sorted(await mine.wait_for(2)) == sorted(await theirs.wait_for(2)) == [b"1", b"2"]


async def test_messages_of_one_publisher_keep_their_order(pair: tuple[Bus, Bus]) -> None:
    here, there = pair
    mailbox = Mailbox()
    await there.subscribe("order", mailbox)
    for number in range(500):
        here.publish("order", str(number).encode())
    assert await mailbox.wait_for(500) == [str(number).encode() for number in range(500)]


async def test_a_cancelled_subscription_hears_nothing_more(pair: tuple[Bus, Bus]) -> None:
    here, there = pair
    gone, kept = Mailbox(), Mailbox()
    subscription = await there.subscribe("s", gone)
    await there.subscribe("s", kept)
    await subscription.cancel()
    here.publish("s", b"1")
    await kept.wait_for(1)
    assert gone.messages == []


async def test_a_subscriber_that_fails_hurts_no_other(pair: tuple[Bus, Bus], caplog: pytest.LogCaptureFixture) -> None:
    here, there = pair
    mailbox = Mailbox()

    def fails(data: bytes) -> None:
        raise ValueError(data)

    await there.subscribe("s", fails)
    await there.subscribe("s", mailbox)
    here.publish("s", b"1")
    assert await mailbox.wait_for(1) == [b"1"]
    assert "a subscriber of s failed" in caplog.text


async def test_a_request_is_answered_from_here_and_from_there(pair: tuple[Bus, Bus]) -> None:
    here, there = pair
    serving = await there.serve("device.1", echo)
    assert await here.request("device.1", b"x", 5) == b"echo x"
    assert await there.request("device.1", b"y", 5) == b"echo y"
    await serving.cancel()
    with pytest.raises(NoResponder):
        await here.request("device.1", b"x", 5)


async def test_a_request_that_nobody_serves_fails_at_once(pair: tuple[Bus, Bus]) -> None:
    with pytest.raises(NoResponder):
        await pair[0].request("device.none", b"", 60)


async def test_a_request_without_an_answer_times_out(pair: tuple[Bus, Bus]) -> None:
    async def never(data: bytes) -> bytes:
        await asyncio.Event().wait()
        return data

    here, there = pair
    await there.serve("device.slow", never)
    with pytest.raises(TimeoutError):
        await here.request("device.slow", b"", 0.05)


async def test_a_server_that_fails_is_told_from_one_that_is_absent(
    pair: tuple[Bus, Bus], caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(data: bytes) -> bytes:
        raise ValueError("inside")

    here, there = pair
    await there.serve("device.bad", fails)
    with pytest.raises(RequestFailed):
        await here.request("device.bad", b"", 5)
    assert "who serves device.bad failed" in caplog.text


async def test_a_subject_is_served_once_in_a_process(pair: tuple[Bus, Bus]) -> None:
    await pair[0].serve("device.2", echo)
    with pytest.raises(ValueError, match="served already"):
        await pair[0].serve("device.2", echo)


async def test_requests_are_served_side_by_side(pair: tuple[Bus, Bus]) -> None:
    here, there = pair
    both = asyncio.Barrier(2)

    async def meets(data: bytes) -> bytes:
        await both.wait()
        return data

    await there.serve("device.3", meets)
    answers = await asyncio.gather(here.request("device.3", b"1", 5), here.request("device.3", b"2", 5))
    assert answers == [b"1", b"2"]


async def test_nats_may_be_away_at_the_start_and_come_later(nats: NatsServer) -> None:
    nats.stop()
    first, second = NatsBus(nats.url), NatsBus(nats.url)
    mine, theirs = Mailbox(), Mailbox()
    try:
        await asyncio.gather(first.start(), second.start())
        assert first.degraded and second.degraded
        await first.subscribe("s", mine)
        await second.subscribe("s", theirs)
        first.publish("s", b"within the process")
        assert await mine.wait_for(1) == [b"within the process"]
        with pytest.raises(NoResponder):
            await first.request("device.9", b"", 5)
        nats.start()
        await told(first, theirs)
        assert not first.degraded and not second.degraded
    finally:
        nats.start()
        await first.close()
        await second.close()


async def test_a_restart_of_nats_is_survived(pair: tuple[Bus, Bus], nats: NatsServer) -> None:
    here, there = pair
    mailbox = Mailbox()
    await there.subscribe("s", mailbox)
    await there.serve("device.4", echo)
    nats.stop()
    nats.start()
    await told(here, mailbox)
    assert await here.request("device.4", b"x", 5) == b"echo x"


async def told(bus: Bus, mailbox: Mailbox) -> None:
    """Publish until a message arrives: the connection comes back in its own time."""
    async with asyncio.timeout(20):
        while not mailbox.messages:
            bus.publish("s", b"again")
            try:
                async with asyncio.timeout(0.1):
                    await mailbox.wait_for(1)
            except TimeoutError:
                continue
