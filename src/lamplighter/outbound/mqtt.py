"""MQTT: which broker, and what a message is. Without its client library there is nothing more of it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, NamedTuple

from lamplighter.outbound.broker import Link, Login, Tls
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.network import GuardedNetwork

PORT = 1883
TLS_PORT = 8883
IN_FLIGHT = 50
"""Messages that wait for their acknowledgement at once, where the broker does not want fewer."""

Version = Literal["5", "3.1.1"]


class MqttMessage(NamedTuple):
    """What is published, at least once (QoS 1) and not retained."""

    topic: str
    payload: bytes
    properties: tuple[tuple[str, str], ...]
    """User properties; MQTT 3.1.1 has none."""


@dataclass(frozen=True)
class MqttAddress:
    """A broker."""

    host: str
    port: int
    client_id: str
    version: Version = "5"
    tls: Tls | None = None
    """None: not secured."""
    login: Login | None = None

    async def open(self, network: GuardedNetwork, tls: ssl.SSLContext | None, timeout: float) -> Link[MqttMessage]:
        """Connect. Raises OutboundFailed."""
        if not installed():
            raise OutboundFailed("missing", "this server cannot send to MQTT: lamplighter[mqtt] is not installed")
        from lamplighter.outbound.mqtt_client import MqttClient

        client = MqttClient(self)
        try:
            await client.start(network, tls, timeout)
        except BaseException:
            await client.close()
            raise
        return client


def installed() -> bool:
    """Whether the client library is there: the extra ``mqtt`` of the package."""
    return find_spec("paho") is not None
