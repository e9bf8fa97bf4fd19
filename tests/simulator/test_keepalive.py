"""Pings: the vendor's client over TCP asks every so often whether the server is there."""

from __future__ import annotations

import pytest

from lamplighter.coap.message import decode
from lamplighter.coap.numbers import Code, Type
from lamplighter.simulator.device import Device
from lamplighter.simulator.events import ConnectionLost
from lamplighter.simulator.profile import Profile, Transport
from tests.simulator.bootstrap_server import BootstrapServer, developer_account
from tests.simulator.test_vendor import MODES
from tests.simulator.town import Town


def alive(profile: Profile, transport: Transport, keepalive: float | None = None) -> Town:
    place = Town()
    place.bootstrap = BootstrapServer(place.endpoint, MODES[1])
    made_with = developer_account() if profile.is_vendor else None
    device = Device(
        "lamp",
        place.now,
        profile=profile,
        transport=transport,
        keepalive=keepalive,
        made_with=made_with,
        lifetime=86400,
    )
    place.add(device)
    place.settle()
    return place


def pings(place: Town) -> list[float]:
    """When; seconds from the registration on."""
    sent = [(when, decode(data)) for when, _, data in place.datagrams]
    return [when - 1000 for when, message in sent if message.type == Type.CON and message.code == Code.EMPTY]


@pytest.mark.parametrize(
    ("profile", "transport", "keepalive", "expected"),
    [
        (Profile.VENDOR, Transport.TLS, None, [540, 1080]),
        (Profile.GATEWAY, Transport.TLS, None, [60 * each for each in range(1, 21)]),
        (Profile.VENDOR, Transport.DTLS, None, []),
        (Profile.VENDOR, Transport.TLS, 0.0, []),
        (Profile.LWM2M_1_1, Transport.DTLS, None, []),
        (Profile.LWM2M_1_1, Transport.DTLS, 500.0, [500, 1000]),
    ],
)
def test_pings_come_as_often_as_is_usual_or_told(
    profile: Profile, transport: Transport, keepalive: float | None, expected: list[float]
) -> None:
    place = alive(profile, transport, keepalive)
    place.run(1200)
    assert pings(place) == expected and not place.of(ConnectionLost)


def test_a_server_that_does_not_answer_a_ping_is_gone() -> None:
    place = alive(Profile.LWM2M_1_1, Transport.DTLS, 500.0)
    place.run(499)
    place.reachable = False
    place.run(200)
    (_, lost), *_ = place.of(ConnectionLost)
    assert isinstance(lost, ConnectionLost) and lost.reason == "a ping was not answered"
    place.reachable = True
    place.run(1000)
    assert len(pings(place)) >= 6 and len(place.registrations) == 1
