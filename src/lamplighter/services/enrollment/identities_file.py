"""Files of enrollment identities: CSV with one in the first column of each line.

The rules are the public API's: the first line is a header and ignored, blank lines too; lines end with LF, CR or CR LF; what
stands behind the first comma is ignored; whitespace (U+0000 to U+0020) round a value is trimmed outside quotes, and refused
inside. A row with a fault has its place in the reports; a file that cannot be read as such is refused as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lamplighter.errors import enrollment as errors

WHITESPACE = "".join(map(chr, range(0x21)))
SHOWN = 200
"""Characters of a value that is no identity which stand in the report."""

_LINES = re.compile("\r\n|\n|\r")
_IDENTITY = re.compile(r"A-[A-Za-z0-9:]{95}")


class Entry(NamedTuple):
    """A row: the identity, or the text that is none and why."""

    text: str
    fault: str | None = None


def read_identities(content: bytes, most: int) -> Sequence[Entry]:
    """The rows of a file in their order.

    Raises EnrollmentFileNotText, EnrollmentFileEmpty, EnrollmentRowsTooMany.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise errors.EnrollmentFileNotText(position=error.start) from None
    entries: list[Entry] = []
    for line in _LINES.split(text.removeprefix("\ufeff"))[1:]:
        if stripped := line.strip(WHITESPACE):
            if len(entries) == most:
                raise errors.EnrollmentRowsTooMany(limit=most)
            entries.append(read_line(stripped))
    if not entries:
        raise errors.EnrollmentFileEmpty()
    return entries


def read_line(line: str) -> Entry:
    """The row of a line that is not blank, and trimmed."""
    if not line.startswith('"'):
        return _checked(line.partition(",")[0].rstrip(WHITESPACE))
    value, closed, rest = line[1:].partition('"')
    if not closed:
        return _faulty(line, "begins with a quote that is not closed")
    rest = rest.lstrip(WHITESPACE)
    if rest and not rest.startswith(","):
        return _faulty(line, "is followed by text between its closing quote and the comma")
    if not value:
        return _faulty('""', "is empty between its quotes")
    if any(character in WHITESPACE for character in value):
        return _faulty(value, "has whitespace inside its quotes")
    return _checked(value)


def _checked(value: str) -> Entry:
    if _IDENTITY.fullmatch(value):
        return Entry(value)
    if not value:
        return _faulty(value, "is missing before the first comma")
    if not value.startswith("A-"):
        return _faulty(value, "does not begin with A-")
    if len(value) != 97:
        return _faulty(value, f"has {len(value) - 2} characters behind A-, not 95")
    return _faulty(value, "has other characters than letters, digits and colons behind A-")


def _faulty(text: str, fault: str) -> Entry:
    # PostgreSQL's text knows no U+0000.
    return Entry(text[:SHOWN].replace("\x00", "\ufffd"), fault)
