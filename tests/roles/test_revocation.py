"""What is revoked through one process ends in every other, also when none hears a word of it: NATS is dead.

How soon is measured by ``./dev bench revocation``; here it is only sure to come, and what bounds it is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lamplighter.bus.log import LOOK
from lamplighter.settings import Settings
from tests.roles.separate import Separate
from tests.servers import NatsServer

SILENCE = 1.0
"""Seconds, many times what a handshake takes."""


@pytest.fixture
async def separate(database_url: str, nats: NatsServer, tmp_path: Path) -> AsyncIterator[Separate]:
    async with Separate(tmp_path / "data", database_url, nats.url) as processes:
        nats.stop()
        try:
            yield processes
        finally:
            nats.start()


@pytest.mark.parametrize("dialect", ["postgresql"], indirect=True)
async def test_what_is_revoked_in_one_process_ends_in_those_that_hear_nothing(separate: Separate) -> None:
    await separate.revoke_access_key()
    await separate.revoke_token()
    await separate.suspend_device()
    await separate.revoke_device_key()
    with pytest.raises(TimeoutError):  # a key that nobody has is met with silence (gateway rule 2.9)
        await asyncio.wait_for(separate.connect("device-of-many-0004"), SILENCE)


def test_two_looks_and_a_remembered_credential_leave_a_margin_below_a_second() -> None:
    """The longest way: an open socket is looked at just before the credential that is remembered for it ends, and again
    one look later."""
    assert Settings().access.credential_cache + LOOK <= 0.8
