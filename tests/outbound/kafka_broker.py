"""A Kafka broker on loopback that does as a script says: what no real one would do when asked to.

It speaks as much of the protocol as a producer needs. What it is sent is checked as a broker checks it: checksums, and
the sequence numbers of idempotent producers.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from aiokafka.protocol.admin import (
    ApiVersionResponse_v0,
    SaslAuthenticateRequest_v0,
    SaslAuthenticateResponse_v0,
    SaslHandShakeRequest_v1,
    SaslHandShakeResponse_v1,
)
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7
from aiokafka.protocol.transaction import InitProducerIdResponse_v0
from aiokafka.record.default_records import DefaultRecordBatch

from tests.outbound.receivers import PATIENCE

VERSIONS = ((0, 7, 7), (3, 5, 5), (17, 1, 1), (18, 0, 0), (22, 0, 0), (36, 0, 0))


@dataclass
class Stored:
    """A record of the topic."""

    partition: int
    key: bytes
    value: bytes
    headers: dict[str, bytes]
    time: int


@dataclass
class KafkaBroker:
    """A broker and what it was sent. Everything may change at any time."""

    partitions: int = 4
    topic_errors: deque[int] = field(default_factory=deque)
    """What the topic's metadata say, one after the other; then that it is there."""
    produce_errors: deque[int] = field(default_factory=deque)
    """How batches are answered, one after the other; then they are stored. Negative: it is stored, and answered by hanging
    up, or, -2, not at all."""
    id_error: int = 0
    user: tuple[str, str] | None = None
    mechanisms: tuple[str, ...] = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    iterations: int = 4096
    scram_errors: bool = False
    """Whether a wrong password is told as SCRAM has it, and not as Kafka does."""
    advertised: tuple[str, int] | None = None
    """Where it says that it is; None: the truth."""
    greeting: bytes | None = None
    """What it answers to the first request, instead of speaking Kafka."""

    port: int = 0
    stored: list[Stored] = field(default_factory=list)
    connections: int = 0
    refused: list[str] = field(default_factory=list)
    certificates: list[bytes] = field(default_factory=list)
    batches: int = 0
    """All that came, also those that were stored already."""
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    _sequences: dict[tuple[int, int], int] = field(default_factory=dict)
    _ids: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def got(self, number: int) -> list[Stored]:
        """Wait for that many records."""
        async with asyncio.timeout(3 * PATIENCE), self.arrived:
            await self.arrived.wait_for(lambda: len(self.stored) >= number)
        return self.stored

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        secured = writer.get_extra_info("ssl_object")
        if secured is not None and (shown := secured.getpeercert(True)):
            self.certificates.append(shown)
        session = _Session(self)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while True:
                    (size,) = struct.unpack(">i", await reader.readexactly(4))
                    request = await reader.readexactly(size)
                    if self.greeting is not None:
                        writer.write(self.greeting)
                        await writer.drain()
                        await asyncio.Event().wait()
                    answer = await session.answer(request)
                    writer.write(struct.pack(">i", len(answer)) + answer)
                    await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()

    def metadata(self, topic: str) -> bytes:
        error = self.topic_errors.popleft() if self.topic_errors else 0
        host, port = self.advertised or ("127.0.0.1", self.port)
        parts = [(0, number, 7, [7], [7], []) for number in range(self.partitions)] if not error else []
        topics = [(error, topic, False, parts)]
        encoded: bytes = MetadataResponse_v5(0, [(7, host, port, None)], "cluster", 7, topics).encode()
        return encoded

    def producer_id(self) -> bytes:
        self._ids += 1
        encoded: bytes = InitProducerIdResponse_v0(0, self.id_error, self._ids, 0).encode()
        return encoded

    async def produce(self, request: Any) -> bytes:
        assert request.required_acks == -1
        answers = []
        for topic, partitions in request.topics:
            parts = []
            for partition, data in partitions:
                error = await self._append(partition, DefaultRecordBatch(data))
                parts.append((partition, error, len(self.stored), -1, 0))
            answers.append((topic, parts))
        encoded: bytes = ProduceResponse_v7(answers, 0).encode()
        return encoded

    async def _append(self, partition: int, batch: DefaultRecordBatch) -> int:
        assert batch.validate_crc()
        self.batches += 1
        error = self.produce_errors.popleft() if self.produce_errors else 0
        if error > 0:
            return error
        records = [*batch]
        if batch.producer_id >= 0:
            key = batch.producer_id, partition
            if batch.base_sequence < self._sequences.get(key, 0):
                return 46  # it has it already
            assert batch.base_sequence == self._sequences.get(key, 0), "out of order"
            self._sequences[key] = batch.base_sequence + len(records)
        async with self.arrived:
            self.stored += [
                Stored(partition, each.key or b"", each.value or b"", dict(each.headers), each.timestamp)  # type: ignore[arg-type]
                for each in records
            ]
            self.arrived.notify_all()
        if error == -1:
            raise ConnectionResetError
        if error == -2:
            await asyncio.Event().wait()
        return 0


class _Session:
    """One connection: who is there, and what he asks for."""

    def __init__(self, broker: KafkaBroker) -> None:
        self._broker = broker
        self._mechanism = ""
        self._authenticated = broker.user is None
        self._nonce = self._said = ""

    async def answer(self, data: bytes) -> bytes:
        request = BytesIO(data)
        key, version, correlation = struct.unpack(">hhi", request.read(8))
        (length,) = struct.unpack(">h", request.read(2))
        request.read(length)
        return struct.pack(">i", correlation) + await self._answer(key, version, request)

    async def _answer(self, key: int, version: int, request: BytesIO) -> bytes:
        broker = self._broker
        if key == 18:
            return bytes(ApiVersionResponse_v0(0, [*VERSIONS]).encode())
        if key == 17:
            self._mechanism = SaslHandShakeRequest_v1.decode(request).mechanism
            known = self._mechanism in broker.mechanisms
            return bytes(SaslHandShakeResponse_v1(0 if known else 33, [*broker.mechanisms]).encode())
        if key == 36:
            return self._authenticate(SaslAuthenticateRequest_v0.decode(request).sasl_auth_bytes)
        if not self._authenticated:
            broker.refused.append("not authenticated")
            raise ConnectionResetError
        if key == 3:
            return broker.metadata(MetadataRequest_v5.decode(request).topics[0])
        if key == 22:
            return broker.producer_id()
        assert key == 0
        return await broker.produce(ProduceRequest_v7.decode(request))

    def _authenticate(self, token: bytes) -> bytes:
        assert self._broker.user is not None
        user, password = self._broker.user
        if self._mechanism == "PLAIN":
            self._authenticated = token == f"{user}\0{user}\0{password}".encode()
            return _answered(b"" if self._authenticated else None)
        if not self._nonce:  # RFC 5802
            bare = token.decode().removeprefix("n,,")
            given = dict(part.split("=", 1) for part in bare.split(","))
            self._nonce = given["r"] + "lamp"
            salt = base64.b64encode(b"salt").decode()
            first = f"r={self._nonce},s={salt},i={self._broker.iterations}"
            self._said = f"{bare},{first}"
            return _answered(first.encode())
        return self._prove(token.decode(), user, password)

    def _prove(self, final: str, user: str, password: str) -> bytes:
        name = "sha256" if self._mechanism.endswith("256") else "sha512"
        salted = hashlib.pbkdf2_hmac(name, password.encode(), b"salt", self._broker.iterations)
        without, _, proof = final.rpartition(",p=")
        said = f"{self._said},{without}".encode()
        client = hmac.digest(salted, b"Client Key", name)
        signature = hmac.digest(hashlib.new(name, client).digest(), said, name)
        expected = bytes(a ^ b for a, b in zip(client, signature, strict=True))
        self._authenticated = base64.b64decode(proof) == expected and f"n={user}," in self._said
        server = hmac.digest(hmac.digest(salted, b"Server Key", name), said, name)
        if not self._authenticated:
            return _answered(b"e=invalid-proof" if self._broker.scram_errors else None)
        return _answered(b"v=" + base64.b64encode(server))


def _answered(token: bytes | None) -> bytes:
    error, text = (0, None) if token is not None else (58, "Authentication failed")
    return bytes(SaslAuthenticateResponse_v0(error, text, token or b"").encode())


@asynccontextmanager
async def kafka(broker: KafkaBroker | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[KafkaBroker]:
    broker = broker or KafkaBroker()
    await broker.open(tls)
    try:
        yield broker
    finally:
        await broker.close()
