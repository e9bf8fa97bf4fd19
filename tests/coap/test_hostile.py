"""Hostile input: whatever arrives, nothing escapes the engine and nothing grows beyond its limits."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import NotificationReceived, RequestReceived
from lamplighter.coap.framing import Framing, frame_of, prefixed
from lamplighter.coap.limits import Limits
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.coap.tcp import StreamEndpoint
from tests.coap.pair import get, request

LIMITS = Limits(
    messages_per_peer=4, messages=20, requests_per_peer=4, bodies_per_peer=2, body_bytes=4096, observations_per_peer=3
)
OPTIONS = st.lists(
    st.tuples(
        st.sampled_from([*map(int, Option), 9, 65000]),
        st.one_of(st.binary(max_size=4), st.sampled_from([b"\x0e", b"\x06", b"\x1d", b"\x0f", b"", b"rd"])),
    ),
    max_size=6,
)
MESSAGES = st.builds(
    Message,
    st.one_of(st.sampled_from([*map(int, Code)]), st.integers(0, 255)),
    OPTIONS,
    st.one_of(st.just(b""), st.binary(max_size=40), st.sampled_from([bytes(16), bytes(512), bytes(1024), bytes(2048)])),
    st.sampled_from([b"", b"\x01", b"\x00\x00\x00\x00\x00\x02", b"\x00\x00\x00\x00\x00\x03"]),
    st.integers(0, 3),
    st.integers(0, 8),
)
DATAGRAMS = st.one_of(st.binary(max_size=60), MESSAGES.map(lambda message: message.encode()))
STEPS = st.lists(st.tuples(st.sampled_from("pqr"), DATAGRAMS, st.sampled_from([0.0, 1.0, 70.0, 300.0])), max_size=30)


def drive(endpoint: Endpoint, peers: str = "pqr") -> None:
    """Have requests, observations and long answers under way, so that what arrives may meet them."""
    endpoint.request(peers[0], get("3").add(Option.OBSERVE, 0), 0.0)
    endpoint.request(peers[0], request(Code.PUT, "5", payload=bytes(1500)), 0.0)
    endpoint.adopt_observation(peers[0], b"\x01", get("3"), 0.0)


def answer_everything(endpoint: Endpoint, now: float) -> None:
    while (event := endpoint.next_event()) is not None:
        if isinstance(event, RequestReceived):
            if event.message.code == Code.POST:
                endpoint.acknowledge(event)
            endpoint.respond(event, Message(Code.CONTENT, payload=bytes(1500)), now)
        elif isinstance(event, NotificationReceived):
            endpoint.accept_notification(event)
    endpoint.datagrams_to_send(now)


def check(endpoint: Endpoint) -> None:
    assert endpoint._peers.remembered <= LIMITS.messages
    assert endpoint._uploads.shelf.size <= LIMITS.body_bytes
    assert endpoint._downloads.shelf.size <= LIMITS.body_bytes
    assert endpoint._peers.remembered == sum(len(peer.received) for peer in endpoint._peers.all.values())
    assert endpoint._peers._observations.used == sum(len(peer.observations) for peer in endpoint._peers.all.values())


@settings(max_examples=100, deadline=None)
@given(STEPS, st.booleans())
def test_datagrams(steps: list[tuple[str, bytes, float]], verified: bool) -> None:
    endpoint = Endpoint(Random(1), first_token=0, limits=LIMITS, max_body=3000, verified=verified)
    drive(endpoint)
    now = 0.0
    for peer, data, pause in steps:
        endpoint.receive_datagram(data, peer, now)
        answer_everything(endpoint, now)
        check(endpoint)
        now += pause
        endpoint.handle_timer(now)
        answer_everything(endpoint, now)
    for peer in "pqr":
        endpoint.forget(peer, now)
    check(endpoint)
    assert endpoint.peers == 0


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(Framing), STEPS)
def test_streams(framing: Framing, steps: list[tuple[str, bytes, float]]) -> None:
    endpoint = StreamEndpoint(Random(1), first_token=0, limits=LIMITS, max_body=3000)
    wrap = {Framing.RFC8323: frame_of, Framing.PREFIX: prefixed, Framing.RECORD: bytes}[framing]
    for peer in "pqr":
        endpoint.connected(peer, 0.0, records=framing is Framing.RECORD)
    drive(endpoint)
    first = {Framing.RFC8323: b"\x00\xe1", Framing.PREFIX: b"\0\0\0\4\x40\0\0\1", Framing.RECORD: b"\x40\0\0\1"}
    now = 0.0
    for peer in "pq":
        endpoint.receive_datagram(first[framing], peer, now)
    for peer, data, pause in steps:
        endpoint.receive_datagram(wrap(data) if len(data) >= 4 + (data[:1] or b"\0")[0] % 16 else data, peer, now)
        answer_everything(endpoint, now)
        endpoint.streams_to_close()
        check(endpoint)
        now += pause
        endpoint.handle_timer(now)
        answer_everything(endpoint, now)
    for peer in "pqr":
        endpoint.forget(peer, now)
    check(endpoint)
    assert endpoint.peers == 0
