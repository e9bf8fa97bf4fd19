"""How requests to devices ended: kept where it needs explaining, and where doing it again would be doing it twice.

Of a request that the device has done, nothing is kept but of Execute and Create: the same again, within its life, is not
sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from lamplighter.clock import MICROSECONDS, Clock, to_rfc3339
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, is_success
from lamplighter.errors import connect
from lamplighter.services.connect.results import Undelivered
from lamplighter.services.connect.tables import commands, request_outcomes
from lamplighter.storage.database import Database, Reader, Row, Transaction
from lamplighter.storage.query import Query

PRUNED_TOGETHER = 1000
LONGEST_DIAGNOSTIC = 200
"""Characters."""

WHY: Mapping[Undelivered, str] = {
    Undelivered.EXPIRED: "It waited for the device until its expiry-seconds had passed, and was not delivered.",
    Undelivered.REMOVED: "The device's registration ended (it left, or was not heard of within its lifetime) before it came to "
    "this request.",
    Undelivered.BLOCKED: "The device was suspended before it came to this request.",
    Undelivered.UNKNOWN: "It was on its way to the device when the server's process ended. Nobody knows whether the device did "
    "it, and doing it twice could do harm: it was not sent again. Look at the device, then send it with a new async-id.",
}


class DeviceRequestState(msgspec.Struct, kw_only=True):
    """What became of a request to a device. ``state``: waiting, sent or ended. ``details``: what the server knows of the
    device's side."""

    object: Literal["device-request"] = "device-request"
    id: str
    async_id: str
    device_id: str
    method: str
    uri: str
    state: Literal["waiting", "sent", "ended"]
    status: int | None = None
    error: str | None = None
    why: str
    details: dict[str, Any] = {}
    created_at: str | None = None
    expires_at: str
    ended_at: str | None = None


_o, _c = request_outcomes.c, commands.c
_KEEP = Query(sa.insert(request_outcomes))
_DONE = Query(
    sa.select(_o.digest).where(
        _o.account_id == sa.bindparam("account_id"),
        _o.async_id == sa.bindparam("async_id"),
        _o.device_id == sa.bindparam("device_id"),
        _o.subject_id == sa.bindparam("subject_id"),
        _o.digest == sa.bindparam("digest"),
        _o.expires_at > sa.bindparam("now"),
    )
)
_FIND = Query(
    sa.select(request_outcomes)
    .where(
        _o.account_id == sa.bindparam("account_id"),
        sa.or_(_o.id == sa.bindparam("name"), _o.async_id == sa.bindparam("name")),
    )
    .order_by(_o.id.desc())
    .limit(1)
)
_FIND_WAITING = Query(
    sa.select(commands)
    .where(
        _c.account_id == sa.bindparam("account_id"),
        sa.or_(_c.id == sa.bindparam("name"), _c.async_id == sa.bindparam("name")),
    )
    .order_by(_c.id.desc())
    .limit(1),
    heavy=True,
)
_PRUNE = Query(
    sa.delete(request_outcomes).where(
        _o.id.in_(
            sa.select(_o.id).where(_o.ended_at < sa.bindparam("before")).order_by(_o.ended_at).limit(PRUNED_TOGETHER)
        )
    ),
    heavy=True,
)


def digest_of(method: str, uri: str, payload: bytes) -> str:
    """Tells requests with the same async-id apart; empty for those that may be done twice."""
    return hashlib.sha256(f"{method} {uri}\n".encode() + payload).hexdigest() if method == "POST" else ""


async def is_done(
    reader: Reader, account_id: str, device_id: str, subject_id: str, async_id: str, digest: str, now: int
) -> bool:
    """Whether the very same request has ended within its life."""
    own = {"account_id": account_id, "device_id": device_id, "subject_id": subject_id, "async_id": async_id}
    return bool(digest) and await reader.fetch_one(_DONE, **own, digest=digest, now=now) is not None


async def keep(
    tx: Transaction,
    account_id: str,
    device_id: str,
    request: Mapping[str, Any] | Row,
    item: Mapping[str, Any],
    now: int,
    details: Mapping[str, Any],
    digest: str = "",
) -> None:
    """Remember how a request ended, if that is needed.

    :param request: id, async_id, subject_id, method, uri, expires_at
    :param item: its async response
    """
    if item["status"] == 200 and not digest:
        return
    await tx.execute(
        _KEEP,
        account_id=account_id,
        device_id=device_id,
        **{name: request[name] for name in ("id", "async_id", "subject_id", "method", "uri", "expires_at")},
        digest=digest,
        status=item["status"],
        error=item.get("error") or "",
        details=msgspec.json.encode(details).decode(),
        ended_at=now,
    )


def answered(message: Message) -> dict[str, Any]:
    """What the device's own answer tells of a failure."""
    if is_success(message.code):
        return {}
    code = f"{message.code >> 5}.{message.code & 31:02}"
    try:
        code = f"{code} {Code(message.code).name}"
    except ValueError:
        pass
    told = message.payload.decode(errors="replace")[:LONGEST_DIAGNOSTIC].replace("\x00", "")
    return {"coap_code": code, "why": "The device answered so.", **({"diagnostic": told} if told else {})}


class Outcomes:
    """Looks up what became of requests."""

    def __init__(self, database: Database, clock: Clock, kept: float) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept

    async def explain(self, account_id: str, name: str) -> DeviceRequestState:
        """By async-id, or by the request ID of the answer 202. Raises DeviceRequestNotFound."""
        row = await self._database.fetch_one(_FIND_WAITING, account_id=account_id, name=name)
        if row is not None:
            return _waiting(row)
        row = await self._database.fetch_one(_FIND, account_id=account_id, name=name)
        if row is None:
            raise connect.DeviceRequestNotFound(name=name[:40], days=self._kept / 86400)
        details = msgspec.json.decode(row["details"], type=dict[str, Any])
        return DeviceRequestState(
            **{field: row[field] for field in ("id", "async_id", "device_id", "method", "uri", "status")},
            state="ended",
            error=row["error"] or None,
            why=details.pop("why", "The device has done it."),
            details=details,
            expires_at=to_rfc3339(row["expires_at"]),
            ended_at=to_rfc3339(row["ended_at"]),
        )

    async def prune(self) -> int:
        """Forget what ended long ago, some at once; how many."""
        before = self._clock.now() - round(self._kept * MICROSECONDS)
        async with self._database.transaction() as tx:
            return await tx.execute(_PRUNE, before=before)


def _waiting(row: Row) -> DeviceRequestState:
    sent = bool(row["sent_by"])
    why = (
        "It is on its way to the device." if sent else "It waits for its turn, or for the device to be heard of again."
    )
    return DeviceRequestState(
        **{field: row[field] for field in ("id", "async_id", "device_id", "method", "uri")},
        state="sent" if sent else "waiting",
        why=why,
        details={"deliveries_left": row["deliveries"]},
        created_at=to_rfc3339(row["created_at"]),
        expires_at=to_rfc3339(row["expires_at"]),
    )
