"""The tables of claims, of jobs that make or delete many of them, and of devices that were refused."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.storage.schema import BigInteger, Json, Text, metadata

claims = sa.Table(
    "enrollments",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    # As it was given, and as it is compared: fingerprints are written in either case.
    sa.Column("identity", Text, nullable=False),
    sa.Column("identity_key", Text, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("expires_at", BigInteger, nullable=False),
    # expires_at of a claim whose device has not come; NULL: it has, and the claim stays.
    sa.Column("open_until", BigInteger),
    sa.Column("claimed_at", BigInteger),
    sa.Column("device_id", Text),
    sa.Column("version", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    # Looked up before any account is known, and the first account to claim has it.
    sa.UniqueConstraint("identity_key"),
    sa.Index("ix_enrollments_account_id_open_until", "account_id", "open_until"),
    sa.Index("ix_enrollments_open_until", "open_until"),
)

jobs = sa.Table(
    "enrollment_jobs",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    # upload or delete
    sa.Column("kind", Text, nullable=False),
    sa.Column("total", BigInteger, nullable=False),
    sa.Column("processed", BigInteger, nullable=False, server_default="0"),
    sa.Column("failed", BigInteger, nullable=False, server_default="0"),
    sa.Column("chunks", BigInteger, nullable=False),
    sa.Column("chunks_done", BigInteger, nullable=False, server_default="0"),
    sa.Column("version", BigInteger, nullable=False, server_default="1"),
    # Who asked for it, as events name them.
    sa.Column("actor", Json, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("completed_at", BigInteger),
    # When a worker last turned to another job: those that wait longest come first.
    sa.Column("worked_at", BigInteger, nullable=False),
    # The worker that has it (its name, and which of its lives), and until when.
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

chunks = sa.Table(
    "enrollment_job_chunks",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("job_id", Text, nullable=False),
    sa.Column("number", BigInteger, nullable=False),
    # Emptied when it is done.
    sa.Column("identities", Text, nullable=False),
    # Its lines of either report, once it is done.
    sa.Column("full_report", Text),
    sa.Column("errors_report", Text),
    sa.PrimaryKeyConstraint("account_id", "job_id", "number"),
)

denials = sa.Table(
    "enrollment_denials",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("trusted_certificate_id", Text, nullable=False),
    sa.Column("endpoint_name", Text, nullable=False),
    sa.Column("reason", Text, nullable=False),
    # Since created_at, within a minute.
    sa.Column("attempts", BigInteger, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.Index("ix_enrollment_denials_certificate", "account_id", "trusted_certificate_id", "id"),
)
