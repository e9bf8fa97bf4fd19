"""The application's end of a long-polling channel: what devices answer and tell arrives there (/v2/notification/pull)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from lamplighter.cli.fail import Failure

PULL = "/v2/notification/pull"
#: Seconds between polls when the channel does not work.
_PAUSE = 1.0

Item = dict[str, Any]


class Api(Protocol):
    """What is asked of the REST API."""

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and decoded body. Raises Failure when the server cannot be reached."""
        ...


class Channel:
    """Polls on a thread of its own, as an application does, and keeps every message until somebody asks for its items."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._news = threading.Condition()
        self._items: list[tuple[str, Item]] = []
        self._problem = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="channel", daemon=True)

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop after the poll under way."""
        self._stop.set()

    def take(self, kind: str, wanted: Callable[[Item], bool], timeout: float) -> Item:
        """The first item of that kind (a key of the notification message) that is wanted; it is gone from the channel then.

        Raises Failure after ``timeout`` seconds, with what is wrong with the channel when something is.
        """
        end = time.monotonic() + timeout
        with self._news:
            while True:
                for index, (found, item) in enumerate(self._items):
                    if found == kind and wanted(item):
                        del self._items[index]
                        return item
                if not self._news.wait(end - time.monotonic()) and time.monotonic() >= end:
                    problem = f" {self._problem}" if self._problem else ""
                    raise Failure(f"Nothing of the kind came through the channel in {timeout:.0f} s.{problem}")

    def count(self, kind: str) -> int:
        """How many items of that kind are there."""
        with self._news:
            return sum(found == kind for found, _ in self._items)

    def _poll(self) -> None:
        while not self._stop.is_set():
            try:
                status, body = self._api.call("GET", PULL)
            except Failure as error:
                status, body = 0, str(error)
            with self._news:
                if status == 200 and isinstance(body, dict):
                    self._problem = ""
                    self._items += [(kind, item) for kind, items in body.items() for item in items]
                elif status != 204:
                    self._problem = f"The last poll was answered {status}: {str(body)[:200]}"
                self._news.notify_all()
            if status not in (200, 204):
                self._stop.wait(_PAUSE)
