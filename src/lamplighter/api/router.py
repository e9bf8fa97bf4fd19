"""From a path to the operations at it. Both slash forms and doubled slashes are the same path; nothing is redirected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache

from lamplighter.api.operation import Bound
from lamplighter.api.query import decode


class _Node:
    __slots__ = ("literal", "methods", "rest", "template", "variable")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.rest: _Node | None = None
        self.methods: dict[str, Bound] = {}
        self.template = ""


_REST = re.compile(r"\{resourcePath\}")
"""The one path variable of the contract that spans slashes."""


class Router:
    """A tree of path segments. A literal segment wins over a variable one, so ``/v3/users/me`` is not a user's ID."""

    def __init__(self, bound: Iterable[Bound]) -> None:
        self._root = _Node()
        self._templates: list[str] = []
        for each in bound:
            self._insert(each)
        self.suggestion = lru_cache(maxsize=1024)(self._suggestion)

    def _insert(self, bound: Bound) -> None:
        operation = bound.operation
        node = self._root
        for segment in _split(operation.path):
            if _REST.fullmatch(segment):
                node.rest = node = node.rest or _Node()
            elif segment.startswith("{"):
                node.variable = node = node.variable or _Node()
            else:
                node = node.literal.setdefault(segment, _Node())
        if operation.method in node.methods:
            raise ValueError(f"{operation.method} {operation.path} is declared twice")
        node.methods[operation.method] = bound
        node.template = operation.path
        self._templates.append(operation.path)

    def find(self, raw_path: str) -> tuple[dict[str, Bound], str, list[str]] | None:
        """The operations at a path by method, its template, and the values of its variables; None: no such path.

        Raises MalformedEscape. ``%2F`` stays inside its segment.
        """
        segments = _split(raw_path)
        if "%" in raw_path or not raw_path.isascii():
            segments = [decode(segment, "path") for segment in segments]
        values: list[str] = []
        node = self._descend(self._root, segments, 0, values)
        return (node.methods, node.template, values) if node is not None else None

    def _descend(self, node: _Node, segments: list[str], at: int, values: list[str]) -> _Node | None:
        if at == len(segments):
            return node if node.methods else None
        segment = segments[at]
        literal = node.literal.get(segment)
        if literal is not None:
            found = self._descend(literal, segments, at + 1, values)
            if found is not None:
                return found
        mark = len(values)
        if node.variable is not None:
            values.append(segment)
            found = self._descend(node.variable, segments, at + 1, values)
            if found is not None:
                return found
            del values[mark:]
        if node.rest is not None and node.rest.methods:
            values.append("/".join(segments[at:]))
            return node.rest
        return None

    def _suggestion(self, path: str) -> str | None:
        """The known path nearest to an unknown one, with the caller's own values in its variables."""
        segments = _split(path[:300])[:12]
        candidates = {}
        for template in self._templates:
            parts = _split(template)
            if len(parts) == len(segments):
                filled = [own if part.startswith("{") else part for part, own in zip(parts, segments, strict=True)]
                candidates["/" + "/".join(filled)] = template
        near = difflib.get_close_matches("/" + "/".join(segments), candidates, n=1, cutoff=0.75)
        return near[0] if near else None


def _split(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]
