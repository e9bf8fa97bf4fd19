"""LwM2M TLV: OMA LwM2M Core 1.1 section 7.4.3.

Type byte: bits 7-6 say what it is, bit 5 whether the id has two bytes, bits 4-3 how many bytes the length has, bits 2-0 the
length itself when that is zero. Numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from lamplighter.lwm2m.codecs.value import CodecError, ObjectLink, Value, Values, as_float, type_at
from lamplighter.lwm2m.objects import Definitions, Type, types_of
from lamplighter.lwm2m.path import MAX_ID, Path

_INSTANCE, _RESOURCE_INSTANCE, _MULTIPLE, _RESOURCE = range(4)
_FLOATS = {4: struct.Struct(">f"), 8: struct.Struct(">d")}
_LINK = struct.Struct(">HH")


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Values in the order of the payload. A resource of unknown type gives its bytes. Raises CodecError.

    At an object, resources without an instance around them belong to instance 0: clients with one instance send that.
    """
    object_id, instance, resource, resource_instance = base
    if object_id is None:
        raise CodecError("TLV is for an object or below")
    types = types_of(object_id, definitions)
    values: Values = []
    for kind, number, content in _entries(payload):
        if kind == _INSTANCE:
            if instance is not None and number != instance:
                raise CodecError(f"instance {number} is not in {base}")
            for inner, inner_number, part in _entries(content):
                _resource(inner, object_id, number, inner_number, part, types, values)
        elif kind == _RESOURCE_INSTANCE:
            if instance is None or resource is None:
                raise CodecError("an instance of a resource where a resource belongs")
            path = Path(object_id, instance, resource, number)
            values.append((path, _value(content, path, types.get(resource))))
        else:
            _resource(kind, object_id, instance or 0, number, content, types, values)
    if resource is not None:
        for path, _ in values:
            if path.resource != resource or resource_instance not in (None, path.resource_instance):
                raise CodecError(f"{path} is not in {base}")
    return values


def _resource(
    kind: int, object_id: int, instance: int, number: int, content: bytes, types: dict[int, Type], values: Values
) -> None:
    if kind == _RESOURCE:
        path = Path(object_id, instance, number)
        values.append((path, _value(content, path, types.get(number))))
    elif kind == _MULTIPLE:
        type_ = types.get(number)
        for inner, resource_instance, part in _entries(content):
            if inner != _RESOURCE_INSTANCE:
                raise CodecError("something else than resource instances in a multiple resource")
            path = Path(object_id, instance, number, resource_instance)
            values.append((path, _value(part, path, type_)))
    else:
        raise CodecError("an object or resource instance where a resource belongs")


def _entries(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Kind, id and content of each entry of one level."""
    position = 0
    size = len(data)
    while position < size:
        head = data[position]
        start = position + (3 if head & 0x20 else 2)
        width = head >> 3 & 3
        end = start + width
        if end > size:
            raise CodecError("ends inside an entry's head")
        number = int.from_bytes(data[position + 1 : start], "big") if head & 0x20 else data[position + 1]
        position = end + (int.from_bytes(data[start:end], "big") if width else head & 7)
        if position > size or number > MAX_ID:
            raise CodecError("an entry longer than its payload or with a reserved id")
        yield head >> 6, number, data[end:position]


def _value(content: bytes, path: Path, type_: Type | None) -> Value:
    if type_ is None:
        return content
    try:
        return _READ[type_](content)
    except CodecError as error:
        raise CodecError(f"{path} is {error}") from None


def _read_text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise CodecError("not UTF-8") from None


def _read_integer(content: bytes) -> int:
    if len(content) not in (1, 2, 4, 8):
        raise CodecError(f"an integer of {len(content)} bytes")
    return int.from_bytes(content, "big", signed=True)


def _read_unsigned(content: bytes) -> int:
    if len(content) not in (1, 2, 4, 8):
        raise CodecError(f"an unsigned integer of {len(content)} bytes")
    return int.from_bytes(content, "big")


def _read_float(content: bytes) -> float:
    form = _FLOATS.get(len(content))
    if form is None:
        raise CodecError(f"a float of {len(content)} bytes")
    return float(form.unpack(content)[0])


def _read_boolean(content: bytes) -> bool:
    if content not in (b"\x00", b"\x01"):
        raise CodecError("not a boolean")
    return content == b"\x01"


def _read_link(content: bytes) -> ObjectLink:
    if len(content) != 4:
        raise CodecError(f"an object link of {len(content)} bytes")
    return ObjectLink(*_LINK.unpack(content))


_READ: dict[Type, Callable[[bytes], Value]] = {
    Type.STRING: _read_text,
    Type.CORE_LINK: _read_text,
    Type.INTEGER: _read_integer,
    Type.TIME: _read_integer,
    Type.UNSIGNED: _read_unsigned,
    Type.FLOAT: _read_float,
    Type.BOOLEAN: _read_boolean,
    Type.OBJECT_LINK: _read_link,
    Type.OPAQUE: bytes,
}


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """What an object, instance or resource holds, without the levels of the base itself. Raises CodecError.

    An object gets its instances around the resources; so a write to an object is what the vendor's bootstrap needs.
    """
    if base.object is None:
        raise CodecError("TLV is for an object or below")
    if base.instance is not None:
        return _resources(values, definitions)
    groups: dict[int, Values] = {}
    for path, value in values:
        if path.instance is None:
            raise CodecError(f"{path} names no instance")
        groups.setdefault(path.instance, []).append((path, value))
    return b"".join([_entry(_INSTANCE, number, _resources(group, definitions)) for number, group in groups.items()])


def _resources(values: Values, definitions: Definitions | None) -> bytes:
    """In the order in which each resource comes first; the instances of one are put together."""
    parts: dict[int, bytes | list[bytes]] = {}
    for path, value in values:
        number, resource_instance = path.resource, path.resource_instance
        if number is None:
            raise CodecError(f"{path} names no resource")
        content = _content(value, path, definitions)
        if resource_instance is not None:
            instances = parts.setdefault(number, [])
            if isinstance(instances, list):
                instances.append(_entry(_RESOURCE_INSTANCE, resource_instance, content))
                continue
        elif number not in parts:
            parts[number] = _entry(_RESOURCE, number, content)
            continue
        raise CodecError(f"resource {number} is given twice")
    return b"".join(
        [
            part if isinstance(part, bytes) else _entry(_MULTIPLE, number, b"".join(part))
            for number, part in parts.items()
        ]
    )


def _entry(kind: int, number: int, content: bytes) -> bytes:
    length = len(content)
    if length < 8 and number < 256:
        return bytes((kind << 6 | length, number)) + content
    width = 0 if length < 8 else (length.bit_length() + 7) // 8
    if width > 3:
        raise CodecError("a value too long for TLV")
    wide = number > 255
    head = kind << 6 | wide << 5 | width << 3 | (0 if width else length)
    prefix = bytes((head,)) + number.to_bytes(2 if wide else 1, "big")
    return prefix + (length.to_bytes(width, "big") + content if width else content)


def _content(value: Value, path: Path, definitions: Definitions | None) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"\x01" if value else b"\x00"
    if isinstance(value, ObjectLink):
        return _LINK.pack(*value)
    type_ = type_at(path, definitions)
    if isinstance(value, float) or type_ is Type.FLOAT:
        return _FLOATS[8].pack(as_float(value))
    signed = type_ is not Type.UNSIGNED
    for width in (1, 2, 4, 8):
        try:
            return value.to_bytes(width, "big", signed=signed)
        except OverflowError:
            continue
    raise CodecError(f"{value} has more than 64 bits, or a sign where none may be")
