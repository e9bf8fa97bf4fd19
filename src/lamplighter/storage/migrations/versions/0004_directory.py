"""Devices, their groups, queries and log."""

from __future__ import annotations

revision = "0004_directory"
down_revision = "0003_access"


def upgrade() -> None:
    """No tables yet."""
