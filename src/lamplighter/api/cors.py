"""Cross-origin calls from web pages (Fetch standard): answers carry the headers, preflights are answered here.

The key travels in a header that pages set themselves and never in a cookie, so any origin may be let in.
"""

from __future__ import annotations

from collections.abc import Iterable

EXPOSED = b"X-Request-ID, Link, Location, Content-Location, Retry-After, RateLimit, RateLimit-Policy, Allow"
ALLOWED_HEADERS = (
    b"Authorization, Content-Type, Content-MD5, Accept, Cache-Control, Last-Event-ID, X-Request-ID, X-Lamplighter-Fault"
)


class Cors:
    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode("latin-1", "replace") for origin in origins)
        self._any = b"*" in self._origins

    def headers(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        """What an answer to a page of that origin carries."""
        if origin is None or not (self._any or origin in self._origins):
            return []
        return [
            (b"access-control-allow-origin", b"*" if self._any else origin),
            (b"access-control-expose-headers", EXPOSED),
            (b"vary", b"Origin"),
        ]

    def preflight(self, origin: bytes | None, methods: bytes) -> list[tuple[bytes, bytes]]:
        headers = self.headers(origin)
        if headers:
            headers += [
                (b"access-control-allow-methods", methods),
                (b"access-control-allow-headers", ALLOWED_HEADERS),
                (b"access-control-max-age", b"600"),
            ]
        return headers
