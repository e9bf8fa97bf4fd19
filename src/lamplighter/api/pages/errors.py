"""/docs/troubleshooting, the page of both editions, and /docs/errors, every member of the catalogue."""

from __future__ import annotations

import html
from collections.abc import Iterable

from lamplighter.api.operation import Operation
from lamplighter.api.pages.layout import bullets, document, table, text
from lamplighter.api.pages.reference import anchor
from lamplighter.errors import Error, example, load_all
from lamplighter.errors.editions import ASYNC_STATUSES, EDITIONS, ROWS, STATUS_GROUPS, Edition

_MODEL = """{
  "object": "error",
  "code": 404,
  "type": "not_found",
  "message": "What is wrong, in a sentence; and what to do now.",
  "fields": [
    {"name": "limit", "message": "must be a whole number"}
  ],
  "request_id": "019d4a5be0c100000f3c1f6f2a7b9e10"
}"""


def troubleshooting(operations: Iterable[Operation], edition: Edition, contact: str) -> bytes:
    """The troubleshooting page, the configured edition's tab first."""
    order = sorted(EDITIONS, key=lambda each: each != edition)
    inputs = "".join(
        f'<input type="radio" name="edition" id="edition-{each}"{" checked" if each == edition else ""}>'
        f'<label for="edition-{each}">{EDITIONS[each]}</label>'
        for each in order
    )
    sections = "".join(f'<section id="{each}">{_edition_table(each, contact)}</section>' for each in order)
    return document(
        "Troubleshooting",
        "<p>When a request does not do what you expect, look at three things in this order: the HTTP status, the "
        "<code>type</code> and <code>message</code> in the body, and the <code>request_id</code>, which this server can "
        "explain later.</p>"
        "<h2 id='groups'>Four groups of statuses</h2>"
        + table(("Status", "Meaning"), ((code, text(meaning)) for code, meaning in STATUS_GROUPS))
        + "<h2 id='model'>The error model</h2><p>Every answer of 400 and above under /v3 has this body, and its "
        "<code>request_id</code> also stands in the <code>X-Request-ID</code> header. <code>fields</code> lists every "
        f"faulty parameter at once, or is empty.</p><pre><code>{html.escape(_MODEL)}</code></pre>"
        "<p>Operations under /v2 answer their own errors with a bare word, such as <code>RESOURCE_NOT_FOUND</code>; "
        "what concerns credentials, limits and the server itself is the object above there too.</p>"
        "<p>To see what the server knows about one answer: <code>lamplighter explain &lt;request_id&gt;</code>, or "
        "<code>GET /v3/errors/{request_id}</code> with an administrator's key.</p>"
        f"<h2 id='types'>Statuses, types and what to try</h2><div class='tabs'>{inputs}{sections}</div>"
        "<h2 id='interfaces'>Errors of each interface</h2><p>Each operation lists its own errors in the API reference:</p>"
        + bullets(
            f'<a href="/docs/api#{anchor(tag)}">{html.escape(tag)}</a>' for tag in sorted({op.tag for op in operations})
        )
        + "<h2 id='asynchronous'>Asynchronous responses</h2><p>A request to a device is answered 202 at once; what became of "
        "it arrives in the application's notification channel as an entry of <code>async-responses</code>.</p>"
        + table(
            ("Status", "error", "From", "Meaning", "What to try"),
            (
                (
                    str(row.status),
                    " ".join(f"<code>{word}</code>" for word in row.words),
                    f"the {row.origin}",
                    text(row.meaning),
                    text(row.advice),
                )
                for row in ASYNC_STATUSES
            ),
        ),
    )


def _edition_table(edition: Edition, contact: str) -> str:
    return table(
        ("Code", "Type", "Description", "What to try"),
        (
            (
                str(row.status),
                f'<a href="/docs/errors#{row.status}-{row.type}"><code>{row.type}</code></a>',
                text(row.meaning),
                bullets(text(advice.replace("{contact}", contact)) for advice in row.advice),
            )
            for row in ROWS[edition]
        ),
    )


def catalogue(operations: Iterable[Operation]) -> bytes:
    """Every family and member, with cause, remedy, and the operations that may answer it."""
    used: dict[type[Error], list[str]] = {}
    for operation in operations:
        for member in operation.raises:
            used.setdefault(member, []).append(operation.operation_id)
    members = load_all().values()
    parts = [
        "<p>A <em>type</em> is what programs look at; a <em>member</em> is one thing that can go wrong, and names the link in "
        "the answer's <code>Link</code> header. Words in angle brackets stand for facts of the request.</p>"
    ]
    for (status, kind), family in sorted(Error.families.items()):
        own = [member for member in members if (member.status, member.type) == (status, kind)]
        if own:
            parts.append(f'<h2 id="{status}-{kind}">{status} {kind}</h2><p>{text(family.__doc__ or "")}</p>')
            parts += [_member(member, used.get(member, [])) for member in own]
    return document("Errors", "".join(parts))


def _member(member: type[Error], operations: list[str]) -> str:
    shown = example(member)
    extra = "".join(
        f"<p>{label} <code>{html.escape(value)}</code></p>"
        for label, value in (("/v2 word:", member.word), ("CoAP code:", member.coap))
        if value
    )
    links = ", ".join(f'<a href="/docs/api#{each}">{each}</a>' for each in operations)
    where = f"<p>Answered by {links}.</p>" if links else ""
    return (
        f'<h3 id="{member.name}">{member.name}</h3><p>{text(member.__doc__ or "")}</p>'
        f"<p><em>{html.escape(shown.public_message)}</em></p><p><strong>Why:</strong> {text(member.cause)}</p>"
        f"<p><strong>What to do:</strong> {html.escape(shown.advice)}</p>{extra}{where}"
    )
