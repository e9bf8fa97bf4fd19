"""For which accounts other authorities have signed certificates to register with: every one, not only the newest of a device."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Text

revision = "0025_certificate_holders"
down_revision = "0024_acme_challenges"


def upgrade() -> None:
    op.create_table(
        "certificate_holders",
        sa.Column("fingerprint", Text, nullable=False),
        sa.Column("account_id", Text, nullable=False),
        sa.Column("expires_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "account_id"),
    )
    op.create_index("ix_certificate_holders_expires_at", "certificate_holders", ["expires_at"])
    op.execute(
        "INSERT INTO certificate_holders (fingerprint, account_id, expires_at) "
        "SELECT fingerprint, account_id, max(expires_at) FROM device_certificates "
        "WHERE certificate_name = 'LWM2M' AND issuer_id IS NOT NULL GROUP BY fingerprint, account_id"
    )
    op.drop_index("ix_device_certificates_fingerprint", "device_certificates")
