"""Payloads of LwM2M: one face for all content formats."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType

import cbor2
import msgspec

from lamplighter.coap.numbers import ContentFormat
from lamplighter.lwm2m.codecs import cbor, json, link, opaque, senml, senml_cbor, senml_json, text, tlv
from lamplighter.lwm2m.codecs.value import CodecError, ObjectLink, Value, Values
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import Path

#: The numbers of the 1.0 candidate and the vendor's 99 mean the same formats as the registered ones.
_CODECS: dict[int, ModuleType] = {
    ContentFormat.TEXT: text,
    ContentFormat.LWM2M_TEXT_OLD: text,
    ContentFormat.OCTET_STREAM: opaque,
    ContentFormat.LWM2M_OPAQUE_OLD: opaque,
    ContentFormat.LWM2M_TLV: tlv,
    ContentFormat.LWM2M_TLV_OLD: tlv,
    ContentFormat.LWM2M_TLV_VENDOR: tlv,
    ContentFormat.LWM2M_JSON: json,
    ContentFormat.LWM2M_JSON_OLD: json,
    ContentFormat.SENML_JSON: senml_json,
    ContentFormat.SENML_CBOR: senml_cbor,
    ContentFormat.CBOR: cbor,
    ContentFormat.LINK_FORMAT: link,
}


class UnsupportedContentFormat(CodecError):
    """No codec for that number."""


def decode(
    content_format: int | None, payload: bytes, base_path: Path, definitions: Definitions | None = None
) -> Values:
    """The (path, value) pairs of a payload; no content format means text. Raises CodecError.

    :param definitions: objects that the owner defines, before ours
    """
    values: Values = _codec(content_format).decode(payload, base_path, definitions)
    return values


def encode(content_format: int, values: Values, base_path: Path, definitions: Definitions | None = None) -> bytes:
    """The payload. Raises CodecError when the format cannot hold these values."""
    payload: bytes = _codec(content_format).encode(values, base_path, definitions)
    return payload


def decode_records(
    content_format: int | None, payload: bytes, base_path: Path, definitions: Definitions | None = None
) -> list[senml.Record]:
    """The same with the time of each value, for Send and for stored notifications; 0 where the format has no times."""
    codec = _codec(content_format)
    if codec is senml_json or codec is senml_cbor:
        records: list[senml.Record] = codec.records(payload, base_path, definitions)
        return records
    return [senml.Record(0, path, value) for path, value in decode(content_format, payload, base_path, definitions)]


def write_paths(content_format: int, paths: Iterable[Path]) -> bytes:
    """The body of a composite read or observation: SenML that names paths and has no values. Raises CodecError."""
    if content_format == ContentFormat.SENML_JSON:
        return msgspec.json.encode([{senml.JSON.name: str(path)} for path in paths])
    if content_format == ContentFormat.SENML_CBOR:
        return cbor2.dumps([{senml.CBOR.name: str(path)} for path in paths])
    raise UnsupportedContentFormat(f"content format {content_format} is not SenML")


def _codec(content_format: int | None) -> ModuleType:
    codec = _CODECS.get(content_format or 0)
    if codec is None:
        raise UnsupportedContentFormat(f"content format {content_format} is not supported")
    return codec


__all__ = [
    "CodecError",
    "ObjectLink",
    "UnsupportedContentFormat",
    "Value",
    "Values",
    "decode",
    "decode_records",
    "encode",
    "write_paths",
]
