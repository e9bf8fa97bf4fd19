"""Targets: CoAP, from datagrams and streams to what an endpoint makes of them."""

from __future__ import annotations

from random import Random

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import NotificationReceived, RequestReceived
from lamplighter.coap.message import FormatError, Message, decode
from lamplighter.coap.numbers import Code, ContentFormat, Option, Type
from lamplighter.coap.tcp import StreamEndpoint
from lamplighter.lwm2m import management
from tests.fuzz.target import Target, joined, pieces

_PEERS = (("192.0.2.1", 1), ("192.0.2.1", 2), ("198.51.100.9", 5683))


def _codec(data: bytes) -> None:
    try:
        message = decode(data)
    except FormatError:
        return
    assert decode(message.encode()) == message


def _drain(endpoint: Endpoint, now: float, *, answer: bool) -> int:
    """Do with its events what a role would; how many datagrams it wants to send."""
    while (event := endpoint.next_event()) is not None:
        if isinstance(event, RequestReceived) and answer:
            endpoint.respond(event, Message(Code.CONTENT, payload=b"x" * 1500), now, tell_when_sent=True)
        elif isinstance(event, NotificationReceived):
            (endpoint.accept_notification if answer else endpoint.reject_notification)(event)
    return len(endpoint.datagrams_to_send(now))


def _endpoint(data: bytes) -> None:
    """The first byte of each piece says from whom it is and how much time passes; then comes the datagram."""
    endpoint = Endpoint(Random(1))
    now = 0.0
    for peer in _PEERS[:2]:
        endpoint.request(peer, management.observe("/3303/0/5700"), now)
        endpoint.request(peer, management.write("/5/0/0", b"y" * 3000, ContentFormat.OCTET_STREAM), now)
        endpoint.adopt_observation(peer, b"\x01\x57", management.read("/3/0/0"), now)
    _drain(endpoint, now, answer=True)
    sent = received = 0
    for piece in pieces(data):
        if not piece:
            continue
        now += (piece[0] >> 4) * 0.7
        endpoint.handle_timer(now)
        endpoint.receive_datagram(piece[1:], _PEERS[piece[0] % 3], now)
        received += 1
        sent += _drain(endpoint, now, answer=bool(piece[0] & 4))
    endpoint.handle_timer(now + 1e6)
    _drain(endpoint, now + 1e6, answer=False)
    assert sent <= 40 * (received + 2)


def _block(number: int, more: bool, size: int, token: bytes = b"t", **options: bytes) -> bytes:
    """A PUT of one block."""
    message = Message(Code.PUT, payload=b"b" * size, token=token, mid=number, type=Type.CON)
    message.add(Option.URI_PATH, "1").add(Option.BLOCK1, number << 4 | (8 if more else 0) | 2)
    return bytes((4,)) + message.encode()


def _stream(data: bytes) -> None:
    """The first byte says whether boundaries are kept, each piece is what was read at once."""
    endpoint = StreamEndpoint(Random(1))
    peer = "peer"
    endpoint.connected(peer, 0.0, records=bool(data[:1] and data[0] & 1))
    for number, piece in enumerate(pieces(data[1:])):
        endpoint.receive_datagram(piece, peer, float(number))
        _drain(endpoint, float(number), answer=True)
        if endpoint.streams_to_close():
            break
    endpoint.forget(peer, 1e6)
    _drain(endpoint, 1e6, answer=False)


_GET = Message(Code.GET, token=b"\x01", mid=7, type=Type.CON).add(Option.URI_PATH, "3").encode()
_NOTIFICATION = (
    Message(Code.CONTENT, payload=b"1", token=b"\x01\x57", mid=9, type=Type.CON).add(Option.OBSERVE, 5).encode()
)
_REGISTER = (
    Message(Code.POST, payload=b"</3/0>", token=b"abcd", mid=1, type=Type.CON)
    .add(Option.URI_PATH, "rd")
    .add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)
    .add(Option.URI_QUERY, "ep=lamp")
    .encode()
)
_CSM = b"\x00\xe1"
_OPTIONS = (b"\xb1", b"\xff", b"\xd1\x02", b"\xe1\x00\x01", b"\x60\x00\x00\x07\xc0", b"\xe1")

TARGETS = [
    Target("coap message", lambda: _codec, (_GET, _NOTIFICATION, _REGISTER), _OPTIONS),
    Target(
        "coap endpoint",
        lambda: _endpoint,
        (
            joined(bytes((4,)) + _GET, bytes((0x24,)) + _GET, bytes((0,)) + _NOTIFICATION),
            joined(bytes((4,)) + _REGISTER, b"\x04\x60\x00\x00\x07\xc0", b"\x04\x70\x00\x00\x07"),
        ),
        _OPTIONS,
    ),
    Target(
        "block-wise",
        lambda: _endpoint,
        (
            joined(_block(0, True, 64), _block(1, True, 64), _block(2, False, 10)),
            joined(_block(0, True, 64), _block(2, True, 64), _block(1, False, 64, b"u")),
        ),
        (b"\xd1\x0e", b"\xd1\x0a", b"\x1a", b"\x0e", b"\xc1\x0a"),
    ),
    Target(
        "coap stream",
        lambda: _stream,
        (
            b"\0" + joined(_CSM, b"\x21\x01\x01\xb13", b"\x00\xe2"),
            b"\x01" + joined(_GET, _REGISTER),
            b"\0" + joined(b"\0\0\0" + bytes((len(_GET),)) + _GET),
        ),
        (_CSM, b"\x00\xe3", b"\x00\xe4", b"\x00\xe5", b"\xd0", b"\xe0", b"\xf0", b"\0\0"),
    ),
]
