"""CoRE link format, RFC 6690, as LwM2M clients and the vendor's client really write it.

The vendor's values are raw between their quotes: ``v="a"b"`` has no escapes. So a quote ends a value only where what
follows can go on the list: the end, ``,<`` or ``;`` and an attribute's name. The parser reads each character a bounded
number of times, whatever is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from lamplighter.lwm2m.steps import STEP, Steps, finish

#: Far above the largest gateway seen; a registration has at most 1 MiB.
MAX_LINKS = 50_000

_NAME = re.compile(r"[A-Za-z0-9!#$&+.^_`|~-]{1,64}\*?")
# Nearly every link is this: attributes without a value, or quoted without a quote or backslash inside.
_PLAIN = re.compile(r'<([^>]{0,2048}+)>((?:;[A-Za-z][A-Za-z0-9!#$&+.^_`|~-]{0,63}+(?:="[^"\\]*+")?+)*+)(?=,<|\Z)')
_ATTRIBUTE = re.compile(r';([^;="]+)(="([^"]*)")?')
_BARE = re.compile(r"[^\s\",;<]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CLOSING = re.compile(r'"(?=\s*(?:$|,\s*<|;\s*[A-Za-z]))')
_SPACE = re.compile(r"\s*")
#: Attributes whose numbers LwM2M writes without quotes (Core 1.1 section 7.3, RFC 7252 section 7.2.1).
_UNQUOTED = frozenset({"ct", "dim", "epmax", "epmin", "gt", "lt", "pmax", "pmin", "ssid", "st", "sz", "ver"})
_NUMBER = re.compile(r"-?\d+(?:\.\d+)*")
#: Attributes that the vendor's client writes raw.
_RAW = frozenset({"aobs", "v"})


class LinkFormatError(ValueError):
    """The text is not a list of links."""


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One link: where it points, and its attributes in order; an attribute without a value has None.

    A gateway has thousands: a struct is made, kept and read again in a tenth of what a dataclass takes.
    """

    target: str
    attributes: tuple[tuple[str, str | None], ...] = ()

    def get(self, name: str) -> str | None:
        """The first value of that attribute; None when it is absent or has none."""
        for candidate, value in self.attributes:
            if candidate == name:
                return value
        return None

    def has(self, name: str) -> bool:
        for candidate, _ in self.attributes:
            if candidate == name:
                return True
        return False

    def at(self, target: str) -> Link:
        """The same attributes somewhere else."""
        return Link(target, self.attributes)

    @property
    def removed(self) -> bool:
        """``;d``: an update of the vendor's client takes the resource away."""
        return self.has("d")

    @property
    def observable(self) -> bool:
        return self.has("obs") or self.has("aobs")

    @property
    def resource_types(self) -> tuple[str, ...]:
        """The words of ``rt``."""
        return tuple((self.get("rt") or "").split())


def parse_links(payload: bytes | str) -> list[Link]:
    """Raises LinkFormatError."""
    return finish(link_steps(payload))


def link_steps(payload: bytes | str) -> Steps[list[Link]]:
    """The same in steps."""
    if isinstance(payload, bytes):
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise LinkFormatError("not UTF-8") from None
    else:
        text = payload
    text = text.rstrip("\x00 \t\r\n")
    links: list[Link] = []
    position = _skip(text, 0)
    while position < len(text):
        if len(links) >= MAX_LINKS:
            raise LinkFormatError(f"more than {MAX_LINKS} links")
        plain = _PLAIN.match(text, position)
        if plain is not None:
            target, attributes = plain.groups()
            pairs = [(name, value if given else None) for name, given, value in _ATTRIBUTE.findall(attributes)]
            links.append(Link(target, tuple(pairs)))
            position = plain.end()
        else:
            link, position = _link(text, position)
            links.append(link)
        if position == len(text):
            break
        if text[position] != ",":
            raise LinkFormatError(f"{text[position]!r} after a link, at {position}")
        position = _skip(text, position + 1)
        if position == len(text):
            raise LinkFormatError("a comma after the last link")
        if not len(links) % STEP:
            yield
    return links


def format_links(links: Iterable[Link]) -> str:
    """The same back. Values of ``v`` and ``aobs`` are written raw, as the vendor does; others are escaped."""
    return ",".join([_format(link) for link in links])


def _link(text: str, position: int) -> tuple[Link, int]:
    """A link that is not plain, and where it ends."""
    if text[position] != "<":
        raise LinkFormatError(f"a link begins with '<', at {position}")
    end = text.find(">", position)
    if end < 0 or end - position > 2048:
        raise LinkFormatError(f"a target without '>' or longer than 2048, at {position}")
    target = text[position + 1 : end]
    attributes: list[tuple[str, str | None]] = []
    position = _skip(text, end + 1)
    while position < len(text) and text[position] == ";":
        match = _NAME.match(text, _skip(text, position + 1))
        if match is None:
            raise LinkFormatError(f"no attribute's name after ';', at {position}")
        name = match.group()
        value: str | None = None
        position = match.end()
        if position < len(text) and text[position] == "=":
            value, position = _value(text, name, position + 1)
        attributes.append((name, value))
        position = _skip(text, position)
    return Link(target, tuple(attributes)), position


def _value(text: str, name: str, position: int) -> tuple[str, int]:
    if text[position : position + 1] != '"':
        match = _BARE.match(text, position)
        assert match is not None
        return match.group(), match.end()
    start = position + 1
    for closing in _CLOSING.finditer(text, start):
        end = closing.start()
        if name not in _RAW and _escaped(text, start, end):
            continue
        value = text[start:end]
        return (value if name in _RAW else _ESCAPE.sub(r"\1", value)), end + 1
    raise LinkFormatError(f"no closing quote, at {position}")


def _escaped(text: str, start: int, end: int) -> bool:
    """Whether the quote at ``end`` is escaped by an odd number of backslashes."""
    first = end
    while first > start and text[first - 1] == "\\":
        first -= 1
    return (end - first) % 2 == 1


def _skip(text: str, position: int) -> int:
    if position < len(text) and text[position] > " " and text[position] < "\x7f":
        return position
    match = _SPACE.match(text, position)
    return position if match is None else match.end()


def _format(link: Link) -> str:
    parts = [f"<{link.target}>"]
    for name, value in link.attributes:
        if value is None:
            parts.append(name)
        elif name in _UNQUOTED and _NUMBER.fullmatch(value):
            parts.append(f"{name}={value}")
        elif name in _RAW:
            parts.append(f'{name}="{value}"')
        else:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            parts.append(f'{name}="{escaped}"')
    return ";".join(parts)
