"""The registration of a large gateway leaves the others their turns, counted in links and in devices, not in time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lamplighter.coap.message import Message
from lamplighter.lwm2m.link import Link, parse_links
from lamplighter.lwm2m.steps import STEP, finish
from lamplighter.services.connect.mediated import TOGETHER
from lamplighter.services.connect.resources import Links, dump_links, links_in_steps, load_links
from lamplighter.services.connect.turns import in_turns
from tests.api.toy import ACCOUNT
from tests.services.connect.bench import Bench, FakePeer

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
LINKS = 11_000


class Turns:
    """Another device: it takes every turn that it gets."""

    def __init__(self) -> None:
        self.taken = 0
        self._task = asyncio.get_running_loop().create_task(self._take())

    async def _take(self) -> None:
        while True:
            self.taken += 1
            await asyncio.sleep(0)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Watched(tuple[Link, ...]):
    """Links that note in which turn of the other device each of them was looked at."""

    turns: Turns

    def __iter__(self) -> Iterator[Link]:
        self.seen: dict[int, int] = {}
        for link in super().__iter__():
            self.seen[self.turns.taken] = self.seen.get(self.turns.taken, 0) + 1
            yield link


async def test_no_more_links_are_looked_at_than_one_step_has_before_the_others_have_their_turn(bench: Bench) -> None:
    links = Watched([Link(f"/d/node/40000/{n // 1000}/{n % 1000}", (("obs", None),)) for n in range(LINKS)])
    turns = links.turns = Turns()
    registered = await bench.register(FakePeer(), links=links, client_version="4.13.2", endpoint_type="MBED_GW")
    await turns.stop()
    assert sum(links.seen.values()) == LINKS
    assert max(links.seen.values()) <= STEP
    known = await bench.directory.device_of_endpoint(bench.database, ACCOUNT, "node")
    assert known is not None and known.host_gateway == registered.device_id


class WatchedPeer(FakePeer):
    """A gateway's session, which notes in which turn of the other device what is adopted."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns
        self.seen: dict[int, int] = {}

    def adopt(self, token: bytes, request: Message) -> None:
        super().adopt(token, request)
        self.seen[self._turns.taken] = self.seen.get(self._turns.taken, 0) + 1


async def test_the_devices_behind_a_gateway_are_taken_a_few_at_a_time(bench: Bench) -> None:
    links = parse_links(",".join(f'</d/lamp-{number}/3/0/2>;aobs="{number}"' for number in range(100)))
    turns = Turns()
    peer = WatchedPeer(turns)
    await bench.register(peer, links=tuple(links), client_version="4.13.2", endpoint_type="MBED_GW")
    await turns.stop()
    assert sum(peer.seen.values()) == 100
    assert max(peer.seen.values()) <= TOGETHER
    assert len(await bench.connect.endpoints(ACCOUNT)) == 101


async def test_what_is_made_of_many_links_in_steps_is_what_is_made_at_once(bench: Bench) -> None:
    links = [
        Link("/"),
        *(Link(f"/40000/{n // 1000}/{n % 1000}", (("aobs", str(n)), ("rt", "x"))) for n in range(LINKS)),
    ]
    turns = Turns()
    made = await in_turns(links_in_steps(links))
    await turns.stop()
    assert turns.taken >= LINKS // STEP
    at_once = load_links(dump_links(links))
    assert made == at_once == Links(links)
    assert (bytes(made.told), made.auto_tokens, made.kept) == (bytes(at_once.told), at_once.auto_tokens, at_once.kept)
    assert finish(links_in_steps([])).told == Links().told
