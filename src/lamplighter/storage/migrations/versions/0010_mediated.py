"""Devices behind edge gateways, and the last Send of each device."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Text

revision = "0010_mediated"
down_revision = "0009_sessions"


def upgrade() -> None:
    op.create_table(
        "mediated_devices",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("gateway_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "gateway_id", "name"),
        sa.UniqueConstraint("account_id", "device_id"),
    )
    op.create_table(
        "sends",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("mark", Text, nullable=False),
        sa.Column("sent_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_id"),
    )
