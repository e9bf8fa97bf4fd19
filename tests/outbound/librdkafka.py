"""librdkafka, by confluent-kafka: the cluster that its own tests run on, and its consumer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from tests.outbound.receivers import PATIENCE

Servers = tuple[tuple[str, int], ...]


@contextmanager
def cluster(brokers: int = 3) -> Iterator[Servers]:
    """Brokers on loopback, in threads of this process, that make topics when they are asked for."""
    owner = Producer({"test.mock.num.brokers": brokers, "bootstrap.servers": "-", "log_level": 0})
    found = owner.list_topics(timeout=PATIENCE).brokers.values()
    yield tuple((broker.host, broker.port) for broker in found)


class Reader:
    """Reads a topic from its beginning; it is made if it is not there."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def read(self, number: int) -> list[Message]:
        """The next records, that many."""
        found: list[Message] = []
        async with asyncio.timeout(3 * PATIENCE):
            while len(found) < number:
                messages = await asyncio.to_thread(self._consumer.consume, number - len(found), 0.2)
                found += [each for each in messages if each.error() is None]
        return found


@asynccontextmanager
async def reading(servers: Servers, topic: str) -> AsyncIterator[Reader]:
    consumer = Consumer(
        {
            "bootstrap.servers": ",".join(f"{host}:{port}" for host, port in servers),
            "group.id": "readers",
            "allow.auto.create.topics": True,
            "log_level": 0,
        }
    )
    try:
        # Without a group, whose members would be waited for.
        partitions = (await asyncio.to_thread(consumer.list_topics, topic, PATIENCE)).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        yield Reader(consumer)
    finally:
        await asyncio.to_thread(consumer.close)
