"""What the tests of devices begin with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lamplighter.storage.database import Database
from tests.roles.house import House
from tests.roles.lwm2m_serving import Serving


@pytest.fixture
async def serving(database: Database, tmp_path: Path) -> AsyncIterator[Serving]:
    """The LwM2M role."""
    serving = Serving(database, tmp_path)
    await serving.start()
    yield serving
    await serving.close()


@pytest.fixture
async def house(open_database: Callable[[], Database], tmp_path: Path) -> AsyncIterator[House]:
    """Room for several of it."""
    house = House(open_database, tmp_path)
    yield house
    await house.close()
