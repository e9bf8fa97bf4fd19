"""Webhooks of a served process, for tests: registered, and what their receivers got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from lamplighter.services.channels.store import Channel
from tests.api.toy import ACCOUNT, ADMIN
from tests.outbound.receivers import PATIENCE, Receiver, Request
from tests.services.channels.served import (
    CALLBACK,
    Served,
)

only_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
HOUR = 3600.0
SOON: dict[str, Any] = {"pause": lambda failures: 0.02}
"""Failed deliveries are tried again at once."""


async def hook(served: Served, receiver: Receiver, key: str = ADMIN, **more: Any) -> None:
    """Register a webhook, and forget its probe."""
    answer = await served.call("PUT", CALLBACK, key, json={"url": receiver.url(), **more})
    assert answer.status_code == 204, answer.text
    receiver.requests.clear()


def messages(requests: Iterable[Request]) -> list[dict[str, list[Any]]]:
    return [json.loads(each.body) for each in requests]


def paths(requests: Iterable[Request]) -> list[str]:
    """The paths of all notifications, in the order they came."""
    return [item["path"] for message in messages(requests) for item in message.get("notifications", ())]


def numbered(numbers: Iterable[int]) -> list[str]:
    return [f"/3303/0/{number}" for number in numbers]


async def until(receiver: Receiver, true: Callable[[], bool]) -> None:
    """Wait until requests that arrived make it so."""
    async with asyncio.timeout(PATIENCE), receiver.arrived:
        await receiver.arrived.wait_for(true)


async def settled(served: Served, true: Callable[[Channel], bool]) -> Channel:
    """Wait until the row of the webhook is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            row = await served.channels._store.get(ACCOUNT, "subject")
            if row is not None and true(row):
                return row
            await asyncio.sleep(0.01)
