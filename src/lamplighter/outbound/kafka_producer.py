"""A producer for one topic: each delivery is acknowledged by all in-sync replicas before the next begins.

aiokafka has a producer too. It connects wherever the cluster says, and tries again in the background for as long as it
pleases; ours has each address judged, holds nothing but the delivery under way, and ends in time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from aiokafka.errors import DuplicateSequenceNumber, NoError, for_code
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.kafka import KafkaAddress, KafkaRecord
from lamplighter.outbound.kafka_connection import KafkaConnection, failure_of, told
from lamplighter.outbound.network import NEXT, GuardedNetwork

ALL_REPLICAS = -1
MAGIC = 2
"""The record format since Kafka 0.11, with headers."""
BATCH_BYTES = 512 * 1024
"""A batch ends at this size, half of what a topic takes by default. A single record may be larger."""
TOGETHER = 250
"""Records that are put into batches before others have the event loop."""
ATTEMPTS = 4
"""How often a batch is sent whose partition's leader has just changed, and how often it is asked where that is."""
PAUSE = 0.1
"""Seconds before the second of them; twice as long before each further one."""
LEADERS = 32
"""Brokers that are connected to, at most: how many there are is for the cluster to say."""


class _Leaders(NamedTuple):
    """What the cluster says of the topic."""

    brokers: dict[int, tuple[str, int]]
    partitions: dict[int, int]
    """Each partition and the broker that leads it."""


class _Batch:
    """Records of one partition, ready to be sent, and sent again."""

    def __init__(self, partition: int, builder: DefaultRecordBatchBuilder) -> None:
        self.partition = partition
        self.records = 0
        self._builder = builder

    def append(self, record: KafkaRecord) -> bool:
        """False when it is full."""
        headers = [(name, value) for name, value in record.headers]
        if self._builder.append(self.records, record.time, record.key, record.value, headers) is None:
            return False
        self.records += 1
        return True

    @cached_property
    def data(self) -> bytes:
        """As it goes over the wire."""
        return bytes(self._builder.build())


class KafkaProducer:
    """Sends records to a topic. ``start`` it and ``close`` it.

    :param timeout: seconds that a broker's answer may take
    """

    def __init__(
        self, address: KafkaAddress, network: GuardedNetwork, tls: ssl.SSLContext | None, timeout: float
    ) -> None:
        self._address = address
        self._network = network
        self._tls = tls
        self._timeout = timeout
        self._connections: dict[tuple[str, int], KafkaConnection] = {}
        self._leaders = _Leaders({}, {})
        self._id, self._epoch = -1, -1
        self._sequences: dict[int, int] = {}

    @property
    def alive(self) -> bool:
        """A broker that has gone away is found out, and looked for, by the next delivery."""
        return True

    async def start(self) -> None:
        """Find the topic, and get an id that keeps batches sent twice from being stored twice. Raises OutboundFailed."""
        with told():
            await self._find()
            await self._identify(next(iter(self._leaders.partitions.values())))

    async def close(self) -> None:
        closed = [connection.close() for connection in self._connections.values()]
        self._connections.clear()
        waits = [each for each in closed if each is not None]
        if waits:
            await asyncio.wait(waits, timeout=1)

    async def send(self, records: Sequence[KafkaRecord]) -> None:
        """Append the records, those of one key in their order. Raises OutboundFailed."""
        with told():
            await self._send(await self._batches(records))

    async def _send(self, waiting: dict[int, deque[_Batch]]) -> None:
        failures = 0
        while waiting:
            failed = await self._round(waiting)
            if failed is not None:
                failures += 1
                if failures == ATTEMPTS:
                    raise failed
                await asyncio.sleep(PAUSE * 2 ** (failures - 1))
                await self._find()

    async def _round(self, waiting: dict[int, deque[_Batch]]) -> OutboundFailed | None:
        """Send the first batch of each partition, and take away those that were acknowledged.

        The failure that may pass, if there was one; raises one that will not.
        """
        by_leader: dict[int, list[_Batch]] = {}
        for partition, batches in waiting.items():
            by_leader.setdefault(self._leaders.partitions.get(partition, -1), []).append(batches[0])
        passing: OutboundFailed | None = None
        for leader, group in by_leader.items():
            for batch, error in await self._produce(leader, group):
                if error is None:
                    batches = waiting[batch.partition]
                    batches.popleft()
                    if not batches:
                        del waiting[batch.partition]
                else:
                    passing = error
        return passing

    async def _produce(self, leader: int, group: Sequence[_Batch]) -> list[tuple[_Batch, OutboundFailed | None]]:
        """Send batches to the broker that leads their partitions: each with what may pass, or None: it is stored."""
        parts = [(batch.partition, batch.data) for batch in group]
        request = ProduceRequest(None, ALL_REPLICAS, round(self._timeout * 1000), [(self._address.topic, parts)])
        try:
            connection = await self._connection(leader)
            answer = await connection.ask(request)
        except OutboundFailed as failed:
            if failed.kind not in ("connection", "name"):
                raise
            return [(batch, failed) for batch in group]
        codes = {part[0]: part[1] for _, partitions in answer.topics for part in partitions}
        return [(batch, _outcome(codes.get(batch.partition))) for batch in group]

    async def _batches(self, records: Sequence[KafkaRecord]) -> dict[int, deque[_Batch]]:
        """The records by partition, in batches."""
        everything = sorted(self._leaders.partitions)
        partition_of, batches = DefaultPartitioner(), dict[int, deque[_Batch]]()
        for number, record in enumerate(records, 1):
            if number % TOGETHER == 0:
                await asyncio.sleep(0)
            partition = partition_of(record.key, everything, everything)
            own = batches.setdefault(partition, deque())
            if not own or not own[-1].append(record):
                own.append(self._batch(partition, own[-1].records if own else 0))
                own[-1].append(record)
        for partition, own in batches.items():
            self._advance(partition, own[-1].records)
        return batches

    def _batch(self, partition: int, before: int) -> _Batch:
        """A batch that comes after one of so many records."""
        sequence = self._advance(partition, before)
        builder = DefaultRecordBatchBuilder(
            magic=MAGIC,
            compression_type=0,
            is_transactional=0,
            producer_id=self._id,
            producer_epoch=self._epoch,
            base_sequence=sequence if self._id >= 0 else -1,
            batch_size=BATCH_BYTES,
        )
        return _Batch(partition, builder)

    def _advance(self, partition: int, records: int) -> int:
        self._sequences[partition] = (self._sequences.get(partition, 0) + records) % 2**31
        return self._sequences[partition]

    async def _identify(self, broker: int) -> None:
        connection = await self._connection(broker)
        try:
            answer = await connection.ask(InitProducerIdRequest(None, 0))
        except OutboundFailed as failed:
            if failed.kind != "protocol":  # a broker too old to have such ids: not needed, as one batch is under way
                raise
        else:
            if for_code(answer.error_code) is NoError:  # else: not allowed to this user
                self._id, self._epoch = answer.producer_id, answer.producer_epoch

    async def _find(self) -> None:
        """Ask where the topic is. A cluster that makes topics makes it now."""
        failed: OutboundFailed | None = None
        for attempt in range(ATTEMPTS):
            if failed is not None:
                await asyncio.sleep(PAUSE * 2 ** (attempt - 1))
            answer = await self._metadata()
            (code, name, _, partitions) = answer.topics[0] if answer.topics else (3, "", False, [])
            error = for_code(code)
            leaders = {part[1]: part[2] for part in partitions}
            if error is NoError and name == self._address.topic and leaders and min(leaders.values()) >= 0:
                brokers = {broker[0]: (broker[1], broker[2]) for broker in answer.brokers}
                self._leaders = _Leaders(brokers, leaders)
                return
            if error is NoError:
                failed = OutboundFailed("refused", "a partition of the topic has no leader")
            else:
                failed = failure_of(error())
                if not error.retriable:
                    break
        assert failed is not None
        raise failed

    async def _metadata(self) -> Any:
        """What the first server says that answers. Raises what the first said that does not."""
        first: OutboundFailed | None = None
        *some, last = dict.fromkeys((*self._leaders.brokers.values(), *self._address.servers))
        for server in (*some, last):
            try:
                async with asyncio.timeout(None if server == last else NEXT):
                    connection = await self._connected(*server)
                    return await connection.ask(MetadataRequest([self._address.topic], True))
            except TimeoutError:
                first = first or OutboundFailed("timeout", f"{server[0]} did not answer within {NEXT:g} seconds")
            except OutboundFailed as failed:
                first = first or failed
        assert first is not None
        raise first

    async def _connection(self, broker: int) -> KafkaConnection:
        if broker not in self._leaders.brokers:
            raise OutboundFailed("connection", "a partition of the topic has no leader")
        host, port = self._leaders.brokers[broker]
        if not 0 < port < 65536:
            raise OutboundFailed("protocol", "the cluster sends its clients to a port that is none")
        try:
            return await self._connected(host, port)
        except OutboundFailed as failed:
            if failed.kind == "address" and (host, port) not in self._address.servers:
                raise OutboundFailed("address", f"the cluster sends its clients to {host}: {failed}") from failed
            raise

    async def _connected(self, host: str, port: int) -> KafkaConnection:
        present = self._connections.pop((host, port), None)
        if present is not None and not present.connected():
            present.close()
            present = None
        if present is None:
            present = KafkaConnection(self._network, self._address, host, port, self._tls, self._timeout)
            try:
                await present.connect()
            except BaseException:
                present.close()
                raise
        self._connections[host, port] = present  # the last in line again
        while len(self._connections) > LEADERS:
            self._connections.pop(next(iter(self._connections))).close()
        return present


def _outcome(code: int | None) -> OutboundFailed | None:
    """None: stored. Raises a failure that will not pass."""
    error = for_code(-1 if code is None else code)
    if error in (NoError, DuplicateSequenceNumber):
        return None
    failed = failure_of(error())
    if error.retriable:
        return failed
    raise failed
