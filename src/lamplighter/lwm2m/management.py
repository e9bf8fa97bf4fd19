"""What a server asks of a client, as messages: OMA LwM2M Core 1.1 sections 6.3 and 6.4, Transport section 6.4.

Pure functions; send the message with ``Endpoint.request``. A path is a ``Path`` or the text of one, so that resources of
devices behind a gateway (``/d/NAME/3303/0/5700``) are reached in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import Values, encode, write_paths
from lamplighter.lwm2m.path import ROOT, Path

_METHODS = {"GET": Code.GET, "PUT": Code.PUT, "POST": Code.POST, "DELETE": Code.DELETE}


class WriteMode(Enum):
    """How a write treats what is already there (Core section 6.3.3)."""

    REPLACE = Code.PUT
    PARTIAL = Code.POST


def read(path: Path | str, accept: int | None = None) -> Message:
    return _accepting(_message(Code.GET, path), accept)


def write(path: Path | str, payload: bytes, content_format: int | None, mode: WriteMode = WriteMode.REPLACE) -> Message:
    """Without a content format the payload is text."""
    return _carrying(_message(mode.value, path), payload, content_format)


def write_values(path: Path, values: Values, content_format: int, mode: WriteMode = WriteMode.REPLACE) -> Message:
    """Raises CodecError."""
    return write(path, encode(content_format, values, path), content_format, mode)


def execute(path: Path | str, arguments: bytes = b"") -> Message:
    """Arguments are text; the vendor's client refuses any other content format with 4.15, so none is named."""
    return _carrying(_message(Code.POST, path), arguments, None)


def create(path: Path | str, payload: bytes, content_format: int = ContentFormat.LWM2M_TLV) -> Message:
    """A new instance of an object."""
    return _carrying(_message(Code.POST, path), payload, content_format)


def delete(path: Path | str) -> Message:
    return _message(Code.DELETE, path)


def discover(path: Path | str) -> Message:
    return _accepting(_message(Code.GET, path), ContentFormat.LINK_FORMAT)


def write_attributes(path: Path | str, attributes: Mapping[str, str | int | float | None]) -> Message:
    """``pmin``, ``pmax``, ``gt``, ``lt``, ``st``; None takes an attribute away (Core section 5.1.2)."""
    message = _message(Code.PUT, path)
    for name, value in attributes.items():
        message.add(Option.URI_QUERY, name if value is None else f"{name}={value}")
    return message


def observe(path: Path | str, accept: int | None = None) -> Message:
    """Its notifications come under the token of the exchange."""
    return _accepting(_message(Code.GET, path).add(Option.OBSERVE, 0), accept)


def cancel(path: Path | str, accept: int | None = None) -> Message:
    """To be sent under the token of the observation; ``Endpoint.cancel_observation`` does it."""
    return _accepting(_message(Code.GET, path).add(Option.OBSERVE, 1), accept)


def read_composite(paths: Iterable[Path], content_format: int = ContentFormat.SENML_CBOR) -> Message:
    """FETCH of several paths (1.1); raises CodecError when the format is not SenML."""
    message = _carrying(Message(Code.FETCH), write_paths(content_format, paths), content_format)
    return _accepting(message, content_format)


def observe_composite(paths: Iterable[Path], content_format: int = ContentFormat.SENML_CBOR) -> Message:
    return read_composite(paths, content_format).add(Option.OBSERVE, 0)


def write_composite(values: Values, content_format: int = ContentFormat.SENML_CBOR) -> Message:
    """iPATCH of several resources (1.1). Raises CodecError."""
    return _carrying(Message(Code.IPATCH), encode(content_format, values, ROOT), content_format)


def device_request(
    method: str, uri: str, payload: bytes = b"", content_format: int | None = None, accept: int | None = None
) -> Message:
    """A REST caller's request as it is: method, path with an optional query, payload.

    Raises ValueError for another method than GET, PUT, POST and DELETE.
    """
    code = _METHODS.get(method)
    if code is None:
        raise ValueError(f"{method[:20]!r} is not one of {', '.join(_METHODS)}")
    path, _, query = uri.partition("?")
    message = _message(code, path)
    for argument in filter(None, query.split("&")):
        message.add(Option.URI_QUERY, argument)
    return _accepting(_carrying(message, payload, content_format), accept)


def _message(code: int, path: Path | str) -> Message:
    message = Message(code)
    segments = path.segments() if isinstance(path, Path) else path.split("/")
    for segment in filter(None, segments):
        message.add(Option.URI_PATH, segment)
    return message


def _carrying(message: Message, payload: bytes, content_format: int | None) -> Message:
    message.payload = payload
    return message if content_format is None else message.add(Option.CONTENT_FORMAT, content_format)


def _accepting(message: Message, accept: int | None) -> Message:
    return message if accept is None else message.add(Option.ACCEPT, accept)
