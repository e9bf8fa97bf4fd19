"""From which place in the log a channel is to go on: a time, an event's uid, or the oldest or newest there is."""

from __future__ import annotations

from lamplighter.bus.log import EventLog
from lamplighter.clock import MICROSECONDS, Clock, from_rfc3339, to_rfc3339
from lamplighter.errors import FieldFault
from lamplighter.errors.requests import invalid
from lamplighter.services.channels.named_model import EARLIEST, LATEST
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.retention import CURSOR as AGED

REPLAYED = "ChannelReplayed"
"""Event: an application set a channel back, or forward. ``data`` names the channel as ``retention.py`` does."""


class Places:
    """Finds places.

    :param kept: seconds for which events wait for a channel; nothing is deleted from the log before
    """

    def __init__(self, log: EventLog, clock: Clock, kept: float) -> None:
        self._log = log
        self._clock = clock
        self._kept = round(kept * MICROSECONDS)

    async def of(self, text: str) -> Place:
        """The place that a ``from`` says. Raises InvalidParameters where it is not kept, or was never."""
        now = self._clock.now()
        oldest = now - self._kept
        if text == LATEST:
            return Place.of(await self._log.end())
        if text == EARLIEST:
            return Place.of(await self._log.before(oldest))
        try:
            place = Place.of_uid(text)
        except ValueError:
            return await self._at(from_rfc3339(text), oldest, now)
        aged = await self._log.cursor(AGED)
        if aged is not None and place < Place.of(aged):
            raise _refused(
                f"lies before what is kept, which goes back to {to_rfc3339(oldest)}; say {EARLIEST} for that"
            )
        if place > Place.of(await self._log.end()):
            raise _refused("is no position of an event")
        return place

    async def _at(self, time: int, oldest: int, now: int) -> Place:
        if time < oldest:
            raise _refused(
                f"lies before what is kept, which goes back to {to_rfc3339(oldest)}; say {EARLIEST} for that"
            )
        if time > now:
            raise _refused(f"lies in the future; say {LATEST} to go on with what happens from now on")
        return Place.of(await self._log.before(time))


def _refused(message: str) -> Exception:
    return invalid([FieldFault("from", message)])
