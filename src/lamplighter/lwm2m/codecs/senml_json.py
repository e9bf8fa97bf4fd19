"""SenML in JSON, content format 110: RFC 8428 section 5."""

from __future__ import annotations

import base64

import msgspec

from lamplighter.lwm2m.codecs import senml
from lamplighter.lwm2m.codecs.json import load
from lamplighter.lwm2m.codecs.value import Values
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import Path


def records(payload: bytes, base: Path, definitions: Definitions | None = None) -> list[senml.Record]:
    """With times, for Send. Raises CodecError."""
    return senml.read(load(payload), senml.JSON, base, definitions)


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Raises CodecError."""
    return [(record.path, record.value) for record in records(payload, base, definitions)]


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """Raises CodecError."""
    pack = senml.write(values, senml.JSON, base)
    for record in pack:
        if isinstance(data := record.get(senml.JSON.data), bytes):
            # RFC 8428 section 5: the URL alphabet, no padding.
            record[senml.JSON.data] = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return msgspec.json.encode(pack)
