from __future__ import annotations

import pytest

from lamplighter.dtls.failures import HandshakeError
from lamplighter.dtls.numbers import AlertDescription
from lamplighter.dtls.states import TRANSITIONS, Role, State, Trigger, advance

START = {Role.SERVER: State.EXPECT_CLIENT_HELLO, Role.CLIENT: State.EXPECT_SERVER_HELLO}


def paths(role: Role) -> list[list[Trigger]]:
    """Every way from the start to ESTABLISHED that visits no state twice."""
    found = []

    def walk(state: State, triggers: list[Trigger], seen: frozenset[State]) -> None:
        if state is State.ESTABLISHED:
            found.append(triggers)
        for trigger, following in TRANSITIONS[role][state].items():
            if following not in seen:
                walk(following, [*triggers, trigger], seen | {following})

    walk(START[role], [], frozenset({START[role]}))
    return found


@pytest.mark.parametrize("role", Role)
def test_every_state_that_can_be_reached_is_in_the_table(role: Role) -> None:
    for row in TRANSITIONS[role].values():
        assert all(following in TRANSITIONS[role] for following in row.values())


@pytest.mark.parametrize("role", Role)
def test_every_way_to_a_session_ends_with_finished(role: Role) -> None:
    assert paths(role)
    assert all(path[-1] is Trigger.FINISHED for path in paths(role))


def test_a_server_accepts_no_certificate_without_proof_and_verdict() -> None:
    for path in paths(Role.SERVER):
        if Trigger.CERTIFICATE in path:
            assert path.index(Trigger.CERTIFICATE_VERIFY) < path.index(Trigger.CERTIFICATE_ACCEPTED)
        else:
            assert Trigger.KEY_PROVIDED in path or Trigger.HELLO_RESUMED in path


def test_what_is_not_in_the_table_is_unexpected() -> None:
    with pytest.raises(HandshakeError) as caught:
        advance(Role.SERVER, State.EXPECT_KEY_SHARE, Trigger.FINISHED)
    assert caught.value.alert is AlertDescription.UNEXPECTED_MESSAGE
    assert "FINISHED while EXPECT_KEY_SHARE" in caught.value.detail
