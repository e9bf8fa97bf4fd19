"""Plain text, one value: OMA LwM2M Core 1.1 section 7.4.1."""

from __future__ import annotations

from lamplighter.lwm2m.codecs.value import CodecError, Values, from_text, to_text, type_at
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import Path


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Raises CodecError."""
    if base.resource is None:
        raise CodecError("text is for a single resource")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise CodecError("not UTF-8") from None
    return [(base, from_text(text, type_at(base, definitions)))]


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """Raises CodecError unless there is exactly one value."""
    if len(values) != 1:
        raise CodecError("text holds exactly one value")
    return to_text(values[0][1]).encode()
