"""The composite operations of LwM2M 1.1 from the device's side: OMA LwM2M Core 1.1 sections 6.3.8, 6.3.9 and 6.4.5."""

from __future__ import annotations

from typing import Any

import cbor2
import msgspec

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import CodecError, Values, decode, encode
from lamplighter.lwm2m.codecs.senml import CBOR, JSON
from lamplighter.lwm2m.path import ROOT, Path, PathError, parse_path
from lamplighter.simulator.instance import Refused
from lamplighter.simulator.tree import Tree

_SENML = frozenset({ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR})
#: Paths that one request may name.
MOST_PATHS = 100


def paths_of(message: Message) -> list[Path]:
    """The paths that a FETCH names: SenML records without values. Raises Refused: 4.15, 4.00."""
    _require_senml(message)
    labels = JSON if message.content_format == ContentFormat.SENML_JSON else CBOR
    try:
        pack: Any = msgspec.json.decode(message.payload) if labels is JSON else cbor2.loads(message.payload)
        base, paths = "", []
        for record in pack:
            base = record.get(labels.base_name, base)
            paths.append(parse_path((base + record.get(labels.name, "")).rstrip("/")))
    except (PathError, msgspec.DecodeError, cbor2.CBORDecodeError, TypeError, AttributeError, ValueError):
        raise Refused(Code.BAD_REQUEST, "the body is not a list of paths") from None
    if not 0 < len(paths) <= MOST_PATHS:
        raise Refused(Code.BAD_REQUEST, f"between 1 and {MOST_PATHS} paths")
    return paths


def read(tree: Tree, paths: list[Path] | tuple[Path, ...], accept: int | None) -> tuple[Values, Message]:
    """What can be read of the paths, the rest left out, and the answer that carries it. Raises Refused with 4.06."""
    content_format = ContentFormat.SENML_CBOR if accept is None else accept
    if content_format not in _SENML:
        raise Refused(Code.NOT_ACCEPTABLE, "a composite answer is SenML")
    values: Values = []
    for path in paths:
        try:
            values += tree.read(path) if path.ids else tree.read_all()
        except Refused:
            continue  # section 6.3.8: what is not there or not readable is not in the answer
    message = Message(Code.CONTENT, payload=encode(content_format, values, ROOT))
    return values, message.add(Option.CONTENT_FORMAT, content_format)


def write(tree: Tree, message: Message, now: float) -> Message:
    """Write all of the values of an iPATCH or none. Raises Refused, CodecError."""
    _require_senml(message)
    values = decode(message.content_format, message.payload, ROOT)
    if not values:
        raise CodecError("no values to write")
    tree.write_many(values, now)
    return Message(Code.CHANGED)


def _require_senml(message: Message) -> None:
    if message.content_format not in _SENML:
        raise Refused(Code.UNSUPPORTED_CONTENT_FORMAT, "composite operations take SenML")
