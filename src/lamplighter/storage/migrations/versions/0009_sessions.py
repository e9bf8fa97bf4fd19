"""Sessions of devices that outlive a process, and what was observed in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text

revision = "0009_sessions"
down_revision = "0008_bootstrap"


def upgrade() -> None:
    op.create_table(
        "device_sessions",
        sa.Column("id", Text, nullable=False),
        sa.Column("address", Text),
        sa.Column("incarnation", BigInteger, nullable=False),
        sa.Column("process", Text, nullable=False),
        sa.Column("sealed", LargeBinary, nullable=False),
        sa.Column("receive_mark", BigInteger, nullable=False),
        sa.Column("credential", Text, nullable=False),
        sa.Column("expires_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_device_sessions"),
    )
    for column in ("address", "credential", "expires_at"):
        op.create_index(f"ix_device_sessions_{column}", "device_sessions", [column])
    op.create_table(
        "session_generation",
        sa.Column("id", SmallInteger, autoincrement=False, nullable=False),
        sa.Column("generation", Text, nullable=False),
        sa.Column("history", Text, nullable=False),
        sa.Column("starts", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_session_generation"),
    )
    op.add_column("registrations", sa.Column("asked", Text, nullable=False, server_default=""))
    op.add_column("subscriptions", sa.Column("session", Text, nullable=False, server_default=""))
    op.add_column("subscriptions", sa.Column("token", Text, nullable=False, server_default=""))
