"""Registrations, commands and subscriptions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text

revision = "0006_connect"
down_revision = "0005_credentials"


def upgrade() -> None:
    op.create_table(
        "registrations",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("registration_id", Text, nullable=False),
        sa.Column("endpoint_name", Text, nullable=False),
        sa.Column("endpoint_type", Text, nullable=False),
        sa.Column("lifetime", BigInteger, nullable=False),
        sa.Column("expires_at", BigInteger, nullable=False),
        sa.Column("binding", Text, nullable=False),
        sa.Column("queue_mode", SmallInteger, nullable=False),
        sa.Column("version", Text, nullable=False),
        sa.Column("vendor", SmallInteger, nullable=False),
        sa.Column("links", Text, nullable=False),
        sa.Column("location", Text, nullable=False),
        sa.Column("credential", Text, nullable=False),
        sa.Column("process", Text, nullable=False),
        sa.Column("peer", Text, nullable=False),
        sa.Column("registered_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_id", name="pk_registrations"),
    )
    op.create_index("ix_registrations_expires_at", "registrations", ["expires_at"])
    op.create_index("ix_registrations_account_id_endpoint_name", "registrations", ["account_id", "endpoint_name"])
    op.create_table(
        "commands",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("async_id", Text, nullable=False),
        sa.Column("method", Text, nullable=False),
        sa.Column("uri", Text, nullable=False),
        sa.Column("accept", BigInteger),
        sa.Column("content_format", BigInteger),
        sa.Column("payload", LargeBinary, nullable=False),
        sa.Column("deliveries", SmallInteger, nullable=False),
        sa.Column("sent_by", Text, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("expires_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_id", "id", name="pk_commands"),
        sa.UniqueConstraint(
            "account_id",
            "device_id",
            "subject_id",
            "async_id",
            name="uq_commands_account_id_device_id_subject_id_async_id",
        ),
    )
    op.create_index("ix_commands_expires_at", "commands", ["expires_at"])
    op.create_table(
        "subscriptions",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("path", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("async_id", Text, nullable=False),
        sa.Column("active", SmallInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "device_id", "path", "subject_id", name="pk_subscriptions"),
    )
