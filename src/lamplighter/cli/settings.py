"""``lamplighter settings``"""

from __future__ import annotations

import json as jsons
from pathlib import Path

from lamplighter.cli.fail import Failure
from lamplighter.settings import SettingsError, load, table

_SECRET = {"database.url", "bus.url"}
"""Settings whose value may hold a password."""


def settings(config: Path | None, json: bool) -> int:
    try:
        chosen = load(config)
    except SettingsError as error:
        raise Failure(str(error)) from None
    rows = []
    for row in table():
        value = getattr(getattr(chosen, row.section), row.name)
        if row.full_name in _SECRET and "@" in str(value):
            value = "[hidden]@" + str(value).rpartition("@")[2]
        rows.append(
            {
                "name": row.full_name,
                "value": value,
                "unit": row.unit,
                "default": row.default,
                "variable": row.variable,
                "meaning": row.meaning,
            }
        )
    if json:
        print(jsons.dumps(rows, indent=2))
        return 0
    for each in rows:
        value, default = jsons.dumps(each["value"]), jsons.dumps(each["default"])
        unit = f" {each['unit']}" if each["unit"] else ""
        changed = "" if value == default else f" (default {default})"
        print(f"{each['name']} = {value}{unit}{changed}\n    {each['meaning']}")
    return 0
