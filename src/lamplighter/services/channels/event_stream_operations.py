"""The REST operations of event streams. Lamplighter's own: the public API has none."""

from __future__ import annotations

from lamplighter.api.caller import KEYS
from lamplighter.api.operation import Call, Operations
from lamplighter.api.parameter import Parameter
from lamplighter.api.stream import Stream
from lamplighter.errors import channels as errors
from lamplighter.errors.requests import invalid
from lamplighter.services.channels.connection import PERMISSION
from lamplighter.services.channels.model import Options, Serialization
from lamplighter.services.channels.named_model import LATEST, from_faults
from lamplighter.services.channels.place import Place
from lamplighter.services.channels.service import Channels

LAST_EVENT_ID = Parameter(
    "Last-Event-ID",
    "The id of the last event that the client has: what follows it comes.",
    place="header",
    pattern="([0-7][0-9a-f]{15}[0-7][0-9a-f]{15})?",
)
FROM = Parameter(
    "from",
    "Where to begin: a UTC date-time, the position of an event, earliest, or latest: with what happens from now on.",
    default=LATEST,
)
OPTIONS = {
    "deregistrations_as_object": "Write devices that deregistered or expired as objects.",
    "include_uid": "Give each notification its uid.",
    "include_timestamp": "Give each notification the time it happened, in milliseconds since 1970.",
    "include_original_ep": "Give each notification the device's endpoint name.",
}

operations = Operations(
    "Device data - notifications",
    permission=PERMISSION,
    credentials=KEYS,
    answer=str,
    answer_media_type="text/event-stream",
    streams=True,
)


@operations.add(
    "GET",
    "/v2/notification/events",
    "watchNotifications",
    parameters=(LAST_EVENT_ID, FROM, *(Parameter(name, meaning, "boolean") for name, meaning in OPTIONS.items())),
    raises=(errors.TooManyEventStreams,),
)
async def watch_notifications(channels: Channels, call: Call) -> Stream:
    """Watch what happens from now on, as server-sent events; nothing needs to be registered."""
    since, last = call.parameters["from"], _last(call)
    if faults := from_faults(since):
        raise invalid(faults)
    serialization = Serialization(cfg=Options(**{name: bool(call.parameters[name]) for name in OPTIONS}))
    return Stream(lambda outlet: channels.event_streams.watch(call.caller, serialization, since, last, outlet))


@operations.add(
    "GET",
    "/v2/notification/channels/{name}/events",
    "followChannel",
    parameters=(LAST_EVENT_ID,),
    raises=(errors.NamedChannelNotFound, errors.TooManyEventStreams),
)
async def follow_channel(channels: Channels, call: Call, name: str) -> Stream:
    """Receive what waits for a channel of type event-stream, and what comes, as server-sent events."""
    channel = await channels.named.find(call.caller, name, "EVENT_STREAM")
    last = _last(call)
    return Stream(lambda outlet: channels.event_streams.follow(call.caller, channel, last, outlet))


def _last(call: Call) -> Place | None:
    """The place up to which the client says that it has everything. At first browsers say none, and some libraries an
    empty one."""
    text = call.parameters["Last-Event-ID"]
    return Place.of_uid(text) if text else None
