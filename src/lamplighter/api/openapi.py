"""/openapi.json: OpenAPI 3.1, printed from the table of operations."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable
from typing import Any

import msgspec

from lamplighter import __version__
from lamplighter.api.operation import Operation
from lamplighter.api.page import LARGEST, SMALLEST
from lamplighter.errors import Error

ERROR_SCHEMA: dict[str, Any] = {
    "title": "Error",
    "description": "What went wrong, why, and what to do now.",
    "type": "object",
    "required": ["object", "code", "type", "message", "fields", "request_id"],
    "properties": {
        "object": {"const": "error"},
        "code": {"type": "integer", "description": "The HTTP status."},
        "type": {"type": "string"},
        "message": {"type": "string"},
        "fields": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "message"],
                "properties": {"name": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "request_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
}


def describe(operations: Iterable[Operation], server: str) -> dict[str, Any]:
    """The OpenAPI document of these operations, served at that URL."""
    operations = [each for each in operations if not each.websocket]
    used = [each for op in operations for each in (op.body, op.answer, *op.also.values())]
    types = [each for each in used if each not in (None, bytes, str, dict)]
    schemas, components = _named(msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}"))
    schema_of = dict(zip(map(id, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lamplighter Device Management API", "version": __version__},
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in sorted({operation.tag for operation in operations})],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**components, "Error": ERROR_SCHEMA},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _named(found: tuple[Any, dict[str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    """Schemas and components with a name for each that tells nothing of our modules.

    Types of the same name get their whole path from msgspec: of it the last package stays, as in ``GroupsGroupCreate``.
    """
    text = msgspec.json.encode(found).decode()
    for path in [name for name in found[1] if "." in name]:
        *_, package, _, name = path.split(".")
        text = text.replace(f'"{path}"', f'"{package.title()}{name}"')
        text = text.replace(f'/{path}"', f'/{package.title()}{name}"')
    schemas, components = msgspec.json.decode(text)
    return schemas, components


_BINARY = {"type": "string", "format": "binary"}


def _operation(operation: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": _parameters(operation),
        "responses": _responses(operation, schema_of),
        "security": [{"bearer": []}] if operation.permission is not None else [],
    }
    if operation.deprecated:
        entry["deprecated"] = True
    if operation.body is not None:
        schema = _BINARY if operation.body is bytes else _schema(operation.body, schema_of)
        if operation.form:
            files = dict.fromkeys(operation.form, _BINARY)
            schema = {"type": "object", "properties": files, "required": list(operation.form)}
        entry["requestBody"] = {
            "required": operation.body_required,
            "content": {kind: {"schema": schema} for kind in operation.media_types},
        }
    return entry


def _schema(kind: Any, schema_of: dict[int, Any]) -> Any:
    if kind is dict or typing.get_origin(kind) is dict:
        return {"type": "object"}
    return {"type": "string"} if kind is str else schema_of.get(id(kind), {})


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in operation.path_names
    ]
    for each in operation.parameters:
        found.append(
            {
                "name": each.name,
                "in": each.place,
                "required": each.required,
                "description": each.meaning,
                "schema": each.schema(),
            }
        )
    if operation.paging is not None:
        limit = {"type": "integer", "minimum": SMALLEST, "maximum": LARGEST, "default": operation.paging.default_limit}
        found += [
            _query("limit", limit, "Entries in a page; values outside are moved to the nearest bound."),
            _query("after", {"type": "string"}, "The ID of the last entry of the page before."),
            _query(
                "order", {"enum": ["ASC", "DESC"], "default": operation.paging.default_order}, "By time of creation."
            ),
            _query("include", {"type": "string"}, f"Comma-separated: {', '.join(operation.paging.includes)}."),
        ]
    if operation.inner_filter:
        found.append(_query("filter", {"type": "string"}, "A query string of conditions, URL-encoded as one value."))
    for name, field in (operation.filters or {}).items():
        if field.kind == "map":
            found.append(_query(f"{name}__eq", {"type": "string"}, f"`{name}__<name>=<value>`, or a JSON object here."))
            continue
        kinds = {"integer": "integer", "boolean": "boolean"}
        for operator in field.operators:
            schema: dict[str, Any] = {
                "type": "string" if operator in ("in", "nin") else kinds.get(field.kind, "string")
            }
            if field.kind in ("date-time", "date") and operator not in ("in", "nin"):
                schema["format"] = field.kind
            if field.choices and operator not in ("in", "nin"):
                schema["enum"] = list(field.choices)
            found.append(_query(f"{name}__{operator}", schema, ""))
    return found


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    entry = {"name": name, "in": "query", "required": False, "schema": schema}
    return {**entry, "description": description} if description else entry


def _responses(operation: Operation, schema_of: dict[int, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in sorted({operation.status: operation.answer, **operation.also}.items()):
        responses[str(status)] = {"description": operation.summary}
        if answer is not None:
            responses[str(status)]["content"] = {operation.answer_media_type: {"schema": _schema(answer, schema_of)}}
    own: dict[int, list[type[Error]]] = {}
    for member in operation.raises:
        own.setdefault(member.status, []).append(member)
    by_status: dict[int, set[str]] = {}
    for status, kind in operation.declared:
        by_status.setdefault(status, set()).add(kind)
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    if operation.words:
        content["text/plain"] = {"schema": {"type": "string", "enum": sorted(operation.words)}}
    for status, kinds in sorted(by_status.items()):
        lines = [re.sub(r"\s+", " ", member.__doc__ or "").partition(". ")[0].strip() for member in own.get(status, [])]
        responses[str(status)] = {
            "description": " ".join([f"{', '.join(sorted(kinds))}.", *dict.fromkeys(lines)]),
            "content": content,
        }
    return responses
