"""SenML records, the model behind its JSON and CBOR forms: RFC 8428 section 4, OMA LwM2M Core 1.1 section 7.4.4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lamplighter.lwm2m.codecs.value import (
    CodecError,
    ObjectLink,
    Value,
    Values,
    from_base64,
    from_number,
    parse_object_link,
    relative_path,
    type_at,
)
from lamplighter.lwm2m.path import Path, PathError, parse_path

#: Times below this are relative to the receipt (RFC 8428 section 4.5.3).
RELATIVE_BELOW = 1 << 28


class Labels(NamedTuple):
    """How one of the two forms spells the fields."""

    base_name: Any
    base_time: Any
    base_value: Any
    name: Any
    time: Any
    number: Any
    text: Any
    boolean: Any
    data: Any
    link: Any


JSON = Labels("bn", "bt", "bv", "n", "t", "v", "vs", "vb", "vd", "vlo")
CBOR = Labels(-2, -3, -5, 0, 6, 2, 3, 4, 8, "vlo")


class Record(NamedTuple):
    """One value, with the time in seconds that its record gives (0: now)."""

    time: float
    path: Path
    value: Value


def read(pack: object, labels: Labels, base: Path) -> list[Record]:
    """The records of a decoded pack; base fields hold until the next ones. Raises CodecError."""
    if not isinstance(pack, list):
        raise CodecError("SenML is a list of records")
    records = []
    base_name: object = ""
    base_time: object = 0
    base_value: object = 0
    for record in pack:
        if not isinstance(record, Mapping):
            raise CodecError("a SenML record is a map")
        base_name = record.get(labels.base_name, base_name)
        base_time = record.get(labels.base_time, base_time)
        base_value = record.get(labels.base_value, base_value)
        name = record.get(labels.name, "")
        if not isinstance(base_name, str) or not isinstance(name, str):
            raise CodecError("a name that is not text")
        path = _path(base_name + name, base)
        value = _value(record, labels, path, base_value)
        time = _number(base_time) + _number(record.get(labels.time, 0))
        if value is not None:
            records.append(Record(time, path, value))
    return records


def write(values: Values, labels: Labels, base: Path) -> list[dict[Any, Any]]:
    """The pack: one base name, then a record each."""
    prefix = str(base)
    if values and any(path != base for path, _ in values) and not prefix.endswith("/"):
        prefix += "/"
    pack: list[dict[Any, Any]] = []
    for path, value in values:
        record: dict[Any, Any] = {} if pack else {labels.base_name: prefix}
        if relative_path(base, path) != base:
            record[labels.name] = str(path).removeprefix(prefix)
        record.update(_field(value, labels))
        pack.append(record)
    return pack or [{labels.base_name: prefix}]


def _field(value: Value, labels: Labels) -> dict[Any, Any]:
    match value:
        case bool():
            return {labels.boolean: value}
        case ObjectLink():
            return {labels.link: str(value)}
        case int() | float():
            return {labels.number: value}
        case str():
            return {labels.text: value}
        case _:
            return {labels.data: value}


def _path(name: str, base: Path) -> Path:
    try:
        path = parse_path(name.rstrip("/"))
    except PathError as error:
        raise CodecError(str(error)) from None
    return relative_path(base, path)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CodecError("a base value or time that is not a number")
    return value


def _value(record: Mapping[Any, Any], labels: Labels, path: Path, base_value: object) -> Value | None:
    """The record's value, None when it only carries base fields. Raises CodecError."""
    kind = type_at(path)
    value: Any
    if (value := record.get(labels.number)) is not None:
        return (
            from_number(_number(base_value) + _number(value), kind) if base_value else from_number(_number(value), kind)
        )
    if (value := record.get(labels.text)) is not None and isinstance(value, str):
        return value
    if isinstance(value := record.get(labels.boolean), bool):
        return value
    if (value := record.get(labels.link)) is not None and isinstance(value, str):
        return parse_object_link(value)
    value = record.get(labels.data)
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and labels is JSON:
        return from_base64(value)
    if any(record.get(label) is not None for label in labels[5:]):
        raise CodecError("a value that is not of the type its label says")
    return None
