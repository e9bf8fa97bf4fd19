"""Answers of 400 and above, kept to be explained."""

from __future__ import annotations

revision = "0002_support"
down_revision = "0001_event_log"


def upgrade() -> None:
    """No tables yet."""
