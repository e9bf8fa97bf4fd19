"""Handshakes by key and CoAP requests over TLS 1.2 and TCP, beside OpenSSL alone and aiocoap.

TLS 1.3 has no row: it is not offered to devices (``transport.tls_context`` says why).
"""

from __future__ import annotations

from lamplighter.coap.framing import Framing, frame_of
from lamplighter.coap.numbers import Signal
from lamplighter.transport.tls_context import PskOffer, client_context
from tests.bench.coap import get_time
from tests.bench.dtls import PSK_CCM_8
from tests.bench.dtls_servers import IDENTITIES, KEY
from tests.bench.measure import Load, Options, Row, child, microseconds
from tests.bench.stream_load import CONNECTIONS, Asker, Line, TlsLine, ask, shake

OFFERS = [PskOffer(identity, KEY) for identity in list(IDENTITIES)[:50]]
"""OpenSSL calls them back: they must live as long as the contexts."""
CONTEXTS = [client_context((), None, (PSK_CCM_8,), offer) for offer in OFFERS]
CSM = bytes((0, Signal.CSM))
"""Capabilities and settings without options: RFC 8323 wants one before anything else."""


def framed(number: int) -> bytes:
    return frame_of(get_time(number))


def handshakes(port: int) -> Load:
    return lambda seconds: shake(port, CONTEXTS, seconds)


def requests(port: int, framing: Framing | None, *, secure: bool = True) -> Load:
    """On connections that are made now. ``framing`` None: of a server that answers anything."""
    first = CSM if framing is Framing.RFC8323 else b""
    request = framed if framing is Framing.RFC8323 else get_time
    askers = [
        Asker(TlsLine(port, CONTEXTS[number]) if secure else Line(port), framing, request, first)
        for number in range(CONNECTIONS)
    ]
    return lambda seconds: ask(askers, seconds)


def measure(options: Options) -> list[Row]:
    with (
        child("tests.bench.streams_servers", "ours") as (pid, (mine,)),
        child("tests.bench.streams_servers", "pyopenssl") as (raw_pid, (raw,)),
        child("tests.bench.streams_servers", "aiocoap") as (aiocoap_pid, (aiocoap,)),
    ):
        port, raw_port = int(mine), int(raw)
        shaken = microseconds({"ours": (pid, handshakes(port)), "raw": (raw_pid, handshakes(raw_port))}, options)
        asked = microseconds(
            {
                "rfc8323": (pid, requests(port, Framing.RFC8323)),
                "record": (pid, requests(port, Framing.RECORD)),
                "raw": (raw_pid, requests(raw_port, None)),
                "aiocoap": (aiocoap_pid, requests(int(aiocoap), Framing.RFC8323, secure=False)),
            },
            options,
        )
    raw_name = "OpenSSL alone"
    rfc8323 = "CoAP request over TLS, RFC 8323"
    return [
        Row(what="TLS 1.2 PSK handshake over TCP", ours=shaken["ours"], peer=raw_name, theirs=shaken["raw"]),
        Row(what=rfc8323, ours=asked["rfc8323"], peer=raw_name, theirs=asked["raw"]),
        Row(what=rfc8323, ours=asked["rfc8323"], peer="aiocoap, no TLS", theirs=asked["aiocoap"]),
        Row(what="CoAP request over TLS, a record each", ours=asked["record"], peer=raw_name, theirs=asked["raw"]),
    ]
