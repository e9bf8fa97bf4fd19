"""The checker of answers, on a contract of two operations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import contract

OPERATIONS = [
    {"operationId": "getLamp", "path": "/v3/lamps/{id}", "success": {"200": "Lamp"}},
    {"operationId": "lightLamp", "path": "/v2/lamps/{id}", "success": {"204": None}},
]
SCHEMAS = {
    "Level": {"type": "integer", "min": 0},
    "Lamp": {
        "type": "object",
        "fields": {
            "id": {"type": "string", "pattern": "[a-f0-9]{4}", "required": True},
            "level": {"type": "Level"},
            "lit_at": {"type": "string", "format": "date-time", "nullable": True},
            "names": {"type": "array<string>", "maxItems": 1},
            "notes": {"type": "object", "map_of": "string"},
        },
    },
}
ERROR = {"object": "error", "code": 404, "type": "not_found", "message": "", "fields": [], "request_id": ""}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "operations.json").write_text(json.dumps({"operations": OPERATIONS}))
    (tmp_path / "schemas.json").write_text(json.dumps({"schemas": SCHEMAS}))
    monkeypatch.setenv(contract.VARIABLE, str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    [
        ("getLamp", 200, {"id": "00ff", "level": 1, "lit_at": None, "names": ["a"], "notes": {"a": "b"}}),
        ("getLamp", 200, {"id": "00ff", "lit_at": "2026-11-21T20:15:01.000123Z"}),
        ("lightLamp", 204, None),
        ("getLamp", 404, ERROR),
        ("lightLamp", 404, "LAMP_NOT_FOUND"),
    ],
)
def test_an_answer_that_keeps_the_contract_passes(folder: Path, operation: str, status: int, body: object) -> None:
    assert contract.check(operation, status, body)


@pytest.mark.parametrize(
    ("operation", "status", "body"),
    [
        ("getLamps", 200, {}),
        ("getLamp", 201, {"id": "00ff"}),
        ("getLamp", 200, {"level": 1}),
        ("getLamp", 200, {"id": "xx"}),
        ("getLamp", 200, {"id": None}),
        ("getLamp", 200, {"id": "00ff", "colour": "red"}),
        ("getLamp", 200, {"id": "00ff", "level": -1}),
        ("getLamp", 200, {"id": "00ff", "level": True}),
        ("getLamp", 200, {"id": "00ff", "lit_at": "yesterday"}),
        ("getLamp", 200, {"id": "00ff", "names": ["a", "b"]}),
        ("getLamp", 200, {"id": "00ff", "names": [1]}),
        ("getLamp", 200, {"id": "00ff", "notes": {"a": 1}}),
        ("getLamp", 404, "not here"),
        ("getLamp", 400, ERROR),
        ("lightLamp", 204, {}),
    ],
)
def test_an_answer_that_breaks_the_contract_fails(folder: Path, operation: str, status: int, body: object) -> None:
    with pytest.raises(AssertionError):
        contract.check(operation, status, body)


def test_without_a_contract_nothing_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(contract.VARIABLE, raising=False)
    assert contract.check("getLamp", 500, None) is False


def test_a_folder_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(contract.VARIABLE, str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError):
        contract.check("getLamp", 200, {})
