"""Resident memory of a server with many registered devices, each with five observations, on the devices of ``./dev soak``.

Californium's figure is from its own documentation: 3 to 5 KB a session, beside 0.8 GB that the virtual machine takes.
"""

from __future__ import annotations

from tests.bench.measure import Options, Row
from tests.soak.report import Report
from tests.soak.town import Town

DEVICES = 100_000
LIMIT = 8.0
"""KB of a device that talks."""


def measure(options: Options) -> list[Row]:
    many = options.devices or DEVICES
    with Town(many, Report(), observed=1.0) as town:
        empty = town.resident()
        town.connect()
        registered = town.resident()
        town.subscribe()
        observed = town.resident()
        wanted = many * 5
        if town.status()["registered"] != many or town.subscriptions != wanted:
            raise RuntimeError(f"{town.subscriptions:,} of {wanted:,} resources are observed")
    what = "memory a secured, registered device"
    return [
        Row(what=f"{what} (RSS over {many:,})", ours=(registered - empty) / many / 1e3, unit="KB"),
        Row(
            what=f"{what}, with 5 observations",
            ours=(observed - empty) / many / 1e3,
            unit="KB",
            peer="Californium (published)",
            theirs=4.0,
            goal="≤ 8 KB",
            limit=LIMIT,
        ),
    ]
