"""All targets, by name."""

from __future__ import annotations

from tests.fuzz import messages, payloads, security
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    target.name: target for target in (*messages.TARGETS, *payloads.TARGETS, *security.TARGETS)
}
