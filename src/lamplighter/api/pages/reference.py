"""/docs/api, /docs/permissions, /docs/settings and the start page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lamplighter import __version__
from lamplighter.api.openapi import describe
from lamplighter.api.operation import Operation
from lamplighter.api.pages.layout import bullets, document, table, text
from lamplighter.settings import table as settings_table


def anchor(tag: str) -> str:
    """The fragment of a heading of the API reference."""
    return "".join(character if character.isalnum() else "-" for character in tag.lower())


def start() -> bytes:
    """/docs/"""
    links = (
        ("/docs/api", "API reference", "every operation, its parameters, answers and errors"),
        ("/docs/troubleshooting", "Troubleshooting", "what each status and type means, and what to try"),
        ("/docs/errors", "Errors", "everything that can go wrong, one by one"),
        ("/docs/permissions", "Permissions", "which operation needs which permission"),
        ("/docs/settings", "Settings", "what the operator of this server can set"),
        ("/openapi.json", "OpenAPI 3.1", "the same for programs"),
    )
    return document(
        "Lamplighter",
        f"<p>Device management, version {__version__}. Applications use the REST API of this address; devices connect with "
        "LwM2M over DTLS.</p>"
        + bullets(f'<a href="{href}">{name}</a>: {what}' for href, name, what in links)
        + "<h2>First call</h2><pre><code>curl --cacert pki/ca.pem -H 'Authorization: Bearer &lt;key&gt;' "
        "https://localhost:8443/v3/devices</code></pre>",
    )


def reference(operations: Iterable[Operation], server: str) -> bytes:
    """Every operation under its tag."""
    operations = list(operations)
    described = describe(operations, server)
    parts = [bullets(f'<a href="#{anchor(tag["name"])}">{html.escape(tag["name"])}</a>' for tag in described["tags"])]
    by_tag: dict[str, list[Operation]] = {}
    for operation in operations:
        by_tag.setdefault(operation.tag, []).append(operation)
    for tag, own in sorted(by_tag.items()):
        parts.append(f'<h2 id="{anchor(tag)}">{html.escape(tag)}</h2>')
        for operation in sorted(own, key=lambda each: (each.path, each.method)):
            entry = described["paths"].get(operation.path, {}).get(operation.method.lower(), {})
            parts.append(_operation(operation, entry, described["components"]["schemas"]))
    return document("API reference", "".join(parts))


def _operation(operation: Operation, entry: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    mark = ' class="deprecated"' if operation.deprecated else ""
    permission = (
        "no credential"
        if operation.permission is None
        else f'permission <a href="/docs/permissions"><code>{operation.permission}</code></a>'
        if operation.permission
        else "any credential"
    )
    parts = [
        f"<p>{text(operation.summary)} <em>{operation.operation_id}</em>, {permission}"
        f"{', deprecated' if operation.deprecated else ''}.</p>"
    ]
    parameters = entry.get("parameters", [])
    if parameters:
        rows = (
            (
                f"<code>{html.escape(each['name'])}</code>",
                each["in"] + (", required" if each["required"] else ""),
                _kind(each["schema"]),
                text(each.get("description", "")),
            )
            for each in parameters
        )
        parts.append(table(("Parameter", "Where", "Type", "Meaning"), rows))
    if "requestBody" in entry:
        for kind, content in entry["requestBody"]["content"].items():
            parts.append(f"<p>Body <code>{kind}</code>:</p>{_fields(content['schema'], schemas)}")
    rows_of_answers = (
        (
            status,
            text(response["description"]),
            " ".join(f"<code>{kind}</code>" for kind in response.get("content", {})),
        )
        for status, response in entry.get("responses", {}).items()
    )
    parts.append(table(("Status", "Meaning", "Body"), rows_of_answers))
    own = "".join(
        f'<li>{member.status} <a href="/docs/errors#{member.name}">{member.name}</a>: {text((member.__doc__ or "").strip())}</li>'
        for member in operation.raises
        if hasattr(member, "message")
    )
    if own:
        parts.append(f"<p>Its own errors:</p><ul>{own}</ul>")
    return (
        f'<details{mark} id="{operation.operation_id}"><summary><span class="method">{operation.method}</span> '
        f"<code>{html.escape(operation.path)}</code></summary>{''.join(parts)}</details>"
    )


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    named = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
    if "properties" not in named:
        return f"<p>{_kind(schema)}</p>"
    required = named.get("required", [])
    rows = (
        (
            f"<code>{html.escape(name)}</code>",
            "required" if name in required else "",
            _kind(field),
            text(field.get("description", "")),
        )
        for name, field in named["properties"].items()
    )
    return table(("Field", "", "Type", "Meaning"), rows)


def _kind(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return html.escape(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"] if each.get("type") != "null")
    words = [str(schema.get("format") or schema.get("type") or "")]
    if "enum" in schema:
        words = [", ".join(f"<code>{html.escape(str(each))}</code>" for each in schema["enum"])]
    if schema.get("type") == "array":
        words.append(f"of {_kind(schema.get('items', {}))}")
    bounds = (
        ("minimum", "≥"),
        ("maximum", "≤"),
        ("minLength", "length ≥"),
        ("maxLength", "length ≤"),
        ("pattern", "matches"),
    )
    words += [f"{sign} <code>{html.escape(str(schema[name]))}</code>" for name, sign in bounds if name in schema]
    if schema.get("default") not in (None, "", {}, []):
        words.append(f"(default <code>{html.escape(str(schema['default']))}</code>)")
    return " ".join(words)


def permissions(
    operations: Iterable[Operation], meanings: Mapping[str, str], groups: Mapping[str, frozenset[str]]
) -> bytes:
    """Which permission each operation needs, and which groups give it."""
    rows = [
        (
            f'<a href="/docs/api#{each.operation_id}">{each.operation_id}</a>',
            f"<code>{each.method} {html.escape(each.path)}</code>",
            f"<code>{each.permission}</code>"
            if each.permission
            else "any credential"
            if each.permission == ""
            else "none",
        )
        for each in sorted(operations, key=lambda each: (each.path, each.method))
    ]
    given = [
        (
            f"<code>{name}</code>",
            text(meaning),
            ", ".join(group for group, allowed in groups.items() if "*" in allowed or name in allowed),
        )
        for name, meaning in meanings.items()
    ]
    return document(
        "Permissions",
        "<p>An operation needs one permission; a key or user has those of all its groups.</p>"
        + table(("Permission", "Allows", "Groups that give it"), given)
        + "<h2>Operations</h2>"
        + table(("Operation", "Path", "Permission"), rows),
    )


def settings() -> bytes:
    """Every setting."""
    rows = (
        (
            f"<code>{row.full_name}</code><br><code>{row.variable}</code>",
            f"<code>{html.escape(msgspec.json.encode(row.default).decode())}</code>",
            html.escape(row.unit),
            text(row.meaning),
        )
        for row in settings_table()
    )
    return document(
        "Settings",
        "<p>A TOML file (<code>--config</code>) with a table for each section, overridden by environment variables.</p>"
        + table(("Name", "Default", "Unit", "Meaning"), rows),
    )
