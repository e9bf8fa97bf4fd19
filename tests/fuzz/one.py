"""One target under Atheris, in a process of its own: ``python -m tests.fuzz.one NAME libFuzzer-options...``."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lamplighter"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name, *options = sys.argv[1:]
    target = TARGETS[name]
    folder = Path(options[-1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    if target.words:  # libFuzzer refuses an empty dictionary
        words = folder.with_suffix(".words")
        words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in target.words))
        options.insert(0, f"-dict={words}")
    atheris.Setup([sys.argv[0], *options], target.make())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
