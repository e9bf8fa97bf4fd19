"""How requests to devices ended, where that needs explaining."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Text

revision = "0016_request_outcomes"
down_revision = "0015_presubscriptions"


def upgrade() -> None:
    op.create_table(
        "request_outcomes",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("async_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("method", Text, nullable=False),
        sa.Column("uri", Text, nullable=False),
        sa.Column("digest", Text, nullable=False),
        sa.Column("status", BigInteger, nullable=False),
        sa.Column("error", Text, nullable=False),
        sa.Column("details", Text, nullable=False),
        sa.Column("expires_at", BigInteger, nullable=False),
        sa.Column("ended_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.Index("ix_request_outcomes_account_id_async_id", "account_id", "async_id"),
        sa.Index("ix_request_outcomes_ended_at", "ended_at"),
    )
    op.create_index("ix_commands_account_id_async_id", "commands", ["account_id", "async_id"])
