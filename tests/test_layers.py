"""Arrows go down only: which part of the program may import which (docs/architecture.md shows the same table)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "lamplighter"

FOUNDATION = {"errors", "settings", "clock", "ids"}
CORES = {"coap", "dtls", "lwm2m"}
OURS: dict[str, set[str]] = {
    "coap": set(),
    "dtls": set(),
    "lwm2m": {"coap"},
    "errors": set(),
    "settings": set(),
    "clock": set(),
    "ids": {"clock"},
    "transport": CORES | {"settings"},
    "storage": {"errors", "settings", "clock"},
    "bus": {"storage", "settings", "errors", "clock"},
    "api": FOUNDATION | {"__version__", ""},
    "outbound": {"settings"},
    "services": FOUNDATION | CORES | {"storage", "bus", "api", "outbound"},
    "roles": FOUNDATION | CORES | {"transport", "storage", "bus", "api", "outbound", "services", "simulator", ""},
    "cli": {"roles", "errors", "settings", "clock", ""},
    "simulator": CORES | {"transport", "clock", "settings"},
}
NEVER: dict[str, set[str]] = {
    **dict.fromkeys(CORES, {"asyncio", "socket", "time", "logging", "datetime", "structlog", "select"}),
    "services": {"starlette", "uvicorn", "asyncpg", "sqlite3", "httpcore2", "httpx2", "aiokafka", "paho"},
    "api": {"sqlalchemy", "asyncpg", "sqlite3"},
}


def imports_of(path: Path) -> set[str]:
    """Every module named by an import statement of that file, absolute."""
    package = ["lamplighter", *path.relative_to(SOURCE).parent.parts]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names.update(f"{module}.{alias.name}" for alias in node.names)
    return names


FILES = sorted(path for path in SOURCE.rglob("*.py") if path.parent != SOURCE or path.stem in FOUNDATION)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_what_its_layer_may(path: Path) -> None:
    layer = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] == "lamplighter":
            other = (
                parts[1]
                if len(parts) > 1 and ((SOURCE / parts[1]).is_dir() or (SOURCE / f"{parts[1]}.py").exists())
                else ""
            )
            assert other == layer or other in OURS[layer], f"{layer} may not import {name}"
            if layer == other == "services":
                own = path.relative_to(SOURCE).parts[1]
                foreign = parts[2] if len(parts) > 2 else own
                assert foreign == own or (len(parts) > 3 and parts[3] in {"service", "events", "model"}), (
                    f"services/{own} may use only service.py and events.py of services/{foreign}, not {name}"
                )
        else:
            assert parts[0] not in NEVER.get(layer, set()), f"{layer} may not import {name}"


def test_every_layer_of_the_table_exists() -> None:
    assert {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in FILES} <= set(OURS)
