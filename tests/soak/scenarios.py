"""What a gateway and its devices live through. Each scenario leaves all devices connected for the next."""

from __future__ import annotations

import signal
import time
from base64 import b64encode
from collections.abc import Callable
from statistics import median

from tests.bench.device_load import p99
from tests.soak.child import ask_all
from tests.soak.crowd import AWAKE, TEXT
from tests.soak.kills import kills
from tests.soak.town import Town, shown

BEYOND_START = 0.5
"""Seconds from the moment a server runs until a stored session is answered (design: figures to reach)."""
BODY = 2000
"""Bytes of a transfer: four blocks of 512."""
UNDER_WAY = 2000
"""Transfers at once."""
PROBE_RATE, PROBE_SECONDS = 100.0, 3.0
SLOWER = 5.0
"""How many times slower the updates of established devices may get, beyond a floor for what a busy machine does."""
FLOOR = 250.0
"""Milliseconds."""
GROWTH = 256.0
"""MB that a storm may take beside what the devices take anyway."""
KILOBYTES = 8.0
"""A device that talks (design: figures to reach)."""
ENOUGH = 50_000
"""Devices from which on their memory can be told: what a process takes anyway is little beside it."""
SAMPLE = 2000
"""Devices that are asked something, where not all are."""
_MB = 1e6


def connect(town: Town) -> None:
    """Devices connect: half by key, half by certificate, all with Connection ID; the application observes a part of them."""
    report, gateways = town.report, town.installation.gateways
    empty = town.resident()
    took = town.connect()
    status = town.status()
    all_in = status["registered"] == town.devices
    report.hold("registered", f"{status['registered']:,} in {took:.0f} s", f"{town.devices:,}", all_in)
    report.say("put off or lost meanwhile", shown(status["lost"]))
    registered = town.resident()
    answered = town.subscribe()
    wanted = town.observed * 5
    report.hold("observations", f"{town.subscriptions:,} {dict(answered)}", f"{wanted:,}", town.subscriptions == wanted)
    observed = town.resident()
    one, five = (registered - empty) / town.devices / 1e3, (observed - registered) / town.observed / 1e3
    report.say("server memory", f"{empty / _MB:.0f} MB empty, {observed / _MB:.0f} MB now")
    figures = (("memory a registered device", one), ("memory with 5 observations", one + five))
    for what, kilobytes in figures:
        if town.devices >= ENOUGH:
            report.hold(what, f"{kilobytes:.1f} KB", f"≤ {KILOBYTES:g} KB", kilobytes <= KILOBYTES)
        else:  # what a process takes anyway is more than what they take
            report.say(what, f"{kilobytes:.1f} KB")
    report.say("CPU of the server", f"{sum(server.cpu() for server in gateways):.0f} s since its start")


def restart(town: Town) -> None:
    """SIGTERM, and a start: nobody shakes hands again, nothing that is observed is lost."""
    _outage(town, signal.SIGTERM)


def kill(town: Town) -> None:
    """SIGKILL while commands wait for sleeping devices: the same, and each command is delivered once."""
    (sleeping,) = ask_all([town.sleepers], "device_ids")
    devices = sleeping["device_ids"]
    time.sleep(2 * AWAKE)
    town.application.forget()
    calls = [town.request(each, f"kill-{each}", method="GET", uri="/3/0/0") for each in devices]
    taken = town.application.call_all(calls)[202]
    town.report.hold("commands queued", f"{taken:,}", f"{len(devices):,}", taken == len(devices))
    _outage(town, signal.SIGKILL, forget=False)
    town.sleepers.ask("update", together=16, timeout=town.patience)
    came = town.application.wait_for_responses(len(devices), town.patience)
    good = town.application.statuses.get("200", 0)
    again = town.application.repeated
    met = came == good == len(devices) and not again
    asked = f"{len(devices):,}, once each"
    town.report.hold("responses", f"{shown(town.application.statuses)}, {again} of them again", asked, met)
    _hold_observations(town)


def _outage(town: Town, how: signal.Signals, *, forget: bool = True) -> None:
    report, gateways = town.report, town.installation.gateways
    before = town.handshakes()
    ended = max(gateway.stop(how) for gateway in gateways)
    town.probe.send("first")
    began = time.monotonic()
    started = gateways[0].start()
    for gateway in gateways[1:]:
        gateway.start()
    first = town.probe.receive()["at"] - began
    beyond = max(0.0, first - started)
    seen = f"{beyond:.2f} s beyond the start-up of {started:.2f} s (stopped in {ended:.1f} s)"
    report.hold("first answered record", seen, f"≤ {BEYOND_START} s beyond", beyond <= BEYOND_START)
    _hold_updates(town, before)
    if forget:
        _hold_observations(town)


def _hold_updates(town: Town, handshakes: int) -> None:
    """Every device speaks once, in the session that it had."""
    found = town.update_all()
    seen = f"{found['answered']:,} in {found['seconds']:.0f} s, p50 {found['p50']:.0f} ms, p99 {found['p99']:.0f} ms"
    town.report.hold("devices that went on", seen, f"{town.devices:,}", found["answered"] == town.devices)
    _hold_no_handshake(town, handshakes)


def _hold_no_handshake(town: Town, before: int) -> None:
    more = town.handshakes() - before
    town.report.hold("handshakes", f"{more:,}", "none", more == 0)


def _hold_observations(town: Town) -> None:
    told, came = town.change_all()
    met = told == came == town.subscriptions
    town.report.hold("changed values that arrived", f"{came:,} of {told:,} told", f"{town.subscriptions:,}", met)


def rebind(town: Town) -> None:
    """Every device loses its address in the middle of a block-wise transfer, one half upwards and one half downwards."""
    report, application = town.report, town.application
    up, down = "u" * BODY, "d" * BODY
    ask_all(town.crowds, "write", text=up)
    before, lost = town.handshakes(), town.status()["addresses_lost"]
    ask_all(town.crowds, "arm", after=2)
    application.forget()
    payload = b64encode(down.encode()).decode()
    begun, taken = time.monotonic(), 0
    devices = town.device_ids
    for start in range(0, len(devices), UNDER_WAY):
        calls = []
        for number, device_id in enumerate(devices[start : start + UNDER_WAY], start):
            body = {"method": "GET", "uri": TEXT}
            if number % 2:
                body = {"method": "PUT", "uri": TEXT, "content-type": "text/plain", "payload-b64": payload}
            calls.append(town.request(device_id, f"rebind-{number}", **body))
        taken += application.call_all(calls)[202]
        application.wait_for_responses(taken - UNDER_WAY, town.patience)
    came = application.wait_for_responses(taken, town.patience)
    took = time.monotonic() - begun
    good = application.statuses.get("200", 0)
    seen = f"{came:,} in {took:.0f} s, {shown(application.statuses)}"
    report.hold("transfers that ended", seen, f"{len(devices):,} with 200", good == len(devices))
    whole = application.payloads()[b64encode(up.encode()).decode()]
    stored = sum(answer["devices"] for answer in ask_all(town.crowds, "count", text=down))
    met = (whole, stored) == (-(-len(devices) // 2), len(devices) // 2)
    report.hold("bodies that are whole", f"{whole:,} up, {stored:,} down", f"{len(devices):,}", met)
    moved = town.status()["addresses_lost"] - lost
    report.hold("addresses lost", f"{moved:,}", f"{len(devices):,}", moved == len(devices))
    _hold_no_handshake(town, before)


def storm(town: Town) -> None:
    """All devices are switched off and on, keep their sessions, and register at once."""
    _storm(town, resume=True)


def handshakes(town: Town) -> None:
    """All devices are switched off and on, and come with full handshakes at once."""
    _storm(town, resume=False)


def _storm(town: Town, *, resume: bool) -> None:
    report, gateways = town.report, town.installation.gateways
    calm = _latencies(town)
    before, status = town.resident(), town.status()
    for server in gateways:
        server.forget_peak()
    began = time.monotonic()
    cpu = sum(server.cpu() for server in gateways)
    ask_all(town.crowds, "restart", resume=resume)
    stormy: list[float] = []
    refused: list[str] = []
    wanted = status["registrations"] + town.devices
    now = status
    while time.monotonic() - began < town.patience:
        found = town.probe.ask("pace", rate=PROBE_RATE, seconds=PROBE_SECONDS)
        stormy += found["latencies"]
        refused += [found["refused"]] if "refused" in found else []
        now = town.status()
        if now["registered"] == town.devices and now["registrations"] >= wanted:
            break
    took = time.monotonic() - began
    back = now["registered"] == town.devices and now["registrations"] >= wanted
    report.hold("devices that are back", f"{now['registered']:,} after {took:.0f} s", f"{town.devices:,}", back)
    busy = (sum(server.cpu() for server in gateways) - cpu) / took
    report.say("the server's part of a core", f"{busy:.2f}; registrations a second {town.devices / took:,.0f}")
    more = now["handshakes"] - status["handshakes"]
    report.say("handshakes begun, and put off or lost", f"{more:,}; {shown(now['lost'])}")
    peak = sum(server.peak for server in gateways)
    growth = (peak - before) / _MB
    seen = f"{growth:.0f} MB more than {before / _MB:.0f} MB at the most"
    report.hold("server memory", seen, f"≤ {GROWTH:.0f} MB more", growth <= GROWTH)
    limit = max(FLOOR, SLOWER * calm[1])
    stormy.sort()
    during = (median(stormy), p99(stormy) / 1000) if stormy else (0.0, 0.0)
    seen = f"p50 {during[0]:.0f} ms, p99 {during[1]:.0f} ms; before {calm[0]:.0f} and {calm[1]:.0f} ms"
    met = bool(stormy) and not refused and during[1] <= limit
    if refused:
        seen += f"; {len(refused)} times {refused[0]}"
    report.hold(f"updates of established devices, {len(stormy):,}", seen, f"p99 ≤ {limit:.0f} ms", met)
    town.subscribe()  # a new registration has ended those of before


def _latencies(town: Town) -> tuple[float, float]:
    """The median and the 99th percentile of updates, in milliseconds."""
    found = sorted(town.probe.ask("pace", rate=PROBE_RATE, seconds=PROBE_SECONDS)["latencies"]) or [0.0]
    return median(found), p99(found) / 1000


def takeover(town: Town) -> None:
    """One of two gateways is killed: the other takes its devices over, and requests reach each wherever it is."""
    gateways = town.installation.gateways
    _hold_requests(town, "before")
    before = town.handshakes()
    gateways[1].stop(signal.SIGKILL)
    ask_all(town.crowds[1::2], "move", port=gateways[0].port)
    _hold_updates(town, before)
    _hold_observations(town)
    _hold_requests(town, "taken over")
    gateways[1].start()
    ask_all(town.crowds[1::2], "move", port=gateways[1].port)
    _hold_updates(town, before)
    _hold_requests(town, "back again")


def _hold_requests(town: Town, when: str) -> None:
    """Ask some devices of every crowd something."""
    devices = town.device_ids
    asked = devices[:: max(1, len(devices) // SAMPLE)]
    town.application.forget()
    name = when.partition(" ")[0]
    calls = [town.request(each, f"{name}-{each}", method="GET", uri="/3/0/0") for each in asked]
    taken = town.application.call_all(calls)[202]
    town.application.wait_for_responses(taken, town.patience)
    good = town.application.statuses.get("200", 0)
    seen = f"{taken:,} taken, {shown(town.application.statuses)}"
    town.report.hold(f"requests to devices, {when}", seen, f"{len(asked):,} with 200", good == len(asked))


SCENARIOS: dict[str, Callable[[Town], None]] = {
    "connect": connect,
    "restart": restart,
    "kill": kill,
    "rebind": rebind,
    "storm": storm,
    "handshakes": handshakes,
    "takeover": takeover,
    "kills": kills,
}
"""In this order. ``connect`` comes first whatever is asked for, ``takeover`` only with two gateways."""
