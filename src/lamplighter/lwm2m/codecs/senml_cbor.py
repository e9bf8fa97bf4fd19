"""SenML in CBOR, content format 112: RFC 8428 section 6."""

from __future__ import annotations

import cbor2

from lamplighter.lwm2m.codecs import senml
from lamplighter.lwm2m.codecs.cbor import load
from lamplighter.lwm2m.codecs.value import Values
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import Path


def records(payload: bytes, base: Path, definitions: Definitions | None = None) -> list[senml.Record]:
    """With times, for Send. Raises CodecError."""
    return senml.read(load(payload), senml.CBOR, base, definitions)


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Raises CodecError."""
    return [(record.path, record.value) for record in records(payload, base, definitions)]


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """Raises CodecError."""
    return cbor2.dumps(senml.write(values, senml.CBOR, base))
