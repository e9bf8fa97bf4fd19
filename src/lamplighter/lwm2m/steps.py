"""Long work in steps: a generator that yields between them and returns what came of it.

A gateway registers tens of thousands of links, and other devices are to be served meanwhile. The core knows no event loop: who
drives the generator does something else at each yield, or ``finish`` goes through at once.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Steps = Generator[None, None, Result]

STEP = 500
"""Links in one step: two to five milliseconds of parsing."""


def finish(steps: Steps[Result]) -> Result:
    """Without a pause."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
