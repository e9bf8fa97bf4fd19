"""The body of a request: its syntax first (400 bad_request), then every faulty member at once (400 validation_error)."""

from __future__ import annotations

import json
import re
import typing
from functools import cache
from typing import Any

import msgspec

from lamplighter.errors import FieldFault, requests

_KINDS = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}


def read_json(body: bytes) -> Any:
    """The JSON value of a body.

    Raises BodyNotUtf8, MalformedJson, BodyHasDuplicateKeys, BodyHasLoneSurrogate.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise requests.BodyNotUtf8(position=error.start) from None
    try:
        value = _DECODER.decode(text.removeprefix("\ufeff").strip(" \t\r\n"))
    except json.JSONDecodeError as error:
        raise requests.MalformedJson(
            fault=f"{error.msg.lower()} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise requests.MalformedJson(fault="it is nested too deeply") from None
    except ValueError as error:
        raise requests.MalformedJson(fault=str(error)) from None
    if "\\u" in text and _has_lone_surrogate(text, value):
        raise requests.BodyHasLoneSurrogate()
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise requests.BodyHasDuplicateKeys(key=ascii(key))
            seen.add(key)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_no_constant)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _has_lone_surrogate(text: str, value: Any) -> bool:
    if _SURROGATE.search(text) is None:
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def convert(value: Any, kind: Any, faults: list[FieldFault]) -> Any:
    """Convert a JSON value to the operation's body type; every fault is added to the list, and None returned.

    A struct may have a method ``faults()`` that yields FieldFault for what types cannot say.

    Raises BodyNotObject when the value as a whole is of another kind.
    """
    expected = (
        dict if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else (typing.get_origin(kind) or kind)
    )
    if expected in _KINDS and not isinstance(value, expected):
        raise requests.BodyNotObject(expected=_KINDS[expected], found=_named(value))
    before = len(faults)
    _find_nul(value, "", faults)
    try:
        converted = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        entry = _struct_in(kind) if expected is list else None
        if expected is dict:
            _collect(value, kind, "", faults)
        elif entry is not None and all(isinstance(each, dict) for each in value):
            for index, each in enumerate(value):
                _collect(each, entry, f"[{index}].", faults)
        else:
            faults.append(_fault_of(str(error), "body"))
        return None
    check = getattr(converted, "faults", None)
    if check is not None:
        faults.extend(check())
    return converted if len(faults) == before else None


@cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The struct's members. Asking for them evaluates every annotation anew: a millisecond for a device."""
    return msgspec.structs.fields(kind)


def _collect(value: dict[str, Any], kind: type[msgspec.Struct], prefix: str, faults: list[FieldFault]) -> None:
    """Convert member by member, so that all faults are found and not only the first."""
    for field in _fields(kind):
        name = prefix + field.encode_name
        if field.encode_name not in value:
            if field.required:
                faults.append(FieldFault(name, "is required"))
            continue
        member = value[field.encode_name]
        try:
            msgspec.convert(member, field.type)
        except msgspec.ValidationError as error:
            inner = _struct_in(field.type)
            if inner is not None and isinstance(member, dict):
                _collect(member, inner, f"{name}.", faults)
            elif isinstance(member, dict):
                faults.extend(_faults_of_map(member, field.type, name, str(error)))
            elif (choices := _choices_of(field.type)) and not isinstance(member, (list, dict)):
                faults.append(FieldFault(name, f"must be one of {', '.join(choices)}"))
            else:
                faults.append(_fault_of(str(error), name))


def _choices_of(kind: Any) -> list[str]:
    """The values of a Literal, also where it stands beside None."""
    if typing.get_origin(kind) is typing.Literal:
        return [str(value) for value in typing.get_args(kind)]
    return [choice for part in typing.get_args(kind) for choice in _choices_of(part)]


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    for part in (kind, *typing.get_args(kind)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part
    return None


def _faults_of_map(member: dict[str, Any], kind: Any, name: str, error: str) -> list[FieldFault]:
    """One fault for each entry of a map that does not fit; the map's own fault when its entries all do."""
    found = []
    for key, entry in member.items():
        try:
            msgspec.convert({key: entry}, _without_size(kind))
        except msgspec.ValidationError as fault:
            found.append(_fault_of(str(fault), f"{name}.{key}"))
    return found or [_fault_of(error, name)]


def _without_size(kind: Any) -> Any:
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _find_nul(value: Any, name: str, faults: list[FieldFault]) -> None:
    """PostgreSQL's text, and C clients, end at U+0000: refuse it everywhere alike."""
    if isinstance(value, str):
        if "\x00" in value:
            faults.append(FieldFault(name or "body", "must not contain the character U+0000"))
    elif isinstance(value, dict):
        for key, member in value.items():
            _find_nul(key, f"{name}.{key}".strip("."), faults)
            _find_nul(member, f"{name}.{key}".strip("."), faults)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _find_nul(member, f"{name}[{index}]", faults)


def _named(value: Any) -> str:
    kind = _KINDS.get(type(value), "value")
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}" if kind != "null" else "null"


_TYPE_WORDS = {
    "str": "a string", "int": "a whole number", "float": "a number", "bool": "true or false",
    "object": "an object", "array": "an array", "null": "null",
}  # fmt: skip
_PATTERNS = {"^[A-Za-z]": "must begin with a letter", "^[a-zA-Z]": "must begin with a letter"}
_PHRASES: tuple[tuple[re.Pattern[str], Any], ...] = (
    (
        re.compile(r"Expected `([\w| ]+)`, got `(\w+)`"),
        lambda m: f"must be {_alternatives(m[1])}, not {_TYPE_WORDS.get(m[2], m[2])}",
    ),
    (re.compile(r"Expected `str` of length <= (\d+)"), lambda m: f"must have at most {m[1]} characters"),
    (re.compile(r"Expected `str` of length >= (\d+)"), lambda m: f"must have at least {m[1]} characters"),
    (
        re.compile(r"Expected `str` matching regex '(.*)'"),
        lambda m: _PATTERNS.get(m[1], "must match " + m[1].replace("\\\\", "\\")),
    ),
    (re.compile(r"Expected `object` of length <= (\d+)"), lambda m: f"must have at most {m[1]} entries"),
    (re.compile(r"Expected `array` of length <= (\d+)"), lambda m: f"must have at most {m[1]} entries"),
    (re.compile(r"Expected `array` of length >= (\d+)"), lambda m: f"must have at least {m[1]} entries"),
    (re.compile(r"Expected `(?:int|float)` >= (-?[\d.]+)"), lambda m: f"must be at least {m[1]}"),
    (re.compile(r"Expected `(?:int|float)` <= (-?[\d.]+)"), lambda m: f"must be at most {m[1]}"),
    (re.compile(r"Invalid enum value (.+)"), lambda m: f"must be one of the documented values, not {m[1]}"),
    (re.compile(r"Object missing required field `(\w+)`"), lambda m: f"needs the member {m[1]}"),
)


def _alternatives(types: str) -> str:
    return " or ".join(
        _TYPE_WORDS.get(part.strip(), part.strip()) for part in types.split("|") if part.strip() != "null"
    )


def _fault_of(error: str, name: str) -> FieldFault:
    """A validator's sentence in our words, and the place it speaks of."""
    text, _, place = error.partition(" - at `")
    place = place.removesuffix("`")
    if place.startswith("key"):
        place = ""
    path = re.sub(r"^\$", "", place).replace("[...]", "")
    if path.startswith("["):
        name = ("" if name == "body" else name) + path
    for pattern, phrase in _PHRASES:
        match = pattern.fullmatch(text)
        if match:
            return FieldFault(name, phrase(match))
    return FieldFault(name, text[:1].lower() + text[1:])
