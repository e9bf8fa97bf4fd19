"""The JSON of LwM2M 1.0, content format 11543 (early 1543): OMA LwM2M TS 1.0 section 6.4.4."""

from __future__ import annotations

from typing import Any

import msgspec

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
    to_text,
    type_at,
)
from lamplighter.lwm2m.objects import Definitions, Type
from lamplighter.lwm2m.path import Path


def load(payload: bytes) -> Any:
    """Raises CodecError."""
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CodecError(f"not JSON: {error}") from None


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Raises CodecError."""
    document = load(payload)
    if not isinstance(document, dict) or not isinstance(entries := document.get("e"), list):
        raise CodecError("LwM2M JSON is a map with a list e")
    if len(entries) > MOST_RECORDS:
        raise CodecError(f"more than {MOST_RECORDS} entries")
    base_name = document.get("bn", str(base))
    if not isinstance(base_name, str):
        raise CodecError("bn is not text")
    # Clients have the slash between bn and n in bn, in n (Anjay) or in neither, and all mean the same path.
    prefix = base_name.rstrip("/")
    values: Values = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(name := entry.get("n", ""), str):
            raise CodecError("an entry that is not a map with a name")
        path = path_in(base, f"{prefix}/{name.removeprefix('/')}".rstrip("/"))
        values.append((path, _value(entry, type_at(path, definitions))))
    return values


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """Names are relative to the base. Raises CodecError."""
    prefix = str(base)
    if not prefix.endswith("/") and any([path != base for path, _ in values]):
        prefix += "/"
    entries = []
    for path, value in values:
        name = str(path)
        if name.startswith(prefix) and name != prefix:
            entries.append({"n": name[len(prefix) :], **_field(value)})
        elif path == base:
            entries.append(_field(value))
        else:
            raise CodecError(f"{path} is not in {base}")
    return msgspec.json.encode({"bn": prefix, "e": entries})


def _value(entry: dict[str, Any], type_: Type | None) -> Value:
    value: Any
    if isinstance(value := entry.get("v"), int | float):
        return from_number(value, type_)
    if isinstance(value := entry.get("bv"), bool):
        return value
    if isinstance(value := entry.get("ov"), str):
        return parse_object_link(value)
    if isinstance(value := entry.get("sv"), str):
        return from_base64(value) if type_ is Type.OPAQUE else value
    raise CodecError("an entry without a value")


def _field(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"bv": value}
        case ObjectLink():
            return {"ov": str(value)}
        case int() | float():
            return {"v": value}
        case _:
            return {"sv": to_text(value)}
