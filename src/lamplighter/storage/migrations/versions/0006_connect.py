"""Registrations, sessions, observations, subscriptions and channels."""

from __future__ import annotations

revision = "0006_connect"
down_revision = "0005_credentials"


def upgrade() -> None:
    """No tables yet."""
