"""What a fuzzing target is: something that takes any bytes, and raises only where there is a defect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """``make`` prepares what all runs share and gives what takes an input; what that raises is a defect."""

    name: str
    make: Callable[[], Callable[[bytes], None]]
    seeds: tuple[bytes, ...]
    """Inputs that reach far; what is tried grows out of them."""
    words: tuple[bytes, ...] = ()
    """Tokens of the format, to be put in."""


def parser(read: Callable[[bytes], object], *refusals: type[Exception]) -> Callable[[], Callable[[bytes], None]]:
    """A target round a function that reads bytes, and may refuse them with these exceptions."""

    def run(data: bytes) -> None:
        try:
            read(data)
        except refusals:
            pass

    return lambda: run


def pieces(data: bytes) -> Iterator[bytes]:
    """The input cut where its own bytes say: two of length before each piece. Several datagrams in one input."""
    position = 0
    while position + 2 <= len(data):
        length = int.from_bytes(data[position : position + 2], "big") % 2048
        yield data[position + 2 : position + 2 + length]
        position += 2 + length


def joined(*parts: bytes) -> bytes:
    """The input that is cut into these pieces."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
