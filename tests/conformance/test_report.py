"""Every case has a test or a reason, and the page that is kept names tests that exist."""

from __future__ import annotations

import pytest

from tests.conformance import report
from tests.conformance.cases import BY_HAND, CASES, Case
from tests.conformance.marks import PEERS, proofs

PROOFS = proofs()
PAGE = report.PAGE.read_text()


@pytest.mark.parametrize("case", CASES.values(), ids=lambda case: case.id)
def test_a_case_has_either_a_test_or_a_reason_and_a_line_on_the_page(case: Case) -> None:
    proved = any(case.id in proof.ids for proof in PROOFS)
    assert proved != bool(case.reason)
    assert f"| {case.id} | {case.subject} |" in PAGE


def test_marks_name_cases_and_peers_that_there_are() -> None:
    for proof in PROOFS:
        assert proof.ids and set(proof.ids) <= set(CASES), proof
        assert proof.peers and set(proof.peers) <= set(PEERS), proof


def test_what_was_done_by_hand_are_cases() -> None:
    assert all(trial.ids <= set(CASES) for trial in BY_HAND)


def test_the_page_names_the_tests_that_there_are() -> None:
    assert report.named(PAGE) == {(proof.path, proof.test) for proof in PROOFS}
