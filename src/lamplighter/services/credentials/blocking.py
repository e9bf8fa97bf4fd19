"""The devices behind a certificate are suspended when it is put out of use, and resumed when it is back.

That they are kept out is decided at the gates, at once and from the certificate itself; here the directory follows, device by
device, from the event log: whatever a crash leaves undone is done after it.
"""

from __future__ import annotations

from lamplighter.bus.event import Event
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.services.credentials.certificate_store import Certificates
from lamplighter.services.credentials.events import CERTIFICATE_ACTIVATED, CERTIFICATE_DEACTIVATED
from lamplighter.services.directory.service import Directory
from lamplighter.storage.database import Database

CURSOR = "certificate blocking"
TOGETHER = 50
"""Devices of a transaction: others that write wait for no more."""
CATEGORY = "security_breach"
FOLLOWED = frozenset({CERTIFICATE_ACTIVATED, CERTIFICATE_DEACTIVATED})


class Blocking:
    """Give it the events of ``FOLLOWED``, each at least once and in their order."""

    def __init__(self, database: Database, directory: Directory) -> None:
        self._database = database
        self._directory = directory

    async def follow(self, event: Event) -> None:
        """Raises DatabaseUnavailable."""
        if event.kind not in FOLLOWED:
            return
        account_id, certificate_id = event.account_id, event.data["id"]
        blocks = event.kind == CERTIFICATE_DEACTIVATED
        status = await Certificates(self._database, account_id).status(certificate_id)
        if status is None or (status == "INACTIVE") != blocks:
            return  # it has changed again, or is gone: what came then follows
        text = f"ca_id={certificate_id}&system_suspended={'false' if blocks else 'true'}"
        change = self._directory.system_suspend if blocks else self._directory.system_resume
        why = f"its certificate {certificate_id} is {'inactive' if blocks else 'active again'}"
        after = None
        while found := await self._directory.matching(account_id, text, after=after, limit=TOGETHER):
            async with self._database.transaction() as tx:
                for device_id in found:
                    try:
                        await change(tx, account_id, device_id, CATEGORY, why)
                    except DeviceNotFound:  # deleted meanwhile
                        continue
            after = found[-1]
