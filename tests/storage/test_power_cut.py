"""Nothing acknowledged is lost: not when the process is killed, not when the power goes.

The power cut is made from a trace of a writer's system calls (``strace``): at a moment of the trace, its files are rebuilt from
what had been synced by then, plus an arbitrary part of what had only been written, as a disk may keep it.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHILD = Path(__file__).parent / "writer_child.py"
KILLS = 50
CUTS = 60
ROWS = 1500
SECTOR = 512


@pytest.fixture
def path(tmp_path: Path, sqlite_template: Path) -> Path:
    copy = tmp_path / "cut.db"
    shutil.copyfile(sqlite_template, copy)
    connection = sqlite3.connect(copy)
    connection.execute("CREATE TABLE acknowledged (number INTEGER PRIMARY KEY, filler TEXT)")
    connection.commit()
    connection.close()
    return copy


def rows_of(path: Path) -> set[int]:
    """What a new process finds in a sound file. Raises sqlite3.DatabaseError."""
    connection = sqlite3.connect(path)
    try:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the file is damaged")
        return {number for (number,) in connection.execute("SELECT number FROM acknowledged")}
    finally:
        connection.close()


def test_every_acknowledged_row_survives_fifty_kills(path: Path) -> None:
    chance = random.Random(50)
    acknowledged: set[int] = set()
    command = [sys.executable, str(CHILD), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        for kill in range(KILLS):
            server.stdin.write(f"{kill * 1_000_000}\n")
            server.stdin.flush()
            pid = int(server.stdout.readline().split()[1])
            left = chance.randint(1, 150)
            for line in iter(server.stdout.readline, "dead\n"):
                acknowledged.add(int(line))
                left -= 1
                if left == 0:
                    os.kill(pid, signal.SIGKILL)
            assert acknowledged <= rows_of(path), f"kill {kill}"
        server.stdin.close()
    assert len({number // 1_000_000 for number in acknowledged}) == KILLS


class Disk:
    """The files of one folder as a disk has them.

    :param honest: whether a sync makes what was written before it durable
    """

    def __init__(self, database: Path, honest: bool) -> None:
        self._honest = honest
        self._synced = {database.name: bytearray(database.read_bytes())}
        self._pending: list[tuple[str, int, bytes | None]] = []
        self.acknowledged: set[int] = set()
        self.checkpoints = 0

    def write(self, name: str, offset: int, data: bytes) -> None:
        self._pending.append((name, offset, data))

    def truncate(self, name: str, length: int) -> None:
        self._pending.append((name, length, None))

    def sync(self, name: str) -> None:
        if self._honest:
            for change in [change for change in self._pending if change[0] == name]:
                apply(self._synced, *change)
            self._pending = [change for change in self._pending if change[0] != name]

    def after_a_cut(self, folder: Path, chance: random.Random) -> Path:
        """Write the files as they may be found when the power is back; the database's path."""
        folder.mkdir()
        files = {name: bytearray(content) for name, content in self._synced.items()}
        kept = chance.random()
        for name, offset, data in self._pending:
            if data is None:
                if chance.random() < kept:
                    apply(files, name, offset, None)
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < kept:
                    apply(files, name, offset + start, data[start : start + SECTOR])
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder / "cut.db"


def apply(files: dict[str, bytearray], name: str, offset: int, data: bytes | None) -> None:
    content = files.setdefault(name, bytearray())
    if data is None:
        del content[offset:]
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


CALL = re.compile(r'(\d+) +(\w+)\((\d+)<([^>]*)>(?:, "((?:\\x[0-9a-f]{2})*)"(?:, \d+(?:, (\d+))?)?|, (\d+))?')
RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>")


def replay(trace: Path, disk: Disk) -> Iterator[None]:
    """Do to the disk what the trace says, one call after the other. A sync counts when it has returned."""
    syncing: dict[str, str] = {}
    for line in trace.read_text().splitlines():
        if resumed := RESUMED.match(line):
            if resumed[1] in syncing:
                disk.sync(syncing.pop(resumed[1]))
                yield
            continue
        call = CALL.match(line)
        if call is None:
            continue
        process, function, descriptor, file, text, offset, length = call.groups()
        name, data = Path(unescaped(file).decode()).name, unescaped(text or "")
        if function == "write" and descriptor == "1":
            disk.acknowledged.add(int(data))
        elif not name.startswith("cut.db") or name.endswith("-shm"):
            continue
        elif function == "pwrite64":
            disk.write(name, int(offset), data)
            disk.checkpoints += name == "cut.db"
        elif function == "ftruncate":
            disk.truncate(name, int(length))
        elif function in ("fsync", "fdatasync"):
            if line.endswith("<unfinished ...>"):
                syncing[process] = name
            else:
                disk.sync(name)
        yield


def unescaped(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@pytest.fixture
def trace(path: Path, tmp_path: Path) -> Path:
    """The system calls of a writer of many rows; the files are left as they were before it."""
    found = tmp_path / "trace"
    before = path.read_bytes()
    calls = "trace=write,pwrite64,fsync,fdatasync,ftruncate"
    subprocess.run(
        ["strace", "-f", "-y", "-xx", "-s", "1000000", "-e", calls, "-e", "signal=none", "-o", found]
        + [sys.executable, str(CHILD), str(path), str(ROWS)],
        check=True,
        capture_output=True,
    )
    assert rows_of(path) == set(range(ROWS))
    path.write_bytes(before)
    return found


def lost_by_cuts(path: Path, trace: Path, folder: Path, *, honest: bool) -> tuple[int, Disk]:
    """How many of many power cuts, each at another moment of the trace, lost something acknowledged."""
    chance = random.Random(60)
    moments = sum(1 for _ in replay(trace, Disk(path, honest)))
    chosen = set(chance.sample(range(moments), CUTS))
    disk = Disk(path, honest)
    lost = 0
    for moment, _ in enumerate(replay(trace, disk)):
        if moment in chosen:
            try:
                lost += not disk.acknowledged <= rows_of(disk.after_a_cut(folder / f"{honest}-{moment}", chance))
            except sqlite3.DatabaseError:
                lost += 1
    return lost, disk


def test_every_acknowledged_row_survives_a_power_cut(path: Path, trace: Path, tmp_path: Path) -> None:
    lost, disk = lost_by_cuts(path, trace, tmp_path, honest=True)
    assert disk.acknowledged == set(range(ROWS))
    assert disk.checkpoints > 0, "the trace has no checkpoint: the test needs more rows"
    assert lost == 0


def test_a_disk_that_ignores_syncs_would_lose_rows(path: Path, trace: Path, tmp_path: Path) -> None:
    """The method itself finds a loss where there is one."""
    lost, _ = lost_by_cuts(path, trace, tmp_path, honest=False)
    assert lost > CUTS / 2
