"""Play the cases of the interoperability suites and write docs/reference/conformance.md: ``./dev conformance``."""

from __future__ import annotations

import sys

import pytest

from tests.conformance import report
from tests.conformance.marks import Proof, files, proofs


class Recorder:
    """Which tests passed in every variant, by file and name."""

    def __init__(self) -> None:
        self.passed: dict[tuple[str, str], bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        path, _, test = report.nodeid.partition("::")
        key = path, test.partition("[")[0]
        if report.when == "call" or not report.passed:
            self.passed[key] = self.passed.get(key, True) and report.passed


def main() -> int:
    recorder = Recorder()
    code = pytest.main(["-m", "conforms", *map(str, files())], plugins=[recorder])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return int(code)
    outcomes: dict[Proof, bool] = {proof: recorder.passed[proof.path, proof.test] for proof in proofs()}
    report.PAGE.parent.mkdir(exist_ok=True)
    report.PAGE.write_text(report.render(outcomes))
    print(f"written: {report.PAGE}")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
