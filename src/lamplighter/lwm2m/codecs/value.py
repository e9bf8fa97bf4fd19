"""Values of resources, and the conversions every content format shares: OMA LwM2M Core 1.1 appendix C."""

from __future__ import annotations

import base64
import binascii
import math
import re
from typing import NamedTuple

from lamplighter.lwm2m.objects import Definitions, Type, types_of
from lamplighter.lwm2m.path import MAX_ID, Path, PathError, parse_path

_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")


#: Values of one payload: far more than any object has, and few enough to be read at once.
MOST_RECORDS = 10_000


class CodecError(ValueError):
    """The payload is not of its content format, or a value cannot be written in it."""


class ObjectLink(NamedTuple):
    """A reference to an object instance, ``3:0``; 65535:65535 refers to nothing."""

    object: int
    instance: int

    def __str__(self) -> str:
        return f"{self.object}:{self.instance}"


#: Times are whole seconds since 1970 UTC; core links are text.
Value = int | float | bool | str | bytes | ObjectLink
Values = list[tuple[Path, Value]]


def type_at(path: Path, definitions: Definitions | None = None) -> Type | None:
    """The type that the definitions give, None when the resource is not known or has no value."""
    object_id, _, resource, _ = path
    return None if object_id is None or resource is None else types_of(object_id, definitions).get(resource)


def parse_object_link(text: str) -> ObjectLink:
    """Raises CodecError."""
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= 5 for part in parts):
        raise CodecError(f"{text[:20]!r} is not an object link such as 3:0")
    link = ObjectLink(int(parts[0]), int(parts[1]))
    if max(link) > MAX_ID + 1:
        raise CodecError("an object link with an id above 65535")
    return link


def from_text(text: str, type_: Type | None) -> Value:
    """A value written as text (appendix C.1). A type that is not known gives the text itself. Raises CodecError."""
    try:
        match type_:
            case Type.INTEGER | Type.UNSIGNED | Type.TIME:
                return int(_spelled(_INTEGER, text))
            case Type.FLOAT:
                return _finite(float(_spelled(_DECIMAL, text)))
            case Type.BOOLEAN:
                return {"0": False, "1": True, "false": False, "true": True}[text]
            case Type.OPAQUE:
                return from_base64(text)
            case Type.OBJECT_LINK:
                return parse_object_link(text)
            case _:
                return text
    except (ValueError, KeyError) as error:
        if isinstance(error, CodecError):
            raise
        raise CodecError(f"{text[:20]!r} is not of type {type_.name if type_ else 'text'}") from None


def to_text(value: Value) -> str:
    """The same back."""
    match value:
        case bool():
            return "1" if value else "0"
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return str(value)


def from_base64(text: str) -> bytes:
    """Either alphabet, with or without padding. Raises CodecError."""
    try:
        padded = text.replace("-", "+").replace("_", "/").rstrip("=")
        return base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise CodecError("not base64") from None


def from_number(value: float, type_: Type | None) -> Value:
    """A number of a format that has only one kind of number, in the type of its resource. Raises CodecError."""
    if isinstance(value, bool):
        raise CodecError("a boolean where a number belongs")
    _finite(value)
    if type_ is Type.FLOAT:
        return as_float(value)
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise CodecError("a number of more than 64 bits")
    elif type_ is Type.INTEGER or type_ is Type.UNSIGNED or type_ is Type.TIME:
        if value != int(value):
            raise CodecError(f"{value} is not a whole number")
        return int(value)
    return value


def as_float(value: float) -> float:
    """Raises CodecError for a number that no double can hold."""
    try:
        return float(value)
    except OverflowError:
        raise CodecError("a number too large") from None


def _spelled(pattern: re.Pattern[str], text: str) -> str:
    # int() and float() take more spellings than LwM2M does: underscores, spaces, other digits, "inf".
    if pattern.fullmatch(text) is None:
        raise ValueError(text)
    return text


def _finite(value: float) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise CodecError("a number that is not finite")
    return value


def path_in(base: Path, text: str) -> Path:
    """The path that a text names, which must lie in the base. Raises CodecError."""
    try:
        path = parse_path(text)
    except PathError as error:
        raise CodecError(str(error)) from None
    if not base.contains(path):
        raise CodecError(f"{path} is not in {base}")
    return path
