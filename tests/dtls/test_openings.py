from __future__ import annotations

import math
from collections.abc import Hashable

from lamplighter.dtls.openings import Openings
from tests.dtls.pair import server_config


class Handshake:
    def __init__(self, address: Hashable, due: float) -> None:
        self.address = address
        self.due = due


def openings(*handshakes: Handshake) -> Openings[Handshake]:
    made: Openings[Handshake] = Openings(server_config(half_open=2, question_age=2.0))
    for handshake in handshakes:
        made.add(handshake)
        made.watch(handshake)
    return made


def test_each_handshake_is_given_once_when_it_is_due_and_again_when_it_is_watched_again() -> None:
    first, second = Handshake("first", 10.0), Handshake("second", 20.0)
    open_ = openings(first, second)
    assert open_.due(9.9) == []
    assert 10.0 < open_.timer() < 10.1
    assert open_.due(10.0) == [first]
    assert open_.timer() > 20.0
    first.due = 12.0
    open_.watch(first)
    assert open_.due(12.0) == [first]


def test_without_handshakes_there_is_no_timer() -> None:
    one = Handshake("one", 10.0)
    open_ = openings(one)
    open_.remove(one)
    assert open_.timer() == math.inf and len(open_) == 0


def test_a_question_that_waits_for_long_keeps_others_from_beginning_until_it_is_answered() -> None:
    one = Handshake("one", 10.0)
    open_ = openings(one)
    open_.ask(one, 1.0)
    assert open_.has_room("other", 3.0) and not open_.has_room("other", 3.1)
    assert open_.is_answered(one)
    assert open_.has_room("other", 3.1)


def test_an_answer_for_a_handshake_that_gave_way_to_another_comes_too_late() -> None:
    former, present = Handshake("there", 10.0), Handshake("there", 20.0)
    open_ = openings(former)
    open_.ask(former, 1.0)
    open_.remove(former)
    open_.add(present)
    assert not open_.is_answered(former) and open_.holds(present)


def test_no_more_begin_than_there_is_room_for() -> None:
    open_ = openings(Handshake("one", 1.0), Handshake("other", 1.0))
    assert not open_.has_room("third", 1.0)
