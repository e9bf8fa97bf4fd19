"""Kafka: against librdkafka's cluster and its consumer, and against brokers that fail or lie."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lamplighter.clock import SystemClock
from lamplighter.outbound.broker import Brokers, Login, Tls
from lamplighter.outbound.client import OutboundClient
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.kafka import KafkaAddress, KafkaRecord, Mechanism
from lamplighter.services.certificates.authority import Authority
from lamplighter.settings import Outbound
from tests.outbound.kafka_broker import KafkaBroker, kafka
from tests.outbound.librdkafka import cluster, reading
from tests.outbound.receivers import ca_file, outbound, server_tls
from tests.outbound.test_client import answers


@asynccontextmanager
async def brokers(settings: Outbound | None = None, **more: Any) -> AsyncIterator[Brokers]:
    client = OutboundClient(settings or outbound(), **more)
    made = Brokers(client)
    try:
        yield made
    finally:
        await made.close()
        await client.close()


def at(*ports: int, host: str = "127.0.0.1", **more: Any) -> KafkaAddress:
    return KafkaAddress(servers=tuple((host, port) for port in ports), topic="lamps", client_id="test", **more)


def records(number: int, keys: int = 1) -> list[KafkaRecord]:
    return [
        KafkaRecord(f"device-{n % keys}".encode(), b"%d" % n, (("kind", b"notifications"),), 1_700_000_000_000 + n)
        for n in range(number)
    ]


async def send(made: Brokers, address: KafkaAddress, some: list[KafkaRecord]) -> None:
    async with made.reserve(address) as delivery:
        await delivery.send(some)


async def failure(made: Brokers, address: KafkaAddress) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as raised:
        await send(made, address, records(1))
    return raised.value


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", SystemClock().now())


async def test_records_reach_a_consumer_whole_and_those_of_one_key_in_their_order() -> None:
    with cluster() as servers:
        address = KafkaAddress(servers=servers, topic="lamps", client_id="test")
        async with brokers() as made, reading(servers, "lamps") as reader:
            await send(made, address, records(300, keys=7))
            await send(made, address, [KafkaRecord(b"large", b"x" * 400_000, (), 1)] * 3)
            found = await reader.read(303)
    by_key: dict[bytes, list[bytes]] = defaultdict(list)
    partitions: dict[bytes, set[int]] = defaultdict(set)
    for message in found:
        by_key[message.key()].append(message.value())
        partitions[message.key()].add(message.partition())
    assert len(by_key.pop(b"large")) == 3
    for n in range(7):
        assert by_key[f"device-{n}".encode()] == [b"%d" % number for number in range(n, 300, 7)]
    assert all(len(each) == 1 for each in partitions.values())
    first = next(message for message in found if message.value() == b"0")
    assert first.headers() == [("kind", b"notifications")]
    assert first.timestamp()[1] == 1_700_000_000_000


async def test_a_connection_serves_many_deliveries() -> None:
    async with kafka() as broker, brokers() as made:
        for _ in range(3):
            await send(made, at(broker.port), records(2))
        assert broker.connections == 1
        assert [each.value for each in await broker.got(6)] == [b"0", b"1"] * 3


async def test_a_batch_that_is_sent_again_is_stored_once() -> None:
    async with kafka(KafkaBroker(produce_errors=deque([6, -1, 19]))) as broker, brokers() as made:
        await send(made, at(broker.port), records(5))
        assert [each.value for each in broker.stored] == [b"%d" % n for n in range(5)]
        assert broker.batches == 4


async def test_a_user_who_gets_no_producer_id_has_his_records_delivered_all_the_same() -> None:
    async with kafka(KafkaBroker(id_error=31)) as broker, brokers() as made:
        await send(made, at(broker.port), records(5, keys=3))
        assert len(broker.stored) == 5


async def test_a_topic_that_is_being_made_is_waited_for() -> None:
    async with kafka(KafkaBroker(topic_errors=deque([3, 5]))) as broker, brokers() as made:
        await send(made, at(broker.port), records(1))
        assert len(broker.stored) == 1


@pytest.mark.parametrize(
    ("script", "kind", "word"),
    [
        (KafkaBroker(topic_errors=deque([3] * 9)), "refused", "does not exist"),
        (KafkaBroker(topic_errors=deque([29])), "refused", "may not write"),
        (KafkaBroker(partitions=0), "refused", "no leader"),
        (KafkaBroker(produce_errors=deque([10])), "refused", "max.message.bytes"),
        (KafkaBroker(produce_errors=deque([19] * 9)), "refused", "in sync"),
        (KafkaBroker(produce_errors=deque([87])), "refused", "it answered"),
        (KafkaBroker(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n"), "protocol", "not Kafka's"),
        (KafkaBroker(greeting=b"\xff\xff\xff\xff----"), "protocol", "not Kafka's"),
        (KafkaBroker(greeting=b"\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00"), "protocol", "not Kafka's"),
        (KafkaBroker(advertised=("127.0.0.1", 70_000)), "protocol", "port"),
    ],
)
async def test_a_broker_that_does_not_take_it_says_why(script: KafkaBroker, kind: str, word: str) -> None:
    async with kafka(script) as broker, brokers() as made:
        failed = await failure(made, at(broker.port))
        assert (failed.kind, word in str(failed)) == (kind, True), str(failed)
        assert not broker.stored


async def test_a_broker_that_answers_too_late_fails_the_delivery_and_gets_a_new_connection() -> None:
    async with kafka(KafkaBroker(produce_errors=deque([-2]))) as broker, brokers(outbound(timeout=0.5)) as made:
        failed = await failure(made, at(broker.port))
        assert failed.kind == "timeout" and "0.5 seconds" in str(failed)
        await send(made, at(broker.port), records(1))
        assert broker.connections == 2


async def test_a_broker_that_dies_and_comes_back_gets_the_next_delivery() -> None:
    async with kafka() as broker, brokers() as made:
        address = at(broker.port)
        await send(made, address, records(1))
        await broker.close()
        assert (await failure(made, address)).kind == "connection"
        await broker.open()
        await send(made, address, records(2))
        assert len(broker.stored) == 3


async def test_of_several_servers_the_first_that_answers_is_enough() -> None:
    async with kafka() as dead, kafka() as broker, brokers() as made:
        await dead.close()
        await send(made, at(dead.port, broker.port), records(1))
        assert len(broker.stored) == 1


async def test_a_cluster_that_sends_its_clients_to_an_address_of_ours_is_refused_there() -> None:
    settings = outbound(allowed_networks=["127.0.0.2"])
    for host in ("127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1", ""):
        async with kafka() as inside, kafka(KafkaBroker(advertised=(host, inside.port))) as broker:
            async with brokers(settings, resolve=answers(["127.0.0.2"], [host])) as made:
                address = KafkaAddress((("lamps.example", broker.port),), "lamps", "test")
                # The broker listens on 127.0.0.1; a stranger's would have an address of his.
                async with listening_elsewhere(broker, "127.0.0.2"):
                    failed = await failure(made, address)
            assert failed.kind == "address" and "sends its clients to" in str(failed), host
            assert inside.connections == 0


@asynccontextmanager
async def listening_elsewhere(broker: KafkaBroker, host: str) -> AsyncIterator[None]:
    """The broker on another address of loopback too, on its port."""
    server = await asyncio.start_server(broker._serve, host, broker.port)
    try:
        yield
    finally:
        server.close()


async def test_addresses_that_are_not_allowed_are_not_connected_to() -> None:
    async with kafka() as broker, brokers(Outbound()) as made:
        for host in ("127.0.0.1", "localhost", "::ffff:127.0.0.1", "0"):
            assert (await failure(made, at(broker.port, host=host))).kind == "address"
        assert broker.connections == 0


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_a_user_logs_in_by_each_mechanism_and_with_the_right_password_only(mechanism: Mechanism) -> None:
    async with kafka(KafkaBroker(user=("ada", "secret"))) as broker, brokers() as made:
        await send(made, at(broker.port, login=Login("ada", "secret"), mechanism=mechanism), records(1))
        wrong = await failure(made, at(broker.port, login=Login("ada", "guess"), mechanism=mechanism))
        assert wrong.kind == "refused" and "password is wrong" in str(wrong)
        assert (await failure(made, at(broker.port))).kind == "connection"
        assert len(broker.stored) == 1


async def test_a_wrong_password_is_understood_also_where_it_is_told_as_scram_has_it() -> None:
    async with kafka(KafkaBroker(user=("ada", "secret"), scram_errors=True)) as broker, brokers() as made:
        wrong = await failure(made, at(broker.port, login=Login("ada", "guess")))
        assert wrong.kind == "refused" and "password is wrong" in str(wrong)


async def test_a_mechanism_that_the_broker_has_not_is_said_so() -> None:
    async with kafka(KafkaBroker(user=("ada", "secret"), mechanisms=("PLAIN",))) as broker, brokers() as made:
        failed = await failure(made, at(broker.port, login=Login("ada", "secret")))
        assert failed.kind == "refused" and "SASL mechanism" in str(failed)


async def test_a_broker_that_asks_for_endless_work_does_not_get_it() -> None:
    async with kafka(KafkaBroker(user=("ada", "secret"), iterations=2**31 - 1)) as broker, brokers() as made:
        failed = await failure(made, at(broker.port, login=Login("ada", "secret")))
        assert failed.kind == "protocol" and "rounds of SCRAM" in str(failed)


async def test_passwords_are_in_no_log_and_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with kafka(KafkaBroker(user=("ada", "secret"))) as broker, brokers() as made:
        address = at(broker.port, login=Login("ada", "s3cr3t"), mechanism="PLAIN", tls=None)
        failed = await failure(made, address)
    assert "s3cr3t" not in caplog.text + repr(address) + repr(failed) + repr(Tls(private_key="s3cr3t"))


async def test_a_certificate_must_be_trusted_and_of_that_name(authority: Authority) -> None:
    own = ca_file(authority).read_text()
    async with kafka(KafkaBroker(advertised=None), server_tls(authority)) as broker:
        broker.advertised = ("localhost", broker.port)
        async with brokers(resolve=answers(["127.0.0.1"])) as made:
            untrusted = await failure(made, at(broker.port, host="localhost", tls=Tls()))
            assert untrusted.kind == "tls" and "not trusted" in str(untrusted)
            wrong = await failure(made, at(broker.port, host="another.example", tls=Tls(ca=own)))
            assert wrong.kind == "tls" and "another.example" in str(wrong)
            await send(made, at(broker.port, host="localhost", tls=Tls(ca=own)), records(1))
        async with brokers(outbound(ca_file=str(ca_file(authority)))) as made:
            await send(made, at(broker.port, host="localhost", tls=Tls()), records(1))
        assert len(broker.stored) == 2


async def test_the_certificate_of_an_address_is_shown(authority: Authority) -> None:
    own = authority.issue_device("notifications", "0" * 32, "1" * 32)
    context = server_tls(authority, ask=True)
    context.load_verify_locations(cafile=authority.folder / "device-ca.pem")
    tls = Tls(ca_file(authority).read_text(), own.certificate_pem.decode(), own.key_pem.decode())
    async with kafka(KafkaBroker(), context) as broker, brokers() as made:
        broker.advertised = ("localhost", broker.port)
        await send(made, at(broker.port, host="localhost", tls=tls), records(1))
        assert set(broker.certificates) == {own.certificate_der}
        broken = await failure(made, at(broker.port, host="localhost", tls=Tls(certificate="x", private_key="y")))
        assert broken.kind == "tls" and "certificates cannot be used" in str(broken)
