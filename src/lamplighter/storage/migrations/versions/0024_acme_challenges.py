"""What authorities find when they look whether a name is ours (ACME)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Text

revision = "0024_acme_challenges"
down_revision = "0023_certificate_holders"


def upgrade() -> None:
    op.create_table(
        "acme_challenges",
        sa.Column("id", Text, nullable=False),
        sa.Column("token", Text, nullable=False),
        sa.Column("host", Text, nullable=False),
        sa.Column("answer", Text, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_acme_challenges_token", "acme_challenges", ["token"])
    op.create_index("ix_acme_challenges_created_at", "acme_challenges", ["created_at"])
