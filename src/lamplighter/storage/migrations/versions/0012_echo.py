"""What devices last said, and what they were asked to write."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text

revision = "0012_echo"
down_revision = "0011_lwm2m_objects"


def upgrade() -> None:
    op.create_table(
        "echo_devices",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("registered_at", BigInteger, nullable=False),
        sa.Column("seen_at", BigInteger, nullable=False),
        sa.Column("cleared_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_id"),
        sa.Index("ix_echo_devices_seen_at", "seen_at"),
    )
    op.create_table(
        "echo_values",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("path", Text, nullable=False),
        sa.Column("reported", LargeBinary),
        sa.Column("content_type", Text),
        sa.Column("reported_at", BigInteger),
        sa.Column("expires_at", BigInteger),
        sa.Column("desired", LargeBinary),
        sa.Column("desired_status", SmallInteger),
        sa.Column("desired_at", BigInteger),
        sa.Column("status_updated_at", BigInteger),
        sa.Column("command_id", Text),
        sa.PrimaryKeyConstraint("account_id", "device_id", "path"),
    )
