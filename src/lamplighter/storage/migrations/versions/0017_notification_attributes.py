"""The notification attributes that were written to devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import Text

revision = "0017_notification_attributes"
down_revision = "0016_request_outcomes"


def upgrade() -> None:
    op.create_table(
        "notification_attributes",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("path", Text, nullable=False),
        sa.Column("query", Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_id", "path"),
    )
