"""Trust anchors of secure device access."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, Text

revision = "0019_trust_anchors"
down_revision = "0018_named_channels"


def upgrade() -> None:
    op.create_table(
        "trust_anchors",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("description", Text, nullable=False),
        sa.Column("public_key", LargeBinary, nullable=False),
        sa.Column("sealed_key", LargeBinary, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
