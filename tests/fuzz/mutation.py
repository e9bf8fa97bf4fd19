"""Inputs out of seeds: what the suite runs, where a coverage-guided fuzzer would take too long to start."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tests.fuzz.target import Target

_INTERESTING = (b"\0", b"\xff", b"\x7f", b"\x80", b"\0\0", b"\xff\xff", b"\xff" * 4, b"\0" * 8)


def inputs(target: Target, count: int, seed: int = 1) -> Iterator[bytes]:
    """So many inputs, always the same for a seed; the seeds themselves come first."""
    random = Random(f"{target.name} {seed}")
    pool = list(target.seeds)
    yield from pool
    for _ in range(count - len(pool)):
        data = bytearray(random.choice(pool))
        for _ in range(random.choice((1, 1, 2, 4, 12))):
            _mutate(data, random, target.words, pool)
        made = bytes(data[:4096])
        if random.random() < 0.05:
            pool[random.randrange(len(pool))] = made  # what is far from the seeds is tried too
            pool.append(random.choice(target.seeds))
            del pool[64:]
        yield made


def _mutate(data: bytearray, random: Random, words: tuple[bytes, ...], pool: list[bytes]) -> None:
    at = random.randrange(len(data) + 1)
    match random.randrange(8):
        case 0 if at < len(data):
            data[at] ^= 1 << random.randrange(8)
        case 1 if at < len(data):
            data[at] = random.randrange(256)
        case 2:
            del data[at : at + random.choice((1, 2, 4, 16))]
        case 3:
            data[at:at] = random.choice((*_INTERESTING, *words))
        case 4:
            word = random.choice((*_INTERESTING, *words))
            data[at : at + len(word)] = word
        case 5:
            data[at:at] = random.randbytes(random.randint(1, 16))
        case 6:
            other = random.choice(pool)
            data[at:] = other[random.randrange(len(other) + 1) :]
        case _:
            begin = random.randrange(len(data) + 1)
            data[at:at] = data[begin : begin + random.randint(1, 64)]
