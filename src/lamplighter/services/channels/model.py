"""What channels look like on the wire (contract: WebsocketChannel, SerializationConfigData, ChannelMetadata)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from lamplighter.errors import FieldFault

LARGEST_CHUNK = 10_000
SMALLEST_CHUNK = 100

Mechanism = Literal["LONG_POLLING", "WEB_SOCKET"]
"""``delivery_mechanism`` of the contract."""

Number = int | Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}$")]
"""The vendor's own examples send numbers and booleans as strings: both are taken, the plain ones given back."""
Truth = bool | Literal["true", "false"]


class Options(msgspec.Struct, frozen=True):
    """``cfg`` of a serialization: what each item says besides its own members."""

    deregistrations_as_object: bool = False
    include_uid: bool = False
    include_timestamp: bool = False
    include_original_ep: bool = False


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


class SerializationRequest(msgspec.Struct):
    """``Serialization`` as clients send it."""

    type: Literal["v2"]
    max_chunk_size: Number | None = None
    cfg: OptionsRequest | None = None


class WebsocketRequest(msgspec.Struct):
    """The body of registerWebsocket."""

    serialization: SerializationRequest | None = None

    def faults(self) -> list[FieldFault]:
        size = self.asked().max_chunk_size
        if SMALLEST_CHUNK <= size <= LARGEST_CHUNK:
            return []
        return [FieldFault("serialization.max_chunk_size", f"must be from {SMALLEST_CHUNK} to {LARGEST_CHUNK}")]

    def asked(self) -> Serialization:
        """The serialization asked for, with the defaults in the places left out."""
        given = self.serialization
        if given is None:
            return Serialization()
        size = LARGEST_CHUNK if given.max_chunk_size is None else int(given.max_chunk_size)
        options = given.cfg or OptionsRequest()
        return Serialization(
            max_chunk_size=size,
            cfg=Options(**{name: _is_true(getattr(options, name)) for name in Options.__struct_fields__}),
        )


class WebsocketChannel(msgspec.Struct):
    """A websocket channel and how it stands."""

    status: Literal["connected", "disconnected"]
    queue_size: int
    serialization: Serialization


class RegisterWebsocketChannel(msgspec.Struct):
    """The answer to registering a websocket channel that exists."""

    serialization: Serialization


class ChannelMetadata(msgspec.Struct):
    """Which channel the application has."""

    delivery_mechanism: Mechanism


def _is_true(value: Any) -> bool:
    return value is True or value == "true"
