"""SenML in JSON, content format 110: RFC 8428 section 5."""

from __future__ import annotations

import base64

import msgspec

from lamplighter.lwm2m.codecs import senml
from lamplighter.lwm2m.codecs.value import CodecError, Values
from lamplighter.lwm2m.path import Path


def records(payload: bytes, base: Path) -> list[senml.Record]:
    """With times, for Send. Raises CodecError."""
    try:
        pack = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise CodecError(f"not JSON: {error}") from None
    return senml.read(pack, senml.JSON, base)


def decode(payload: bytes, base: Path) -> Values:
    """Raises CodecError."""
    return [(record.path, record.value) for record in records(payload, base)]


def encode(values: Values, base: Path) -> bytes:
    """Raises CodecError."""
    pack = senml.write(values, senml.JSON, base)
    for record in pack:
        if isinstance(data := record.get("vd"), bytes):
            # RFC 8428 section 5: the URL alphabet, no padding.
            record["vd"] = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return msgspec.json.encode(pack)
