"""Link format as a payload of Discover, content format 40: each link is a path with its attributes as text."""

from __future__ import annotations

from lamplighter.lwm2m.codecs.value import CodecError, Values, relative_path
from lamplighter.lwm2m.link import Link, LinkFormatError, format_links, parse_links
from lamplighter.lwm2m.path import Path, PathError, parse_path


def decode(payload: bytes, base: Path) -> Values:
    """Each path with its own link as the value. Raises CodecError."""
    try:
        links = parse_links(payload)
        return [(relative_path(base, parse_path(link.target)), format_links([link])) for link in links]
    except (LinkFormatError, PathError) as error:
        raise CodecError(str(error)) from None


def encode(values: Values, base: Path) -> bytes:
    """A value is a link as ``decode`` gives it, or any other, of which only the path is written."""
    links = [
        value if isinstance(value, str) and value.startswith("<") else format_links([Link(str(path))])
        for path, value in values
    ]
    return ",".join(links).encode()
