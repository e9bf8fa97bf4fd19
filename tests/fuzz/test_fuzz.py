"""Nothing escapes from what reads a stranger's bytes. At length: ``./dev fuzz``."""

from __future__ import annotations

import pytest

from tests.fuzz.mutation import inputs
from tests.fuzz.targets import TARGETS

RUNS = 2000
SLOW = {"dtls handshake, certificate": 60, "dtls handshake, key": 300, "certificate path": 600}


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_bytes_are_refused_and_raise_nothing(name: str) -> None:
    target = TARGETS[name]
    run = target.make()
    for data in inputs(target, SLOW.get(name, RUNS)):
        try:
            run(data)
        except BaseException as error:
            raise AssertionError(f"{name} fails for {data.hex()}") from error


@pytest.mark.parametrize("name", TARGETS)
def test_the_inputs_of_a_run_are_the_same_again(name: str) -> None:
    target = TARGETS[name]
    first = list(inputs(target, 50))
    assert first == list(inputs(target, 50)) and len(set(first)) > 25
