"""Device keys and certificates."""

from __future__ import annotations

revision = "0005_credentials"
down_revision = "0004_directory"


def upgrade() -> None:
    """No tables yet."""
