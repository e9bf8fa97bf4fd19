"""What a migration script needs beside Alembic's ``op``.

A script makes its tables by plain ``op.create_table`` with the column types of storage/schema.py; keys and constraints
get their names from the convention there::

    def upgrade() -> None:
        op.create_table(
            "devices",
            sa.Column("account_id", Text, nullable=False),
            sa.Column("id", Text, nullable=False),
            sa.PrimaryKeyConstraint("account_id", "id"),
        )
        op.create_index("ix_devices_account_id_name", "devices", ["account_id", "name"])
"""

from __future__ import annotations

from alembic import op


def on_postgresql() -> bool:
    """Whether the script runs for PostgreSQL (otherwise for SQLite). A script cannot ask its connection: it may have
    none."""
    return op.get_context().dialect.name == "postgresql"
