"""A server and a client of ours, and the server of aiocoap that the client asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conformance.others import AiocoapServer, aiocoap_server
from tests.conformance.plugtest_client import PlugtestClient, plugtest_client
from tests.conformance.plugtest_server import PlugtestServer, plugtest_server


@pytest.fixture
async def server() -> AsyncIterator[PlugtestServer]:
    async with plugtest_server(ack_timeout=0.2) as server:
        yield server


@pytest.fixture
async def theirs() -> AsyncIterator[AiocoapServer]:
    async with aiocoap_server() as server:
        yield server


@pytest.fixture
async def client(theirs: AiocoapServer) -> AsyncIterator[PlugtestClient]:
    """Of ours, asking ``theirs``."""
    async with plugtest_client(theirs.port) as client:
        yield client
