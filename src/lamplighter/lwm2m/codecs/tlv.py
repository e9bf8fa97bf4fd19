"""LwM2M TLV: OMA LwM2M Core 1.1 section 7.4.3.

Type byte: bits 7-6 say what it is, bit 5 whether the id has two bytes, bits 4-3 how many bytes the length has, bits 2-0 the
length itself when that is zero. Numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from lamplighter.lwm2m.codecs.value import CodecError, ObjectLink, Value, Values, as_float, type_at
from lamplighter.lwm2m.objects import Type
from lamplighter.lwm2m.path import MAX_ID, Path

_INSTANCE, _RESOURCE_INSTANCE, _MULTIPLE, _RESOURCE = range(4)
_FLOATS = {4: ">f", 8: ">d"}


def decode(payload: bytes, base: Path) -> Values:
    """Values in the order of the payload. A resource of unknown type gives its bytes. Raises CodecError.

    At an object, resources without an instance around them belong to instance 0: clients with one instance send that.
    """
    values: Values = []
    ids = base.ids
    for kind, number, content in _entries(payload):
        if kind == _INSTANCE:
            instance = _inside(ids, 1, number)
            for inner, resource, part in _entries(content):
                _resource(inner, (*instance, resource), part, values)
        elif kind == _RESOURCE_INSTANCE:
            path = Path(*_inside(ids, 3, number))
            values.append((path, _value(content, path)))
        else:
            above = (ids[0], 0) if len(ids) == 1 else ids
            _resource(kind, _inside(above, 2, number), content, values)
    if not all(base.contains(path) for path, _ in values):
        raise CodecError("a value outside the path asked for")
    return values


def _inside(ids: tuple[int, ...], level: int, number: int) -> tuple[int, ...]:
    """The numbers down to that level, the last one being ``number``."""
    if len(ids) < level:
        raise CodecError("an entry that does not fit the path asked for")
    return (*ids[:level], number)


def _resource(kind: int, ids: tuple[int, ...], content: bytes, values: Values) -> None:
    path = Path(*ids)
    if kind == _RESOURCE:
        values.append((path, _value(content, path)))
    elif kind == _MULTIPLE:
        for inner, number, part in _entries(content):
            if inner != _RESOURCE_INSTANCE:
                raise CodecError("something else than resource instances in a multiple resource")
            values.append((Path(*(*ids, number)), _value(part, path)))
    else:
        raise CodecError("an object or resource instance where a resource belongs")


def _entries(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, id and content of each entry of one level."""
    position = 0
    size = len(data)
    while position < size:
        head = data[position]
        start = position + 1 + (2 if head & 0x20 else 1)
        width = head >> 3 & 3
        end = start + width
        if end > size:
            raise CodecError("ends inside an entry's head")
        number = int.from_bytes(data[position + 1 : start], "big")
        length = int.from_bytes(data[start:end], "big") if width else head & 7
        position = end + length
        if position > size or number > MAX_ID:
            raise CodecError("an entry longer than its payload or with a reserved id")
        yield head >> 6, number, data[end:position]


def _value(content: bytes, path: Path) -> Value:
    kind = type_at(path)
    match kind:
        case Type.STRING | Type.CORE_LINK:
            try:
                return content.decode()
            except UnicodeDecodeError:
                raise CodecError(f"{path} is not UTF-8") from None
        case Type.INTEGER | Type.TIME | Type.UNSIGNED:
            if len(content) not in (1, 2, 4, 8):
                raise CodecError(f"{path} is an integer of {len(content)} bytes")
            return int.from_bytes(content, "big", signed=kind is not Type.UNSIGNED)
        case Type.FLOAT:
            if len(content) not in _FLOATS:
                raise CodecError(f"{path} is a float of {len(content)} bytes")
            return float(struct.unpack(_FLOATS[len(content)], content)[0])
        case Type.BOOLEAN:
            if content not in (b"\x00", b"\x01"):
                raise CodecError(f"{path} is not a boolean")
            return content == b"\x01"
        case Type.OBJECT_LINK:
            if len(content) != 4:
                raise CodecError(f"{path} is an object link of {len(content)} bytes")
            return ObjectLink(*struct.unpack(">HH", content))
        case _:
            return content


def encode(values: Values, base: Path) -> bytes:
    """What an object, instance or resource holds, without the levels of the base itself. Raises CodecError.

    An object gets its instances around the resources; so a write to an object is what the vendor's bootstrap needs.
    """
    depth = len(base.ids)
    if not depth:
        raise CodecError("TLV is for an object or below")
    if depth < 2:
        groups: dict[int, Values] = {}
        for path, value in values:
            if path.instance is None:
                raise CodecError(f"{path} names no instance")
            groups.setdefault(path.instance, []).append((path, value))
        return b"".join(_entry(_INSTANCE, number, _resources(group)) for number, group in groups.items())
    return _resources(values)


def _resources(values: Values) -> bytes:
    parts: list[bytes] = []
    multiple: dict[int, list[bytes]] = {}
    order: dict[int, None] = {}
    single: dict[int, bytes] = {}
    for path, value in values:
        if path.resource is None:
            raise CodecError(f"{path} names no resource")
        order[path.resource] = None
        content = _content(value, type_at(path))
        if path.resource_instance is None:
            single[path.resource] = _entry(_RESOURCE, path.resource, content)
        else:
            multiple.setdefault(path.resource, []).append(_entry(_RESOURCE_INSTANCE, path.resource_instance, content))
    for number in order:
        if number in multiple:
            parts.append(_entry(_MULTIPLE, number, b"".join(multiple[number])))
        if number in single:
            parts.append(single[number])
    return b"".join(parts)


def _entry(kind: int, number: int, content: bytes) -> bytes:
    length = len(content)
    width = 0 if length < 8 else (length.bit_length() + 7) // 8
    if width > 3:
        raise CodecError("a value too long for TLV")
    wide = number > 255
    head = kind << 6 | wide << 5 | width << 3 | (0 if width else length)
    return (
        bytes((head,)) + number.to_bytes(2 if wide else 1, "big") + length.to_bytes(width or 1, "big")[:width] + content
    )


def _content(value: Value, kind: Type | None) -> bytes:
    match value:
        case bool():
            return bytes((value,))
        case int() if kind is Type.FLOAT:
            return struct.pack(">d", as_float(value))
        case int():
            signed = kind is not Type.UNSIGNED
            for width in (1, 2, 4, 8):
                try:
                    return value.to_bytes(width, "big", signed=signed)
                except OverflowError:
                    continue
            raise CodecError(f"{value} has more than 64 bits, or a sign where none may be")
        case float():
            return struct.pack(">d", value)
        case str():
            return value.encode()
        case bytes():
            return value
        case ObjectLink():
            return struct.pack(">HH", *value)
