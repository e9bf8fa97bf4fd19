"""Everything that a soak consists of: the installation, its devices in processes of their own, the application."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from tests.soak.application import Application
from tests.soak.child import Answer, Child, ask_all
from tests.soak.crowd import OBSERVED, Spec
from tests.soak.installation import Installation, Server
from tests.soak.report import Report

DEVICES_OF_PROCESS = 15_000
"""Each has a socket, and a process may often have no more than 20,000."""
LIFETIME = 86_400
TOGETHER = 128
"""Updates of all devices that are under way at once."""
CONNECTING = 250
"""Devices that are on their way at once while they are switched on: no storm, that comes later."""
POLL = 0.25


class Town:
    """Use it in a ``with`` statement.

    :param devices: as many, half of them with a pre-shared key and half with a certificate
    :param observed: the part of them that the application subscribes to, five resources each
    :param rate: devices switched on in a second
    :param nice: how much the server goes before its devices, on a machine that is short of cores
    """

    def __init__(
        self,
        devices: int,
        report: Report,
        *,
        observed: float = 0.1,
        rate: float = 500.0,
        nice: int = 0,
        postgres: bool = False,
    ) -> None:
        self.devices = devices
        self.report = report
        self.observed = max(1, int(devices * observed))
        self.subscriptions = 0
        """What the application is subscribed to."""
        self.crowds: list[Child] = []
        self._rate = rate
        self._nice = nice
        self._keys = (devices + 1) // 2
        gateways = 2 if postgres else 1
        self._processes = max(gateways, -(-devices // DEVICES_OF_PROCESS))
        self._sleeping = max(4, min(1000, devices // 100))
        self._probes = max(4, min(100, devices // 50))
        self.installation = Installation(
            self._keys + self._sleeping + self._probes, devices - self._keys, postgres=postgres
        )
        self._device_ids: list[str] = []
        self._round = 0

    def __enter__(self) -> Town:
        self.installation.__enter__()
        try:
            self.application = Application(self.installation.api.plain_port, self.installation.key)
            first, port = self._keys + self._sleeping, self.gateway.port
            self.probe = Child("tests.soak.probe", str(port), str(first), str(self._probes), errors=self._log("probe"))
            self.sleepers = self._crowd("sleepers", self.gateway, (self._keys, self._sleeping), (0, 0), sleeping=True)
            self.wait_until_registered([self.sleepers], self._sleeping)
            self.probe.ask("ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        children = [*self.crowds, *(getattr(self, name) for name in ("sleepers", "probe") if hasattr(self, name))]
        for child in children:
            child.end()
        if hasattr(self, "application"):
            self.application.close()
        self.installation.__exit__()

    @property
    def gateway(self) -> Server:
        """The one that the probe talks to."""
        return self.installation.gateways[0]

    def resident(self) -> int:
        """Bytes that the processes with devices have in memory."""
        return sum(server.resident() for server in self.installation.gateways)

    @property
    def patience(self) -> float:
        """Seconds for something that every device does."""
        return 120.0 + self.devices / 50

    # Devices

    def connect(self) -> float:
        """Switch all on; seconds until all were registered."""
        gateways = self.installation.gateways
        many = self._processes
        began = time.monotonic()
        for place in range(many):
            keys = _share(self._keys, many, place)
            certificates = _share(self.devices - self._keys, many, place)
            gateway = gateways[place % len(gateways)]
            self.crowds.append(self._crowd(f"crowd-{place}", gateway, keys, certificates, rate=self._rate / many))
        self.wait_until_registered(self.crowds, self.devices)
        return time.monotonic() - began

    def wait_until_registered(self, crowds: list[Child], many: int, registrations: int = 0) -> bool:
        """Until so many are registered, after so many registrations in all. False: it took too long."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            now = total(ask_all(crowds, "status"))
            if now["registered"] >= many and now["registrations"] >= registrations:
                return True
            time.sleep(POLL)
        return False

    def status(self) -> Answer:
        """Counts of all devices but the sleeping ones."""
        return total(ask_all(self.crowds, "status"))

    def handshakes(self) -> int:
        """How many were begun by any device so far."""
        return int(total(ask_all([*self.crowds, self.sleepers], "status"))["handshakes"])

    @property
    def device_ids(self) -> list[str]:
        if not self._device_ids:
            answers = ask_all(self.crowds, "device_ids")
            self._device_ids = [device_id for answer in answers for device_id in answer["device_ids"]]
        return self._device_ids

    def update_all(self, crowds: list[Child] | None = None) -> Answer:
        """Every device sends an Update."""
        crowds = crowds or self.crowds
        together = max(1, TOGETHER // len(crowds))
        answers = ask_all(crowds, "update", together=together, timeout=self.patience)
        found = total(answers)
        for name in ("seconds", "p50", "p99"):
            found[name] = max(answer[name] for answer in answers)
        return found

    # The application

    def subscribe(self) -> Counter[int]:
        """To five resources of a part of the devices; how the devices agreed, by status."""
        step = self.devices / self.observed
        chosen = [self.device_ids[int(number * step)] for number in range(self.observed)]
        self.application.forget()
        calls = [("PUT", f"/v2/subscriptions/{each}{path}", None) for each in chosen for path in OBSERVED]
        answered = self.application.call_all(calls)
        self.application.wait_for_responses(answered[202], self.patience)
        self.subscriptions = self.application.statuses.get("200", 0)
        return answered

    def change_all(self) -> tuple[int, int]:
        """Change every observed resource on its device: how many the devices know of, and how many came."""
        self._round += 1
        self.application.forget()
        rate = 200 / len(self.crowds)  # not a test of how much the server takes at once
        told = sum(each["observed"] for each in ask_all(self.crowds, "change", number=self._round, rate=rate))
        return told, self.application.wait_for_values(self.subscriptions, self.patience)

    def request(self, device_id: str, async_id: str, **body: Any) -> tuple[str, str, Any]:
        """A call that asks something of a device."""
        return "POST", f"/v2/device-requests/{device_id}?async-id={async_id}", body

    # Inside

    def _crowd(
        self,
        name: str,
        gateway: Server,
        keys: tuple[int, int],
        certificates: tuple[int, int],
        *,
        rate: float = 100.0,
        sleeping: bool = False,
    ) -> Child:
        spec = Spec(
            str(self.installation.folder),
            "127.0.0.1",
            gateway.port,
            f"127.{1 + len(self.crowds)}.0.1",  # networks are limited, and so are the ports of an address
            keys,
            certificates,
            LIFETIME,
            rate,
            max(1, CONNECTING // (self._processes + 1)),
            sleeping,
            self._nice,
        )
        return Child("tests.soak.crowd", msgspec.json.encode(spec).decode(), errors=self._log(name))

    def _log(self, name: str) -> Path:
        return self.installation.folder / f"{name}.log"


def total(answers: list[Answer]) -> Answer:
    """Numbers added, and tables of numbers too."""
    found: Answer = {}
    for answer in answers:
        for name, value in answer.items():
            if isinstance(value, dict):
                found[name] = dict((Counter(found.get(name, {})) + Counter(value)).most_common())
            else:
                found[name] = found.get(name, 0) + value
    return found


def _share(many: int, parts: int, place: int) -> tuple[int, int]:
    """The first one and the number of a part of so many."""
    first, end = many * place // parts, many * (place + 1) // parts
    return first, end - first


def shown(table: dict[str, int]) -> str:
    return json.dumps(table) if table else "none"
