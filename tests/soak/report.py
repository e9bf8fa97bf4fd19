"""What a soak prints: what was asked, what was seen, and whether that is enough."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    what: str
    seen: str
    asked: str = ""
    """Empty: a figure without a goal."""
    met: bool = True

    def __str__(self) -> str:
        verdict = ("met" if self.met else "MISSED") if self.asked else ""
        asked = f"  (asked: {self.asked})" if self.asked else ""
        return f"  {verdict:6}  {self.what}: {self.seen}{asked}"


class Report:
    """Prints each line at once."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._began = time.monotonic()

    def scenario(self, text: str) -> None:
        took = time.monotonic() - self._began
        print(f"\n{text}  [{took:,.0f} s in, load {os.getloadavg()[0]:.1f}]", flush=True)

    def say(self, what: str, seen: str) -> None:
        self._add(Line(what, seen))

    def hold(self, what: str, seen: str, asked: str, met: bool) -> None:
        self._add(Line(what, seen, asked, met))

    @property
    def missed(self) -> int:
        return sum(not line.met for line in self.lines)

    def _add(self, line: Line) -> None:
        self.lines.append(line)
        print(line, flush=True)
