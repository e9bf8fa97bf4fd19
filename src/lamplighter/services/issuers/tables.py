"""The tables of issuers, configurations and enrollments; only the stores of this service name them."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text, metadata

issuers = sa.Table(
    "certificate_issuers",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("name_key", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("issuer_type", Text, nullable=False),
    # JSON.
    sa.Column("attributes", Text, nullable=False),
    # The credentials, JSON.
    sa.Column("sealed", LargeBinary, nullable=False),
    sa.Column("version", BigInteger, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "name_key"),
)

configurations = sa.Table(
    "certificate_issuer_configurations",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    # Name of the certificate.
    sa.Column("reference", Text, nullable=False),
    # Null: the installation's own authority.
    sa.Column("issuer_id", Text),
    # Renew so many days before the end; null: not by itself.
    sa.Column("renewal_days", BigInteger),
    sa.Column("version", BigInteger, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("updated_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "reference"),
)

enrollments = sa.Table(
    "certificate_enrollments",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.Column("certificate_name", Text, nullable=False),
    sa.Column("enroll_status", Text, nullable=False),
    sa.Column("enroll_result", Text),
    # Why it failed.
    sa.Column("detail", Text),
    # SHA-256 of the certification request that was answered last, and the certificates that it was answered with (DER, each with
    # its length in two bytes): the same request again gets the same answer.
    sa.Column("request", Text),
    sa.Column("chain", LargeBinary),
    # How many requests were answered.
    sa.Column("answers", SmallInteger, nullable=False),
    # When to ask the device again, which was busy.
    sa.Column("try_at", BigInteger),
    sa.Column("issuer_id", Text),
    sa.Column("version", BigInteger, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("updated_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.Index("ix_certificate_enrollments_account_id_device_id_id", "account_id", "device_id", "id"),
    sa.Index("ix_certificate_enrollments_try_at", "try_at"),
    sa.Index("ix_certificate_enrollments_updated_at", "updated_at"),
    # One at a time of a device's certificate.
    sa.Index(
        "uq_certificate_enrollments_running",
        "account_id",
        "device_id",
        "certificate_name",
        unique=True,
        sqlite_where=sa.text("enroll_status = 'new'"),
        postgresql_where=sa.text("enroll_status = 'new'"),
    ),
)

# What authorities find when they look whether a name is ours.
acme_challenges = sa.Table(
    "acme_challenges",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("token", Text, nullable=False),
    sa.Column("host", Text, nullable=False),
    sa.Column("answer", Text, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Index("ix_acme_challenges_token", "token"),
    sa.Index("ix_acme_challenges_created_at", "created_at"),
)

# The certificates that devices have now, one each of a name.
device_certificates = sa.Table(
    "device_certificates",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.Column("certificate_name", Text, nullable=False),
    # SHA-256.
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("issuer", Text, nullable=False),
    sa.Column("serial_number", Text, nullable=False),
    sa.Column("issuer_id", Text),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("expires_at", BigInteger, nullable=False),
    # When it may be renewed by itself (again).
    sa.Column("try_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "device_id", "certificate_name"),
    sa.Index(
        "ix_device_certificates_account_id_certificate_name_expires_at", "account_id", "certificate_name", "expires_at"
    ),
)

# For which accounts other authorities have signed certificates to register with.
certificate_holders = sa.Table(
    "certificate_holders",
    metadata,
    # SHA-256.
    sa.Column("fingerprint", Text, nullable=False),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("expires_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("fingerprint", "account_id"),
    sa.Index("ix_certificate_holders_expires_at", "expires_at"),
)
