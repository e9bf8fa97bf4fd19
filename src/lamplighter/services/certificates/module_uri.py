"""Where a key in a hardware module is (PKCS#11 URI, RFC 7512)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

SCHEME = "pkcs11:"
_OF_TOKEN: Final = ("token", "serial", "model", "manufacturer")
_OF_KEY: Final = ("object", "id", "type")
_OF_QUERY: Final = ("module-path", "pin-source")
_ATTRIBUTE: Final = re.compile(r"([a-z0-9_-]+)=((?:[A-Za-z0-9._~:\[\]@!$'()*+,=&/?-]|%[0-9A-Fa-f]{2})*)", re.ASCII)


class ModuleUri(NamedTuple):
    """A private key, and how to come to it."""

    text: str
    library: str
    """Path of the module's library."""
    token: tuple[tuple[str, str], ...]
    """What its token is known by: label (``token``), serial, model, manufacturer."""
    label: str | None
    id: bytes | None
    pin_file: Path | None
    """None: the key is used without a PIN."""


def parse_uri(text: str) -> ModuleUri:
    """Raises ValueError that says what is wrong with it, to follow "the PKCS#11 URI"."""
    path, mark, query = text.removeprefix(SCHEME).partition("?")
    found = {**_attributes(path, ";", (*_OF_TOKEN, *_OF_KEY)), **(_attributes(query, "&", _OF_QUERY) if mark else {})}
    if "module-path" not in found:
        raise ValueError("lacks ?module-path=, the module's library")
    if "object" not in found and "id" not in found:
        raise ValueError("names no key: give object= (its label) or id=")
    if not any(name in found for name in _OF_TOKEN):
        raise ValueError("names no token: give token= (its label) or serial=")
    if found.get("type", b"private") != b"private":
        raise ValueError("must have type=private")
    pin = _text(found, "pin-source")
    label = _text(found, "object")
    library = _text(found, "module-path")
    assert library is not None
    return ModuleUri(
        text,
        library,
        tuple((name, value) for name in _OF_TOKEN if (value := _text(found, name)) is not None),
        label,
        found.get("id"),
        None if pin is None else Path(pin.removeprefix("file:").removeprefix("//")),
    )


def _attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in text.split(separator):
        match = _ATTRIBUTE.fullmatch(part)
        if match is None:
            raise ValueError(f"has something else than name=value between its {separator}")
        if match[1] == "pin-value":
            raise ValueError("holds the PIN: put it into a file that only the server reads, and give pin-source=")
        if match[1] not in known:
            raise ValueError(f"has {match[1]}=, which is not known here; there are {', '.join(known)}")
        if match[1] in found:
            raise ValueError(f"has {match[1]}= twice")
        found[match[1]] = unquote_to_bytes(match[2])
    return found


def _text(found: dict[str, bytes], name: str) -> str | None:
    try:
        return found[name].decode() if name in found else None
    except UnicodeDecodeError:
        raise ValueError(f"has a {name}= that is not UTF-8") from None
