"""What may happen to the configurations: who issues certificates of which name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET

from lamplighter.api.filter import Condition
from lamplighter.api.page import Page, envelope
from lamplighter.bus.outbox import append
from lamplighter.clock import Clock
from lamplighter.errors import FieldFault, access
from lamplighter.errors import issuers as errors
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.services.issuers import store
from lamplighter.services.issuers.events import By, happened
from lamplighter.services.issuers.model import (
    LWM2M,
    AutomaticRenewal,
    Configuration,
    ConfigurationCreateRequest,
    ConfigurationRequest,
    configuration_of,
)
from lamplighter.storage.database import Database, Reader, Row, Transaction
from lamplighter.storage.search import Order


class Configurations:
    """Those of all accounts.

    :param limit: how many one account may have
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids, limit: int) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._limit = limit

    async def list(self, account_id: str, page: Page, conditions: Sequence[Condition]) -> dict[str, Any]:
        """Those of the account; that of the LwM2M certificate is always among them."""
        await self._lwm2m(account_id)
        own: dict[str, str] = {"account_id": account_id}
        order: Order = "DESC" if page.descending else "ASC"
        found = await store.CONFIGURATIONS.page(
            self._database, own, conditions, order=order, after=page.after, limit=page.limit
        )
        count = await store.CONFIGURATIONS.count(self._database, own, conditions)
        shown = [configuration_of(row) for row in found[: page.limit]]
        return envelope(page, shown, has_more=len(found) > page.limit, total_count=count)

    async def get(self, account_id: str, configuration_id: str) -> Configuration:
        """Raises IssuerConfigurationNotFound."""
        return configuration_of(await _configuration(self._database, account_id, configuration_id))

    async def get_lwm2m(self, account_id: str) -> Configuration:
        return configuration_of(await self._lwm2m(account_id))

    async def create(self, account_id: str, by: By, wanted: ConfigurationCreateRequest) -> Configuration:
        """Raises InvalidParameters, IssuerConfigurationExists, ObjectLimitReached."""
        await self._lwm2m(account_id)
        now, configuration_id = self._clock.now(), self._ids.new()
        async with self._database.transaction() as tx:
            await store.alone(tx, account_id)
            await self._check_issuer(tx, account_id, wanted.certificate_issuer_id)
            there = await store.configuration_of(tx, account_id, wanted.reference)
            if there is not None:
                raise errors.IssuerConfigurationExists(reference=wanted.reference, configuration_id=there["id"])
            own, limit = {"account_id": account_id}, self._limit
            used = await store.CONFIGURATIONS.count(tx, own)
            if used >= limit:
                raise access.ObjectLimitReached(used=used, limit=limit, kind="certificate issuer configurations")
            values = self._new(account_id, configuration_id, wanted.reference, now)
            values["issuer_id"] = wanted.certificate_issuer_id
            await store.add_configuration(tx, values)
            event = happened(
                "IssuerConfigurationCreated", account_id, now, configuration_id, by=by, reference=wanted.reference
            )
            await append(tx, event)
            return configuration_of(await _configuration(tx, account_id, configuration_id))

    async def change_lwm2m(self, account_id: str, by: By, wanted: ConfigurationRequest) -> Configuration:
        """Raises InvalidParameters."""
        row = await self._lwm2m(account_id)
        return await self.change(account_id, row["id"], by, wanted)

    async def change(
        self, account_id: str, configuration_id: str, by: By, wanted: ConfigurationRequest
    ) -> Configuration:
        """Raises IssuerConfigurationNotFound, InvalidParameters."""
        issuer_id = wanted.certificate_issuer_id
        async with self._database.transaction() as tx:
            await store.alone(tx, account_id)
            row = await _configuration(tx, account_id, configuration_id)
            if issuer_id is not UNSET:
                await self._check_issuer(tx, account_id, issuer_id)
            changed = {"issuer_id": row["issuer_id"] if issuer_id is UNSET else issuer_id}
            return configuration_of(await self._changed(tx, row, by, changed))

    async def automatic_renewal(self, account_id: str, configuration_id: str) -> AutomaticRenewal:
        """Raises IssuerConfigurationNotFound."""
        row = await _configuration(self._database, account_id, configuration_id)
        return AutomaticRenewal(row["renewal_days"])

    async def set_automatic_renewal(
        self, account_id: str, configuration_id: str, by: By, wanted: AutomaticRenewal
    ) -> AutomaticRenewal:
        """Raises IssuerConfigurationNotFound."""
        async with self._database.transaction() as tx:
            await store.alone(tx, account_id)
            row = await _configuration(tx, account_id, configuration_id)
            await self._changed(tx, row, by, {"renewal_days": wanted.renewal_days})
        return wanted

    async def _changed(self, tx: Transaction, row: Row, by: By, changed: Mapping[str, Any]) -> Row:
        now, own = self._clock.now(), (row["account_id"], row["id"])
        values = {name: row[name] for name in ("issuer_id", "renewal_days")} | dict(changed)
        await store.change_configuration(tx, *own, **values, updated_at=now)
        await append(tx, happened("IssuerConfigurationChanged", own[0], now, own[1], by=by, reference=row["reference"]))
        return await _configuration(tx, *own)

    async def delete(self, account_id: str, configuration_id: str, by: By) -> None:
        """Raises IssuerConfigurationNotFound, IssuerConfigurationNotCustom."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            row = await _configuration(tx, account_id, configuration_id)
            if row["reference"] == LWM2M:
                raise errors.IssuerConfigurationNotCustom(reference=LWM2M)
            await store.delete_configuration(tx, account_id, configuration_id)
            event = happened(
                "IssuerConfigurationDeleted", account_id, now, configuration_id, by=by, reference=row["reference"]
            )
            await append(tx, event)

    # Steps

    async def _check_issuer(self, reader: Reader, account_id: str, issuer_id: str | None) -> None:
        """Raises InvalidParameters."""
        if issuer_id is None:
            return
        if not is_id(issuer_id) or await store.issuer(reader, account_id, issuer_id) is None:
            raise invalid(
                [FieldFault("certificate_issuer_id", "must be the ID of a certificate issuer of the account, or null")]
            )

    async def _lwm2m(self, account_id: str) -> Row:
        """The configuration of the LwM2M certificate, made when it is first looked for."""
        row = await store.configuration_of(self._database, account_id, LWM2M)
        if row is not None:
            return row
        values = self._new(account_id, self._ids.new(), LWM2M, self._clock.now())
        async with self._database.transaction() as tx:
            await store.ensure_configuration(tx, values)
            row = await store.configuration_of(tx, account_id, LWM2M)
        assert row is not None
        return row

    def _new(self, account_id: str, configuration_id: str, reference: str, now: int) -> dict[str, Any]:
        return {
            "account_id": account_id,
            "id": configuration_id,
            "reference": reference,
            "issuer_id": None,
            "renewal_days": None,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }


async def _configuration(reader: Reader, account_id: str, configuration_id: str) -> Row:
    """Raises IssuerConfigurationNotFound."""
    row = await store.configuration(reader, account_id, configuration_id) if is_id(configuration_id) else None
    if row is None:
        raise errors.IssuerConfigurationNotFound(configuration_id=configuration_id[:40])
    return row
