"""What is kept of peers is bounded per peer, per network and in all."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from lamplighter.coap.blockwise import Block
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import NotificationReceived, RequestReceived
from lamplighter.coap.limits import Limits, Quota
from lamplighter.coap.message import Message, decode
from lamplighter.coap.numbers import Code, Option, Type
from lamplighter.coap.refusals import Refusal
from tests.coap.pair import get


def network(peer: Any) -> str:
    return str(peer)[0]


def endpoint_with(**limits: int) -> Endpoint:
    return Endpoint(Random(1), network_of=network, limits=Limits(**limits))


def served(endpoint: Endpoint, peer: str, mid: int = 1) -> bool:
    message = get("3")
    message.mid = mid
    endpoint.receive_datagram(message.encode(), peer, 0.0)
    return isinstance(endpoint.next_event(), RequestReceived)


def test_a_quota_gives_a_network_half_and_takes_back_what_is_given_back() -> None:
    quota = Quota(10)
    assert quota.take("a", 5) and not quota.take("a")
    assert quota.take("b", 4) and quota.take(None) and not quota.take("c")
    assert quota.is_full
    quota.give_back("a", 5)
    assert quota.take("c", 3) and quota.used == 8
    quota.give_back("b", 4)
    assert "b" not in quota._networks


def test_one_network_cannot_use_up_the_memory_for_messages() -> None:
    endpoint = endpoint_with(messages=8)
    assert [served(endpoint, f"a{number}") for number in range(6)] == [True] * 4 + [False] * 2
    assert served(endpoint, "b1")
    assert endpoint.refusals.counts[Refusal.CROWDED] == 2


def test_the_longest_silent_peers_make_room_when_all_memory_is_used() -> None:
    endpoint = Endpoint(Random(1), limits=Limits(messages=3))
    assert all(served(endpoint, f"a{number}") for number in range(10))
    assert endpoint._peers.remembered == 3
    assert endpoint.peers == 3


def test_a_peers_own_oldest_message_makes_room() -> None:
    endpoint = endpoint_with(messages_per_peer=2)
    assert [served(endpoint, "a1", mid) for mid in (1, 2, 3, 3, 1)] == [True, True, True, False, True]


def test_partial_bodies_of_one_network_take_half_of_the_bytes() -> None:
    endpoint = endpoint_with(body_bytes=64)
    codes = []
    for peer in ("a1", "a2", "a3", "b1"):
        block = Message(Code.PUT, [(Option.BLOCK1, Block(0, True, 0).encode())], bytes(16))
        endpoint.receive_datagram(block.encode(), peer, 0.0)
        codes += [decode(data).code for data, _ in endpoint.datagrams_to_send(0.0)]
    assert codes == [Code.CONTINUE, Code.CONTINUE, Code.SERVICE_UNAVAILABLE, Code.CONTINUE]
    endpoint.forget("a1", 0.0)
    block.mid = 9
    endpoint.receive_datagram(block.encode(), "a3", 0.0)
    assert decode(endpoint.datagrams_to_send(0.0)[0][0]).code == Code.CONTINUE


@pytest.mark.parametrize("limits", [{"observations_per_peer": 2}, {"observations": 4}])
def test_observations_are_limited_and_those_too_many_are_reset(limits: dict[str, int]) -> None:
    endpoint = endpoint_with(**limits)
    for number in range(3):
        endpoint.adopt_observation("a1", bytes((number,)), get("3"), 0.0)
    endpoint.adopt_observation("a1", b"\x00", None, 0.0)  # in the place of the first
    assert endpoint.refusals.counts[Refusal.CROWDED] == 1
    told = []
    for number in range(3):
        message = Message(Code.CONTENT, token=bytes((number,)), type=Type.CON, mid=number).add(Option.OBSERVE, 1)
        endpoint.receive_datagram(message.encode(), "a1", 0.0)
        told.append(isinstance(endpoint.next_event(), NotificationReceived))
    assert told == [True, True, False]
    assert endpoint.cancel_observation("a1", b"\x01", 0.0, tell=False) is None
    endpoint.adopt_observation("a1", b"\x02", get("3"), 0.0)
    endpoint.forget("a1", 0.0)
    assert endpoint._peers._observations.used == 0


def test_pings_acknowledgements_and_resets_of_strangers_leave_nothing_behind() -> None:
    endpoint = Endpoint(Random(1))
    for peer in range(100):
        for type in (Type.CON, Type.ACK, Type.RST):
            endpoint.receive_datagram(Message(0, type=type, mid=peer).encode(), peer, 0.0)
    assert endpoint.peers == 0 and endpoint.get_timer() is None
    assert len(endpoint.datagrams_to_send(0.0)) == 100
    assert endpoint.refusals.counts[Refusal.UNEXPECTED] == 200
