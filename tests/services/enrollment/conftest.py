"""What the tests of enrollment begin with."""

from __future__ import annotations

import pytest

from lamplighter.storage.database import Database
from tests.services.enrollment.bench import Bench


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)
