"""docs/reference/conformance.md, written from the cases and what their tests came to."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from tests.conformance.cases import BY_HAND, CASES, GROUPS, NO_PROCEDURE, Case, Group
from tests.conformance.marks import PEERS, ROOT, Proof

PAGE = ROOT / "docs" / "reference" / "conformance.md"
RESULTS = ("passed", "in part", "not supported", "no procedure", "failed")
_LINK = re.compile(r"\[(test_\w+)\]\(\.\./\.\./([^)]+)\)")

_HEAD = """\
# Conformance

Written by `./dev conformance`, which plays the cases and notes what came of them. Each id is one of the Enabler Test
Specification LwM2M 1.1 (OMA) or of the fourth CoAP plugtest (ETSI, IPSO, OMA); the subjects are in our words. All run over
sockets on loopback, and belong to `./dev test`.

- **passed**: the tests named play the case from end to end.
- **in part**: they do, but for what the notes below the table say.
- **not supported**: the reason is below the table.
- **no procedure**: the suite has the number and a title only.

Beside the tests, clients of others did some of the cases by hand; the column says which clients.
"""


def render(outcomes: Mapping[Proof, bool]) -> str:
    """The page; ``outcomes`` says of each marked test whether it passed."""
    parts = [_HEAD, _summary(outcomes), _peers()]
    parts += [_group(group, outcomes) for group in GROUPS]
    return "\n".join(parts)


def named(page: str) -> set[tuple[str, str]]:
    """File and name of every test that a page names."""
    return {(path, test) for test, path in _LINK.findall(page)}


def results(outcomes: Mapping[Proof, bool]) -> dict[str, str]:
    """What came of each case."""
    return {case.id: _result(case, outcomes) for case in CASES.values()}


def _result(case: Case, outcomes: Mapping[Proof, bool]) -> str:
    if case.reason:
        return "no procedure" if case.reason == NO_PROCEDURE else "not supported"
    if not all(passed for proof, passed in _of(case, outcomes)):
        return "failed"
    return "in part" if case.limit else "passed"


def _of(case: Case, outcomes: Mapping[Proof, bool]) -> list[tuple[Proof, bool]]:
    return [(proof, passed) for proof, passed in sorted(outcomes.items()) if case.id in proof.ids]


def _summary(outcomes: Mapping[Proof, bool]) -> str:
    came = results(outcomes)
    rows = ["| cases | " + " | ".join(RESULTS) + " | by hand |", "|---|" + "--:|" * (len(RESULTS) + 1)]
    for group in GROUPS:
        counts = [sum(came[case.id] == result for case in group.cases) for result in RESULTS]
        counts.append(sum(bool(_by_hand(case)) for case in group.cases))
        rows.append(f"| {group.title} | " + " | ".join(str(count or "") for count in counts) + " |")
    totals = [sum(each == result for each in came.values()) for result in RESULTS]
    totals.append(sum(bool(_by_hand(case)) for case in CASES.values()))
    rows.append("| **all** | " + " | ".join(f"**{count}**" for count in totals) + " |")
    return "\n".join(rows) + "\n"


def _peers() -> str:
    rows = ["## Against whom\n", "| name | who is at the other end |", "|---|---|"]
    rows += [f"| {name} | {meaning} |" for name, meaning in PEERS.items()]
    trials = [f"- **{trial.client}**, by hand: {trial.seen}" for trial in BY_HAND]
    return "\n".join([*rows, "", f"The last run was with {', '.join(_versions())}.", "", *trials]) + "\n"


def _by_hand(case: Case) -> list[str]:
    return [trial.client for trial in BY_HAND if case.id in trial.ids]


def _versions() -> Iterator[str]:
    yield f"aiocoap {version('aiocoap')}"
    for program, name, pattern in (
        (("coap-client-notls", "-?"), "libcoap", r"v([\d.]+) --"),
        (("openssl", "version"), "OpenSSL", r"OpenSSL (\S+)"),
        (("gnutls-cli", "--version"), "GnuTLS", r"gnutls-cli (\S+)"),
    ):
        printed = subprocess.run(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        found = re.search(pattern, printed)
        assert found is not None, printed
        yield f"{name} {found[1]}"


def _group(group: Group, outcomes: Mapping[Proof, bool]) -> str:
    rows = [f"## {group.title}\n", "| id | subject | against | by hand | tests | result |", "|---|---|---|---|---|---|"]
    notes: dict[str, list[str]] = {}
    for case in group.cases:
        found = [proof for proof, _ in _of(case, outcomes)]
        peers = sorted({peer for proof in found for peer in proof.peers}, key=list(PEERS).index)
        tests = " ".join(dict.fromkeys(f"[{proof.test}](../../{proof.path})" for proof in found))
        cells = (case.id, case.subject, ", ".join(peers), ", ".join(_by_hand(case)), tests, _result(case, outcomes))
        rows.append(f"| {' | '.join(cells)} |")
        if note := case.reason or case.limit:
            notes.setdefault(note, []).append(case.id)
    lines = [f"- {', '.join(ids)}: {note}" for note, ids in notes.items() if note != NO_PROCEDURE]
    return "\n".join([*rows, *(["", *lines] if lines else [])]) + "\n"
