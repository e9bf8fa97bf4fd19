from __future__ import annotations

from statistics import fmean, pstdev

import pytest

from lamplighter.simulator.draws import Draws

COUNT = 20_000


def test_the_same_text_gives_the_same_draws_and_another_text_others() -> None:
    streams = [[Draws(seed).randrange(1 << 30) for _ in range(3)] for seed in ("1/1", "1/1", "1/2")]
    assert streams[0] == streams[1] != streams[2]


def test_numbers_are_the_published_ones_of_the_generator() -> None:
    draws = Draws("")
    draws._state = 1234567
    assert [draws._next() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize(
    ("kind", "mean", "deviation"),
    [
        (lambda draws: draws.random(), 0.5, 12**-0.5),
        (lambda draws: draws.uniform(2.0, 10.0), 6.0, 8 * 12**-0.5),
        (lambda draws: draws.expovariate(1 / 30), 30.0, 30.0),
        (lambda draws: draws.gauss(5.0, 2.0), 5.0, 2.0),
        (lambda draws: draws.randint(1, 6), 3.5, 1.708),
    ],
    ids=["random", "uniform", "expovariate", "gauss", "randint"],
)
def test_draws_are_distributed_as_they_say(kind: object, mean: float, deviation: float) -> None:
    draws = Draws("distribution")
    values = [kind(draws) for _ in range(COUNT)]  # type: ignore[operator]
    assert fmean(values) == pytest.approx(mean, rel=0.03) and pstdev(values) == pytest.approx(deviation, rel=0.03)


def test_draws_stay_in_their_range() -> None:
    draws = Draws("range")
    assert {draws.randint(1, 3) for _ in range(100)} == {1, 2, 3}
    assert {draws.choice("ab") for _ in range(100)} == {"a", "b"}
    assert [len(draws.randbytes(count)) for count in (0, 1, 8, 15)] == [0, 1, 8, 15]
    assert all(0 <= draws.random() < 1 for _ in range(1000))
