"""Certificates that accounts upload: found by their subject, listed by what is in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text

revision = "0022_trusted_certificates"
down_revision = "0021_enrollment"


def upgrade() -> None:
    # What is in a certificate is read by the program, at its next start.
    for column in (
        sa.Column("owner_id", Text),
        sa.Column("enrollment_mode", SmallInteger, nullable=False, server_default="0"),
        sa.Column("der", LargeBinary),
        sa.Column("subject", Text, nullable=False, server_default=""),
        sa.Column("issuer", Text, nullable=False, server_default=""),
        sa.Column("subject_name", Text, nullable=False, server_default=""),
        sa.Column("not_after", BigInteger, nullable=False, server_default="0"),
        sa.Column("proven", SmallInteger, nullable=False, server_default="0"),
        sa.Column("version", BigInteger, nullable=False, server_default="1"),
    ):
        op.add_column("certificates", column)
    op.create_index("ix_certificates_subject_name", "certificates", ["subject_name", "service"])
