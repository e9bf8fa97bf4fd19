"""How soon what one process revokes ends in another that no word of the bus reaches, on PostgreSQL; and what looking costs."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.bench.measure import Options, Row, cpu_seconds
from tests.roles.separate import Separate
from tests.servers import NatsServer, PostgresServer

TIMES = 10
"""Of each kind. They begin at whatever moment between two looks."""
IDLE = 5.0
"""Seconds."""


def measure(options: Options) -> list[Row]:
    postgres, nats = PostgresServer(), NatsServer()
    try:
        postgres.start()
        nats.start()
        with tempfile.TemporaryDirectory(prefix="lamplighter-bench-") as folder:
            return asyncio.run(_measure(Path(folder), postgres, nats))
    finally:
        nats.remove()
        postgres.remove()


async def _measure(folder: Path, postgres: PostgresServer, nats: NatsServer) -> list[Row]:
    async with Separate(folder, postgres.url("postgres"), nats.url) as processes:
        heard = await _longest(processes.revoke_device_key)
        nats.stop()
        kinds = {
            "an access key": processes.revoke_access_key,
            "a user token": processes.revoke_token,
            "a pre-shared key": processes.revoke_device_key,
            "a suspended device": processes.suspend_device,
        }
        rows = [
            Row(
                what=f"revocation, wake-up lost: {what}",
                ours=await _longest(revoke) * 1e3,
                unit="ms",
                goal="≤ 1,000 ms, the longest",
                limit=1000.0,
            )
            for what, revoke in kinds.items()
        ]
        rows[2].peer, rows[2].theirs = "wake-up heard", heard * 1e3
        before = [cpu_seconds(pid) for pid in processes.pids]
        await asyncio.sleep(IDLE)
        spent = [cpu_seconds(pid) - seconds for pid, seconds in zip(processes.pids, before, strict=True)]
        return [*rows, Row(what="an idle process, every look included", ours=max(spent) / IDLE * 1e3, unit="ms/s")]


async def _longest(revoke: Callable[[], Awaitable[float]]) -> float:
    return max([await revoke() for _ in range(TIMES)])
