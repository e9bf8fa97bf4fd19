"""A whole server with simulated devices, as an application sees it that is made on one of the vendor's SDKs.

Those of Python block, so each of their tests runs in a thread beside the server's loop. What the SDKs do with trusted
certificates, enrolments and updates is not tested yet: the server has none of them.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from tests.roles.serving import Serving

OLD_SDK = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mbed_cloud"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
"""The Python SDK is of 2020: its own deprecated calls and its announcements of beta features are not ours to mend."""

DEVICES = 3
WAIT = 15
"""Seconds that an SDK waits for a device's answer."""
SOME_TIME_AGO = datetime.datetime(2019, 1, 1)
FAR_AWAY = datetime.datetime(2090, 1, 1)


class Sdk(NamedTuple):
    """An application's view of the server: where it is, its API key, and the simulated devices."""

    serving: Serving
    api_key: str
    devices: list[str]

    @property
    def host(self) -> str:
        """Over plain HTTP."""
        return f"http://127.0.0.1:{self.serving.process.plain_port}"

    @property
    def config(self) -> dict[str, str]:
        """For the older interface."""
        return {"host": self.host, "api_key": self.api_key}

    @property
    def foundation(self) -> Any:
        from mbed_cloud import SDK

        return SDK(api_key=self.api_key, host=self.host).foundation


async def api_key(serving: Serving, name: str) -> str:
    """A new API key of the group Administrators: an application with channels of its own."""
    groups = (await serving.call("GET", "/v3/policy-groups")).json()["data"]
    administrators = [each["id"] for each in groups if each["name"] == "Administrators"]
    made = await serving.call("POST", "/v3/api-keys", json={"name": name, "groups": administrators})
    assert made.status_code == 201, made.text
    key: str = made.json()["key"]
    return key


def beside_the_server(test: Callable[[Sdk], None]) -> Callable[[Sdk], Awaitable[None]]:
    """Run a test that blocks in a thread of its own, so that the server goes on."""

    @functools.wraps(test)
    async def run(sdk: Sdk) -> None:
        await asyncio.to_thread(test, sdk)

    return run
