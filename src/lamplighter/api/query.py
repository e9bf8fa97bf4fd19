"""The query of a URL: decoded strictly, single-valued."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from lamplighter.errors import requests


def decode(text: str, part: str, *, plus: bool = False) -> str:
    """Percent-decode one segment or value.

    Raises MalformedEscape where a % is not followed by two hex digits, or the bytes are not UTF-8.
    """
    if plus:
        text = text.replace("+", " ")
    if "%" not in text:
        if not text.isascii():
            try:
                return text.encode("latin-1").decode()
            except UnicodeError:
                raise requests.MalformedEscape(part=part, text=ascii(text[:40])) from None
        return text
    pieces = text.split("%")
    for piece in pieces[1:]:
        if len(piece) < 2 or not _is_hex(piece[0]) or not _is_hex(piece[1]):
            raise requests.MalformedEscape(part=part, text=ascii("%" + piece[:2]))
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeError:
        raise requests.MalformedEscape(part=part, text=ascii(text[:40])) from None


def _is_hex(character: str) -> bool:
    return character in "0123456789abcdefABCDEF"


def read(raw: bytes) -> dict[str, str]:
    """The parameters of a query string by name.

    Raises ParameterRepeated and MalformedEscape.
    """
    values: dict[str, str] = {}
    if not raw:
        return values
    for pair in raw.decode("latin-1").split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        name = decode(name, "query", plus=True)
        if name in values:
            raise requests.ParameterRepeated(name=name)
        values[name] = decode(value, "query", plus=True)
    return values
