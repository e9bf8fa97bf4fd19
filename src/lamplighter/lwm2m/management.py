"""What a server asks of a client, as messages: OMA LwM2M Core 1.1 sections 6.3 and 6.4, Transport section 6.4.

Pure functions; send the message with ``Endpoint.request``. A path is a ``Path`` or the text of one, so that resources of
devices behind a gateway (``/d/NAME/3303/0/5700``) are reached in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache

from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import Values, encode, write_paths
from lamplighter.lwm2m.path import ROOT, Path

_METHODS = {
    "GET": Code.GET,
    "PUT": Code.PUT,
    "POST": Code.POST,
    "DELETE": Code.DELETE,
    "FETCH": Code.FETCH,
    "IPATCH": Code.IPATCH,
}
#: What holds an object or an instance, the best first.
_BEST_1_0 = (
    ContentFormat.LWM2M_TLV,
    ContentFormat.LWM2M_TLV_OLD,
    ContentFormat.LWM2M_JSON,
    ContentFormat.LWM2M_JSON_OLD,
)
_BEST_1_1 = (ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON, *_BEST_1_0)


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


def read_composite(
    paths: Iterable[Path], content_format: int = ContentFormat.SENML_CBOR, root: Path | str = ROOT
) -> Message:
    """FETCH of several paths (1.1), which the payload names; raises CodecError when the format is not SenML."""
    message = _carrying(_message(Code.FETCH, root), write_paths(content_format, paths), content_format)
    return _accepting(message, content_format)


def observe_composite(
    paths: Iterable[Path], content_format: int = ContentFormat.SENML_CBOR, root: Path | str = ROOT
) -> Message:
    """Its notifications come under the token of the exchange, each with the values of all paths."""
    return read_composite(paths, content_format, root).add(Option.OBSERVE, 0)


def write_composite(values: Values, content_format: int = ContentFormat.SENML_CBOR) -> Message:
    """iPATCH of several resources (1.1). Raises CodecError."""
    return _carrying(Message(Code.IPATCH), encode(content_format, values, ROOT), content_format)


def device_request(
    method: str, uri: str, payload: bytes = b"", content_format: int | None = None, accept: int | None = None
) -> Message:
    """A REST caller's request as it is: method, path with an optional query, payload.

    FETCH and IPATCH are those of the composite operations. Raises ValueError for another method.
    """
    code = _METHODS.get(method)
    if code is None:
        raise ValueError(f"{method[:20]!r} is not one of {', '.join(_METHODS)}")
    path, _, query = uri.partition("?")
    message = _message(code, path)
    for argument in filter(None, query.split("&")):
        message.add(Option.URI_QUERY, argument)
    return _accepting(_carrying(message, payload, content_format), accept)


def accept_for(path: str, version: str, content_formats: Iterable[int]) -> int | None:
    """The best content format for reading an object or instance, of those that the client names; None: its own choice.

    A client that names none answers in the format that it prefers, and so does one that is asked for a resource (Core 1.1
    section 7.4). LwM2M CBOR is of 1.2, and never chosen.
    """
    if path.strip("/").count("/") > 1:
        return None
    named = frozenset(content_formats)
    best = _BEST_1_0 if version == "1.0" else _BEST_1_1
    return next((content_format for content_format in best if content_format in named), None)


def composite_format(content_formats: Iterable[int]) -> int:
    """The form of SenML for a composite operation: CBOR, unless the client names the other alone."""
    named = frozenset(content_formats)
    only_json = ContentFormat.SENML_JSON in named and ContentFormat.SENML_CBOR not in named
    return ContentFormat.SENML_JSON if only_json else ContentFormat.SENML_CBOR


def written_format(path: str) -> int:
    """What a payload is that names no content format: text for a resource, TLV for anything above.

    Clients must be told. Without the option some take a payload for TLV, and one answers 2.04 to text that it did not write.
    """
    return ContentFormat.TEXT if path.strip("/").count("/") > 1 else ContentFormat.LWM2M_TLV


def _message(code: int, path: Path | str) -> Message:
    return Message(code, list(_path_options(str(path))))


@lru_cache(maxsize=4096)
def _path_options(path: str) -> tuple[tuple[int, bytes], ...]:
    """The same few paths are asked of every device of a kind, and of all that are behind a gateway."""
    return tuple(path_options(filter(None, path.split("/")), Option.URI_PATH))


def _carrying(message: Message, payload: bytes, content_format: int | None) -> Message:
    message.payload = payload
    return message if content_format is None else message.add(Option.CONTENT_FORMAT, content_format)


def _accepting(message: Message, accept: int | None) -> Message:
    return message if accept is None else message.add(Option.ACCEPT, accept)
