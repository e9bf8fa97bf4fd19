"""Nothing acknowledged is lost: not when the process is killed, not when the power goes.

The power cut is made from a trace of a writer's system calls (see tests/disk.py).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.disk import Call, Disk, calls, traced

CHILD = Path(__file__).parent / "writer_child.py"
KILLS = 50
CUTS = 60
ROWS = 1500


@pytest.fixture
def path(tmp_path: Path, sqlite_template: Path) -> Path:
    copy = tmp_path / "files" / "cut.db"
    copy.parent.mkdir()
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


@pytest.fixture
def trace(path: Path, tmp_path: Path) -> list[Call]:
    """The system calls of a writer of many rows. The folder ``before`` has the files from before it."""
    (tmp_path / "before").mkdir()
    shutil.copy(path, tmp_path / "before")
    command = [sys.executable, str(CHILD), str(path), str(ROWS)]
    subprocess.run(traced(tmp_path / "trace", command), check=True, capture_output=True)
    assert rows_of(path) == set(range(ROWS))
    return list(calls(tmp_path / "trace"))


def lost_by_cuts(trace: list[Call], folder: Path, *, honest: bool) -> tuple[int, Disk]:
    """How many of many power cuts, each at another moment of the trace, lost something acknowledged."""
    chance = random.Random(60)
    chosen = set(chance.sample(range(len(trace)), CUTS))
    disk = Disk(folder / "files", folder / "before", honest=honest)
    lost = 0
    for moment, call in enumerate(trace):
        disk.do(call)
        if moment in chosen:
            after = folder / f"{honest}-{moment}"
            disk.after_a_cut(after, chance)
            try:
                lost += not acknowledged(disk) <= rows_of(after / "cut.db")
            except sqlite3.DatabaseError:
                lost += 1
    return lost, disk


def acknowledged(disk: Disk) -> set[int]:
    return {int(each) for each in disk.said}


def test_every_acknowledged_row_survives_a_power_cut(trace: list[Call], tmp_path: Path) -> None:
    lost, disk = lost_by_cuts(trace, tmp_path, honest=True)
    assert acknowledged(disk) == set(range(ROWS))
    assert disk.written["cut.db"] > 0, "the trace has no checkpoint: the test needs more rows"
    assert lost == 0


def test_a_disk_that_ignores_syncs_would_lose_rows(trace: list[Call], tmp_path: Path) -> None:
    """The method itself finds a loss where there is one."""
    lost, _ = lost_by_cuts(trace, tmp_path, honest=False)
    assert lost > CUTS / 2
