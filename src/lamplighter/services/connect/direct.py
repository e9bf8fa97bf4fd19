"""The deprecated calls of one resource, each a device request with an id of the server's making (contract: resources).

They say at once what the asynchronous ones say by words: a device that has gone is 410, a full queue 429.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from lamplighter.errors import FieldFault, connect
from lamplighter.errors.directory import DeviceNotFound
from lamplighter.errors.requests import invalid
from lamplighter.ids import Ids, is_id
from lamplighter.services.connect import store
from lamplighter.services.connect.model import UNHEARD, DeviceRequest, Method
from lamplighter.services.connect.registering import Registered, registered_of
from lamplighter.services.connect.resources import LONGEST_PATH, has, is_path, path_of
from lamplighter.services.directory.service import Directory
from lamplighter.storage.database import Database

Request = Callable[[str, str, str, str, DeviceRequest], Awaitable[None]]
"""``Connect.request``."""


class Direct:
    """Makes them device requests."""

    def __init__(self, database: Database, ids: Ids, directory: Directory, request: Request) -> None:
        self._database = database
        self._ids = ids
        self._directory = directory
        self._request = request

    async def registered(self, account_id: str, device_id: str, path: str) -> Registered:
        """The device, which has that resource. Raises InvalidParameters, DeviceNotFound, DeviceGone,
        ResourceNotRegistered."""
        if len(path) > LONGEST_PATH:
            raise invalid([FieldFault("resourcePath", f"must have at most {LONGEST_PATH} characters")])
        row = await store.registration(self._database, account_id, device_id) if is_id(device_id) else None
        if row is None:
            if is_id(device_id) and await self._directory.device(self._database, account_id, device_id) is not None:
                raise connect.DeviceGone(device_id=device_id)
            raise DeviceNotFound(device_id=device_id[:40])
        registered = registered_of(row)
        if not is_path(path_of(path)) or not has(registered.links, path_of(path)):
            raise connect.ResourceNotRegistered(device_id=device_id, path=path[:300])
        return registered

    async def ask(
        self,
        registered: Registered,
        subject_id: str,
        method: Method,
        path: str,
        *,
        content_type: str | None = None,
        payload: bytes = b"",
        heard: bool = True,
    ) -> str | None:
        """The id of the async response; None where none is wanted.

        :param heard: whether anybody wants the answer; otherwise the device is asked once, and need not acknowledge

        Raises InvalidParameters, DeviceGone, RequestQueueFull, NoResponseNotPossible.
        """
        device_id = registered.device_id
        if not heard and registered.queue_mode:
            raise connect.NoResponseNotPossible(device_id=device_id)
        encoded = base64.b64encode(payload).decode() if payload or method == "PUT" else None
        body = DeviceRequest(method, path_of(path), None, content_type, encoded)
        faults = list(body.faults())
        if faults:
            raise invalid(faults)
        async_id = self._ids.new()
        try:
            await self._request(registered.account_id, subject_id if heard else UNHEARD, device_id, async_id, body)
        except connect.QueueIsFull as error:
            raise connect.RequestQueueFull(**error.facts, retry_after=60) from error
        except connect.DeviceNotConnected as error:
            raise connect.DeviceGone(device_id=device_id) from error
        return async_id if heard else None
