"""``lamplighter doctor``"""

from __future__ import annotations

import asyncio
import json as jsons
from pathlib import Path

from lamplighter.cli.fail import Failure
from lamplighter.settings import SettingsError, load

_MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def doctor(data: Path, config: Path | None, json: bool) -> int:
    """0 when nothing is bad, 1 otherwise."""
    from lamplighter.roles.examination import examine

    try:
        settings = load(config)
    except SettingsError as error:
        raise Failure(str(error)) from None
    findings = asyncio.run(examine(data, settings))
    if json:
        print(jsons.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{_MARKS[finding.verdict]}  {finding.subject}: {finding.text}")
            if finding.mend:
                print(f"      {finding.mend}")
    return 1 if any(finding.verdict == "bad" for finding in findings) else 0
