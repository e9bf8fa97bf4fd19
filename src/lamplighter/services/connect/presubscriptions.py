"""Pre-subscriptions: rules by which an application is subscribed to devices when they register (contract: subscriptions).

A rule makes ordinary subscriptions, marked as made by a rule, whenever a device registers, and when it updates its
registration and either has changed since. The device is observed once, whoever subscribed and however.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from lamplighter.bus.outbox import append
from lamplighter.clock import Clock
from lamplighter.errors import FieldFault
from lamplighter.errors.requests import invalid
from lamplighter.services.connect import events
from lamplighter.services.connect import presubscription_store as store
from lamplighter.services.connect.registering import Registered
from lamplighter.services.connect.resources import Links, has, is_path, path_of
from lamplighter.storage.database import Database, Row

MOST_RULES, MOST_PATHS = 1024, 256
"""Of one application: rules, and distinct paths in them."""
MOST_OF_DEVICE = 256
"""Resources of one device that the rules of an application subscribe to."""
ACCOUNTS = 1000
"""Accounts whose rules are kept in memory."""
TOGETHER = 500
"""Subscriptions that one transaction ends."""


class Presubscription(msgspec.Struct, omit_defaults=True, rename=lambda name: name.replace("_", "-")):
    """A rule: which resources of which devices. What is not named is any. ``*`` at an end stands for whatever follows.

    ``endpoint-name`` is the device id.
    """

    endpoint_name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    endpoint_type: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    resource_path: Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(min_length=1)] | None = None

    def faults(self, place: str) -> Iterator[FieldFault]:
        """What types cannot say."""
        if "*" in (self.endpoint_name or "")[:-1]:
            yield FieldFault(f"{place}.endpoint-name", "must have * at its end only")
        for index, path in enumerate(self.resource_path or ()):
            if "*" in path[:-1]:
                yield FieldFault(f"{place}.resource-path[{index}]", "must have * at its end only")

    def is_for(self, device_id: str, endpoint_type: str) -> bool:
        """Whether it speaks of that device."""
        return _matches(self.endpoint_name, device_id) and self.endpoint_type in (None, endpoint_type)

    def covers(self, path: str) -> bool:
        """Whether it speaks of that path."""
        return self.resource_path is None or any(_matches(_absolute(each), path) for each in self.resource_path)

    def paths(self, links: Links) -> Iterator[str]:
        """The paths of a device that it subscribes to: by name whatever the device may have, by pattern what it says can be
        observed. A standard client does not say; of it a pattern takes the instances, unless it is of everything."""
        says = any(link.observable for link in links)
        for each in self.resource_path or ("*",):
            if not each.endswith("*"):
                path = path_of(each)
                if is_path(path) and has(links, path):
                    yield path
                continue
            pattern = _absolute(each)
            for link in links:
                path = path_of(link.target)
                observable = link.observable if says else each != "*" and path.count("/") == 2
                if observable and _matches(pattern, path):
                    yield path


class Rules(NamedTuple):
    """All rules of an account, by application.

    ``stamp``: their texts; whoever has seen the same has nothing new to do.
    """

    stamp: tuple[tuple[str, str], ...]
    by_subject: tuple[tuple[str, tuple[Presubscription, ...]], ...]

    def wanted(self, registered: Registered) -> set[tuple[str, str]]:
        """Path and application of each subscription that they ask for on a device."""
        found: set[tuple[str, str]] = set()
        for subject, rules in self.by_subject:
            paths: dict[str, None] = {}
            for rule in rules:
                if rule.is_for(registered.device_id, registered.endpoint_type):
                    paths.update(dict.fromkeys(rule.paths(registered.links)))
            found.update((path, subject) for path in list(paths)[:MOST_OF_DEVICE])
        return found


class Applied(NamedTuple):
    """What the rules did to a device."""

    made: frozenset[str]
    """Paths that somebody is subscribed to now."""
    left: frozenset[str]
    """Paths that nobody is subscribed to any more."""


_DECODER = msgspec.json.Decoder(list[Presubscription])


class Presubscriptions:
    """Of all accounts; their rules are kept in memory until word comes that they were replaced."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._known: OrderedDict[str, Rules] = OrderedDict()
        self._replaced = 0

    async def get(self, account_id: str, subject_id: str) -> list[Presubscription]:
        """As the application set them."""
        text = await store.of_subject(self._database, account_id, subject_id)
        return [] if text is None else _DECODER.decode(text)

    async def replace(self, account_id: str, subject_id: str, rules: Sequence[Presubscription]) -> None:
        """Put these in the place of all that the application had. What they ask for begins with the next registration or
        update of each device, and what only the old ones made ends then at the latest: ``end_unasked`` does it sooner.

        Raises InvalidParameters.
        """
        faults = [fault for index, rule in enumerate(rules) for fault in rule.faults(f"[{index}]")]
        if len(rules) > MOST_RULES:
            faults.append(FieldFault("body", f"must have at most {MOST_RULES} entries"))
        if len({path_of(path) for rule in rules for path in rule.resource_path or ()}) > MOST_PATHS:
            faults.append(FieldFault("resource-path", f"must be at most {MOST_PATHS} different paths in all entries"))
        if faults:
            raise invalid(faults)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await store.put(tx, account_id, subject_id, msgspec.json.encode(rules).decode(), now)
            await append(tx, events.presubscribed(account_id, now))
        self.forget(account_id)

    async def end_unasked(self, account_id: str, subject_id: str) -> AsyncIterator[dict[tuple[str, str], list[str]]]:
        """End what former rules of an application made and its rules of now do not ask for, some at a time.

        Gives the paths that nobody is subscribed to any more, by device and its process.
        """
        after = ("", "")
        while True:
            rules = await self.get(account_id, subject_id)  # they may be replaced again meanwhile
            rows = await store.page_of_subject(self._database, account_id, subject_id, after, TOGETHER)
            over = [row for row in rows if not _asked_for(row, rules)]
            if over:
                async with self._database.transaction() as tx:
                    await store.unmake(tx, account_id, [(row["device_id"], row["path"], subject_id) for row in over])
            left: dict[tuple[str, str], list[str]] = {}
            for row in over:
                left.setdefault((row["device_id"], row["process"] or ""), []).append(row["path"])
            for (device_id, _), paths in left.items():
                others = {row["path"] for row in await store.made(self._database, account_id, device_id)}
                paths[:] = [path for path in paths if path not in others]
            yield {key: paths for key, paths in left.items() if paths}
            if len(rows) < TOGETHER:
                return
            after = (rows[-1]["device_id"], rows[-1]["path"])

    def forget(self, account_id: str) -> None:
        """The rules of an account were replaced."""
        self._known.pop(account_id, None)
        self._replaced += 1

    async def rules(self, account_id: str) -> Rules:
        """The rules of an account."""
        found = self._known.get(account_id)
        if found is None:
            replaced = self._replaced
            rows = await store.of_account(self._database, account_id)
            found = Rules(
                tuple((row["subject_id"], row["rules"]) for row in rows),
                tuple((row["subject_id"], tuple(_DECODER.decode(row["rules"]))) for row in rows),
            )
            if replaced == self._replaced:  # otherwise these may be the old ones
                self._known[account_id] = found
            if len(self._known) > ACCOUNTS:
                self._known.popitem(last=False)
        return found

    async def apply(self, rules: Rules, registered: Registered) -> Applied:
        """Subscribe to what the rules ask for on a device, and end what they asked for earlier."""
        account_id, device_id = registered.account_id, registered.device_id
        rows = await store.made(self._database, account_id, device_id)
        there = {(row["path"], row["subject_id"]) for row in rows}
        by_rule = {(row["path"], row["subject_id"]) for row in rows if row["by_rule"]}
        wanted = rules.wanted(registered)
        new, old = sorted(wanted - there), sorted(by_rule - wanted)
        if new or old:
            async with self._database.transaction() as tx:
                await store.unmake(tx, account_id, [(device_id, *each) for each in old])
                await store.make(tx, account_id, device_id, new, self._clock.now())
        still = {path for path, _ in (there - set(old)) | set(new)}
        return Applied(frozenset(path for path, _ in new), frozenset(path for path, _ in old) - still)

    async def unmake(self, registered: Registered, path: str) -> None:
        """The device does not let itself be observed there: what rules made is not to look as if it did."""
        account_id, device_id = registered.account_id, registered.device_id
        rows = await store.made(self._database, account_id, device_id)
        targets = [(device_id, path, row["subject_id"]) for row in rows if row["by_rule"] and row["path"] == path]
        async with self._database.transaction() as tx:
            await store.unmake(tx, account_id, targets)


def _asked_for(row: Row, rules: Iterable[Presubscription]) -> bool:
    return any(rule.is_for(row["device_id"], row["endpoint_type"] or "") and rule.covers(row["path"]) for rule in rules)


def _matches(pattern: str | None, text: str) -> bool:
    if pattern is None:
        return True
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


def _absolute(pattern: str) -> str:
    """A pattern of paths with one slash before each segment; what ends in ``/*`` is only what lies below."""
    inner = pattern.removesuffix("*")
    path = path_of(inner)
    if not pattern.endswith("*"):
        return path
    return (path if path == "/" or not inner.endswith("/") else f"{path}/") + "*"
