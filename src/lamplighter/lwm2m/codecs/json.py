"""The JSON of LwM2M 1.0, content format 11543 (early 1543): OMA LwM2M TS 1.0 section 6.4.4."""

from __future__ import annotations

from typing import Any

import msgspec

from lamplighter.lwm2m.codecs.value import (
    CodecError,
    ObjectLink,
    Value,
    Values,
    from_base64,
    from_number,
    parse_object_link,
    relative_path,
    to_text,
    type_at,
)
from lamplighter.lwm2m.objects import Type
from lamplighter.lwm2m.path import Path, PathError, parse_path


def decode(payload: bytes, base: Path) -> Values:
    """Raises CodecError."""
    try:
        document = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CodecError(f"not JSON: {error}") from None
    if not isinstance(document, dict) or not isinstance(entries := document.get("e"), list):
        raise CodecError("LwM2M JSON is a map with a list e")
    base_name = document.get("bn", str(base) if base.ids else "")
    if not isinstance(base_name, str):
        raise CodecError("bn is not text")
    values: Values = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(name := entry.get("n", ""), str):
            raise CodecError("an entry that is not a map with a name")
        path = _path(base_name, name, base)
        values.append((path, _value(entry, type_at(path))))
    return values


def encode(values: Values, base: Path) -> bytes:
    """Names are relative to the base. Raises CodecError."""
    entries = []
    prefix = str(base)
    for path, value in values:
        name = str(relative_path(base, path))[len(prefix) :].lstrip("/")
        entries.append(({"n": name} if name else {}) | _field(value))
    bare = all(path == base for path, _ in values)
    return msgspec.json.encode({"bn": prefix if bare or prefix.endswith("/") else prefix + "/", "e": entries})


def _path(base_name: str, name: str, base: Path) -> Path:
    # Clients end bn with a slash or not, and both are meant as a path's beginning.
    joined = f"{base_name.rstrip('/')}/{name}" if name else base_name.rstrip("/")
    try:
        return relative_path(base, parse_path(joined.rstrip("/")))
    except PathError as error:
        raise CodecError(str(error)) from None


def _value(entry: dict[str, Any], kind: Type | None) -> Value:
    value: Any
    if isinstance(value := entry.get("v"), int | float):
        return from_number(value, kind)
    if isinstance(value := entry.get("bv"), bool):
        return value
    if isinstance(value := entry.get("ov"), str):
        return parse_object_link(value)
    if isinstance(value := entry.get("sv"), str):
        return from_base64(value) if kind is Type.OPAQUE else value
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
