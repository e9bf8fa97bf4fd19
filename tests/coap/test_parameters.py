from __future__ import annotations

import pytest

from lamplighter.coap.parameters import Parameters


def test_the_derived_times_are_those_of_rfc_7252_section_4_8_2() -> None:
    parameters = Parameters()
    assert parameters.max_transmit_span == 45
    assert parameters.max_transmit_wait == 93
    assert parameters.processing_delay == 2
    assert parameters.max_rtt == 202
    assert parameters.exchange_lifetime == 247
    assert parameters.non_lifetime == 145
    assert parameters.separate_response_wait == 247


def test_a_response_time_may_be_given() -> None:
    assert Parameters(response_timeout=30).separate_response_wait == 30


@pytest.mark.parametrize(
    "wrong", [{"ack_timeout": 0}, {"ack_random_factor": 0.9}, {"max_retransmit": -1}, {"nstart": 0}]
)
def test_impossible_parameters_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Parameters(**wrong)  # type: ignore[arg-type]
