"""Commands that work on an installation's own files and database."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lamplighter.cli.fail import Failure
from lamplighter.errors import Error
from lamplighter.settings import Settings, SettingsError, load


def init(username: str | None, email: str | None, data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    password = _password() if username else ""
    if username and not email:
        raise Failure("An administrator user needs an e-mail address too: --email")
    made = run_here(installation.prepare(data, settings_of(config), username, email, password))
    print(f"{data} is ready." if made else f"{data} was ready before.")
    print(f"The administrator's key is in {data / 'admin-key'}.")
    return 0


def migrate(data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    run_here(installation.migrate(data, settings_of(config)))
    print("The database has this version's schema.")
    return 0


def backup(target: Path, data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    run_here(installation.backup(data, settings_of(config), target))
    print(f"Copied to {target}. Keep {data / 'master-key'} and {data / 'pki'} too, and apart from it.")
    return 0


def restore(source: Path, data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    run_here(installation.restore(data, settings_of(config), source))
    print(f"Restored from {source}. Start with: lamplighter serve --data {data}")
    return 0


def maintenance(on: bool, note: str, data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    run_here(installation.maintenance(data, settings_of(config), on, note))
    print("The API answers 503 to everybody." if on else "The API is open.")
    return 0


def issue(endpoint_name: str, out: Path, data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    files = run_here(installation.issue(data, settings_of(config), endpoint_name, out))
    print("\n".join(str(path) for path in files))
    return 0


def settings_of(config: Path | None) -> Settings:
    try:
        return load(config)
    except SettingsError as error:
        raise Failure(str(error)) from None


def run_here(work: Coroutine[Any, Any, Any]) -> Any:
    try:
        return asyncio.run(work)
    except (Error, OSError, ValueError) as error:
        raise Failure(str(error)) from None


def _password() -> str:
    if sys.stdin.isatty():
        first, second = getpass.getpass("Password: "), getpass.getpass("Once more: ")
        if first != second:
            raise Failure("The two passwords differ.")
        return first
    return sys.stdin.readline().rstrip("\n")
