"""URLs that requests of ours go to: http and https, absolute, in the form that goes over the wire."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

_WIRE = re.compile(r"[\x21-\x7e]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


class Target(NamedTuple):
    """Where a request goes."""

    scheme: str
    host: str
    port: int
    path: str
    """Path and query."""


def target_of(url: str) -> Target:
    """Take a URL apart. Raises ValueError that says what is wrong with it, to follow the word "must"."""
    if not _WIRE.fullmatch(url) or "\\" in url:
        raise ValueError("be a URL of printable ASCII characters, others percent-encoded")
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets with something else than an IPv6 address in them
        raise ValueError("name a host") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("begin with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("have no user and password; send them in a header")
    if parts.fragment or url.endswith("#"):
        raise ValueError("have no fragment (#…)")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("have a port from 1 to 65535") from None
    host = parts.hostname
    if not host or not _HOST.fullmatch(host):
        raise ValueError("name a host")
    if port == 0:
        raise ValueError("have a port from 1 to 65535")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path)
