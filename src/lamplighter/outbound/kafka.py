"""Kafka: which cluster, which topic, and what a record is. Without its client library there is nothing more of it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, NamedTuple

from lamplighter.outbound.broker import Link, Login, Tls
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.network import GuardedNetwork

PORT = 9092

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaRecord(NamedTuple):
    """What is appended to the topic."""

    key: bytes
    """Records of the same key stay in order: they have the same partition."""
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    time: int
    """Milliseconds UTC."""


@dataclass(frozen=True)
class KafkaAddress:
    """A topic of a cluster."""

    servers: tuple[tuple[str, int], ...]
    """Those that are asked where the cluster's brokers are, one after the other until one answers."""
    topic: str
    client_id: str
    tls: Tls | None = None
    """None: not secured."""
    login: Login | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"

    @property
    def host(self) -> str:
        return self.servers[0][0]

    async def open(self, network: GuardedNetwork, tls: ssl.SSLContext | None, timeout: float) -> Link[KafkaRecord]:
        """Connect, and find the topic. Raises OutboundFailed."""
        if not installed():
            raise OutboundFailed("missing", "this server cannot send to Kafka: lamplighter[kafka] is not installed")
        from lamplighter.outbound.kafka_producer import KafkaProducer

        producer = KafkaProducer(self, network, tls, timeout)
        try:
            await producer.start()
        except BaseException:
            await producer.close()
            raise
        return producer


def installed() -> bool:
    """Whether the client library is there: the extra ``kafka`` of the package."""
    return find_spec("aiokafka") is not None
