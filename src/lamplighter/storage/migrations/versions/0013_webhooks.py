"""Webhooks, the processes that deliver them, and their latest failures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, Text

revision = "0013_webhooks"
down_revision = "0012_echo"


def upgrade() -> None:
    for column in (
        sa.Column("endpoint", LargeBinary),
        sa.Column("secrets", LargeBinary),
        sa.Column("holder", Text),
        sa.Column("failures", BigInteger, nullable=False, server_default="0"),
        sa.Column("failing_since", BigInteger),
        sa.Column("retry_at", BigInteger, nullable=False, server_default="0"),
        sa.Column("delivered_at", BigInteger),
        sa.Column("seen_at", BigInteger, nullable=False, server_default="0"),
        sa.Column("discarded", BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("channels", column)
    op.create_table(
        "couriers",
        sa.Column("id", Text, nullable=False),
        sa.Column("life", Text, nullable=False),
        sa.Column("alive_until", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "webhook_failures",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("time", BigInteger, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("status", BigInteger),
        sa.Column("reason", Text, nullable=False),
        sa.Column("duration", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "subject_id", "id"),
    )
