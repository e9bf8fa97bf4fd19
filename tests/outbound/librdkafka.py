"""librdkafka, by confluent-kafka: the cluster that its own tests run on, and its consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from confluent_kafka import Consumer, Message, Producer

from tests.outbound.receivers import PATIENCE

Servers = tuple[tuple[str, int], ...]


@contextmanager
def cluster(brokers: int = 3) -> Iterator[Servers]:
    """Brokers on loopback, in threads of this process, that make topics when they are asked for."""
    owner = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "-", "log_level": 0})
    found = owner.list_topics(timeout=PATIENCE).brokers.values()
    yield tuple((broker.host, broker.port) for broker in found)


class Reader:
    """Reads a topic from its beginning."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def read(self, number: int) -> list[Message]:
        """The next records, that many."""
        found: list[Message] = []
        async with asyncio.timeout(PATIENCE):
            while len(found) < number:
                message = await asyncio.to_thread(self._consumer.poll, 0.5)
                if message is not None and message.error() is None:
                    found.append(message)
        return found


@asynccontextmanager
async def reading(servers: Servers, topic: str) -> AsyncIterator[Reader]:
    consumer = Consumer(
        {
            "bootstrap.servers": ",".join(f"{host}:{port}" for host, port in servers),
            "group.id": "readers",
            "auto.offset.reset": "earliest",
            "topic.metadata.refresh.interval.ms": 200,
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    try:
        yield Reader(consumer)
    finally:
        await asyncio.to_thread(consumer.close)
