"""Paths of objects, instances, resources and resource instances, OMA LwM2M Core section 7.3."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

#: 65535 is reserved: MAX_ID (LwM2M Core section 7.1).
MAX_ID = 65534


class PathError(ValueError):
    """The text is not a path of LwM2M."""


class Path(NamedTuple):
    """One to four numbers; none of them is the root. A number present means that all before it are."""

    object: int | None = None
    instance: int | None = None
    resource: int | None = None
    resource_instance: int | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """The numbers that are present."""
        return tuple([number for number in self if number is not None])

    def child(self, number: int) -> Path:
        """The path one level below. Raises PathError below a resource instance or for a number out of range."""
        return path_of((*self.ids, number))

    def contains(self, other: Path) -> bool:
        """Whether the other is this one or below it."""
        for own, number in zip(self, other, strict=True):
            if own is None:
                return True
            if own != number:
                return False
        return True

    def segments(self) -> tuple[str, ...]:
        return tuple(map(str, self.ids))

    def __str__(self) -> str:
        return "/" + "/".join([str(number) for number in self if number is not None])


ROOT = Path()


def path_of(ids: tuple[int, ...]) -> Path:
    """The path of these numbers. Raises PathError."""
    if len(ids) > 4:
        raise PathError("a path has at most four numbers")
    for number in ids:
        if not 0 <= number <= MAX_ID:
            raise PathError(f"{number} is not an id between 0 and {MAX_ID}")
    return Path(*ids)


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """``/3/0/1``, with or without the first slash; ``/`` is the root. Raises PathError.

    The same few paths come from every device of a kind: those read last are kept.
    """
    trimmed = text.removeprefix("/")
    if not trimmed:
        return ROOT
    return path_of(tuple([_number(part) for part in trimmed.split("/")]))


def split_mediated(text: str) -> tuple[str | None, str]:
    """The name and the inner path of ``/d/NAME/3303/0/5700``, a device behind a gateway of the vendor; else (None, text)."""
    parts = text.removeprefix("/").split("/", 2)
    if len(parts) < 2 or parts[0] != "d" or not parts[1]:
        return None, text
    return parts[1], "/" + (parts[2] if len(parts) == 3 else "")


def _number(part: str) -> int:
    # ASCII digits without leading zeros, short enough for int() to be harmless.
    if not part.isascii() or not part.isdigit() or len(part) > 5 or (part[0] == "0" and part != "0"):
        raise PathError(f"{part[:20]!r} is not an id")
    return int(part)
