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


def test_nobody_waits_for_a_lost_word_longer_than_half_a_second() -> None:
    """Whoever holds a session or a channel looks at the log; whoever remembers a credential asks again."""
    assert max(LOOK, Settings().access.credential_cache) <= 0.5
