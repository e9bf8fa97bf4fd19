"""What connect takes and gives (contract: DeviceRequest, Resource, AsyncID), and its rows as the service sees them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

import msgspec

from lamplighter.coap.numbers import ContentFormat
from lamplighter.errors import FieldFault
from lamplighter.services.connect.formats import content_format_of
from lamplighter.services.connect.own_commands import MARK

MAX_PAYLOAD = 1024 * 1024
"""Bytes."""

Method = Literal["GET", "PUT", "POST", "DELETE", "FETCH", "IPATCH"]
COMPOSITE = frozenset({"FETCH", "IPATCH"})
"""Read-Composite and Write-Composite of LwM2M 1.1: an extension of ours. They go to the root, and name paths in SenML."""
_SENML = frozenset({ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR})
UNHEARD = ""
"""Stands for the application where none wants to hear the answer."""
OBSERVE = "OBSERVE"
"""A command of the server's own: observe the resource for a subscription."""


class DeviceRequest(msgspec.Struct, rename={"content_type": "content-type", "payload_b64": "payload-b64"}):
    """What to ask of a device."""

    method: Method
    uri: Annotated[str, msgspec.Meta(max_length=512)]
    accept: str | None = None
    content_type: str | None = None
    payload_b64: str | None = None

    def faults(self) -> Iterator[FieldFault]:
        formats: dict[str, int | None] = {}
        for name, media_type in (("accept", self.accept), ("content-type", self.content_type)):
            try:
                formats[name] = content_format_of(media_type or "")
            except ValueError as fault:
                yield FieldFault(name, str(fault))
        if self.method in COMPOSITE:
            if self.uri != "/":
                yield FieldFault("uri", f"must be / with {self.method}: the payload names the paths")
            if formats.get("content-type", ContentFormat.SENML_JSON) not in _SENML:
                yield FieldFault("content-type", "must be application/senml+json or application/senml+cbor")
        try:
            if len(self.payload) > MAX_PAYLOAD:
                yield FieldFault("payload-b64", f"must have at most {MAX_PAYLOAD} bytes once decoded")
        except ValueError:
            yield FieldFault("payload-b64", "must be base64")

    @property
    def writes(self) -> bool:
        """Whether it asks for a value to be written, and not only for notification rules."""
        return self.method in ("PUT", "IPATCH") and (bool(self.payload_b64) or "?" not in self.uri)

    @property
    def payload(self) -> bytes:
        """Raises ValueError."""
        text = "".join((self.payload_b64 or "").split()).rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error as error:
            raise ValueError(str(error)) from None


class Resource(msgspec.Struct):
    """A resource of a device. ``type`` is its content format where the device gives it."""

    uri: str
    rt: str
    type: str
    obs: bool


class Endpoint(msgspec.Struct):
    """A registered device in the list of them; ``name`` is the device id."""

    name: str
    type: str
    status: str
    q: bool


class AsyncID(msgspec.Struct, rename={"async_response_id": "async-response-id"}):
    """The id under which the async response will come."""

    async_response_id: str


class Command(NamedTuple):
    """A request that waits for its device, or is under way."""

    id: str
    subject_id: str
    async_id: str
    method: str
    uri: str
    accept: int | None
    content_format: int | None
    payload: bytes
    deliveries: int
    """Deliveries that may still be tried."""
    sent_by: str
    expires_at: int

    @property
    def heard(self) -> bool:
        """Whether anybody wants the answer. Otherwise the device is asked once, by a message that it need not acknowledge."""
        return self.subject_id != UNHEARD

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is doing it once, or no worse. Execute and Create of applications are not so."""
        return self.method != "POST" or self.subject_id.startswith(MARK)
