"""How the interpreter of a serving process looks for garbage, and shares its time among threads.

Almost nothing here is garbage that refers to itself: what a request leaves behind goes when its last reference does. Left to
itself, Python's collector looks after every 700 new objects, some ten requests of devices, and each time it is thorough it
walks through every session and registration in memory: a tenth of the server's time, and pauses that all devices wait for.
"""

from __future__ import annotations

import gc
import sys

YOUNG = 20_000
"""New objects after which the collector looks at them: some hundred bytes each, and a pause of 3 ms."""
YOUNG_TOGETHER = 5
"""Such rounds after which it looks at all their survivors again. In a storm nearly all survive: 20 rounds of 50,000 were a
pause of 180 ms."""
THOROUGH = 500
"""Of those after which it may look at everything."""
SWITCH = 0.001
"""Seconds that a thread waits for the event loop to let it go on. A commit is such a wait before it and one behind it, and
with Python's 5 ms each was what devices waited for in a storm."""


def settle() -> None:
    """To be called once, when everything has been started: what is there now stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, YOUNG_TOGETHER, THOROUGH)
    sys.setswitchinterval(SWITCH)
