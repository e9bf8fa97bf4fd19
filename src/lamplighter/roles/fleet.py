"""Simulated devices as a role of a process: their names and keys, and the loop they run on."""

from __future__ import annotations

import asyncio
import hmac
import signal
from collections.abc import Callable, Sequence

from lamplighter.clock import SystemClock
from lamplighter.simulator.fleet import Credential, Fleet, Summary, TooManyDevices

__all__ = ["Credential", "Fleet", "Summary", "TooManyDevices", "credentials", "run_fleet", "run_until_stopped"]


def credentials(admin_key: str, seed: int, count: int) -> list[Credential]:
    """Names and keys of simulated devices, the same for the same installation and seed.

    They are derived from the administrator's key by HMAC-SHA256, so that a second run needs no memory of the first and
    nobody without that key can guess them.
    """

    def derive(what: str) -> bytes:
        return hmac.digest(admin_key.encode(), f"lamplighter simulate {what}".encode(), "sha256")

    run = derive(f"seed {seed}").hex()[:8]
    names = [f"lamplighter-sim-{run}-{number:05}" for number in range(1, count + 1)]
    return [Credential(name, derive(f"key {name}")) for name in names]


async def run_fleet(
    devices: Sequence[Credential],
    host: str,
    port: int,
    *,
    seed: int,
    stop: asyncio.Event,
    report: Callable[[Summary], None],
) -> Summary:
    """Keep the devices connected until ``stop``. Raises OSError (no such host), TooManyDevices."""
    return await Fleet(devices, host, port, clock=SystemClock(), seed=seed).run(stop, report)


def run_until_stopped(
    devices: Sequence[Credential], host: str, port: int, *, seed: int, report: Callable[[Summary], None]
) -> Summary:
    """The same as a whole process: SIGINT and SIGTERM stop it. Gives how it went just before the end."""

    async def main() -> Summary:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await run_fleet(devices, host, port, seed=seed, stop=stop, report=report)

    return asyncio.run(main())
