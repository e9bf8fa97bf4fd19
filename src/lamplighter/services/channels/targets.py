"""Where Kafka and MQTT channels deliver to, as applications give it."""

from __future__ import annotations

import re
import string
from typing import Self
from urllib.parse import urlsplit

import msgspec

from lamplighter.errors import FieldFault
from lamplighter.outbound.broker import Login, Tls
from lamplighter.outbound.kafka import PORT, Mechanism
from lamplighter.outbound.mqtt import PORT as MQTT_PORT
from lamplighter.outbound.mqtt import TLS_PORT, Version

MOST_SERVERS = 10
MOST_CHARACTERS = 1000
"""Of a name, a password, a topic."""
PEM_CHARACTERS = 32_768
"""Of a chain of certificates, or a key."""
VARIABLES = ("account_id", "device_id", "endpoint_name", "kind", "path")
"""What a topic of MQTT may be made of."""

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]")
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class _Broker(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What both have: whom we trust, and who we are. Passwords and keys are not shown again."""

    username: str | None = None
    password: str | None = None
    ca: str | None = None
    """Authorities trusted for this broker, PEM; without it, those that all outbound requests trust."""
    certificate: str | None = None
    """The certificate shown to the broker and its chain, PEM; without it, the server's own."""
    private_key: str | None = None
    """The key of that certificate, PEM."""

    def shown(self) -> Self:
        return msgspec.structs.replace(self, password=None, private_key=None)

    @property
    def login(self) -> Login | None:
        return None if self.username is None else Login(self.username, self.password or "")

    @property
    def trust(self) -> Tls:
        return Tls(self.ca or "", self.certificate or "", self.private_key or "")

    def common_faults(self, secured: bool) -> list[FieldFault]:
        found = []
        for name in ("username", "password"):
            found += _text_faults(name, getattr(self, name))
        if (self.username is None) != (self.password is None):
            missing = "password" if self.password is None else "username"
            found.append(FieldFault(missing, "is required: user and password are given together"))
        if (self.certificate is None) != (self.private_key is None):
            missing = "private_key" if self.private_key is None else "certificate"
            found.append(FieldFault(missing, "is required: certificate and key are given together"))
            return found
        given = [name for name in ("ca", "certificate", "private_key") if getattr(self, name) is not None]
        for name in given:
            if not secured:
                found.append(FieldFault(name, "must be left out where the connection is not secured"))
            elif len(getattr(self, name)) > PEM_CHARACTERS:
                found.append(FieldFault(name, f"must have at most {PEM_CHARACTERS} characters"))
        return found if found or not given else self._trust_faults()

    def _trust_faults(self) -> list[FieldFault]:
        for name, trust in (("ca", Tls(self.ca or "")), ("certificate", self.trust)):
            try:
                trust.context()
            except ValueError:
                what = "certificates" if name == "ca" else "a certificate, and private_key its key without a password"
                return [FieldFault(name, f"must be {what}, in PEM")]
        return []


class KafkaTarget(_Broker, frozen=True, kw_only=True, omit_defaults=True):
    """A topic of a Kafka cluster."""

    servers: list[str]
    """``host:port`` of brokers that know the others."""
    topic: str
    tls: bool = True
    mechanism: Mechanism = "SCRAM-SHA-512"
    """Of SASL, where there is a user."""

    def faults(self) -> list[FieldFault]:
        found = self.common_faults(self.tls)
        if not 1 <= len(self.servers) <= MOST_SERVERS:
            found.append(FieldFault("servers", f"must name from 1 to {MOST_SERVERS} servers"))
        elif any(_server(each, PORT) is None for each in self.servers):
            found.append(FieldFault("servers", f"must be like kafka.example.com:{PORT}"))
        if not _TOPIC.fullmatch(self.topic):
            found.append(FieldFault("topic", "must have 1 to 249 of a-z, A-Z, 0-9, ., _ and -"))
        return found

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        return tuple(found for each in self.servers if (found := _server(each, PORT)) is not None)


class MqttTarget(_Broker, frozen=True, kw_only=True, omit_defaults=True):
    """A broker of MQTT."""

    url: str
    """``mqtts://host:port``, or ``mqtt://`` without TLS."""
    topic: str = "{account_id}/{device_id}/{kind}"
    """With variables in braces."""
    version: Version = "5"
    client_id: str | None = None

    def faults(self) -> list[FieldFault]:
        found = self.common_faults(self.secured)
        if self.server is None:
            found.append(FieldFault("url", "must be like mqtts://mqtt.example.com:8883, or mqtt:// without TLS"))
        return (
            found
            + _text_faults("client_id", self.client_id)
            + (_text_faults("topic", self.topic) or _topic_faults(self.topic))
        )

    @property
    def secured(self) -> bool:
        return self.url.lower().startswith("mqtts://")

    @property
    def server(self) -> tuple[str, int] | None:
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return None
        if parts.scheme not in ("mqtt", "mqtts") or parts.path not in ("", "/") or parts.query or parts.fragment:
            return None
        return _server(parts.netloc, TLS_PORT if parts.scheme == "mqtts" else MQTT_PORT)


def _server(text: str, default: int) -> tuple[str, int] | None:
    """Host and port; None for what names none."""
    host, colon, port = text, "", ""
    if not text.endswith("]"):
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    if not _HOST.fullmatch(host) or (colon and not 1 <= number <= 65535):
        return None
    return host.strip("[]").lower(), number or default


def _text_faults(name: str, text: str | None) -> list[FieldFault]:
    if text is None or (1 <= len(text) <= MOST_CHARACTERS and not _UNPRINTABLE.search(text)):
        return []
    return [FieldFault(name, f"must have 1 to {MOST_CHARACTERS} printable characters")]


def _topic_faults(topic: str) -> list[FieldFault]:
    known = ", ".join(VARIABLES)
    try:
        parts = [*string.Formatter().parse(topic)]
    except ValueError:
        return [FieldFault("topic", f"must have braces round variables only: {known}")]
    for _, variable, spec, conversion in parts:
        if variable is not None and (variable not in VARIABLES or spec or conversion):
            return [FieldFault("topic", f"must have no other variables than {known}")]
    if re.search("[+#]", topic) or topic.startswith("$"):
        return [
            FieldFault("topic", "must be a topic that can be published to: without + and #, and not beginning with $")
        ]
    return []
