"""Rules by which devices are subscribed to when they register."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, SmallInteger, Text

revision = "0015_presubscriptions"
down_revision = "0014_factory_reset"


def upgrade() -> None:
    op.create_table(
        "presubscriptions",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("rules", Text, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "subject_id"),
    )
    op.add_column("subscriptions", sa.Column("by_rule", SmallInteger, nullable=False, server_default="0"))
    op.create_index(
        "ix_subscriptions_by_rule",
        "subscriptions",
        ["account_id", "subject_id", "device_id", "path"],
        sqlite_where=sa.text("by_rule = 1"),
        postgresql_where=sa.text("by_rule = 1"),
    )
