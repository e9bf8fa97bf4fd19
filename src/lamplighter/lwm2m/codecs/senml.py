"""SenML records, the model behind its JSON and CBOR forms: RFC 8428 section 4, OMA LwM2M Core 1.1 section 7.4.4."""

from __future__ import annotations

from typing import Any, NamedTuple

from lamplighter.lwm2m.codecs.value import (
    MOST_RECORDS,
    CodecError,
    ObjectLink,
    Value,
    Values,
    from_base64,
    from_number,
    parse_object_link,
    path_in,
    type_at,
)
from lamplighter.lwm2m.objects import Definitions, Type
from lamplighter.lwm2m.path import Path


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
    """One value, with the time in seconds that its record gives: since 1970, or below 2**28 from now (RFC 8428 section
    4.5.3)."""

    time: float
    path: Path
    value: Value


def read(pack: object, labels: Labels, base: Path, definitions: Definitions | None = None) -> list[Record]:
    """The records of a decoded pack; base fields hold until the next ones. Raises CodecError."""
    if not isinstance(pack, list):
        raise CodecError("SenML is a list of records")
    if len(pack) > MOST_RECORDS:
        raise CodecError(f"more than {MOST_RECORDS} records")
    name_label, time_label = labels.name, labels.time
    records = []
    base_name: object = ""
    base_time: float = 0
    base_value: float = 0
    for record in pack:
        if not isinstance(record, dict):
            raise CodecError("a SenML record is a map")
        base_name = record.get(labels.base_name, base_name)
        if labels.base_time in record:
            base_time = _number(record[labels.base_time])
        if labels.base_value in record:
            base_value = _number(record[labels.base_value])
        name = record.get(name_label, "")
        if not isinstance(base_name, str) or not isinstance(name, str):
            raise CodecError("a name that is not text")
        path = path_in(base, (base_name + name).rstrip("/"))
        value = _value(record, labels, type_at(path, definitions), base_value)
        if value is not None:
            time = base_time + _number(record[time_label]) if time_label in record else base_time
            records.append(Record(time, path, value))
    return records


def write(values: Values, labels: Labels, base: Path) -> list[dict[Any, Any]]:
    """The pack: one base name, then a record each. Raises CodecError."""
    prefix = str(base)
    if not prefix.endswith("/") and any([path != base for path, _ in values]):
        prefix += "/"
    pack: list[dict[Any, Any]] = []
    for path, value in values:
        record: dict[Any, Any] = {} if pack else {labels.base_name: prefix}
        name = str(path)
        if name.startswith(prefix):
            if name != prefix:
                record[labels.name] = name[len(prefix) :]
        elif path != base:
            raise CodecError(f"{path} is not in {base}")
        record[_label(value, labels)] = str(value) if isinstance(value, ObjectLink) else value
        pack.append(record)
    return pack or [{labels.base_name: prefix}]


def _label(value: Value, labels: Labels) -> Any:
    if isinstance(value, str):
        return labels.text
    if isinstance(value, bool):
        return labels.boolean
    if isinstance(value, int | float):
        return labels.number
    return labels.link if isinstance(value, ObjectLink) else labels.data


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CodecError("a base value or time that is not a number")
    return value


def _value(record: dict[Any, Any], labels: Labels, type_: Type | None, base_value: float) -> Value | None:
    """The record's value, None when it only carries base fields. Raises CodecError."""
    value: Any
    if (value := record.get(labels.number)) is not None:
        number = _number(value)
        return from_number(base_value + number if base_value else number, type_)
    if isinstance(value := record.get(labels.text), str):
        return value
    if isinstance(value := record.get(labels.boolean), bool):
        return value
    if isinstance(value := record.get(labels.link), str):
        return parse_object_link(value)
    value = record.get(labels.data)
    if isinstance(value, bytes):
        return value
    if isinstance(value, str) and labels is JSON:
        return from_base64(value)
    if any([record.get(label) is not None for label in labels[5:]]):
        raise CodecError("a value that is not of the type its label says")
    return None
