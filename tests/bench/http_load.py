"""Load over HTTP with wrk: one thread, a few dozen connections, requests made by a few lines of Lua."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Load

CONNECTIONS = 32
TIMEOUT = 20
"""Seconds for an answer: wrk counts more than two as an error, which a loaded machine may take."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is made over and over, and the status that every answer must have."""

    what: str
    method: str
    path: str
    """``%d`` stands for a number that goes up, where there is one; ``%s`` for one of ``ids``."""
    status: int
    key: str = ""
    body: str = ""
    """Again with ``%d``."""
    ids: tuple[str, ...] = ()

    def script(self) -> str:
        headers = ['["Content-Type"] = "application/json"'] if self.body else []
        if self.key:
            headers.append(f'["Authorization"] = "Bearer {self.key}"')
        path = "ids[n % #ids + 1]" if self.ids else "n"
        return f"""
local n, wrong = math.random(1, 1000000000), 0
local ids = {{ {", ".join(f'"{each}"' for each in self.ids)} }}
local headers = {{ {", ".join(headers)} }}
function init(args) math.randomseed(tonumber(args[1])); n = math.random(1, 1000000000) end
function request()
  n = n + 1
  return wrk.format("{self.method}", string.format("{self.path}", {path}), headers, string.format([[{self.body}]], n))
end
function response(status, headers, body)
  if status ~= {self.status} then wrong = wrong + 1; if wrong < 3 then io.stderr:write(status, " ", body, "\\n") end end
end
"""


_seed = 0


def load(port: int, ask: Ask, folder: Path) -> Load:
    """Runs wrk. Raises RuntimeError when an answer had another status."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk is needed for this benchmark: install it (Debian: wrk)")
    script = folder / f"{abs(hash((port, ask)))}.lua"
    script.write_text(ask.script())

    def run(seconds: float) -> int:
        global _seed
        _seed += 1
        # wrk counts in whole seconds
        command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", f"--timeout={TIMEOUT}s"]
        done = subprocess.run(
            [*command, "-s", str(script), f"http://127.0.0.1:{port}", "--", str(_seed)],
            capture_output=True,
            text=True,
        )
        if done.returncode or done.stderr or "Socket errors" in done.stdout:
            raise RuntimeError(f"{ask.what}: {done.stderr or done.stdout}")
        found = re.search(r"(\d+) requests in", done.stdout)
        return int(found[1]) if found else 0

    return run
