"""The operations of issuers over a real database, with accounts and keys, and outbound requests that reach loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamplighter.bus.log import START, EventLog
from lamplighter.clock import ManualClock, SystemClock
from lamplighter.outbound.client import OutboundClient
from lamplighter.services.certificates.authority import Authority
from lamplighter.services.issuers.operations import operations
from lamplighter.services.issuers.service import Issuers
from lamplighter.settings import Outbound, Settings
from lamplighter.storage.database import Database
from lamplighter.storage.seal import MasterKey
from tests.outbound.receivers import LOOPBACK
from tests.services.app import App, make_app
from tests.services.issuers.authorities import ca_of


@dataclass
class Town:
    """The application and the service behind it."""

    app: App
    issuers: Issuers
    authority: Authority
    database: Database
    folder: Path

    async def happened(self, kind: str) -> list[dict[str, object]]:
        """The data of all events of that kind."""
        log = EventLog(self.database, self.app.bus)
        return [dict(each.event.data) for each in await log.read(START, 1000) if each.event.kind == kind]


@pytest.fixture
async def town(database: Database, tmp_path: Path) -> AsyncIterator[Town]:
    settings = Settings(outbound=Outbound(allowed_networks=LOOPBACK, ca_file=ca_of(tmp_path), timeout=5))
    outbound = OutboundClient(settings.outbound)
    made: list[Issuers] = []
    authority = Authority(tmp_path / "pki", 1_700_000_000_000_000)

    async def judge(account_id: str, chain: Sequence[bytes]) -> None:
        """Who trusts nobody is tried with whole servers (tests/roles)."""

    def bound(app: App) -> list[object]:
        service = Issuers(database, app.clock, app.ids, settings, MasterKey(b"k" * 32), authority, outbound, judge)
        made.append(service)
        return list(operations.bind(service))

    async with make_app(database, bound, settings=settings, clock=ManualClock(SystemClock().now())) as app:  # type: ignore[arg-type]
        yield Town(app, made[0], authority, database, tmp_path)
    await outbound.close()
