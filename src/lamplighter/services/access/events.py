"""What this service tells the others, in the past tense. ``data`` has the id of what it is about."""

from __future__ import annotations

from typing import Final

from lamplighter.bus.event import Event

REVOKED: Final = "access.revoked"
"""The bus subject that tells every process to forget what it knows of an account's credentials; its message is the
account's id."""

KINDS: Final[dict[str, str]] = {
    "AccountCreated": "An account was made.",
    "UserCreated": "A user was made.",
    "UserChanged": "A user's data, status or password changed.",
    "UserDeleted": "A user was removed from the account.",
    "UserLoggedIn": "A user logged in.",
    "GroupCreated": "A policy group was made.",
    "GroupChanged": "A policy group was renamed, or its members changed.",
    "GroupDeleted": "A policy group was deleted.",
    "ApplicationCreated": "An application was made.",
    "ApplicationChanged": "An application's data changed.",
    "ApplicationDeactivated": "An application was made inactive: its channels and subscriptions end.",
    "ApplicationDeleted": "An application and its keys were deleted: its channels and subscriptions end.",
    "AccessKeyCreated": "An access key was made.",
    "AccessKeyChanged": "An access key's data, status or expiration changed.",
    "AccessKeyDeleted": "An access key was deleted.",
    "ApiKeyCreated": "An API key was made.",
    "ApiKeyChanged": "An API key's data, status or secret changed.",
    "ApiKeyDeleted": "An API key was deleted: its channels and subscriptions end.",
}

REVOKING: Final = frozenset(kind for kind in KINDS if not kind.endswith(("Created", "LoggedIn")))
"""After these a credential of the account may be void, or worth less. Whoever follows the log hears of them although the
word of the bus was lost."""


def happened(kind: str, account_id: str, subject_id: str, time: int) -> Event:
    """An event of this service. ``time`` is in microseconds UTC."""
    if kind not in KINDS:
        raise ValueError(f"{kind} is not an event of this service")
    return Event(kind=kind, account_id=account_id, time=time, data={"id": subject_id})
