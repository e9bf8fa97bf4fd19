"""``lamplighter demo``"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType

from lamplighter.cli.channel import Channel
from lamplighter.cli.explain import explain
from lamplighter.cli.fail import Failure
from lamplighter.cli.rest import Rest
from lamplighter.cli.server_process import ServerProcess
from lamplighter.cli.simulate import MOST_DEVICES, device_address, store_keys
from lamplighter.cli.tour import Tour
from lamplighter.roles.fleet import Credential, Summary, credentials, run_fleet
from lamplighter.settings import SettingsError, load

#: Seconds in which all devices must be registered.
REGISTRATION_SECONDS = 60.0
#: How long the server holds a poll here, in seconds: below the time-out of our own calls.
_LONG_POLL = "LAMPLIGHTER_CHANNELS_LONG_POLL"
_SEED = 0


def demo(devices: int, data: Path, config: Path | None) -> int:
    if not 1 <= devices <= MOST_DEVICES:
        raise Failure(f"--devices is a number from 1 to {MOST_DEVICES}.")
    try:
        settings = load(config)
    except SettingsError as error:
        raise Failure(str(error)) from None
    signal.signal(signal.SIGTERM, _interrupt)
    url = f"https://localhost:{settings.http.port}"
    print(f"Starting a server with the data folder {data} ...", flush=True)
    with ServerProcess(data, config, settings.http.port, {_LONG_POLL: os.environ.get(_LONG_POLL, "5")}) as server:
        print(f"It is ready: {url}/docs/ (its output: {server.log})", flush=True)
        rest = Rest(data, url)
        known = credentials((data / "admin-key").read_text().strip(), _SEED, devices)
        store_keys(rest, known)
        host, port = device_address(rest, None)
        channel = Channel(rest)
        channel.open()
        try:
            with FleetThread(known, host, port) as fleet:
                print(f"{devices} simulated devices connect to coaps://{host}:{port} ...", flush=True)
                summary = fleet.wait(REGISTRATION_SECONDS)
                print(f"{summary}", flush=True)
                tour = Tour(rest, channel, url, data, sys.stdout, lambda what: _explain(what, data, url))
                failed = tour.run({device.endpoint_name for device in known})
        finally:
            channel.close()
    if failed:
        print(f"\n{failed} of the steps failed; the server's output is in {server.log}.", flush=True)
        return 1
    print("\nAll steps went well. The devices have deregistered, the server has stopped.", flush=True)
    return 0


class FleetThread:
    """Simulated devices on a loop in a thread, so that the tour may wait. Leaving the ``with`` deregisters them."""

    def __init__(self, devices: Sequence[Credential], host: str, port: int) -> None:
        self._devices = devices
        self._host = host
        self._port = port
        self._news = threading.Condition()
        self._summary = Summary(len(devices), 0, 0, (), 0, 0)
        self._error: Exception | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="devices", daemon=True)

    def __enter__(self) -> FleetThread:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def wait(self, timeout: float) -> Summary:
        """Until all devices are registered. Raises Failure with the reasons when none is after ``timeout`` seconds."""
        with self._news:
            self._news.wait_for(
                lambda: self._error is not None or self._summary.registered == len(self._devices), timeout
            )
            if self._error is not None:
                raise Failure(f"The devices cannot run: {self._error}")
            if not self._summary.registered:
                raise Failure(f"No device was registered after {timeout:.0f} s: {self._summary}")
            return self._summary

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(
                run_fleet(self._devices, self._host, self._port, seed=_SEED, stop=self._stop, report=self._report)
            )
        except Exception as error:  # told where somebody waits: a thread has nobody to raise it to
            with self._news:
                self._error = error
                self._news.notify_all()

    def _report(self, summary: Summary) -> None:
        with self._news:
            self._summary = summary
            self._news.notify_all()


def _explain(request_id: str, data: Path, url: str) -> None:
    """As ``lamplighter explain`` prints it. Raises Failure when the server does not know the request."""
    explain(request_id, data, url, False)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
