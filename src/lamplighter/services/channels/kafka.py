"""Channels that are delivered to a topic of Kafka."""

from __future__ import annotations

from lamplighter.outbound.kafka import KafkaAddress, KafkaRecord
from lamplighter.services.channels.broker import Happened
from lamplighter.services.channels.model import LARGEST_CHUNK
from lamplighter.services.channels.targets import KafkaTarget


class Kafka:
    """The protocol of Kafka, for a BrokerCarrier.

    The key is the device, so that what happens to one device stays in its order, in one partition.
    """

    target = KafkaTarget
    together = LARGEST_CHUNK

    def address(self, target: KafkaTarget, client_id: str) -> KafkaAddress:
        return KafkaAddress(
            servers=target.addresses,
            topic=target.topic,
            client_id=client_id,
            tls=target.trust if target.tls else None,
            login=target.login,
            mechanism=target.mechanism,
        )

    def record(self, target: KafkaTarget, happened: Happened) -> KafkaRecord:
        return KafkaRecord(
            key=(happened.device_id or happened.account_id).encode(),
            value=happened.value,
            headers=(
                ("kind", happened.kind.encode()),
                ("uid", happened.uid.encode()),
                ("content-type", b"application/json"),
            ),
            time=happened.time // 1000,
        )
