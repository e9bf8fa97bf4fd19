"""Every benchmark, each beside a peer in the same run: ``./dev bench [NAMES] [--json] [--devices N]``."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import traceback
from dataclasses import asdict

from tests.bench.measure import ROUNDS, SECONDS, Options, Row, pin_client

AREAS = {
    "coap": "a confirmable request over UDP; peers libcoap, aiocoap",
    "dtls": "a request over DTLS, handshakes by key and by certificate; peer pyOpenSSL",
    "streams": "a handshake by key and a request over TLS, in both framings; peers OpenSSL alone, aiocoap over TCP",
    "memory": "a secured session that is idle; peer pyOpenSSL",
    "registration": "register and update over DTLS, stored first; peer aiocoap's resource directory (in memory)",
    "notification": "from a device's datagram to a WebSocket channel, stored between; peer ThingsBoard's published figure",
    "fan_out": "from a device's datagram to a webhook, and to 64 channels of an application",
    "rest": "get, list, create through the whole server; peer bare ASGI",
    "errors": "the same calls ending in an error; peer their success",
    "restart_sessions": "a start with 100,000 stored sessions, to the first answered record",
    "revocation": "from a revocation to its end in another process that hears nothing of it",
    "enrollment": "claims of 100,000 devices by one file, until the reports are read; single claims meanwhile",
    "trust": "certificates made, peer CFSSL; 100,000 keys listed; 100,000 devices suspended with their certificate",
    "start": "the second start of serve, to the first answer",
    "directory": "ten lists of many devices on both databases (only when named)",
    "queued": "100,000 commands that wait for sleeping devices, until their responses are told (only when named)",
    "subscriptions": "listing and replacing subscriptions to 100,000 devices, on both databases (only when named)",
    "fleet_memory": "a registered device with five observations, over 100,000 of them (only when named)",
}
"""Each is a module of this folder with ``measure(options) -> list[Row]``."""


def line(row: Row) -> list[str]:
    return [
        row.what,
        _number(row.ours) + " " + row.unit,
        f"{row.rate:,.0f}/s" if row.rate else "",
        row.peer,
        _number(row.theirs) + " " + row.unit if row.theirs is not None else "",
        f"{row.ratio:.2f}" if row.ratio is not None else "",
        row.goal + (f" ({row.goal_ratio:.2f})" if row.limit is not None and row.goal_ratio is not None else ""),
        row.verdict,
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(rows: list[Row]) -> str:
    lines = [["what", "ours", "a core", "peer", "theirs", "ratio", "goal", ""], *map(line, rows)]
    widths = [max(len(each[column]) for each in lines) for column in range(8)]
    right = (1, 2, 4, 5)
    return "\n".join(
        "  ".join(
            text.rjust(width) if column in right else text.ljust(width)
            for column, (text, width) in enumerate(zip(each, widths, strict=True))
        ).rstrip()
        for each in lines
    )


def main() -> int:
    described = "\n".join(f"  {name:16} {text}" for name, text in AREAS.items())
    parser = argparse.ArgumentParser(
        prog="./dev bench", description=__doc__, epilog=described, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAMES", help=f"areas; all but {', '.join(ONLY_NAMED)} when none is given"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--devices", type=int, help="of the areas that take long (100000 when not given)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each server")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of one turn")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(AREAS))
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(AREAS)}")
    options = Options(arguments.devices, arguments.rounds, arguments.seconds)
    pin_client()
    rows: list[Row] = []
    failed: list[str] = []
    for name in arguments.names or [name for name in AREAS if name not in ONLY_NAMED]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"tests.bench.{AREAS_MODULES.get(name, name)}").measure(options)
        except Exception:  # the other areas' rows are not lost with it
            traceback.print_exc()
            print(f"{name} was not measured", file=sys.stderr, flush=True)
            failed.append(name)
    if arguments.json:
        print(
            json.dumps(
                [{**asdict(row), "ratio": row.ratio, "rate": row.rate, "verdict": row.verdict} for row in rows],
                ensure_ascii=False,
            )
        )
    else:
        print(table(rows))
    return 0 if not failed and all(row.verdict != "MISSED" for row in rows) else 1


ONLY_NAMED = ("directory", "queued", "subscriptions", "fleet_memory")
"""What takes longer than all others together."""
AREAS_MODULES = {"directory": "directory_rows"}
"""Where the module has another name than the area."""

if __name__ == "__main__":
    sys.exit(main())
