"""The bench, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lamplighter.storage.database import Database
from tests.services.connect.bench import Bench


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    bench = Bench(database)
    yield bench
    await bench.connect.close()
