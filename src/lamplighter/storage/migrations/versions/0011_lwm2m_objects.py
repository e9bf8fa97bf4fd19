"""Objects that owners define."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, SmallInteger, Text

revision = "0011_lwm2m_objects"
down_revision = "0010_mediated"


def upgrade() -> None:
    op.create_table(
        "lwm2m_objects",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("object_id", BigInteger, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("version", Text, nullable=False),
        sa.Column("description", Text, nullable=False),
        sa.Column("multiple", SmallInteger, nullable=False),
        sa.Column("mandatory", SmallInteger, nullable=False),
        sa.Column("resources", Text, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "object_id"),
    )
