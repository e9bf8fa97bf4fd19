"""Claims of devices, jobs of many of them, and devices that were refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Json, Text

revision = "0021_enrollment"
down_revision = "0020_certificate_issuers"


def upgrade() -> None:
    op.create_table(
        "enrollments",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("identity", Text, nullable=False),
        sa.Column("identity_key", Text, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("expires_at", BigInteger, nullable=False),
        sa.Column("open_until", BigInteger),
        sa.Column("claimed_at", BigInteger),
        sa.Column("device_id", Text),
        sa.Column("version", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("identity_key"),
        sa.Index("ix_enrollments_account_id_open_until", "account_id", "open_until"),
        sa.Index("ix_enrollments_open_until", "open_until"),
    )
    op.create_table(
        "enrollment_jobs",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("total", BigInteger, nullable=False),
        sa.Column("processed", BigInteger, nullable=False, server_default="0"),
        sa.Column("failed", BigInteger, nullable=False, server_default="0"),
        sa.Column("chunks", BigInteger, nullable=False),
        sa.Column("chunks_done", BigInteger, nullable=False, server_default="0"),
        sa.Column("version", BigInteger, nullable=False, server_default="1"),
        sa.Column("actor", Json, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("completed_at", BigInteger),
        sa.Column("worked_at", BigInteger, nullable=False),
        sa.Column("holder", Text),
        sa.Column("life", Text),
        sa.Column("held_until", BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.Index(
            "ix_enrollment_jobs_open",
            "worked_at",
            sqlite_where=sa.text("completed_at IS NULL"),
            postgresql_where=sa.text("completed_at IS NULL"),
        ),
        sa.Index("ix_enrollment_jobs_completed_at", "completed_at"),
    )
    op.create_table(
        "enrollment_job_chunks",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("job_id", Text, nullable=False),
        sa.Column("number", BigInteger, nullable=False),
        sa.Column("identities", Text, nullable=False),
        sa.Column("full_report", Text),
        sa.Column("errors_report", Text),
        sa.PrimaryKeyConstraint("account_id", "job_id", "number"),
    )
    op.create_table(
        "enrollment_denials",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("trusted_certificate_id", Text, nullable=False),
        sa.Column("endpoint_name", Text, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("attempts", BigInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.Index("ix_enrollment_denials_certificate", "account_id", "trusted_certificate_id", "id"),
    )
