"""Accounts, users, groups, applications and their keys."""

from __future__ import annotations

revision = "0003_access"
down_revision = "0002_support"


def upgrade() -> None:
    """No tables yet."""
