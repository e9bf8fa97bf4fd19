"""The channels of an application from a terminal."""

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


async def test_channels_are_listed_shown_tested_and_replayed_by_name(tmp_path: Path) -> None:
    program = Program(tmp_path / "data", LAMPLIGHTER_OUTBOUND_ALLOWED_NETWORKS="127.0.0.0/8")
    await asyncio.to_thread(program.start)
    try:
        async with receiving() as receiver:

            async def run(*arguments: str) -> tuple[int, str]:
                done = await asyncio.to_thread(program.run, "channels", *arguments)
                return done.returncode, done.stdout or done.stderr

            assert await run("list") == (0, "The application has no channels.\n")
            for name, body in (
                ("hook", {"type": "webhook", "webhook": {"url": receiver.url()}}),
                ("live", {"type": "websocket"}),
            ):
                path = f"/v2/notification/channels/{name}"
                code, _ = await asyncio.to_thread(program.call, path, method="PUT", body=body)
                assert code == 201
            code, listed = await run("list")
            assert [line.split()[:3] for line in listed.splitlines()] == [
                ["hook", "webhook", "delivering,"],
                ["live", "websocket", "disconnected,"],
            ]
            code, shown = await run("show", "hook")
            assert code == 0 and "delivering, 0 events wait" in shown and "last acknowledged: never" in shown
            code, shown = await run("show", "live", "--json")
            assert code == 0 and json.loads(shown)["name"] == "live"
            assert (await run("test", "hook"))[0] == 0
            assert (await run("test", "live"))[0] == 1
            code, said = await run("replay", "hook", "--from", "latest")
            assert (code, said) == (0, "hook goes on with what happens from now on\n")
            code, said = await run("replay", "live", "--from", "2001-01-01T00:00:00Z")
            assert code == 1 and "goes back to" in said
            code, said = await run("show", "no/such channel")
            assert code == 1 and "no notification channel named no/such channel" in said
    finally:
        await asyncio.to_thread(program.stop)
