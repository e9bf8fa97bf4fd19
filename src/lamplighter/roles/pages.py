"""The pages that need no credential: docs, OpenAPI, health and metrics."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec

from lamplighter.api.http import PageHandler
from lamplighter.api.metrics import Metrics
from lamplighter.api.openapi import describe
from lamplighter.api.operation import Answer, Operation
from lamplighter.api.pages import errors, reference
from lamplighter.api.request import Request
from lamplighter.settings import Settings

HTML = "text/html; charset=utf-8"
_STRICT = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

PLAIN = frozenset({"/healthz", "/readyz", "/metrics"})
"""The paths that are served over plain HTTP too."""

Ready = Callable[[], Awaitable[dict[str, str]]]
"""The parts that are not ready, with the reason; empty when all are."""


def public_pages(
    operations: Iterable[Operation],
    settings: Settings,
    metrics: Metrics,
    ready: Ready,
    permissions: Mapping[str, str],
    groups: Mapping[str, frozenset[str]],
) -> dict[str, PageHandler]:
    """Every page by its path. Pages are printed once, when first asked for."""
    operations = list(operations)
    url = settings.public.rest_url
    printed: dict[str, Callable[[], bytes]] = {
        "/docs": reference.start,
        "/docs/api": lambda: reference.reference(operations, url),
        "/docs/troubleshooting": lambda: errors.troubleshooting(
            operations, settings.api.edition, settings.support.contact
        ),
        "/docs/errors": lambda: errors.catalogue(operations),
        "/docs/permissions": lambda: reference.permissions(operations, permissions, groups),
        "/docs/settings": reference.settings,
    }
    pages: dict[str, PageHandler] = {path: _once(content, HTML) for path, content in printed.items()}
    pages["/openapi.json"] = _once(lambda: msgspec.json.encode(describe(operations, url)), "application/json")

    async def home(request: Request) -> Answer:
        return Answer(b"", HTML, 302, {"Location": "/docs/"})

    async def healthz(request: Request) -> Answer:
        return Answer(b'{"status":"alive"}\n')

    async def readyz(request: Request) -> Answer:
        missing = await ready()
        body = {"status": "not ready" if missing else "ready", "waiting_for": missing}
        return Answer(msgspec.json.encode(body), status=503 if missing else 200)

    async def measurements(request: Request) -> Answer:
        if request.scheme != "http" or not (settings.metrics.open or _is_loopback(request.address)):
            return Answer(b"metrics are served on the plain port to loopback only (metrics.open)\n", "text/plain", 403)
        return Answer(metrics.text(), "text/plain; version=0.0.4; charset=utf-8")

    return {**pages, "": home, "/": home, "/healthz": healthz, "/readyz": readyz, "/metrics": measurements}


def _once(content: Callable[[], bytes], media_type: str) -> PageHandler:
    printed: list[bytes] = []

    async def page(request: Request) -> Answer:
        if not printed:
            printed.append(content())
        return Answer(printed[0], media_type, headers=_STRICT)

    return page


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
