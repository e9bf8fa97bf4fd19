from __future__ import annotations

from lamplighter.dtls import DataReceived, SessionEstablished
from lamplighter.simulator.behaviour import Behaviour, Behaviours
from lamplighter.simulator.weather import LATENESS, Weather, WeatheredClient
from tests.dtls.pair import Pair, psk_client

COUNT = 2000


def arrivals(behaviours: Behaviours, seed: int = 1) -> list[int]:
    """The numbers of datagrams sent ten a second, in the order in which they arrive."""
    weather = Weather(behaviours, str(seed))
    found: list[bytes] = []
    for number in range(COUNT):
        found += weather.take_due(number / 10) + weather.pass_on(number.to_bytes(2, "big"), number / 10)
    found += weather.take_due(COUNT / 10 + LATENESS[1])
    return [int.from_bytes(data, "big") for data in found]


def test_fair_weather_changes_nothing() -> None:
    assert arrivals({}) == list(range(COUNT))
    assert Weather.is_fair({Behaviour.SLEEP: 1.0}) and not Weather.is_fair({Behaviour.LOSS: 0.1})


def test_a_part_is_lost() -> None:
    found = arrivals({Behaviour.LOSS: 0.1})
    assert found == sorted(set(found)) and 0.85 * COUNT < len(found) < 0.95 * COUNT


def test_a_part_comes_twice() -> None:
    found = arrivals({Behaviour.DUPLICATE: 0.1})
    assert set(found) == set(range(COUNT)) and 1.05 * COUNT < len(found) < 1.15 * COUNT


def test_a_part_is_overtaken_and_nothing_is_lost() -> None:
    found = arrivals({Behaviour.REORDER: 0.1})
    assert sorted(found) == list(range(COUNT)) and found != sorted(found)


def test_the_seed_repeats_the_weather_and_one_kind_does_not_change_another() -> None:
    storm = {Behaviour.LOSS: 0.1, Behaviour.DUPLICATE: 0.1, Behaviour.REORDER: 0.1}
    assert arrivals(storm) == arrivals(storm) != arrivals(storm, seed=2)
    assert set(arrivals(storm)) == set(arrivals({Behaviour.LOSS: 0.1}))


def test_what_is_late_has_a_moment_at_which_it_comes() -> None:
    weather = Weather({Behaviour.REORDER: 1.0}, "1")
    assert weather.next_due() is None and weather.pass_on(b"late", 5.0) == []
    due = weather.next_due()
    assert due is not None and 5.0 + LATENESS[0] <= due <= 5.0 + LATENESS[1]
    assert weather.take_due(due - 0.01) == [] and weather.take_due(due) == [b"late"]
    weather.pass_on(b"late", 6.0)
    weather.clear()
    assert weather.next_due() is None


def in_a_storm(seed: int) -> list[bytes]:
    """What a server receives of fifty messages, in a session that was made in the same storm."""
    pair = Pair()
    storm = {Behaviour.LOSS: 0.2, Behaviour.DUPLICATE: 0.2, Behaviour.REORDER: 0.2}
    pair.client = client = WeatheredClient(psk_client(), storm, str(seed))
    pair.connect()
    pair.advance(120)
    assert pair.of_server(SessionEstablished) and pair.of_client(SessionEstablished)
    for number in range(50):
        client.send(bytes((number,)), pair.now)
        pair.pump()
        pair.advance(0.1)
    pair.advance(5)
    return [event.data for event in pair.of_server(DataReceived)]


def test_a_session_is_made_in_a_storm_and_carries_what_is_not_lost_once() -> None:
    for seed in range(10):
        received = in_a_storm(seed)
        assert len(received) == len(set(received)) and 25 < len(received) < 50
        assert received != sorted(received)
    assert in_a_storm(3) == in_a_storm(3) != in_a_storm(4)
