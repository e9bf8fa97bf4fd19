"""The server that the tests with the vendor's SDKs share, a module at a time."""

from __future__ import annotations

import gc
import warnings
from collections.abc import AsyncIterator

import pytest

from tests.interop.sdk import DEVICES, Sdk, api_key
from tests.outbound.receivers import LOOPBACK
from tests.roles.serving import Serving, settings_for
from tests.roles.simulated import simulated
from tests.servers import free_port


@pytest.fixture(scope="module")
async def sdk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sdk]:
    settings = settings_for(
        http={"plain_port": free_port(), "plaintext_api": True}, outbound={"allowed_networks": LOOPBACK}
    )
    serving = Serving(tmp_path_factory.mktemp("sdk"), settings)
    await serving.start()
    key = await api_key(serving, "of the SDK")
    async with simulated(serving, DEVICES) as devices:
        yield Sdk(serving, key, devices)
    await serving.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()  # the SDK leaves its connections and thread pools to the collector
