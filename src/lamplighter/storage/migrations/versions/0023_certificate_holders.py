"""Certificates that devices were given, found by their fingerprint when a device comes with one; ended renewals, found by age."""

from __future__ import annotations

from alembic import op

revision = "0023_certificate_holders"
down_revision = "0022_trusted_certificates"


def upgrade() -> None:
    op.create_index("ix_device_certificates_fingerprint", "device_certificates", ["fingerprint"])
    op.create_index("ix_certificate_enrollments_updated_at", "certificate_enrollments", ["updated_at"])
