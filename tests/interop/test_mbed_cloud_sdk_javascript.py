"""The unmodified mbed-cloud-sdk 2.6.10 for JavaScript: devices by its polls, and by its webhook. It has no other channel.

It comes from npm as ``javascript/package-lock.json`` pins it. Our program is ``javascript/connect.js``; each of its steps is held
against what it must come to.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.interop.built import built, needed, step
from tests.interop.sdk import DEVICES, Sdk, api_key
from tests.roles.simulated import simulated

PROGRAM = Path(__file__).parent / "javascript"
PINNED = ("package.json", "package-lock.json")
PATIENCE = 60.0
"""Seconds that a program gets for all it does."""


@pytest.fixture(scope="module")
def modules() -> Path:
    """The folder with the SDK in it. Asked for before the server: while npm works, nothing else does."""

    def make(folder: Path) -> None:
        needed("node", "npm")
        for name in PINNED:
            shutil.copy(PROGRAM / name, folder)
        step("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)

    recipe = "".join((PROGRAM / name).read_text() for name in PINNED)
    return built("mbed-cloud-sdk-javascript", recipe, make) / "node_modules"


class Program:
    """``connect.js``, as it runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: dict[str, list[Any]] = {}
        """What came of each step."""

    async def until(self, wanted: str | None = None) -> dict[str, list[Any]]:
        """Read up to that step, or the end. All that was said until then."""
        assert self._process.stdout is not None and self._process.stderr is not None
        async for line in self._process.stdout:
            name, result = json.loads(line)
            self.said.setdefault(name, []).append(result)
            if name == wanted:
                return self.said
        errors = (await self._process.stderr.read()).decode()
        assert wanted is None and await self._process.wait() == 0, f"after {list(self.said)}:\n{errors}"
        return self.said


@asynccontextmanager
async def running(sdk: Sdk, modules: Path, *arguments: str) -> AsyncIterator[Program]:
    """Run the program as an application of its own."""
    process = sdk.serving.process
    child = await asyncio.create_subprocess_exec(
        *("node", PROGRAM / "connect.js", *arguments),
        env={
            "PATH": os.environ["PATH"],
            "NODE_PATH": str(modules),
            "NODE_EXTRA_CA_CERTS": str(process.folder.pki / "ca.pem"),
            "HOST": f"https://localhost:{process.port}",
            "KEY": await api_key(sdk.serving, arguments[0]),
            "DEVICE": sdk.devices[0],
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield Program(child)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


REQUESTED = {"read": ["Lamplighter"], "written": ["42"], "executed": [None], "refused": [404]}


def expected_of(device: str) -> dict[str, list[Any]]:
    """What the program says of a device that comes while it listens."""
    path = "/3311/0/5851"
    rule = {"deviceId": "*", "resourcePaths": [path]}
    return {
        "rules": [[rule]],
        "ready": [None],
        "came": [device],
        "value": [path],
        "left": [device],
        "no rules": [[]],
    }


async def test_a_device_is_listed_read_written_executed_and_subscribed_by_polls(modules: Path, sdk: Sdk) -> None:
    async with running(sdk, modules, "poll") as program:
        said = await program.until()
    assert set(said.pop("devices")[0]) == set(sdk.devices)
    assert "/3311/0" in said.pop("resources")[0]
    assert said == {
        **REQUESTED,
        "subscribed": [None],
        "notified": ["7", "8"],
        "emitted": [{"id": sdk.devices[0], "path": "/3311/0/5851", "payload": "8"}],
        "unsubscribed": [False],
    }


async def test_a_device_that_registers_and_its_pre_subscribed_value_are_told_by_polls(modules: Path, sdk: Sdk) -> None:
    async with running(sdk, modules, "registrations") as program:
        await program.until("ready")
        async with simulated(sdk.serving, 1, first=DEVICES + 1) as (device,):
            await program.until("value")
        assert await program.until() == expected_of(device)


async def test_all_of_that_arrives_by_the_webhook_too(modules: Path, sdk: Sdk) -> None:
    async with running(sdk, modules, "webhook") as program:
        await program.until("ready")
        async with simulated(sdk.serving, 1, first=DEVICES + 2) as (device,):
            await program.until("value")
        said = await program.until()
    assert said == {
        **REQUESTED,
        **expected_of(device),
        "before": [None],
        "registered": [True],
        "after": [None],
        "paths": [["PUT /hook lit"]],
    }
