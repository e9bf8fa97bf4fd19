"""Long work of one device in turns with the others."""

from __future__ import annotations

import asyncio

from lamplighter.lwm2m.steps import Result, Steps


async def in_turns(steps: Steps[Result]) -> Result:
    """The loop does whatever else is ready after each step. Work of one step is done at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        await asyncio.sleep(0)
