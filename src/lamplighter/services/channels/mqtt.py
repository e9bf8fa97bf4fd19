"""Channels that are delivered to a broker of MQTT."""

from __future__ import annotations

from urllib.parse import quote

from lamplighter.outbound.mqtt import IN_FLIGHT, MqttAddress, MqttMessage
from lamplighter.services.channels.broker import Happened
from lamplighter.services.channels.targets import VARIABLES, MqttTarget

NONE = "-"
"""What stands for a variable that an event does not have: a level of a topic should not be empty."""


class Mqtt:
    """The protocol of MQTT, for a BrokerCarrier."""

    target = MqttTarget
    together = IN_FLIGHT

    def address(self, target: MqttTarget, client_id: str) -> MqttAddress:
        assert target.server is not None  # it was looked at when the channel was registered
        host, port = target.server
        return MqttAddress(
            host=host,
            port=port,
            client_id=target.client_id or client_id,
            version=target.version,
            tls=target.trust if target.secured else None,
            login=target.login,
        )

    def record(self, target: MqttTarget, happened: Happened) -> MqttMessage:
        topic = target.topic.format_map({name: _level(name, getattr(happened, name)) for name in VARIABLES})
        return MqttMessage(topic, happened.value, (("kind", happened.kind), ("uid", happened.uid)))


def _level(name: str, value: str) -> str:
    """A variable as a part of a topic: what a device is called must not be a wildcard, or levels of its own."""
    return quote(value, safe="/" if name == "path" else " @:=,;!$&'()*~") or NONE
