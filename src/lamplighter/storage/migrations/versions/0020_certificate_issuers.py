"""Certificate issuers, their configurations, the renewals of devices' certificates, and what devices were given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text

revision = "0020_certificate_issuers"
down_revision = "0019_trust_anchors"


def upgrade() -> None:
    op.create_table(
        "certificate_issuers",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("name_key", Text, nullable=False),
        sa.Column("description", Text),
        sa.Column("issuer_type", Text, nullable=False),
        sa.Column("attributes", Text, nullable=False),
        sa.Column("sealed", LargeBinary, nullable=False),
        sa.Column("version", BigInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name_key"),
    )
    op.create_table(
        "certificate_issuer_configurations",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("reference", Text, nullable=False),
        sa.Column("issuer_id", Text),
        sa.Column("renewal_days", BigInteger),
        sa.Column("version", BigInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "reference"),
    )
    op.create_table(
        "certificate_enrollments",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("certificate_name", Text, nullable=False),
        sa.Column("enroll_status", Text, nullable=False),
        sa.Column("enroll_result", Text),
        sa.Column("detail", Text),
        sa.Column("request", Text),
        sa.Column("chain", LargeBinary),
        sa.Column("answers", SmallInteger, nullable=False),
        sa.Column("try_at", BigInteger),
        sa.Column("issuer_id", Text),
        sa.Column("version", BigInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index(
        "ix_certificate_enrollments_account_id_device_id_id",
        "certificate_enrollments",
        ["account_id", "device_id", "id"],
    )
    op.create_index("ix_certificate_enrollments_try_at", "certificate_enrollments", ["try_at"])
    op.create_index(
        "uq_certificate_enrollments_running",
        "certificate_enrollments",
        ["account_id", "device_id", "certificate_name"],
        unique=True,
        sqlite_where=sa.text("enroll_status = 'new'"),
        postgresql_where=sa.text("enroll_status = 'new'"),
    )
    op.create_table(
        "device_certificates",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("certificate_name", Text, nullable=False),
        sa.Column("fingerprint", Text, nullable=False),
        sa.Column("issuer", Text, nullable=False),
        sa.Column("serial_number", Text, nullable=False),
        sa.Column("issuer_id", Text),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("expires_at", BigInteger, nullable=False),
        sa.Column("try_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "device_id", "certificate_name"),
    )
    op.create_index(
        "ix_device_certificates_account_id_certificate_name_expires_at",
        "device_certificates",
        ["account_id", "certificate_name", "expires_at"],
    )
