"""Who is kept out, and who came by a certificate that opens less than before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from lamplighter.services.connect.identity import Identity
from lamplighter.services.directory.service import Directory, Known
from lamplighter.storage.database import Database, Reader

BEHIND_TOGETHER = 500
"""Devices of a certificate, looked up at once."""


async def _nothing_is_blocked(account_id: str, certificate_id: str, reader: Reader) -> bool:
    return False


class Denials:
    """Of devices of all accounts."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self.is_blocked: Callable[[str, str, Reader], Awaitable[bool]] = _nothing_is_blocked
        """Whether an account has put a certificate of its own out of use."""
        self._database = database
        self._directory = directory

    async def is_denied(self, identity: Identity, reader: Reader | None = None) -> bool:
        """Whether the device of a credential is kept out: it is suspended, or was deleted and is only named by a certificate.

        Raises DatabaseUnavailable.
        """
        known = await self._known(identity, reader or self._database)
        if known is None:
            return bool(identity.device_id)
        return known.suspended or bool(
            known.ca_id and await self.is_blocked(identity.account_id, known.ca_id, reader or self._database)
        )

    async def devices_behind(self, account_id: str, certificate_id: str) -> AsyncIterator[str]:
        """The ids of the devices that came by a certificate."""
        after = None
        while True:
            found = await self._directory.matching(
                account_id, f"ca_id={certificate_id}", after=after, limit=BEHIND_TOGETHER
            )
            for device_id in found:
                yield device_id
            if len(found) < BEHIND_TOGETHER:
                return
            after = found[-1]

    async def turned_away(self, identity: Identity) -> None:
        """A device that is kept out tried to connect: its owner is to know. Of a deleted one there is nobody to tell.

        Raises DatabaseUnavailable.
        """
        async with self._database.transaction() as tx:
            known = await self._known(identity, tx)
            if known is not None:
                await self._directory.turned_away(tx, identity.account_id, known.device_id)

    async def _known(self, identity: Identity, reader: Reader) -> Known | None:
        """The device of a credential, if there is a record of it."""
        if identity.device_id:
            return await self._directory.device(reader, identity.account_id, identity.device_id)
        return await self._directory.device_of_endpoint(reader, identity.account_id, identity.endpoint_name)
