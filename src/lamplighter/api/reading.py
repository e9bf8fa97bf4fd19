"""Reading a request for its operation: body syntax and media type first, then all parameters at once."""

from __future__ import annotations

import asyncio
from typing import Any

from lamplighter.api import body as bodies
from lamplighter.api import filter as filters
from lamplighter.api import form as forms
from lamplighter.api import page as pages
from lamplighter.api import query as queries
from lamplighter.api.operation import Call, Operation, media_type_refused
from lamplighter.api.request import Request, shown
from lamplighter.errors import FieldFault, requests


async def read(call: Call, request: Request, limit: int) -> None:
    """Body syntax and media type, then all parameters of path, query, header and body at once."""
    operation = call.operation
    value: Any = None
    if operation.body is not None:
        value = await _read_body(call, request, limit)
    query = queries.read(request.query)
    faults: list[FieldFault] = []
    for parameter in operation.parameters:
        if parameter.place == "header":
            text = request.header(parameter.name.lower().encode())
        else:
            text = query.get(parameter.name)
        call.parameters[parameter.name] = parameter.read(text, faults)
    if operation.paging is not None:
        call.page = pages.read(operation.paging, query, faults)
    if operation.filters is not None:
        other = {"limit", "after", "order", "include", *(each.name for each in operation.parameters)}
        call.conditions = filters.read(operation.filters, query, other, faults, inner=operation.inner_filter)
    if operation.form:
        call.body = await forms.read(call.raw_body, request.header(b"content-type"), operation.form, faults)
    if operation.body is not None and operation.body is not bytes:
        if call.raw_body:
            call.body = bodies.convert(value, operation.body, faults)
        elif operation.body_required:
            faults.append(FieldFault("body", "is required"))
    if faults:
        raise requests.invalid(faults)


async def _read_body(call: Call, request: Request, limit: int) -> Any:
    operation = call.operation
    encoding = request.header(b"content-encoding")
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise requests.ContentEncodingNotTaken(content_encoding=shown(encoding))
    call.raw_body = await _receive(request, operation.max_body or limit)
    if call.raw_body and call.content_type:
        charset = (request.header(b"content-type") or "").lower().partition("charset=")[2].strip(' "')
        if not _takes(operation, call.content_type) or charset.partition(";")[0] not in ("", "utf-8", "utf8"):
            raise media_type_refused(operation, request.header(b"content-type") or "")
    if operation.body is bytes or not call.raw_body:
        return None
    return bodies.read_json(call.raw_body)


async def _receive(request: Request, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as it is known to be."""
    length = request.headers.get(b"content-length")
    if length is not None and length.isdigit() and int(length) > limit:
        raise requests.BodyTooLarge(limit=limit, headers={"Connection": "close"})
    parts: list[bytes] = []
    size = 0
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise asyncio.CancelledError
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise requests.BodyTooLarge(limit=limit, headers={"Connection": "close"})
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _takes(operation: Operation, content_type: str) -> bool:
    if content_type in operation.media_types or "*/*" in operation.media_types:
        return True
    return "application/json" in operation.media_types and content_type.endswith("+json")
