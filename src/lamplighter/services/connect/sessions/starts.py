"""Which start of the service this is, and whether the stored sessions still hold.

A start has a number above all before. It is the least incarnation that a session loaded after it gets, and the head of every
token given after it, so that neither repeats even where a session's own row was lost. Beside SQLite's file the number is
kept in a file of its own: a database that was put back by hand is older than it, and its sessions are void.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from lamplighter.services.connect.sessions import store
from lamplighter.storage.database import Database

FILE = "session-starts"


class Start(NamedTuple):
    """A start of this process."""

    number: int
    generation: str
    """What stored sessions are sealed under."""


async def begin(database: Database, folder: Path | None) -> Start:
    """Take the next number. All sessions become void when the database is in another history than at the start before,
    or older than the number kept in ``folder``.

    Raises DatabaseUnavailable, OSError.
    """
    kept = _read(folder)
    async with database.transaction() as tx:
        row = await store.generation(tx, secrets.token_hex(16))
        continues = row["history"] in ("", row["current"]) and row["starts"] >= kept
        generation = row["generation"] if continues else secrets.token_hex(16)
        number = max(row["starts"], kept) + 1
        await store.begin(tx, generation, number)
    _write(folder, number)
    return Start(number, generation)


def _read(folder: Path | None) -> int:
    path = folder / FILE if folder is not None else None
    return int(path.read_text()) if path is not None and path.exists() else 0


def _write(folder: Path | None, number: int) -> None:
    if folder is None:
        return
    new = folder / f"{FILE}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, folder / FILE)
