"""The webhook of an application from a terminal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.cli.program import Program
from tests.outbound.receivers import receiving, status

CALLBACK = "/v2/notification/callback"


async def test_a_webhook_is_shown_and_tested_with_a_key_of_its_application(tmp_path: Path) -> None:
    program = Program(tmp_path / "data", LAMPLIGHTER_OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8")
    await asyncio.to_thread(program.start)
    try:
        async with receiving() as receiver:
            absent = await asyncio.to_thread(program.run, "webhook", "show")
            assert absent.returncode == 1 and "no webhook channel" in absent.stderr
            body = {"url": receiver.url()}
            code, _ = await asyncio.to_thread(program.call, CALLBACK, method="PUT", body=body)
            assert code == 204
            good = await asyncio.to_thread(program.run, "webhook", "test")
            assert (good.returncode, good.stdout.split(" after")[0]) == (0, "acknowledged")
            receiver.script = status(500)
            key = str(program.data / "admin-key")
            bad = await asyncio.to_thread(program.run, "webhook", "test", "--key", key, "--json")
            assert bad.returncode == 1 and json.loads(bad.stdout)["status"] == 500
            shown = await asyncio.to_thread(program.run, "webhook", "show")
            assert shown.returncode == 0 and shown.stdout.startswith("delivering, 0 events wait, 0 were discarded")
    finally:
        await asyncio.to_thread(program.stop)
