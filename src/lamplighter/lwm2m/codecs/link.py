"""Link format as a payload of Discover, content format 40: each link is a path with its attributes as text."""

from __future__ import annotations

from lamplighter.lwm2m.codecs.value import CodecError, Values, path_in
from lamplighter.lwm2m.link import Link, LinkFormatError, format_links, parse_links
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import Path


def decode(payload: bytes, base: Path, definitions: Definitions | None = None) -> Values:
    """Each path with its own link as the value. Raises CodecError."""
    try:
        links = parse_links(payload)
    except LinkFormatError as error:
        raise CodecError(str(error)) from None
    return [(path_in(base, link.target), format_links([link])) for link in links]


def encode(values: Values, base: Path, definitions: Definitions | None = None) -> bytes:
    """A value is a link as ``decode`` gives it, or any other, of which only the path is written."""
    links = [
        value if isinstance(value, str) and value.startswith("<") else format_links([Link(str(path))])
        for path, value in values
    ]
    return ",".join(links).encode()
