"""Answers of 400 and above, kept to be explained, and the installation's switches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Json, Text

revision = "0002_support"
down_revision = "0001_event_log"


def upgrade() -> None:
    op.create_table(
        "kept_errors",
        sa.Column("request_id", Text, primary_key=True),
        sa.Column("account_id", Text, nullable=False),
        sa.Column("time", BigInteger, nullable=False),
        sa.Column("record", Json, nullable=False),
    )
    op.create_index("ix_kept_errors_time", "kept_errors", ["time"])
    op.create_table(
        "installation_switches",
        sa.Column("name", Text, primary_key=True),
        sa.Column("value", Json, nullable=False),
    )
