"""Holds answers against the public contract, where its folder is at hand.

The environment variable ``LAMPLIGHTER_CONTRACT`` names the folder with ``operations.json`` and ``schemas.json``. Without
it :func:`check` returns False and tests go on; a folder that is named but not there is an error.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

VARIABLE = "LAMPLIGHTER_CONTRACT"

OTHER_SCHEMAS = {
    "updateApplication": "Application",
    "updateAccountApplication": "Application",
}
"""Answers that the contract describes by the wrong schema, and the one that is meant."""

NULLABLE = frozenset({"after", "claimed_at", "enrolled_device_id", "completed_at"})
"""Fields that are null in practice where the contract does not say so: a list's marker on the first page, and what has not
happened yet (its prose says that of two of them)."""

WRONG_PATTERNS = frozenset({"last_operator_suspended_category", "last_system_suspended_category"})
"""Fields whose pattern in answers excludes the categories that the contract itself takes and lists."""

OWN_VALUES = {"issuer_type": ("EST", "ACME")}
"""Values of enumerations that are this server's own."""

ERROR_FIELDS = {"object", "code", "type", "message", "fields", "request_id"}

_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
}


class Contract:
    """The operations and schemas of the folder. Raises FileNotFoundError when they are not there."""

    def __init__(self, folder: Path) -> None:
        operations = json.loads((folder / "operations.json").read_text())["operations"]
        self.operations: dict[str, dict[str, Any]] = {each["operationId"]: each for each in operations}
        self.schemas: dict[str, dict[str, Any]] = json.loads((folder / "schemas.json").read_text())["schemas"]

    def faults(self, operation_id: str, status: int, body: Any) -> Iterator[str]:
        """What is wrong with an answer; nothing when it keeps the contract.

        :param body: the decoded JSON; None for an empty body; text where the answer is not JSON
        """
        operation = self.operations.get(operation_id)
        if operation is None:
            yield f"the contract has no operation {operation_id}"
        elif status >= 400:
            yield from self._error(operation, status, body)
        elif str(status) not in operation["success"]:
            yield f"status {status} is not one of {', '.join(operation['success'])}"
        else:
            schema = OTHER_SCHEMAS.get(operation_id, operation["success"][str(status)])
            if schema is None:
                if body is not None:
                    yield "the answer must be empty"
            else:
                yield from self._value(schema, body, "body")

    def _error(self, operation: dict[str, Any], status: int, body: Any) -> Iterator[str]:
        if isinstance(body, str) and operation["path"].startswith("/v2/"):
            return
        if not isinstance(body, dict) or set(body) != ERROR_FIELDS:
            yield f"an error must be an object of {', '.join(sorted(ERROR_FIELDS))}"
        elif (body["object"], body["code"]) != ("error", status):
            yield "an error must repeat its status in code"

    def _value(self, kind: str, value: Any, place: str, rules: dict[str, Any] | None = None) -> Iterator[str]:
        """Check a value against a type of the contract: a name of JSON, of a schema, or ``array<…>`` of one."""
        rules = rules or {}
        if kind.startswith("array<"):
            yield from self._array(kind[6:-1], value, place, rules)
        elif kind in self.schemas:
            schema = self.schemas[kind]
            if schema["type"] == "object":
                yield from self._object(kind, schema, value, place)
            else:
                yield from self._value(schema["type"], value, place, schema)
        elif kind in _KINDS:
            if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
                yield f"{place}: {value!r} is not of type {kind}"
                return
            yield from _scalar(rules, value, place)
            if "map_of" in rules and isinstance(value, dict):
                for key, entry in value.items():
                    yield from self._value(rules["map_of"], entry, f"{place}.{key}")

    def _array(self, kind: str, value: Any, place: str, rules: dict[str, Any]) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{place}: {value!r} is not an array"
            return
        if len(value) > rules.get("maxItems", len(value)) or len(value) < rules.get("minItems", 0):
            yield f"{place}: {len(value)} entries"
        for index, entry in enumerate(value):
            yield from self._value(kind, entry, f"{place}[{index}]", rules.get("item"))

    def _object(self, name: str, schema: dict[str, Any], value: Any, place: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{place}: {value!r} is not a {name}"
            return
        fields = schema["fields"]
        for field in sorted(value.keys() - fields.keys()):
            yield f"{place}: {name} has no field {field}"
        for field, rules in fields.items():
            inner = f"{place}.{field}"
            if field in WRONG_PATTERNS:
                rules = {name: rule for name, rule in rules.items() if name != "pattern"}
            if field not in value:
                if rules.get("required"):
                    yield f"{inner} is required"
            elif value[field] is None:
                if not rules.get("nullable") and field not in NULLABLE:
                    yield f"{inner} must not be null"
            elif value[field] not in OWN_VALUES.get(field, ()):
                yield from self._value(rules["type"], value[field], inner, rules)


def _scalar(rules: dict[str, Any], value: Any, place: str) -> Iterator[str]:
    if "enum" in rules and value not in rules["enum"]:
        yield f"{place}: {value!r} is not one of {rules['enum']}"
    if isinstance(value, str):
        pattern = rules.get("pattern", "").replace(r"\w-_", r"\w\-_")
        if not re.search(pattern, value):
            yield f"{place}: {value!r} does not match {pattern}"
        if not rules.get("minLength", 0) <= len(value) <= rules.get("maxLength", len(value)):
            yield f"{place}: {len(value)} characters"
        form = {"date-time": _DATE_TIME, "date": _DATE}.get(rules.get("format", ""))
        if form is not None and form.fullmatch(value) is None:
            yield f"{place}: {value!r} is not a {rules['format']}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not rules.get("min", value) <= value <= rules.get("max", value):
            yield f"{place}: {value} is out of bounds"


@cache
def contract(folder: str | None) -> Contract | None:
    """The contract in that folder; None without one."""
    return Contract(Path(folder)) if folder else None


def here() -> Contract | None:
    """The contract that the environment names."""
    return contract(os.environ.get(VARIABLE))


def check(operation_id: str, status: int, body: Any) -> bool:
    """Whether an answer was held against the contract; False when there is none at hand.

    Raises AssertionError that names every deviation.
    """
    known = here()
    if known is None:
        return False
    faults = list(known.faults(operation_id, status, body))
    assert not faults, f"{operation_id} {status} breaks the contract:\n" + "\n".join(faults)
    return True
