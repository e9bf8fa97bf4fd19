"""Signatures of webhook deliveries, as Standard Webhooks has them (standardwebhooks.com, its specification 1.0)."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Iterable

import msgspec

PREFIX = "whsec_"
LENGTH = 32
"""Bytes of a secret; the specification wants 24 to 64."""
OVERLAP = 24 * 3600 * 1_000_000
"""Microseconds for which the former secret signs too, so that a receiver can be given the new one meanwhile."""


class Secret(msgspec.Struct, frozen=True):
    """One secret, and until when it signs (microseconds UTC); None: until it is replaced."""

    key: bytes
    until: int | None = None

    @property
    def text(self) -> str:
        """As receivers are given it."""
        return PREFIX + base64.b64encode(self.key).decode()


def new_secret() -> Secret:
    return Secret(os.urandom(LENGTH))


def rotated(secrets: Iterable[Secret], new: Secret, now: int) -> list[Secret]:
    """The new one, and the one before it for a while."""
    current = [each for each in secrets if each.until is None]
    return [new, *(msgspec.structs.replace(each, until=now + OVERLAP) for each in current)]


def signature_headers(secrets: Iterable[Secret], message_id: str, body: bytes, now: int) -> dict[str, str]:
    """The headers that let a receiver know that the body is ours and of now; none without a secret.

    :param now: microseconds UTC
    """
    valid = [each for each in secrets if each.until is None or each.until > now]
    if not valid:
        return {}
    seconds = str(now // 1_000_000)
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(each.key, signed, "sha256")).decode() for each in valid]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }
