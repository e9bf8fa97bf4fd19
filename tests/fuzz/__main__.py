"""Fuzz the parsers one after the other: ``./dev fuzz [--seconds N] [NAME ...]``.

Each target runs by itself under Atheris (libFuzzer, guided by coverage) for so many seconds of CPU time: a busy machine
fuzzes no less. What was reached is kept in ``.fuzz/`` and gone on from the next time; an input that raises, hangs or
grows memory ends the run and is kept there too.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.targets import TARGETS

CORPUS = Path(".fuzz")
_PULSE = re.compile(r"cov: (\d+).*rss: (\d+)Mb")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


@dataclass
class Findings:
    """What the runs of one target came to."""

    code: int = 0
    executed: int = 0
    pulses: list[tuple[int, int]] = field(default_factory=list)  # edges covered, MB resident
    tail: list[str] = field(default_factory=list)


def fuzz(name: str, seconds: int) -> bool:
    """One target; whether nothing was found."""
    folder = CORPUS / re.sub(r"[^a-z0-9]+", "-", name)
    folder.mkdir(parents=True, exist_ok=True)
    before, found = _cpu(), Findings()
    # libFuzzer counts time on the wall. What a busy machine kept from a run, the next one makes up for.
    while not found.code and (left := seconds - (_cpu() - before)) > 0:
        _run(name, folder, max(1, round(left)), found)
    coverage, last = found.pulses[-1] if found.pulses else (0, 0)
    # The first pulses come while the corpus is read; from then on memory has no reason to grow.
    settled = found.pulses[len(found.pulses) // 4][1] if found.pulses else 0
    minutes = (_cpu() - before) / 60
    verdict = f"FOUND, see {folder}-found-*" if found.code else "nothing"
    print(f"{name:30} {minutes:7.1f} {found.executed:12,} {coverage:9} {settled:7} {last:7}  {verdict}", flush=True)
    if found.code:
        print("".join(found.tail))
    return not found.code


def _run(name: str, folder: Path, seconds: int, found: Findings) -> None:
    options = [
        f"-max_total_time={seconds}",
        "-max_len=4096",
        "-rss_limit_mb=1024",
        "-timeout=60",  # by the clock: a machine that is busy with something else must not look like a hang
        "-print_final_stats=1",
        f"-artifact_prefix={folder}-found-",
        str(folder),
    ]
    command = [sys.executable, "-m", "tests.fuzz.one", name, *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace")
    assert process.stderr is not None
    for line in process.stderr:
        found.tail = [*found.tail[-40:], line]
        if pulse := _PULSE.search(line):
            found.pulses.append((int(pulse[1]), int(pulse[2])))
        if executed := _EXECUTED.search(line):
            found.executed += int(executed[1])
    found.code = process.wait()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev fuzz", description="Fuzz what reads a stranger's bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="of CPU time for each target (60)")
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(TARGETS)}")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]!r}")
    print(f"{'target':30} {'CPU min':>7} {'runs':>12} {'coverage':>9} {'MB then':>7} {'MB last':>7}  found")
    return 0 if all([fuzz(name, chosen.seconds) for name in chosen.names or TARGETS]) else 1


if __name__ == "__main__":
    sys.exit(main())
