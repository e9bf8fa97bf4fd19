"""Where Kafka and MQTT channels deliver to: what can be meant, and what is told when it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lamplighter.clock import SystemClock
from lamplighter.services.certificates.authority import Authority
from lamplighter.services.channels.targets import KafkaTarget, MqttTarget


def kafka(**more: Any) -> KafkaTarget:
    return KafkaTarget(**{"servers": ["kafka.example:9092"], "topic": "lamps", **more})


def mqtt(**more: Any) -> MqttTarget:
    return MqttTarget(**{"url": "mqtts://mqtt.example", **more})


def faulty(target: KafkaTarget | MqttTarget) -> list[str]:
    return [fault.name for fault in target.faults()]


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("kafka.example:9094", ("kafka.example", 9094)),
        ("Kafka.Example", ("kafka.example", 9092)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:db8::1]:9093", ("2001:db8::1", 9093)),
        ("[2001:db8::1]", ("2001:db8::1", 9092)),
    ],
)
def test_a_server_is_a_host_and_a_port(server: str, address: tuple[str, int]) -> None:
    target = kafka(servers=[server])
    assert not target.faults()
    assert target.addresses == (address,)


@pytest.mark.parametrize(
    "server",
    [
        "",
        ":9092",
        "a:0",
        "a:65536",
        "a:x",
        "a:",
        "a:9:9",
        "2001:db8::1",
        "kafka://a:1",
        "a b:1",
        "ä:1",
        "u@a:1",
        "a/b",
        "[::1",
    ],
)
def test_what_is_no_server_is_a_fault(server: str) -> None:
    assert faulty(kafka(servers=[server])) == ["servers"]


def test_a_cluster_has_from_one_to_ten_servers() -> None:
    assert faulty(kafka(servers=[])) == ["servers"]
    assert faulty(kafka(servers=["a:1"] * 11)) == ["servers"]
    assert not faulty(kafka(servers=["a:1"] * 10))


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "a/b", "ä", "a" * 250])
def test_what_kafka_takes_for_no_topic_is_a_fault(topic: str) -> None:
    assert faulty(kafka(topic=topic)) == ["topic"]


@pytest.mark.parametrize(
    ("url", "server", "secured"),
    [
        ("mqtts://mqtt.example", ("mqtt.example", 8883), True),
        ("mqtt://mqtt.example", ("mqtt.example", 1883), False),
        ("MQTTS://MQTT.example:443/", ("mqtt.example", 443), True),
        ("mqtt://[2001:db8::1]:1", ("2001:db8::1", 1), False),
    ],
)
def test_a_url_of_mqtt_is_taken_apart(url: str, server: tuple[str, int], secured: bool) -> None:
    target = mqtt(url=url)
    assert not target.faults()
    assert (target.server, target.secured) == (server, secured)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mqtt.example",
        "https://a",
        "mqtt://",
        "mqtt://a/b",
        "mqtt://a?b",
        "mqtt://a#b",
        "mqtts://u:p@a",
        "mqtt://[::1",
        "ws://a",
    ],
)
def test_what_is_no_url_of_mqtt_is_a_fault(url: str) -> None:
    assert faulty(mqtt(url=url)) == ["url"]


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "a/#",
        "a/+/b",
        "$SYS/a",
        "{device}",
        "{device_id!r}",
        "{device_id:>9}",
        "{}",
        "{0}",
        "{",
        "a}",
        "a\x00",
        "a" * 1001,
    ],
)
def test_a_topic_that_cannot_be_published_to_is_a_fault(topic: str) -> None:
    assert faulty(mqtt(topic=topic)) == ["topic"]


def test_user_and_password_and_certificate_and_key_are_given_together() -> None:
    assert faulty(kafka(username="ada")) == ["password"]
    assert faulty(mqtt(password="secret")) == ["username"]
    assert faulty(kafka(certificate="x")) == ["private_key"]
    assert faulty(mqtt(private_key="x")) == ["certificate"]
    assert faulty(mqtt(username="", password="a\nb")) == ["username", "password"]


def test_certificates_are_looked_at_when_they_are_given(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", SystemClock().now())
    own, other = (authority.issue_device(name, "0" * 32, "1" * 32) for name in ("own", "other"))
    ca = (authority.folder / "ca.pem").read_text()
    certificate, key = own.certificate_pem.decode(), own.key_pem.decode()
    assert not faulty(kafka(ca=ca, certificate=certificate, private_key=key))
    assert faulty(kafka(ca="x")) == ["ca"]
    assert faulty(kafka(certificate=certificate, private_key=other.key_pem.decode())) == ["certificate"]
    assert faulty(kafka(certificate=certificate, private_key="x")) == ["certificate"]
    assert faulty(mqtt(ca="x" * 40_000)) == ["ca"]
    assert faulty(mqtt(url="mqtt://mqtt.example", ca=ca)) == ["ca"]


def test_passwords_and_keys_are_not_shown_again() -> None:
    target = mqtt(username="ada", password="secret", certificate="c", private_key="key", client_id="lamps")
    assert msgspec.to_builtins(target.shown()) == {
        "url": "mqtts://mqtt.example",
        "username": "ada",
        "certificate": "c",
        "client_id": "lamps",
    }
