"""A parameter of an operation, in query, header or path: its type and bounds, and how its text becomes a value."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from lamplighter.clock import from_rfc3339
from lamplighter.errors import FieldFault

Kind = Literal["string", "integer", "boolean", "date-time"]


class Parameter(NamedTuple):
    """The declaration of one parameter. ``minimum`` and ``maximum`` bound integers, ``max_length`` bounds strings."""

    name: str
    meaning: str
    kind: Kind = "string"
    place: Literal["query", "header", "path"] = "query"
    required: bool = False
    default: Any = None
    minimum: int | None = None
    maximum: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """The OpenAPI schema of its value."""
        if self.kind == "date-time":
            return {"type": "string", "format": "date-time"}
        schema: dict[str, Any] = {"type": self.kind}
        for name, value in (
            ("minimum", self.minimum),
            ("maximum", self.maximum),
            ("maxLength", self.max_length),
            ("pattern", self.pattern),
            ("default", self.default),
        ):
            if value is not None:
                schema[name] = value
        if self.choices:
            schema["enum"] = list(self.choices)
        return schema

    def read(self, text: str | None, faults: list[FieldFault]) -> Any:
        """The value of the parameter; every fault is added to the list, and the default returned in its place."""
        if text is None:
            if self.required:
                faults.append(FieldFault(self.name, f"is required in the {self.place}"))
            return self.default
        try:
            return self._value(text)
        except ValueError as fault:
            faults.append(FieldFault(self.name, str(fault)))
            return self.default

    def _value(self, text: str) -> Any:
        if "\x00" in text:
            raise ValueError("must not contain the character U+0000")
        if self.kind == "integer":
            return self._integer(text)
        if self.kind == "boolean":
            if text.lower() not in ("true", "false"):
                raise ValueError("must be true or false")
            return text.lower() == "true"
        if self.kind == "date-time":
            try:
                return from_rfc3339(text)
            except ValueError:
                raise ValueError("must be a UTC date-time such as 2026-11-21T20:15:01Z") from None
        if self.choices and text not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        if self.max_length is not None and len(text) > self.max_length:
            raise ValueError(f"must have at most {self.max_length} characters")
        if self.pattern is not None and re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"must match {self.pattern}")
        return text

    def _integer(self, text: str) -> int:
        if re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII) is None:
            raise ValueError("must be a whole number")
        value = int(text)
        if self.minimum is not None and value < self.minimum or self.maximum is not None and value > self.maximum:
            raise ValueError(f"must be a whole number from {self.minimum} to {self.maximum}")
        return value
