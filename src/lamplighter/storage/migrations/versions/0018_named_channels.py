"""Several channels of one application, each with a name, and what a channel has yet to be told of what it lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, Json, LargeBinary, Text

revision = "0018_named_channels"
down_revision = "0017_notification_attributes"


def upgrade() -> None:
    # SQLite cannot change the key of a table, so it is made anew, on both databases alike.
    for table in ("channels", "webhook_failures"):
        op.execute(f"CREATE TABLE {table}_before AS SELECT * FROM {table}")
        op.drop_table(table)
    op.create_table(
        "channels",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False, server_default=""),
        sa.Column("id", Text, nullable=False),
        sa.Column("mechanism", Text),
        sa.Column("serialization", Json, nullable=False),
        sa.Column("xid", BigInteger, nullable=False),
        sa.Column("position", BigInteger, nullable=False),
        sa.Column("turn", BigInteger, nullable=False, server_default="0"),
        sa.Column("since_xid", BigInteger, nullable=False),
        sa.Column("since_position", BigInteger, nullable=False),
        sa.Column("connection", Text),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("endpoint", LargeBinary),
        sa.Column("secrets", LargeBinary),
        sa.Column("holder", Text),
        sa.Column("failures", BigInteger, nullable=False, server_default="0"),
        sa.Column("failing_since", BigInteger),
        sa.Column("retry_at", BigInteger, nullable=False, server_default="0"),
        sa.Column("delivered_at", BigInteger),
        sa.Column("seen_at", BigInteger, nullable=False, server_default="0"),
        sa.Column("discarded", BigInteger, nullable=False, server_default="0"),
        sa.Column("losses", Json),
        sa.PrimaryKeyConstraint("account_id", "subject_id", "name"),
    )
    op.create_table(
        "webhook_failures",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False, server_default=""),
        sa.Column("id", Text, nullable=False),
        sa.Column("time", BigInteger, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("status", BigInteger),
        sa.Column("reason", Text, nullable=False),
        sa.Column("duration", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "subject_id", "name", "id"),
    )
    for table, columns in (("channels", CHANNELS), ("webhook_failures", FAILURES)):
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before")
        op.drop_table(f"{table}_before")


CHANNELS = (
    "account_id, subject_id, id, mechanism, serialization, xid, position, since_xid, since_position, connection, "
    "created_at, endpoint, secrets, holder, failures, failing_since, retry_at, delivered_at, seen_at, discarded"
)
FAILURES = "account_id, subject_id, id, time, kind, status, reason, duration"
