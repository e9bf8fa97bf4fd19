"""Pre-shared keys and certificates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text

revision = "0005_credentials"
down_revision = "0004_directory"


def upgrade() -> None:
    op.create_table(
        "pre_shared_keys",
        sa.Column("endpoint_name", Text, primary_key=True),
        sa.Column("account_id", Text, nullable=False),
        sa.Column("sealed", LargeBinary, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
    )
    op.create_index("ix_pre_shared_keys_account_id_endpoint_name", "pre_shared_keys", ["account_id", "endpoint_name"])
    op.create_table(
        "certificates",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("name_key", Text, nullable=False),
        sa.Column("description", Text),
        sa.Column("service", Text, nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("device_execution_mode", SmallInteger, nullable=False),
        sa.Column("certificate", Text, nullable=False),
        sa.Column("fingerprint", Text, nullable=False),
        sa.Column("endpoint_name", Text),
        sa.Column("sealed_key", LargeBinary),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id", name="pk_certificates"),
        sa.UniqueConstraint("account_id", "name_key", name="uq_certificates_account_id_name_key"),
    )
    op.create_index("ix_certificates_fingerprint", "certificates", ["fingerprint"])
