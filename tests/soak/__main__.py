"""A fleet that lives through everything: ``./dev soak [--devices N] [--scenarios NAMES] [--postgres]``."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Any

from tests.soak.report import Report
from tests.soak.scenarios import SCENARIOS
from tests.soak.town import Town

DEVICES = 100_000


def soak(devices: int, names: list[str], *, postgres: bool = False, **more: Any) -> Report:
    """Connect so many devices, and play these scenarios with them. For ``more`` see ``Town``."""
    report = Report()
    database = "PostgreSQL and NATS, two gateways" if postgres else "SQLite, one process"
    report.scenario(f"{devices:,} devices, {database}")
    with Town(devices, report, postgres=postgres, **more) as town:
        for name in names:
            report.scenario(f"{name}: {SCENARIOS[name].__doc__}")
            SCENARIOS[name](town)
    return report


def main() -> int:
    described = "\n".join(f"  {name:10} {scenario.__doc__}" for name, scenario in SCENARIOS.items())
    parser = argparse.ArgumentParser(
        prog="./dev soak", description=__doc__, epilog=described, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--devices", type=int, default=DEVICES, help=f"{DEVICES} when not given: 4 GB of memory")
    parser.add_argument("--scenarios", default="", help="names with commas between; all when not given")
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL, NATS and two gateways")
    parser.add_argument("--rate", type=float, default=500.0, help="devices switched on in a second")
    parser.add_argument("--observed", type=float, default=0.1, help="the part of the devices that is observed")
    parser.add_argument("--nice", type=int, default=0, help="how much the server goes before its devices: 0 to 19")
    arguments = parser.parse_args()
    wanted = {name for name in arguments.scenarios.split(",") if name} or set(SCENARIOS)
    if unknown := sorted(wanted - set(SCENARIOS)):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if arguments.devices < 2:
        parser.error("--devices is a number from 2 on")
    if not arguments.postgres:
        wanted.discard("takeover")
    names = [name for name in SCENARIOS if name in wanted | {"connect"}]
    more = {name: getattr(arguments, name) for name in ("rate", "observed", "nice")}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no server is left behind
    report = soak(arguments.devices, names, postgres=arguments.postgres, **more)
    print(f"\n{report.missed} missed" if report.missed else "\nall met")
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
