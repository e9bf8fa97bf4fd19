"""The application with credentials of every kind, on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from lamplighter.storage.database import Database
from tests.services.app import App, make_app


@pytest.fixture
async def app(database: Database) -> AsyncIterator[App]:
    async with make_app(database) as made:
        yield made
