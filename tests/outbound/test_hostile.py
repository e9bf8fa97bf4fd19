"""Brokers that answer with anything at all: a delivery fails, and nothing else does."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiokafka.protocol.admin import ApiVersionResponse_v0
from aiokafka.protocol.metadata import MetadataResponse_v5

from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.kafka import KafkaAddress, KafkaRecord
from lamplighter.outbound.mqtt import MqttAddress, MqttMessage
from tests.outbound.kafka_broker import VERSIONS
from tests.outbound.receivers import PATIENCE, outbound
from tests.outbound.test_kafka import brokers, send

CASES = 300

Answer = Callable[[int], bytes]
"""What is answered to the request of that number, on one connection; nothing: it is closed."""


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            number = 0
            while await reader.read(65536) and (said := answer(number)):
                writer.write(said)
                number += 1
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def altered(source: random.Random, data: bytes) -> bytes:
    """The data with a few bytes of it changed, added or taken away."""
    changed = bytearray(data)
    for _ in range(source.randrange(1, 6)):
        at = source.randrange(len(changed) + 1)
        changed[at : at + source.randrange(3)] = source.randbytes(source.randrange(3))
    return bytes(changed)


def framed(number: int, body: bytes) -> bytes:
    """An answer of Kafka's: its length, and the number of the request on its connection, from 1 on."""
    return struct.pack(">ii", len(body) + 4, number + 1) + body


async def damaged(deliver: Callable[[int, random.Random], Awaitable[None]]) -> None:
    """Each case at once: what is only incomplete is waited for until the time of a request has passed."""

    async def one(case: int) -> None:
        with pytest.raises(OutboundFailed):
            await deliver(case, random.Random(case))

    async with asyncio.timeout(6 * PATIENCE):
        await asyncio.gather(*(one(case) for case in range(CASES)))


async def test_kafka_answers_that_are_damaged_fail_the_delivery_only() -> None:
    versions = ApiVersionResponse_v0(0, [*VERSIONS]).encode()
    metadata = MetadataResponse_v5(0, [(7, "127.0.0.1", 1, None)], "c", 7, [(0, "lamps", False, [])]).encode()

    async def deliver(case: int, source: random.Random) -> None:
        def answer(number: int) -> bytes:
            whole = (versions, metadata, source.randbytes(40))[min(number, 2)]
            said = altered(source, whole) if number == case % 3 else whole
            return framed(number, said) if case % 5 else altered(source, framed(number, said))

        async with answering(answer) as port:
            address = KafkaAddress((("127.0.0.1", port),), "lamps", "test")
            await send(made, address, [KafkaRecord(b"k", b"v", (), 1)])

    async with brokers(outbound(timeout=1.0, connections=CASES, connections_host=CASES)) as made:
        await damaged(deliver)


async def test_mqtt_answers_that_are_damaged_fail_the_delivery_only() -> None:
    accepted = b"\x20\x09\x00\x00\x06\x21\x00\x14\x22\x00\x0a"  # with a receive and a topic alias maximum
    packets = (b"\x40\x04\x00\x02\x00\x00", b"\x30\x05\x00\x01a\x00b", b"\xe0\x02\x8b\x00", b"\x62\x02\x00\x01")

    async def deliver(case: int, source: random.Random) -> None:
        def answer(number: int) -> bytes:
            if number > 1:
                return b""
            whole = accepted if number == 0 else source.choice(packets)
            return altered(source, whole) if number == case % 2 else whole

        async with answering(answer) as port:
            async with made.reserve(MqttAddress("127.0.0.1", port, f"test-{case}")) as delivery:
                await delivery.send([MqttMessage("lamps", b"v", ())] * 30)

    async with brokers(outbound(timeout=1.0, connections=CASES, connections_host=CASES)) as made:
        await damaged(deliver)
