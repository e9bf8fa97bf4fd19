"""The states of a handshake and the one table of what may follow what.

Two rules:

- Whatever decides which message may come next lives in this file. Code elsewhere asks ``advance`` and nothing else.
- This file knows no bytes, keys or times.

ChangeCipherSpec is not in the table: in DTLS the epoch of a record says what the message was for (RFC 6347 section 4.1),
and Finished counts in epoch 1 only, every other handshake message in epoch 0 only. So a lost or repeated ChangeCipherSpec
changes nothing.
"""

from __future__ import annotations

from enum import Enum, auto

from .failures import FailureReason, HandshakeError
from .numbers import AlertDescription


class Role(Enum):
    __hash__ = object.__hash__  # members are single objects; Enum's own hashes the name, in Python, at every look-up

    SERVER = auto()
    CLIENT = auto()


class State(Enum):
    """Where a handshake stands; the flights are those of RFC 6347 section 4.2.4."""

    __hash__ = object.__hash__

    # server
    EXPECT_CLIENT_HELLO = auto()  # the cookie was good, the hello is still being put together
    EXPECT_PSK_IDENTITY = auto()  # flight 4 is out, a pre-shared key was agreed
    EXPECT_CLIENT_CERTIFICATE = auto()  # flight 4 is out, with CertificateRequest
    EXPECT_KEY_SHARE = auto()
    EXPECT_CERTIFICATE_VERIFY = auto()
    AWAIT_KEY = auto()  # PskRequested is open
    AWAIT_VERDICT = auto()  # CertificateReceived is open

    # client
    EXPECT_SERVER_HELLO = auto()
    EXPECT_SERVER_CERTIFICATE = auto()
    EXPECT_SERVER_KEY_EXCHANGE = auto()
    EXPECT_CERTIFICATE_REQUEST_OR_DONE = auto()
    EXPECT_HINT_OR_DONE = auto()  # ServerKeyExchange with an identity hint is optional (RFC 4279 section 2)
    EXPECT_DONE = auto()

    # both
    EXPECT_FINISHED = auto()
    ESTABLISHED = auto()
    FAILED = auto()


class Trigger(Enum):
    """What moves a handshake on: the peer's messages, and the answers to our questions."""

    __hash__ = object.__hash__

    HELLO_VERIFY_REQUEST = auto()
    HELLO_WITH_PSK = auto()
    HELLO_WITH_CERTIFICATE = auto()
    HELLO_RESUMED = auto()
    CERTIFICATE = auto()
    SERVER_KEY_EXCHANGE = auto()
    CERTIFICATE_REQUEST = auto()
    SERVER_HELLO_DONE = auto()
    CLIENT_KEY_EXCHANGE = auto()
    CERTIFICATE_VERIFY = auto()
    KEY_PROVIDED = auto()
    CERTIFICATE_ACCEPTED = auto()
    FINISHED = auto()


TRANSITIONS: dict[Role, dict[State, dict[Trigger, State]]] = {
    Role.SERVER: {
        State.EXPECT_CLIENT_HELLO: {
            Trigger.HELLO_WITH_PSK: State.EXPECT_PSK_IDENTITY,
            Trigger.HELLO_WITH_CERTIFICATE: State.EXPECT_CLIENT_CERTIFICATE,
            Trigger.HELLO_RESUMED: State.EXPECT_FINISHED,
        },
        State.EXPECT_PSK_IDENTITY: {Trigger.CLIENT_KEY_EXCHANGE: State.AWAIT_KEY},
        State.AWAIT_KEY: {Trigger.KEY_PROVIDED: State.EXPECT_FINISHED},
        State.EXPECT_CLIENT_CERTIFICATE: {Trigger.CERTIFICATE: State.EXPECT_KEY_SHARE},
        State.EXPECT_KEY_SHARE: {Trigger.CLIENT_KEY_EXCHANGE: State.EXPECT_CERTIFICATE_VERIFY},
        State.EXPECT_CERTIFICATE_VERIFY: {Trigger.CERTIFICATE_VERIFY: State.AWAIT_VERDICT},
        State.AWAIT_VERDICT: {Trigger.CERTIFICATE_ACCEPTED: State.EXPECT_FINISHED},
        State.EXPECT_FINISHED: {Trigger.FINISHED: State.ESTABLISHED},
        State.ESTABLISHED: {},
        State.FAILED: {},
    },
    Role.CLIENT: {
        State.EXPECT_SERVER_HELLO: {
            Trigger.HELLO_VERIFY_REQUEST: State.EXPECT_SERVER_HELLO,
            Trigger.HELLO_WITH_PSK: State.EXPECT_HINT_OR_DONE,
            Trigger.HELLO_WITH_CERTIFICATE: State.EXPECT_SERVER_CERTIFICATE,
            Trigger.HELLO_RESUMED: State.EXPECT_FINISHED,
        },
        State.EXPECT_HINT_OR_DONE: {
            Trigger.SERVER_KEY_EXCHANGE: State.EXPECT_DONE,
            Trigger.SERVER_HELLO_DONE: State.EXPECT_FINISHED,
        },
        State.EXPECT_SERVER_CERTIFICATE: {Trigger.CERTIFICATE: State.EXPECT_SERVER_KEY_EXCHANGE},
        State.EXPECT_SERVER_KEY_EXCHANGE: {Trigger.SERVER_KEY_EXCHANGE: State.EXPECT_CERTIFICATE_REQUEST_OR_DONE},
        State.EXPECT_CERTIFICATE_REQUEST_OR_DONE: {
            Trigger.CERTIFICATE_REQUEST: State.EXPECT_DONE,
            Trigger.SERVER_HELLO_DONE: State.EXPECT_FINISHED,
        },
        State.EXPECT_DONE: {Trigger.SERVER_HELLO_DONE: State.EXPECT_FINISHED},
        State.EXPECT_FINISHED: {Trigger.FINISHED: State.ESTABLISHED},
        State.ESTABLISHED: {},
        State.FAILED: {},
    },
}


FLIGHT_4_STANDS = frozenset((State.EXPECT_PSK_IDENTITY, State.EXPECT_CLIENT_CERTIFICATE))
"""A server's: the client has shown nothing of its next flight yet, so ours may have been lost."""
PLAINTEXT_IS_OVER = frozenset(
    (State.AWAIT_KEY, State.AWAIT_VERDICT, State.EXPECT_FINISHED, State.ESTABLISHED, State.FAILED)
)
"""A server's: messages of epoch 0 are the same again, or someone else's."""
FINISHED_IS_EARLY = frozenset(State) - {
    State.EXPECT_CLIENT_HELLO,
    State.EXPECT_FINISHED,
    State.ESTABLISHED,
    State.FAILED,
}
"""A server's: Finished has overtaken another message, or has to wait for the answer to a question."""


def advance(role: Role, state: State, trigger: Trigger) -> State:
    """The state after ``trigger``. Raises HandshakeError with unexpected_message where the table has no such row."""
    following = TRANSITIONS[role][state].get(trigger)
    if following is None:
        raise HandshakeError(
            AlertDescription.UNEXPECTED_MESSAGE,
            FailureReason.UNEXPECTED_MESSAGE,
            f"{trigger.name} while {state.name}",
        )
    return following
