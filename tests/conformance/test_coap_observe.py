"""CoAP plugtest, TD_COAP_OBS: resources that tell of their changes (RFC 7641)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiocoap
import pytest

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from tests.conformance.marks import conforms
from tests.conformance.others import (
    AiocoapServer,
    FastUnreliable,
    ask_with_aiocoap,
    ask_with_libcoap,
    libcoap_server,
    observing_with_aiocoap,
)
from tests.conformance.plugtest_client import PlugtestClient, plugtest_client
from tests.conformance.plugtest_server import LARGE, NEW, PlugtestServer, plugtest_server
from tests.conformance.wire import once


@asynccontextmanager
async def libcoap_observes(
    server: PlugtestServer, path: str, until: str, *, confirmable: bool = True
) -> AsyncIterator[asyncio.Task[str]]:
    """coap-client observes the path until it has shown that text; the task gives all that it showed."""
    observing = asyncio.create_task(
        ask_with_libcoap(server.port, "get", path, more=("-s", "15"), until=until, confirmable=confirmable)
    )
    await server.until(lambda: server.observers(path))
    yield observing
    await observing


def notifications(messages: list[Message]) -> list[Message]:
    """Responses with Observe that are no acknowledgements."""
    return [each for each in messages if each.type != Type.ACK and each.option(Option.OBSERVE) is not None]


def is_acknowledged(server: PlugtestServer) -> bool:
    return all(observer.delivery is None for path in server.resources for observer in server.observers(path))


@conforms("TD_COAP_OBS_01", "TD_COAP_OBS_09", peer="aiocoap client")
async def test_aiocoap_is_told_of_every_change(server: PlugtestServer) -> None:
    async with observing_with_aiocoap(server.port, "obs") as observer:
        assert observer.first.payload == b"a lamp" and observer.first.opt.observe is not None
        for value in (b"first", b"second"):
            server.change("obs", value)
            assert (await observer.next()).payload == value
            await server.until(lambda: is_acknowledged(server))
    assert_confirmable_notifications(server)


@conforms("TD_COAP_OBS_01", "TD_COAP_OBS_09", peer="libcoap client")
async def test_libcoap_is_told_of_every_change(server: PlugtestServer) -> None:
    async with libcoap_observes(server, "obs", "third") as observing:
        for value in (b"first", b"second"):
            server.change("obs", value)
            await server.until(lambda: is_acknowledged(server))
        await ask_with_libcoap(server.port, "put", "obs", b"third")
        shown = await observing
    assert all(value in shown for value in ("a lamp", "first", "second", "third"))
    assert_confirmable_notifications(server)


def assert_confirmable_notifications(server: PlugtestServer) -> None:
    request = server.wire.theirs[0]
    (answer, *_), told = server.wire.ours, notifications(server.wire.ours)
    assert request.observe == 0 and answer.type == Type.ACK and answer.observe is not None
    assert {(each.type, each.code, each.token) for each in told} == {(Type.CON, Code.CONTENT, request.token)}
    numbers = [each.observe for each in (answer, *told)]
    assert numbers == sorted(set(numbers), key=int)  # type: ignore[arg-type]
    assert {each.content_format for each in (answer, *told)} == {ContentFormat.TEXT}


@conforms("TD_COAP_OBS_01", "TD_COAP_OBS_09", peer="aiocoap server")
async def test_aiocoap_tells_us_of_every_change(theirs: AiocoapServer, client: PlugtestClient) -> None:
    first = await client.observe("obs")
    assert first.payload == b"a lamp" and first.observe is not None
    for count, value in enumerate((b"first", b"second"), 1):
        theirs.resources["obs"].set(value)
        told = (await client.notified(count))[-1]
        assert (told.payload, told.token, told.content_format) == (value, first.token, first.content_format)
        assert told.type == Type.CON
    await client.ask(Code.PUT, "obs", b"third")
    assert (await client.notified(3))[-1].payload == b"third"
    assert sum(each.type == Type.ACK for each in client.wire.ours) >= 2


@conforms("TD_COAP_OBS_01", "TD_COAP_OBS_09", peer="libcoap server")
async def test_libcoap_tells_us_of_every_change() -> None:
    async with libcoap_server() as server, plugtest_client(server.port) as client:
        await client.ask(Code.PUT, "lamp", b"a lamp")
        first = await client.observe("lamp")
        assert first.payload == b"a lamp" and first.observe is not None
        for count, value in enumerate((b"first", b"second"), 1):
            await client.ask(Code.PUT, "lamp", value)
            told = (await client.notified(count))[-1]
            assert (told.payload, told.token) == (value, first.token)


@conforms("TD_COAP_OBS_02", peer="aiocoap client")
async def test_aiocoap_takes_non_confirmable_notifications(server: PlugtestServer) -> None:
    async with observing_with_aiocoap(server.port, "obs-non", FastUnreliable()) as observer:
        for value in (b"first", b"second"):
            server.change("obs-non", value)
            assert (await observer.next()).payload == value
    assert_non_confirmable_notifications(server)


@conforms("TD_COAP_OBS_02", peer="libcoap client")
async def test_libcoap_takes_non_confirmable_notifications(server: PlugtestServer) -> None:
    async with libcoap_observes(server, "obs-non", "second", confirmable=False) as observing:
        for value in (b"first", b"second"):
            server.change("obs-non", value)
        assert "first" in await observing
    assert_non_confirmable_notifications(server)


def assert_non_confirmable_notifications(server: PlugtestServer) -> None:
    """A peer that stays silent is sent a confirmable one for a change (RFC 7252 section 4.7)."""
    request = server.wire.theirs[0]
    told = [each for each in notifications(server.wire.ours) if each.token == request.token]
    assert (request.type, request.observe) == (Type.NON, 0)
    assert [each.type for each in told][:2] == [Type.NON, Type.NON]
    assert told[-1].payload == b"second"


@conforms("TD_COAP_OBS_02", peer="libcoap server")
async def test_we_take_non_confirmable_notifications() -> None:
    async with libcoap_server("-N") as server, plugtest_client(server.port) as client:
        await client.ask(Code.PUT, "lamp", b"a lamp")
        await client.observe("lamp", confirmable=False)
        for count, value in enumerate((b"first", b"second"), 1):
            await client.ask(Code.PUT, "lamp", value)
            told = (await client.notified(count))[-1]
            assert (told.type, told.payload) == (Type.NON, value)


@conforms("TD_COAP_OBS_05", peer="aiocoap client, libcoap client")
@pytest.mark.parametrize("asking", ["aiocoap", "libcoap"])
async def test_a_client_that_is_off_is_given_up(asking: str) -> None:
    async with plugtest_server(ack_timeout=0.05, max_retransmit=2) as server:
        if asking == "aiocoap":
            async with observing_with_aiocoap(server.port, "obs") as observer:
                server.change("obs", b"first")
                assert (await observer.next()).payload == b"first"
        else:
            async with libcoap_observes(server, "obs", "first"):
                server.change("obs", b"first")
        await server.until(lambda: is_acknowledged(server))
        server.change("obs", b"second")
        await server.until(lambda: not server.observers("obs"))
        told = notifications(server.wire.ours)
        # coap-client may have ended between showing the first change and acknowledging it: then that is the one given up.
        assert len([each for each in told if each.mid == told[-1].mid]) == 3
        server.change("obs", b"third")
        assert notifications(server.wire.ours) == told


@conforms("TD_COAP_OBS_06", peer="aiocoap client")
async def test_a_reset_of_aiocoap_ends_the_observation(server: PlugtestServer) -> None:
    async with observing_with_aiocoap(server.port, "obs") as observer:
        server.change("obs", b"first")
        assert (await observer.next()).payload == b"first"
        await server.until(lambda: is_acknowledged(server))
        observer.forget()
        server.change("obs", b"second")
        await server.until(lambda: is_acknowledged(server))
        server.change("obs", b"third")
        await server.until(lambda: not server.observers("obs"))
        assert server.wire.theirs[-1].type == Type.RST


@conforms("TD_COAP_OBS_06", peer="aiocoap server, libcoap server")
async def test_our_reset_ends_the_observation(theirs: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port in (theirs.port, libcoap.port):
            async with plugtest_client(port) as client:
                await client.ask(Code.PUT, "obs", b"a lamp")
                await client.observe("obs")
                client.endpoint.forget_observations(client.peer)
                await client.ask(Code.PUT, "obs", b"first")
                await client.until(lambda: any(each.type == Type.RST for each in client.wire.ours))
                client.wire.seen.clear()
                await client.ask(Code.PUT, "obs", b"second")
                assert (await client.get("obs")).payload == b"second"
                assert notifications(client.wire.theirs) == []


@conforms("TD_COAP_OBS_07", peer="aiocoap client")
async def test_aiocoap_is_told_that_the_resource_is_gone(server: PlugtestServer) -> None:
    async with observing_with_aiocoap(server.port, "obs") as observer:
        await ask_with_aiocoap(server.port, "delete", "obs")
        await observer.end()
    (told,) = [each for each in server.wire.ours if each.code == Code.NOT_FOUND]
    assert (told.type, told.option(Option.OBSERVE)) == (Type.CON, None)


@conforms("TD_COAP_OBS_07", peer="libcoap client")
async def test_libcoap_is_told_that_the_resource_is_gone(server: PlugtestServer) -> None:
    async with libcoap_observes(server, "obs", "4.04"):
        await ask_with_libcoap(server.port, "delete", "obs")
    assert [each.option(Option.OBSERVE) for each in server.wire.ours if each.code == Code.NOT_FOUND] == [None]


@conforms("TD_COAP_OBS_07", peer="aiocoap server, libcoap server")
async def test_we_are_told_that_the_resource_is_gone(theirs: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port in (theirs.port, libcoap.port):
            async with plugtest_client(port) as client:
                await client.ask(Code.PUT, "obs", b"a lamp")
                first = await client.observe("obs")
                await client.ask(Code.DELETE, "obs")
                (told,) = await client.notified(1)
                assert (told.code, told.token) == (Code.NOT_FOUND, first.token)


@conforms("TD_COAP_OBS_08", peer="aiocoap client, libcoap client")
async def test_a_new_format_ends_the_observations(server: PlugtestServer) -> None:
    async with (
        observing_with_aiocoap(server.port, "obs") as observer,
        libcoap_observes(server, "obs", "4.06"),
    ):
        await server.until(lambda: len(server.observers("obs")) == 2)
        server.change("obs", b"{}", ContentFormat.JSON)
        await observer.end()
    refusals = [each for each in server.wire.ours if each.code == Code.NOT_ACCEPTABLE]
    assert [(each.type, each.option(Option.OBSERVE)) for each in refusals] == [(Type.CON, None)] * 2
    server.wire.seen.clear()
    server.change("obs", b"[]", ContentFormat.JSON)
    assert server.wire.ours == []


@conforms("TD_COAP_OBS_08", peer="aiocoap server")
async def test_we_take_a_new_format_for_the_end(theirs: AiocoapServer, client: PlugtestClient) -> None:
    first = await client.observe("obs")
    theirs.resources["obs"].updated_state(aiocoap.Message(code=aiocoap.NOT_ACCEPTABLE))
    (told,) = await client.notified(1)
    assert (told.code, told.token) == (Code.NOT_ACCEPTABLE, first.token)
    assert client.endpoint.cancel_observation(client.peer, first.token, client.now()) is None


@conforms("TD_COAP_OBS_10", peer="aiocoap client, libcoap client")
async def test_a_get_without_observe_leaves_the_observation_alone(server: PlugtestServer) -> None:
    async with observing_with_aiocoap(server.port, "obs") as observer:
        assert await ask_with_aiocoap(server.port, "get", "obs") == "a lamp"
        assert await ask_with_libcoap(server.port, "get", "obs") == "a lamp"
        server.change("obs", b"first")
        assert (await observer.next()).payload == b"first"


@conforms("TD_COAP_OBS_10", peer="aiocoap server, libcoap server")
async def test_our_get_without_observe_leaves_our_observation_alone(theirs: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port in (theirs.port, libcoap.port):
            async with plugtest_client(port) as client:
                await client.ask(Code.PUT, "obs", b"a lamp")
                first = await client.observe("obs")
                between = await client.get("obs")
                assert between.observe is None and between.token != first.token
                await client.ask(Code.PUT, "obs", b"first")
                (told,) = await client.notified(1)
                assert (told.payload, told.token) == (b"first", first.token)


@conforms("TD_COAP_OBS_11", peer="aiocoap client, libcoap client")
@pytest.mark.parametrize("asking", ["aiocoap", "libcoap"])
async def test_a_lost_notification_is_repeated_and_no_second_one_is_under_way(
    server: PlugtestServer, asking: str
) -> None:
    server.wire.loses = once(lambda seen: seen.ours and seen.message.type == Type.CON)

    def change() -> None:
        for value in (b"first", b"second", b"third"):
            server.change("obs", value)

    if asking == "aiocoap":
        async with observing_with_aiocoap(server.port, "obs") as observer:
            change()
            assert [(await observer.next()).payload for _ in range(2)] == [b"first", b"third"]
            await server.until(lambda: is_acknowledged(server))
    else:
        async with libcoap_observes(server, "obs", "third"):
            change()
            await server.until(lambda: is_acknowledged(server))
    (lost,) = server.wire.lost
    assert lost.message.payload == b"first"
    under_way: set[int] = set()
    for seen in server.wire.seen:
        if seen.ours and seen.message.type == Type.CON:
            under_way.add(seen.message.mid)
            assert len(under_way) == 1
        elif not seen.ours and seen.message.type == Type.ACK:
            under_way.discard(seen.message.mid)


@conforms("TD_COAP_OBS_11", peer="aiocoap server")
async def test_a_notification_whose_acknowledgement_is_lost_is_taken_once(
    theirs: AiocoapServer, client: PlugtestClient
) -> None:
    await client.observe("obs")
    client.wire.loses = once(lambda seen: seen.ours and seen.message.type == Type.ACK)
    theirs.resources["obs"].set(b"first")
    await client.until(lambda: any(each.type == Type.ACK for each in client.wire.ours))
    assert [each.payload for each in client.notifications] == [b"first"]
    assert len(client.wire.lost) == 1 and len(notifications(client.wire.theirs)) == 2


@conforms("TD_COAP_OBS_12", peer="libcoap client")
async def test_libcoap_cancels_with_observe_1(server: PlugtestServer) -> None:
    await ask_with_libcoap(server.port, "get", "obs", more=("-s", "1"))
    first, cancelling = [each for each in server.wire.theirs if each.code == Code.GET]
    assert (first.observe, cancelling.observe, cancelling.token) == (0, 1, first.token)
    assert not server.observers("obs")
    answer = server.wire.ours[-1]
    assert (answer.code, answer.option(Option.OBSERVE)) == (Code.CONTENT, None)


@conforms("TD_COAP_OBS_12", peer="aiocoap server, libcoap server")
async def test_we_cancel_with_observe_1(theirs: AiocoapServer) -> None:
    async with libcoap_server() as libcoap:
        for port in (theirs.port, libcoap.port):
            async with plugtest_client(port) as client:
                await client.ask(Code.PUT, "obs", b"a lamp")
                first = await client.observe("obs")
                answer = await client.cancel(first.token)
                assert (answer.code, answer.token, answer.observe) == (Code.CONTENT, first.token, None)
                await client.ask(Code.PUT, "obs", b"first")
                assert (await client.get("obs")).payload == b"first"
                assert client.notifications == []


@conforms("TD_COAP_OBS_13", "TD_COAP_OBS_14", peer="aiocoap client, libcoap client")
@pytest.mark.parametrize("path", ["obs-large", "obs-pumping"])
@pytest.mark.parametrize("asking", ["aiocoap", "libcoap"])
async def test_notifications_of_several_blocks_are_fetched(server: PlugtestServer, asking: str, path: str) -> None:
    states = [LARGE[::-1], NEW] if path == "obs-large" else [LARGE, b"small", NEW]
    if asking == "aiocoap":
        async with observing_with_aiocoap(server.port, path) as observer:
            for state in states:
                server.change(path, state)
                assert (await observer.next()).payload == state
    else:
        async with libcoap_observes(server, path, "59one") as observing:
            for state in states:
                server.change(path, state)
                await server.until(lambda: is_acknowledged(server))
                await fetched(server)
        shown = await observing
        assert all(state.decode() in shown for state in states)
    told = notifications(server.wire.ours)
    assert [each.option(Option.BLOCK2) is not None for each in told] == [len(state) > 512 for state in states]
    rest = [each for each in server.wire.ours if each.type == Type.ACK and each.option(Option.BLOCK2) is not None]
    assert all(each.option(Option.OBSERVE) is None for each in rest if each.token != told[0].token)


async def fetched(server: PlugtestServer) -> None:
    """Until the last block of what was told last has left."""
    end = asyncio.Event()

    def is_last() -> bool:
        last = server.wire.ours[-1].option(Option.BLOCK2)
        return last is None or not int.from_bytes(last, "big") & 8

    server.wire.listeners.append(lambda seen: end.set())
    async with asyncio.timeout(20):
        while not is_last():
            end.clear()
            await end.wait()


@conforms("TD_COAP_OBS_13", "TD_COAP_OBS_14", peer="aiocoap server")
@pytest.mark.parametrize("path", ["obs-large", "obs-pumping"])
async def test_we_fetch_notifications_of_several_blocks(
    theirs: AiocoapServer, client: PlugtestClient, path: str
) -> None:
    states = [LARGE[::-1], NEW] if path == "obs-large" else [LARGE, b"small", NEW]
    await client.observe(path)
    for count, state in enumerate(states, 1):
        theirs.resources[path].set(state)
        assert (await client.notified(count))[-1].payload == state


@conforms("TD_COAP_OBS_13", "TD_COAP_OBS_14", peer="libcoap server")
async def test_we_fetch_notifications_of_several_blocks_from_libcoap() -> None:
    async with libcoap_server() as server, plugtest_client(server.port) as client:
        await client.ask(Code.PUT, "lamp", LARGE)
        assert (await client.observe("lamp")).payload == LARGE
        for count, state in enumerate((NEW, b"small", LARGE), 1):
            await client.ask(Code.PUT, "lamp", state)
            assert (await client.notified(count))[-1].payload == state
