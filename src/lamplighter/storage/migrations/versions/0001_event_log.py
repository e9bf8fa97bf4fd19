"""The event log and its cursors (bus/)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, CurrentTransaction, Serial, Text

revision = "0001_event_log"
down_revision: str | None = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("position", Serial, primary_key=True),
        sa.Column("xid", BigInteger, nullable=False, server_default=CurrentTransaction()),
        sa.Column("kind", Text, nullable=False),
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text),
        sa.Column("time", BigInteger, nullable=False),
        sa.Column("data", Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_xid_position", "events", ["xid", "position"])
    op.create_table(
        "event_cursors",
        sa.Column("name", Text, primary_key=True),
        sa.Column("xid", BigInteger, nullable=False),
        sa.Column("position", BigInteger, nullable=False),
    )
