"""MQTT: against mosquitto and its subscriber, and against brokers that fail or flood."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lamplighter.clock import SystemClock
from lamplighter.outbound.broker import Brokers, Login, Tls
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.outbound.mqtt import MqttAddress, MqttMessage, Version
from lamplighter.services.certificates.authority import Authority
from lamplighter.settings import Outbound
from tests.outbound.mosquitto import mosquitto, server_lines, subscribed
from tests.outbound.receivers import ca_file, outbound
from tests.outbound.test_client import answers
from tests.outbound.test_kafka import brokers

VERSIONS: tuple[Version, ...] = ("5", "3.1.1")


def at(port: int, host: str = "127.0.0.1", **more: Any) -> MqttAddress:
    return MqttAddress(host=host, port=port, client_id=more.pop("client_id", "lamplighter-test"), **more)


def messages(number: int) -> list[MqttMessage]:
    return [MqttMessage(f"lamps/{n % 3}", b"%d" % n, (("kind", "notifications"),)) for n in range(number)]


async def send(made: Brokers, address: MqttAddress, some: list[MqttMessage]) -> None:
    async with made.reserve(address) as delivery:
        await delivery.send(some)


async def failure(made: Brokers, address: MqttAddress, some: list[MqttMessage] | None = None) -> OutboundFailed:
    with pytest.raises(OutboundFailed) as raised:
        await send(made, address, some or messages(1))
    return raised.value


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", SystemClock().now())


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """A password file in which ada has the password secret."""
    file = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), "ada", "secret"], check=True)
    return file


@pytest.mark.parametrize("version", VERSIONS)
async def test_messages_reach_a_subscriber_in_their_order_at_least_once_and_are_not_retained(
    version: Version, tmp_path: Path
) -> None:
    with mosquitto(tmp_path) as broker:
        async with brokers() as made, subscribed(broker) as subscriber:
            await send(made, at(broker.port, version=version), messages(50))
            await send(made, at(broker.port, version=version), messages(1))
            found = [await subscriber.next() for _ in range(51)]
    assert [each["payload"] for each in found] == [str(n) for n in range(50)] + ["0"]
    assert found[1]["topic"] == "lamps/1"
    assert {(each["qos"], each["retain"]) for each in found} == {(1, 0)}
    if version == "5":
        properties = found[0]["properties"]
        assert properties["content-type"] == "application/json"
        assert properties["user-properties"] == {"kind": "notifications"}


async def test_a_broker_that_takes_few_messages_at_once_gets_all_of_them(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true", "max_inflight_messages 3") as broker:
        async with brokers() as made, subscribed(broker) as subscriber:
            await send(made, at(broker.port), messages(40))
            assert [(await subscriber.next())["payload"] for _ in range(40)] == [str(n) for n in range(40)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_user_gets_in_with_the_right_password_only(version: Version, users: Path, tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous false", f"password_file {users}") as broker:
        async with brokers() as made:
            await send(made, at(broker.port, version=version, login=Login("ada", "secret")), messages(1))
            for login in (Login("ada", "guess"), None):
                failed = await failure(made, at(broker.port, version=version, login=login))
                assert failed.kind == "refused" and "not authorized" in str(failed), str(failed)


async def test_a_topic_that_is_not_allowed_is_said_so(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic write allowed/#\n")
    with mosquitto(tmp_path, "allow_anonymous true", f"acl_file {rights}") as broker:
        async with brokers() as made:
            await send(made, at(broker.port), [MqttMessage("allowed/x", b"{}", ())])
            failed = await failure(made, at(broker.port))
            assert failed.kind == "refused" and "refused a message: not authorized" in str(failed)


async def test_a_message_that_is_too_large_for_the_broker_is_said_so(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous true", "max_packet_size 1000") as broker:
        async with brokers() as made:
            failed = await failure(made, at(broker.port), [MqttMessage("lamps", b"x" * 2000, ())])
            assert failed.kind == "refused" and "1000 bytes" in str(failed)


async def test_a_broker_that_dies_and_comes_back_gets_the_next_delivery(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with brokers() as made:
            await send(made, at(broker.port), messages(1))
            broker.stop(signal.SIGKILL)
            assert (await failure(made, at(broker.port))).kind == "connection"
            broker.start()
            async with subscribed(broker) as subscriber:
                await send(made, at(broker.port), messages(1))
                assert (await subscriber.next())["payload"] == "0"


async def test_a_client_id_that_another_has_taken_ends_a_connection_and_not_the_next(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        async with brokers() as made, brokers() as other:
            await send(made, at(broker.port), messages(1))
            ((link, _),) = made._kept.values()
            await send(other, at(broker.port), messages(1))
            with pytest.raises(OutboundFailed, match="the connection"):
                await link._heard()
            await send(made, at(broker.port), messages(1))


async def test_addresses_that_are_not_allowed_are_not_connected_to(tmp_path: Path) -> None:
    async with answering(b"") as (port, connections), brokers(Outbound()) as made:
        for host in ("127.0.0.1", "localhost", "::ffff:127.0.0.1", "0x7f.1"):
            assert (await failure(made, at(port, host=host))).kind == "address"
        assert not connections


async def test_a_name_that_is_another_address_at_the_next_connection_is_refused_there(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        settings = outbound(allowed_networks=["127.0.0.1"])
        async with brokers(settings, resolve=answers(["127.0.0.1"], ["127.0.0.2"])) as made:
            await send(made, at(broker.port, host="lamps.example"), messages(1))
            made.forget(at(broker.port, host="lamps.example"))
            assert (await failure(made, at(broker.port, host="lamps.example"))).kind == "address"


async def test_a_certificate_must_be_trusted_and_of_that_name(authority: Authority, tmp_path: Path) -> None:
    own = ca_file(authority).read_text()
    lines = ("allow_anonymous true", *server_lines(*authority.server_files))
    with mosquitto(tmp_path, *lines) as broker:
        async with brokers(resolve=answers(["127.0.0.1"])) as made:
            untrusted = await failure(made, at(broker.port, host="localhost", tls=Tls()))
            assert untrusted.kind == "tls" and "not trusted" in str(untrusted)
            wrong = await failure(made, at(broker.port, host="another.example", tls=Tls(ca=own)))
            assert wrong.kind == "tls" and "another.example" in str(wrong)
            await send(made, at(broker.port, host="localhost", tls=Tls(ca=own)), messages(1))


async def test_the_certificate_of_an_address_is_shown(authority: Authority, tmp_path: Path) -> None:
    device = authority.issue_device("notifications", "0" * 32, "1" * 32)
    trusted = authority.folder / "device-ca.pem"
    lines = (*server_lines(*authority.server_files), f"cafile {trusted}", "require_certificate true")
    tls = Tls(ca_file(authority).read_text(), device.certificate_pem.decode(), device.key_pem.decode())
    with mosquitto(tmp_path, "allow_anonymous true", *lines) as broker:
        async with brokers() as made:
            await send(made, at(broker.port, host="localhost", tls=tls), messages(1))
            failed = await failure(made, at(broker.port, host="localhost", tls=Tls(ca=tls.ca)))
            assert failed.kind in ("tls", "connection")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
        (b"\x40\x02\x00\x01", "protocol"),
        (b"\x20\xff\xff\xff\xff\xff", "protocol"),
        (b"\x20\x03\x00\x87\x00", "refused"),
        (b"\x20\x03\x00\x00\x00" + b"\x30\xff\xff\xff\x7f\x00\x01a" + b"x" * 200_000, "protocol"),
        (b"\x20\x03\x00\x00\x00\xe0\x01\x8b", "refused"),
    ],
)
async def test_a_broker_that_answers_nonsense_or_floods_fails_the_delivery(answer: bytes, kind: str) -> None:
    async with answering(answer) as (port, _), brokers() as made:
        assert (await failure(made, at(port))).kind == kind


async def test_a_broker_that_does_not_answer_fails_the_delivery_in_time() -> None:
    async with answering(b"") as (port, _), brokers(outbound(timeout=0.3)) as made:
        failed = await failure(made, at(port))
        assert failed.kind == "timeout" and "0.3 seconds" in str(failed)


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """What answers anything with that: its port, and the first that each connection sent."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.append(await reader.read(1000))
            writer.write(answer)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
