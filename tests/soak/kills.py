"""Each process of the installation is killed at random while devices and applications are at work.

Afterwards the event log is held against what the applications know: every command that was accepted has exactly one end, and
every event reached every channel that it is for, in order for each device.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from lamplighter.bus.event import Recorded
from lamplighter.bus.local import LocalBus
from lamplighter.bus.log import START, EventLog
from lamplighter.services.channels.place import Place
from lamplighter.services.connect.events import FINISHED, delivery_of
from lamplighter.storage.open import open_database
from tests.roles.serving import settings_for
from tests.soak.child import ask_all
from tests.soak.crowd import OBSERVED, TEXT
from tests.soak.receivers import PollReceiver, Receiver, SocketReceiver, WebhookReceiver
from tests.soak.town import Town, shown

KILLS = 60
"""Processes killed in one run."""
CALM = (0.2, 2.0)
"""Seconds between one kill's end and the next."""
COMMANDS = 20.0
"""Commands that each application gives in a second."""
CHANGED = 0.2
"""Seconds between two changes of everything that is observed."""
WATCHED = 300
"""Devices that each application subscribes to at most."""
STILL = 60.0
"""Seconds without news after which a channel is said to have told all that it will."""
_PAGE = 5000
_RECEIVERS: tuple[type[Receiver], ...] = (SocketReceiver, PollReceiver, WebhookReceiver)
_EXECUTED = "/3/0/12"
"""Reset of a device's error code: an Execute that changes nothing else."""


class _Commands:
    """An application's: given one after another, each again under its id until it is answered."""

    def __init__(self, receiver: Receiver, device_ids: Sequence[str], seed: int) -> None:
        self.receiver = receiver
        self.calls: Counter[str] = Counter()
        """How often each id was sent; more than once where the first call had no answer."""
        self.accepted: set[str] = set()
        self.executions: set[str] = set()
        self.answers: Counter[str] = Counter()
        self._device_ids = device_ids
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        for number in itertools.count():
            if self._stop.wait(1 / COMMANDS):
                return
            async_id = f"{self.receiver.subject_id[-8:]}-{number}"
            body: dict[str, Any] = self._chance.choice(
                (
                    {"method": "GET", "uri": "/3/0/0"},
                    {"method": "PUT", "uri": TEXT, "content-type": "text/plain", "payload-b64": "bGFtcA=="},
                    {"method": "POST", "uri": _EXECUTED},
                )
            )
            device_id = self._chance.choice(self._device_ids)
            if body["method"] == "POST":
                self.executions.add(async_id)
            self._give(f"/v2/device-requests/{device_id}?async-id={async_id}", async_id, body)

    def _give(self, path: str, async_id: str, body: dict[str, Any]) -> None:
        while True:
            status, answer = self.receiver.call("POST", path, body)
            self.calls[async_id] += self.receiver.tries
            self.answers[f"{status} {answer if isinstance(answer, str) else answer.get('type')}".strip()] += 1
            if status == 202:
                self.accepted.add(async_id)
            if status not in (500, 503) or self._stop.wait(0.2):
                return


class _Changes:
    """Everything that is observed changes, again and again."""

    def __init__(self, town: Town) -> None:
        self.rounds = 0
        self._town = town
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(CHANGED):
            self.rounds += 1
            ask_all(self._town.crowds, "change", number=self.rounds, rate=100.0)


def kills(town: Town) -> None:
    """Each process is killed at random under load; every command ends once, and every event reaches every channel."""
    before = town.handshakes()
    receivers = [_application(town, number, kind) for number, kind in enumerate(_RECEIVERS)]
    watched = town.device_ids[:: max(1, len(town.device_ids) // min(WATCHED, town.observed))]
    for receiver in receivers:
        receiver.start()
        receiver.call_all(("PUT", f"/v2/subscriptions/{each}{path}", None) for each in watched for path in OBSERVED)
    commands = [_Commands(receiver, town.device_ids, number) for number, receiver in enumerate(receivers)]
    changes = _Changes(town)
    killed, took = _kill(town)
    changes.stop()
    for each in commands:
        each.stop()
    calls = sum(sum(each.calls.values()) for each in commands)
    answers = sum((each.answers for each in commands), Counter[str]())
    town.report.say(
        "killed", f"{shown(dict(killed))} in {took:.0f} s, {changes.rounds} changes of all values meanwhile"
    )
    town.report.say("calls", f"{calls:,}, {shown(dict(answers.most_common()))}")
    _hold_ends(town, commands)
    log = _log(town)
    for receiver in receivers:
        _hold_channel(town, receiver, log)
    for receiver in receivers:
        receiver.close()
    back = town.wait_until_registered(town.crowds, town.devices)
    town.report.say("handshakes meanwhile", f"{town.handshakes() - before:,}; {shown(town.status()['lost'])}")
    town.report.hold("devices", f"{town.status()['registered']:,} registered", f"{town.devices:,}", back)


def _application(town: Town, number: int, kind: type[Receiver]) -> Receiver:
    call = town.application.call
    _, groups = call("GET", "/v3/policy-groups")
    everything = [group["id"] for group in groups["data"]]
    _, application = call("POST", "/v3/applications", {"name": f"application {number}", "groups": everything})
    _, key = call("POST", f"/v3/applications/{application['id']}/access-keys", {"name": "key"})
    return kind(town.installation.api.plain_port, key["key"], application["id"])


def _kill(town: Town) -> tuple[Counter[str], float]:
    chance, killed, began = random.Random(7), Counter[str](), time.monotonic()
    for _ in range(KILLS):
        time.sleep(chance.uniform(*CALM))
        server = chance.choice(town.installation.servers)
        server.stop(signal.SIGKILL)
        server.start()
        killed[f"{server.role} {server.port}" if server.role == "lwm2m" else server.role] += 1
    return killed, time.monotonic() - began


def _hold_ends(town: Town, commands: list[_Commands]) -> None:
    wanted = {async_id for each in commands for async_id in each.accepted}
    ends: Counter[str] = Counter()

    def all_ended() -> bool:
        nonlocal ends
        ends = Counter(each.event.data["item"]["id"] for each in _log(town) if each.event.kind == FINISHED)
        return wanted <= ends.keys()

    took = _wait(all_ended, town.patience)
    calls = sum((each.calls for each in commands), Counter[str]())
    executions = {async_id for each in commands for async_id in each.executions}
    # A read or write that ended before it was sent again is done again: its id was free.
    more = {each for each in wanted if ends[each] > (1 if each in executions else calls[each])}
    again = sum(calls[each] > 1 for each in wanted)
    ended = sum(ends[each] > 0 for each in wanted)
    seen = (
        f"{ended:,} ended within {took:.0f} s, {len(more)} of them too often; {again} given again after a lost answer"
    )
    town.report.hold("commands accepted", seen, f"{len(wanted):,}, once each", ended == len(wanted) and not more)


def _hold_channel(town: Town, receiver: Receiver, log: Sequence[Recorded]) -> None:
    wanted: dict[str, str] = {}
    times: Counter[str] = Counter()
    for each in log:
        delivery = delivery_of(each.event)
        if delivery is not None and receiver.subject_id in (delivery.subjects or ()):
            known = receiver.stand_in(delivery.key, delivery.item, Place.of(each.position).uid)
            wanted.setdefault(known, each.event.device_id or "")
            times[known] += 1
    before = -1
    while (
        before < len(receiver.times) and not wanted.keys() <= receiver.times.keys()
    ):  # a webhook has much to make up for
        before = len(receiver.times)
        _wait(lambda: wanted.keys() <= receiver.times.keys(), STILL)
    missing = wanted.keys() - receiver.times.keys()
    arrived: dict[str, list[str]] = defaultdict(list)
    for known in receiver.arrived:
        if times[known] == 1:  # what an event says may be said again: then nobody can tell which of them came
            arrived[wanted[known]].append(known)
    ordered: dict[str, list[str]] = defaultdict(list)
    for known, device_id in wanted.items():
        if times[known] == 1 and known not in missing:
            ordered[device_id].append(known)
    confused = sum(arrived[device_id] != ordered[device_id] for device_id in ordered)
    repeated = sum(receiver.times[known] - times[known] for known in wanted if receiver.times[known] > times[known])
    seen = f"{len(wanted) - len(missing):,} arrived, {repeated:,} again; in another order: {confused} devices"
    what, asked = f"events for the {receiver.mechanism}", f"{len(wanted):,}, in order for each device"
    town.report.hold(what, seen, asked, bool(wanted) and not missing and not confused)


def _wait(done: Callable[[], bool], patience: float) -> float:
    """Seconds until it was so, or too long."""
    began = time.monotonic()
    while not done() and time.monotonic() < began + patience:
        time.sleep(0.5)
    return time.monotonic() - began


def _log(town: Town) -> list[Recorded]:
    """All events of the installation."""
    return asyncio.run(_read(town))


async def _read(town: Town) -> list[Recorded]:
    database = open_database(settings_for(town.installation.database_url), town.installation.folder)
    await database.start()
    found: list[Recorded] = []
    log, position = EventLog(database, LocalBus()), START
    while page := await log.read(position, _PAGE):
        found += page
        position = page[-1].position
    await database.close()
    return found
