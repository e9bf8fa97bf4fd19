"""The frame of every page: one self-contained HTML document, no script, nothing loaded from elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #b45309; }
@media (prefers-color-scheme: dark) { :root { --accent: #f5b94a; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 0 1.25rem 4rem; }
header { display: flex; gap: 1.5rem; align-items: baseline; flex-wrap: wrap; padding: 1rem 0;
  border-bottom: 1px solid var(--line); }
header strong { font-size: 1.15rem; } a { color: var(--accent); text-underline-offset: .15em; }
h1 { font-size: 1.9rem; margin: 1.6rem 0 .6rem; } h2 { margin-top: 2.2rem; } h3 { margin: 1.8rem 0 .3rem; }
code, pre { font: .9em/1.45 ui-monospace, monospace; background: var(--soft); border-radius: 4px; padding: .1em .3em; }
pre { padding: .8rem 1rem; overflow-x: auto; } pre code { background: none; padding: 0; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .45rem .7rem; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } td ul { margin: 0; padding-left: 1.1rem; }
.tabs > input { position: absolute; opacity: 0; }
.tabs > label { display: inline-block; padding: .45rem .9rem; border: 1px solid var(--line); border-bottom: none;
  border-radius: 6px 6px 0 0; cursor: pointer; }
.tabs > section { display: none; border-top: 1px solid var(--line); }
.tabs > input:focus-visible + label { outline: 2px solid var(--accent); }
.tabs > input:checked + label { background: var(--soft); font-weight: 600; }
.tabs > input:nth-of-type(1):checked ~ section:nth-of-type(1),
.tabs > input:nth-of-type(2):checked ~ section:nth-of-type(2) { display: block; }
.scroll { overflow-x: auto; } .method { font-weight: 600; display: inline-block; min-width: 4.2em; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .5rem 0; padding: 0 .9rem; }
summary { cursor: pointer; padding: .45rem 0; } .deprecated { opacity: .65; }
"""

_MENU = (
    ("/docs/", "Start"),
    ("/docs/api", "API reference"),
    ("/docs/troubleshooting", "Troubleshooting"),
    ("/docs/errors", "Errors"),
    ("/docs/permissions", "Permissions"),
    ("/docs/settings", "Settings"),
)


def document(title: str, body: str) -> bytes:
    """A whole page."""
    menu = " ".join(f'<a href="{href}">{name}</a>' for href, name in _MENU)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)} – Lamplighter</title><style>{_STYLE}</style></head><body>"
        f"<header><strong>Lamplighter</strong> <nav>{menu}</nav></header><main><h1>{html.escape(title)}</h1>{body}</main>"
        f"</body></html>"
    ).encode()


def text(words: str) -> str:
    """Escaped text in which `backquoted` parts are code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(words))


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; cells are HTML already."""
    top = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def bullets(items: Iterable[str]) -> str:
    """A list; items are HTML already."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>"
