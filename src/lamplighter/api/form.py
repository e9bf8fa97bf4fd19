"""Forms with files (multipart/form-data, RFC 7578), read from a body that is bounded and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from lamplighter.errors import FieldFault, requests

FORM = "multipart/form-data"
PARTS = 20
"""Parts of a form at most: clients send a few fields beside a file."""
LARGE = 64 * 1024
"""Bytes above which a form is taken apart in a thread."""


async def read(
    body: bytes, content_type: str | None, names: Sequence[str], faults: list[FieldFault]
) -> dict[str, bytes]:
    """The contents of these files; for each that is not there a fault is added. Raises MalformedForm."""
    parts: dict[str, bytes] = {}
    if body:
        parts = await asyncio.to_thread(parse, body, content_type) if len(body) > LARGE else parse(body, content_type)
    faults.extend(FieldFault(name, "is required as a file of the form") for name in names if name not in parts)
    return parts


def parse(body: bytes, content_type: str | None) -> dict[str, bytes]:
    """All parts by name; of several with one name the first. Raises MalformedForm."""
    kind, options = parse_options_header(content_type or "")
    if kind != FORM or not options.get("boundary"):
        raise requests.MalformedForm(fault="the Content-Type header has no boundary")
    parts: dict[str, bytes] = {}
    name, pieces = "", [b""]
    try:
        with PushMultipartParser(options["boundary"], len(body), max_segment_count=PARTS) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    name, pieces = event.name or "", []
                elif event:
                    pieces.append(bytes(event))
                else:
                    parts.setdefault(name, b"".join(pieces))
    except (MultipartError, UnicodeError) as error:
        raise requests.MalformedForm(fault=ascii(str(error))[1:-1].rstrip(".")[:200].lower()) from None
    return parts
