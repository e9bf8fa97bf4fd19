"""Requests to issuers: what every one of them has in common."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec

from lamplighter.outbound.client import OutboundClient, Outgoing, Reply
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.services.issuers.issued import Refused, Unreachable
from lamplighter.services.issuers.kinds import KeyFault, Values, opened_key

LONGEST_WORD = 200
"""Characters of an issuer's own words that are passed on."""

T = TypeVar("T")


@asynccontextmanager
async def reaching(outbound: OutboundClient, url: str, credentials: Values) -> AsyncIterator[Outgoing]:
    """A place for requests to that URL, as the client that the credentials make us. Raises Unreachable, Refused."""
    try:
        if credentials.get("client_certificate"):
            reserved = outbound.reserve_as(credentials["client_certificate"], opened_key(credentials), url)
        else:
            reserved = outbound.reserve(url)
        async with reserved as outgoing:
            yield outgoing
    except OutboundFailed as failure:
        raise Unreachable(str(failure)) from failure
    except KeyFault as fault:
        raise Refused(f"its {fault.name} {fault}") from fault


async def post(outgoing: Outgoing, body: object, headers: Mapping[str, str] | None = None) -> Reply:
    """Send JSON. Raises OutboundFailed."""
    given = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    return await outgoing.send("POST", given, msgspec.json.encode(body))


def decoded(reply: Reply, kind: type[T]) -> T:
    """The JSON of an answer. Raises Refused."""
    if not reply.whole:
        raise Refused("its answer is larger than this server reads")
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(f"its answer ({reply.status}) is not the JSON that its API has") from None


def words(text: str) -> str:
    """Words of an issuer's, on one line, and no more than fit."""
    shown = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return shown[:LONGEST_WORD].rstrip(".")
