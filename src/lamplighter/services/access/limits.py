"""How many of a thing an account may have, by its tier."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lamplighter.errors import access as errors
from lamplighter.services.access.tables import accounts
from lamplighter.settings import Settings
from lamplighter.storage.database import Row, Transaction
from lamplighter.storage.query import Query

FREE = "0"
COMMERCIAL = "1"

_HOLD = Query(sa.select(accounts).where(accounts.c.id == sa.bindparam("id")).with_for_update())


async def hold(tx: Transaction, account_id: str) -> Row:
    """The account's row, which other transactions that hold it wait for. Raises AccountNotFound."""
    row = await tx.fetch_one(_HOLD, id=account_id)
    if row is None:
        raise errors.AccountNotFound(account_id=account_id)
    return row


async def check(tx: Transaction, count: Query, most: int, kind: str, **values: Any) -> None:
    """Raises ObjectLimitReached when there are now more than that; 0 is no limit."""
    row = await tx.fetch_one(count, **values)
    assert row is not None
    if 0 < most < row[0]:
        raise errors.ObjectLimitReached(used=row[0] - 1, limit=most, kind=kind)


def applications(settings: Settings, tier: str) -> int:
    return settings.access.applications_tier_0 if tier == FREE else settings.access.applications_tier_1


def operations(settings: Settings, tier: str) -> int:
    """Operations in a calendar month; 0: no limit."""
    return settings.access.quota_tier_0 if tier == FREE else settings.access.quota_tier_1


def devices(settings: Settings, tier: str) -> int:
    """0: no limit."""
    return settings.access.devices_tier_0 if tier == FREE else settings.access.devices_tier_1


def certificates(settings: Settings, tier: str) -> int:
    """Trusted certificates, developer certificates among them."""
    return settings.access.certificates_tier_0 if tier == FREE else settings.access.certificates_tier_1


def table(settings: Settings, tier: str) -> dict[str, str]:
    """The limits of a tier as an account shows them."""
    return {
        "api_call_limit": str(operations(settings, tier)),
        "application_limit": str(applications(settings, tier)),
        "access_key_limit": str(settings.access.keys_per_application),
        "device_limit": str(devices(settings, tier)),
        "trusted_certificate_limit": str(certificates(settings, tier)),
    }
