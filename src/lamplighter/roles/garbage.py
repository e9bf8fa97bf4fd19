"""How often a serving process looks for garbage that refers to itself.

Almost nothing here does: what a request leaves behind goes when its last reference does. Left to itself, Python's collector
looks after every 700 new objects, some ten requests of devices, and each time it is thorough it walks through every session
and registration in memory: a tenth of the server's time, and pauses that all devices wait for.
"""

from __future__ import annotations

import gc

YOUNG = 50_000
"""New objects after which the collector looks at them: some hundred bytes each."""


def settle() -> None:
    """To be called once, when everything has been started: what is there now stays, and is not looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
