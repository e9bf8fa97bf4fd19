"""How everything is measured: the CPU time of a server process per operation, in rounds that alternate with the peers'.

Wall rates on a shared machine say little; CPU time of the server (``/proc/PID/task/*/schedstat``, nanoseconds on a core)
says nearly the same each time. The server has one core, whoever asks has another. Figures are medians over the rounds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]
ROUNDS = 5
SECONDS = 0.6
"""Length of one server's turn in a round."""


@dataclass(kw_only=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    ours: float
    unit: str = "µs"
    peer: str = ""
    """What the peer is; empty for none."""
    theirs: float | None = None
    goal: str = ""
    """As the design has it, for people; empty for none."""
    limit: float | None = None
    """The goal as a number of that unit."""
    goal_ratio: float | None = None
    """The goal as a ratio to the peer: what the limit was to the peer's figure on the machine that the goals were set on."""

    @property
    def verdict(self) -> str:
        """A machine that is slower all round misses every figure: then the ratio to the peer decides, and the row says so."""
        if self.limit is not None and self.ours <= self.limit:
            return "met"
        if self.ratio is not None and self.goal_ratio is not None and self.ratio <= self.goal_ratio:
            return "met by ratio" if self.limit is not None else "met"
        return "" if self.limit is None and self.goal_ratio is None else "MISSED"

    @property
    def ratio(self) -> float | None:
        """Ours to the peer's: below 1 is cheaper."""
        return None if not self.theirs else self.ours / self.theirs

    @property
    def rate(self) -> float | None:
        """Operations a second that one core can do."""
        return 1e6 / self.ours if self.unit == "µs" and self.ours else None


class Options:
    """What the command line says."""

    def __init__(self, devices: int | None = None, rounds: int = ROUNDS, seconds: float = SECONDS) -> None:
        self.devices = devices
        self.rounds = rounds
        self.seconds = seconds


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process. A thread that has ended takes its share with it."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9


def udp_ports(pid: int) -> list[int]:
    """The ports that a process has bound, in the order it did, read back from the system.

    Nobody chooses a port here before its server does: whatever else runs on the machine may take it meanwhile.
    Raises RuntimeError when there is none within a few seconds.
    """
    end = time.monotonic() + 5
    while time.monotonic() < end:
        open_files = {os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()}
        lines = [
            line.split()
            for table in ("udp", "udp6")
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        ]
        inodes = {int(line[9]): int(line[1].rpartition(":")[2], 16) for line in lines}
        own = sorted(inode for inode in inodes if f"socket:[{inode}]" in open_files)
        if own:
            return [inodes[inode] for inode in own]
        time.sleep(0.01)
    raise RuntimeError(f"process {pid} has no UDP port")


def pin_client() -> None:
    """Put this process, and what it starts from now on, on the client's core."""
    os.sched_setaffinity(0, {CLIENT_CORE})


@contextmanager
def child(*arguments: str, cwd: Path | None = None, errors: Path | None = None) -> Iterator[tuple[int, list[str]]]:
    """A Python module as a server on its own core: its process ID and the words it printed when it was ready."""
    with program(
        sys.executable, "-W", "ignore", "-m", *arguments, ready=lambda line: line.startswith("ready"), errors=errors
    ) as process:
        assert process.stdout is not None
        yield process.pid, process.words


class Running(subprocess.Popen[str]):
    words: list[str]


@contextmanager
def program(*command: str, ready: Callable[[str], bool] | None = None, errors: Path | None = None) -> Iterator[Running]:
    """A program on the server's core, until the block ends. ``ready`` tells the line that says it serves."""
    with errors.open("ab") if errors else open(os.devnull, "ab") as sink:
        process = Running(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            stderr=sink if errors or not ready else None,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )
        process.words = []
        try:
            if ready is not None:
                assert process.stdout is not None
                for line in process.stdout:
                    if ready(line):
                        process.words = line.split()[1:]
                        break
                else:
                    raise RuntimeError(f"{' '.join(command)} ended with {process.wait()} before it served")
            yield process
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


Load = Callable[[float], int]
"""Load for so many seconds; how many operations were done."""


def microseconds(servers: Mapping[str, tuple[int, Load]], options: Options) -> dict[str, float]:
    """CPU time per operation of each server by its name, in turns, so that all see the same weather."""
    found: dict[str, list[float]] = {name: [] for name in servers}
    for _, load in servers.values():
        load(options.seconds / 2)  # caches, first sessions, imports that wait for the first call
    for number in range(options.rounds):
        order = list(servers.items())
        for name, (pid, load) in order if number % 2 == 0 else reversed(order):
            before = cpu_seconds(pid)
            done = load(options.seconds)
            if not done:
                raise RuntimeError(f"{name} answered nothing")
            found[name].append((cpu_seconds(pid) - before) / done * 1e6)
    return {name: median(values) for name, values in found.items()}
