"""Whether a registered device has agreed to lose what it was given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import SmallInteger

revision = "0014_factory_reset"
down_revision = "0013_webhooks"


def upgrade() -> None:
    op.add_column("registrations", sa.Column("reset", SmallInteger, nullable=False, server_default="0"))
