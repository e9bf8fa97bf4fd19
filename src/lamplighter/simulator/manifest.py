"""The vendor's firmware manifest, version 3, as far as a device reads it (wire facts section 5.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_SEQUENCE, _INTEGER, _OCTETS, _TEXT, _ENUMERATED = 0x30, 0x02, 0x04, 0x0C, 0x0A
#: Tags of the manifest's first fields, in order: vendor, class, priority, component, version, digest, size, address.
_FIELDS = (_OCTETS, _OCTETS, _INTEGER, _TEXT, _TEXT, _OCTETS, _INTEGER, _TEXT)
_VERSION = b"\x03"


class ManifestMalformed(ValueError):
    """The bytes are no manifest of version 3."""


@dataclass(frozen=True, slots=True)
class Manifest:
    vendor_id: bytes
    class_id: bytes
    component: str
    version: str
    digest: bytes
    """SHA-256 of the payload."""
    size: int
    """Bytes of the payload."""
    uri: str


def read_manifest(data: bytes) -> Manifest:
    """Raises ManifestMalformed. The signature is not looked at: a simulated device trusts everybody."""
    try:
        return _read(data)
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ManifestMalformed("it ends too early, or is no text where text belongs") from error


def _read(data: bytes) -> Manifest:
    tag, signed = next(_elements(data))
    parts = list(_elements(signed))
    if tag != _SEQUENCE or len(parts) < 2 or parts[0] != (_ENUMERATED, _VERSION) or parts[1][0] != _SEQUENCE:
        raise ManifestMalformed("no manifest of version 3")
    fields = list(_elements(parts[1][1]))[: len(_FIELDS)]
    if tuple([tag for tag, _ in fields]) != _FIELDS:
        raise ManifestMalformed("its fields are not those of a manifest")
    vendor, class_, _, component, version, digest, size, uri = [value for _, value in fields]
    return Manifest(
        vendor, class_, component.decode(), version.decode(), digest, int.from_bytes(size, "big"), uri.decode()
    )


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element of DER. Raises IndexError, ManifestMalformed."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:
            octets = length & 0x7F
            length, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        if at + length > len(data):
            raise ManifestMalformed("an element longer than what is there")
        yield tag, data[at : at + length]
        at += length
