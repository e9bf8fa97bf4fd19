"""The reports of bulk jobs: CSV, every value in quotes, lines ended by CR LF (RFC 4180)."""

from __future__ import annotations

from typing import Final

import msgspec

from lamplighter.clock import to_rfc3339
from lamplighter.errors import Error
from lamplighter.services.enrollment.model import Kind

FULL: Final = "full_report.csv"
ERRORS: Final = "errors_report.csv"

_ERROR = ("error__code", "error__type", "error__message", "error__fields")
_DATES: dict[Kind, str] = {"upload": "entity__created_at", "delete": "entity__deleted_at"}


def header(kind: Kind, report: str) -> str:
    """The first line."""
    return line("entity__id", *([_DATES[kind]] if report == FULL else []), *_ERROR)


def line(*values: str) -> str:
    return '"' + '","'.join([value.replace('"', '""') for value in values]) + '"\r\n'


class ReportLines:
    """The lines of one chunk of a job, for both reports."""

    def __init__(self, at: int) -> None:
        self.full: list[str] = []
        self.errors: list[str] = []
        self._done = line("", to_rfc3339(at), "", "", "", "").removeprefix('""')

    def done(self, identity: str) -> None:
        """An identity, which has no quotes."""
        self.full.append(f'"{identity}"{self._done}')

    def failed(self, text: str, error: Error) -> None:
        fields = [{"name": fault.name, "message": fault.message} for fault in error.fields]
        shown = msgspec.json.encode(fields).decode() if fields else ""
        cells = (str(error.status), error.type, error.public_message, shown)
        self.full.append(line(text, "", *cells))
        self.errors.append(line(text, *cells))
