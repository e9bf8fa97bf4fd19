"""How the log is read on SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lamplighter.bus.log import _READ_OF_SQLITE


def test_a_place_in_the_log_is_found_by_its_key_however_long_the_log_is(sqlite_template: Path) -> None:
    text, values = _READ_OF_SQLITE.render("sqlite", {"position": 1, "limit": 10})
    connection = sqlite3.connect(sqlite_template)
    (step,) = connection.execute(f"EXPLAIN QUERY PLAN {text}", values).fetchall()
    connection.close()
    assert step[3] == "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)"
