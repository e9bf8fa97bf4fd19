"""What channels look like on the wire (contract: Webhook, WebsocketChannel, SerializationConfigData, ChannelMetadata)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from lamplighter.errors import FieldFault
from lamplighter.outbound.url import target_of

LARGEST_CHUNK = 10_000
SMALLEST_CHUNK = 100

WEBHOOK_CHARACTERS = 400
"""What a webhook's URL and the names and values of its headers may have together."""

Mechanism = Literal["CALLBACK", "LONG_POLLING", "WEB_SOCKET", "EVENT_STREAM", "KAFKA", "MQTT"]
"""How a channel is delivered: the first three are ``delivery_mechanism`` of the contract, the others are Lamplighter's own,
of named channels only."""

Number = int | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}$")]
"""The vendor's own examples send numbers and booleans as strings: both are taken, the plain ones given back."""
Truth = bool | Literal["true", "false"]


class Options(msgspec.Struct, frozen=True):
    """``cfg`` of a serialization: what each item says besides its own members."""

    deregistrations_as_object: bool = False
    include_uid: bool = False
    include_timestamp: bool = False
    include_original_ep: bool = False
    include_discarded: bool | msgspec.UnsetType = msgspec.UNSET
    """Whether the one channel without a name is told what limits discarded, as named channels are. Ours; shown only where it
    was asked for, because clients of the public API are known that fail at a message of a kind they do not know."""


class Serialization(msgspec.Struct, frozen=True):
    """How messages of a channel are written."""

    type: Literal["v2"] = "v2"
    max_chunk_size: int = LARGEST_CHUNK
    """Items of one message at most."""
    cfg: Options = Options()


class OptionsRequest(msgspec.Struct):
    """``Options`` as clients send them."""

    deregistrations_as_object: Truth | None = None
    include_uid: Truth | None = None
    include_timestamp: Truth | None = None
    include_original_ep: Truth | None = None
    include_discarded: Truth | None = None


class SerializationRequest(msgspec.Struct):
    """``Serialization`` as clients send it."""

    type: Literal["v2"]
    max_chunk_size: Number | None = None
    cfg: OptionsRequest | None = None


class WebsocketRequest(msgspec.Struct):
    """The body of registerWebsocket."""

    serialization: SerializationRequest | None = None

    def faults(self) -> list[FieldFault]:
        return size_faults(self.asked())

    def asked(self) -> Serialization:
        return serialization_of(self.serialization)


class WebhookTarget(msgspec.Struct, frozen=True):
    """Where deliveries of a webhook go, with which headers."""

    url: str
    headers: dict[str, str] = {}

    def faults(self) -> list[FieldFault]:
        found = []
        try:
            target_of(self.url)
        except ValueError as error:
            found.append(FieldFault("url", f"must {error}"))
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name):
                found.append(FieldFault(f"headers.{name}", "must have a name as HTTP has them"))
            elif name.lower() in OUR_HEADERS:
                found.append(FieldFault(f"headers.{name}", "is a header that the server sets itself"))
            elif not _VALUE.fullmatch(value):
                found.append(FieldFault(f"headers.{name}", "must have a value of printable ASCII characters"))
        names = [name.lower() for name in self.headers]
        if len(names) != len(set(names)):
            found.append(FieldFault("headers", "must not have a name twice, in whatever case"))
        length = len(self.url) + sum(len(name) + len(value) for name, value in self.headers.items())
        if length > WEBHOOK_CHARACTERS:
            fault = (
                f"must have at most {WEBHOOK_CHARACTERS} characters together with all headers, and they have {length}"
            )
            found.append(FieldFault("url", fault))
        return found

    def shown(self) -> WebhookTarget:
        """As it was given: the contract shows the headers too."""
        return self


class Webhook(msgspec.Struct, frozen=True):
    """Where notifications are sent, with which headers."""

    url: str
    headers: dict[str, str]
    serialization: Serialization


class WebhookRequest(msgspec.Struct):
    """The body of registerWebhook."""

    url: str
    headers: dict[str, str] | None = None
    serialization: SerializationRequest | None = None

    def faults(self) -> list[FieldFault]:
        return [*size_faults(serialization_of(self.serialization)), *self.target().faults()]

    def target(self) -> WebhookTarget:
        return WebhookTarget(self.url, self.headers or {})

    def asked(self) -> Serialization:
        return serialization_of(self.serialization)


OUR_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
"""Headers that a webhook cannot have: those of the connection (RFC 9110 section 7.6.1), those that frame a message or say
where it goes, and those that our signature vouches for."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?")


class WebsocketChannel(msgspec.Struct):
    """A websocket channel and how it stands."""

    status: Literal["connected", "disconnected"]
    queue_size: int
    serialization: Serialization


class RegisterWebsocketChannel(msgspec.Struct):
    """The answer to registering a websocket channel that exists."""

    serialization: Serialization


class FailedDelivery(msgspec.Struct):
    """A delivery that was not acknowledged."""

    time: str
    """When it ended."""
    reason: str
    """What went wrong."""
    kind: str
    """status, address, name, connection, tls, timeout, protocol, refused or missing."""
    status: int | None
    """What the receiver answered, if it did."""
    seconds: float
    """How long it took."""


class WebhookState(msgspec.Struct):
    """How deliveries of a webhook go. Lamplighter's own."""

    state: Literal["delivering", "failing"]
    queue_size: int
    """Events that wait."""
    discarded: int
    """Events that a limit has taken away since the webhook was registered."""
    signed: bool
    delivered_at: str | None
    """The latest acknowledgement."""
    failing_since: str | None
    failures_in_a_row: int
    next_attempt_at: str | None
    failures: list[FailedDelivery]
    """The latest, newest first."""


class WebhookTest(msgspec.Struct):
    """What came of a delivery that was asked for."""

    acknowledged: bool
    kind: str
    status: int | None
    reason: str
    seconds: float


class WebhookSecret(msgspec.Struct):
    """What deliveries are signed with from now on. It is not shown again."""

    secret: str


class ChannelMetadata(msgspec.Struct):
    """Which channel the application has."""

    delivery_mechanism: Literal["CALLBACK", "LONG_POLLING", "WEB_SOCKET"]


def serialization_of(given: SerializationRequest | None) -> Serialization:
    """The serialization asked for, with the defaults in the places left out."""
    if given is None:
        return Serialization()
    size = LARGEST_CHUNK if given.max_chunk_size is None else int(given.max_chunk_size)
    options = given.cfg or OptionsRequest()
    return Serialization(
        max_chunk_size=size,
        cfg=Options(
            **{name: True for name in Options.__struct_fields__ if _is_true(getattr(options, name))},
        ),
    )


def size_faults(asked: Serialization) -> list[FieldFault]:
    if SMALLEST_CHUNK <= asked.max_chunk_size <= LARGEST_CHUNK:
        return []
    return [FieldFault("serialization.max_chunk_size", f"must be from {SMALLEST_CHUNK} to {LARGEST_CHUNK}")]


def _is_true(value: Any) -> bool:
    return value is True or value == "true"
