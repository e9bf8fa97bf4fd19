"""Which credential each device was bootstrapped with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Text

revision = "0008_bootstrap"
down_revision = "0007_channels"


def upgrade() -> None:
    op.create_table(
        "bootstraps",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("credential", Text, nullable=False),
        sa.Column("endpoint_name", Text, nullable=False),
        sa.Column("began_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_id"),
    )
    op.create_index(
        "ix_bootstraps_account_id_credential_began_at", "bootstraps", ["account_id", "credential", "began_at"]
    )
