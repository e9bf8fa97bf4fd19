"""The carriers that this process has."""

from __future__ import annotations

from lamplighter.clock import Clock
from lamplighter.ids import Ids
from lamplighter.outbound import kafka, mqtt
from lamplighter.outbound.client import OutboundClient
from lamplighter.services.channels.broker import BrokerCarrier
from lamplighter.services.channels.carrier import Carrier
from lamplighter.services.channels.kafka import Kafka
from lamplighter.services.channels.model import Mechanism
from lamplighter.services.channels.mqtt import Mqtt
from lamplighter.services.channels.vault import Vault
from lamplighter.services.channels.webhook import WebhookCarrier


def open_carriers(client: OutboundClient, vault: Vault, clock: Clock, ids: Ids) -> dict[Mechanism, Carrier]:
    """One for each mechanism whose channels this process can deliver."""
    carriers: dict[Mechanism, Carrier] = {"CALLBACK": WebhookCarrier(client, vault, clock, ids)}
    if kafka.installed():
        carriers["KAFKA"] = BrokerCarrier(Kafka(), client, vault, ids)
    if mqtt.installed():
        carriers["MQTT"] = BrokerCarrier(Mqtt(), client, vault, ids)
    return carriers
