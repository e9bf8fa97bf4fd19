"""``lamplighter serve``"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from lamplighter.cli.fail import Failure
from lamplighter.settings import Settings, SettingsError, load

if TYPE_CHECKING:
    from lamplighter.roles.process import Role
    from lamplighter.roles.workers import Worker


def serve(role: Role, data: Path, config: Path | None) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean end."""
    from lamplighter.roles.log import configure

    try:
        settings = load(config)
    except SettingsError as error:
        raise Failure(str(error)) from None
    configure(settings)
    from lamplighter.roles.workers import this_worker

    worker = this_worker()
    if role == "lwm2m" and settings.lwm2m.workers > 1 and worker is None:
        return uvloop.run(_supervise(data, config, settings))
    return uvloop.run(_serve(role, data, settings, worker))


async def _supervise(data: Path, config: Path | None, settings: Settings) -> int:
    from lamplighter.roles.places import CannotStart
    from lamplighter.roles.workers import Supervisor, worker_command

    try:
        supervisor = Supervisor(worker_command("lwm2m", data, config), settings)
    except CannotStart as error:
        raise Failure(f"Lamplighter cannot start: {error}") from None
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, supervisor.stop)
    print(f"{settings.lwm2m.workers} workers on port {supervisor.port} for devices.", file=sys.stderr, flush=True)
    await supervisor.run()
    return 0


async def _serve(role: Role, data: Path, settings: Settings, worker: Worker | None) -> int:
    from lamplighter.roles.interpreter import settle
    from lamplighter.roles.places import CannotStart
    from lamplighter.roles.process import Process

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    process = Process(data, settings, role, worker)
    try:
        await process.start()
    except CannotStart as error:
        raise Failure(f"Lamplighter cannot start: {error}") from None
    if process.port:
        greeting = _greeting(process.folder.path, process.port, process.settings, first=process.first_start)
    else:
        greeting = f"Lamplighter is running: {role}\nData: {process.folder.path.resolve()}"
    print(greeting, file=sys.stderr, flush=True)
    settle()
    await stop.wait()
    print("Lamplighter stops: open requests are being finished.", file=sys.stderr, flush=True)
    await process.close()
    return 0


def _greeting(data: Path, port: int, settings: Settings, *, first: bool) -> str:
    """What an operator needs now: on a terminal with the key, in a log only where it is."""
    key_file = data / "admin-key"
    program = os.environ.get("LAMPLIGHTER_PROGRAM", "lamplighter")
    lines = [f"Lamplighter is running: https://localhost:{port}/docs/", f"Data: {data.resolve()}"]
    if first:
        lines.append(f"The administrator's key is in {key_file}")
    if sys.stderr.isatty():
        if first:
            lines[-1] = f"The administrator's key (also in {key_file}):\n\n  {key_file.read_text().strip()}\n"
        curl = f'curl --cacert {data}/pki/ca.pem -H "Authorization: Bearer $(cat {key_file})"'
        lines += [
            "First call:",
            f"  {curl} https://localhost:{port}/v3/devices",
            "First device:",
            f"  {program} simulate --devices 1 --data {data}",
            "or with libcoap (Debian calls the program coap-client-openssl), after storing its key:",
            f'  {curl} -H "Content-Type: application/json" \\',
            '    -d \'{"endpoint_name": "my-first-device-1", "secret_hex": "73656372657473656372657473656372"}\' \\',
            f"    https://localhost:{port}/v2/device-shared-keys",
            "  coap-client -m post -u my-first-device-1 -k secretsecretsecr -t 40 -e '</3/0>' \\",
            f'    "coaps://localhost:{settings.lwm2m.port}/rd?ep=my-first-device-1&lt=3600&lwm2m=1.0&b=U"',
            f"Something wrong? {program} doctor; and each error's request_id: {program} explain <request_id>",
        ]
    return "\n".join(lines)
