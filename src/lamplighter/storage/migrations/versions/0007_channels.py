"""Notification channels, and the index that finds results waiting for one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Json, Text

revision = "0007_channels"
down_revision = "0006_connect"


def upgrade() -> None:
    op.create_table(
        "channels",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("mechanism", Text),
        sa.Column("serialization", Json, nullable=False),
        sa.Column("xid", BigInteger, nullable=False),
        sa.Column("position", BigInteger, nullable=False),
        sa.Column("since_xid", BigInteger, nullable=False),
        sa.Column("since_position", BigInteger, nullable=False),
        sa.Column("connection", Text),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "subject_id"),
    )
    op.create_index(
        "ix_events_results",
        "events",
        ["account_id", "xid", "position"],
        sqlite_where=sa.text("kind = 'RequestFinished'"),
        postgresql_where=sa.text("kind = 'RequestFinished'"),
    )
