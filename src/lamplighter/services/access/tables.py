"""The tables of this service. Every row belongs to an account; names are kept as sent beside the form they compare by."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text, metadata


def _stamps() -> list[sa.Column[int]]:
    """``version`` is the etag: it counts changes."""
    return [
        sa.Column("version", BigInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
    ]


def _named() -> list[sa.Column[str]]:
    return [
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
    ]


accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("root", SmallInteger),  # 1 for the one root account, NULL for all others
    sa.Column("parent_id", Text),
    sa.Column("status", Text, nullable=False),
    sa.Column("tier", Text, nullable=False),
    sa.Column("end_market", Text, nullable=False),
    sa.Column("country", Text),
    sa.Column("profile", Text, nullable=False),
    *_stamps(),
    sa.UniqueConstraint("root"),
    sa.Index("ix_accounts_parent_id_id", "parent_id", "id"),
)

account_aliases = sa.Table(
    "account_aliases",
    metadata,
    sa.Column("alias_key", Text, primary_key=True),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("alias", Text, nullable=False),
    sa.Index("ix_account_aliases_account_id", "account_id"),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("username", Text),
    sa.Column("username_key", Text),
    sa.Column("email", Text, nullable=False),
    sa.Column("email_key", Text, nullable=False),
    sa.Column("status", Text, nullable=False),
    sa.Column("password_hash", Text),
    sa.Column("password_changed_at", BigInteger),
    sa.Column("last_login_at", BigInteger),
    sa.Column("login_history", Text, nullable=False),
    sa.Column("login_profiles", Text, nullable=False),
    sa.Column("profile", Text, nullable=False),
    *_stamps(),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "username_key"),
    sa.UniqueConstraint("account_id", "email_key"),
    sa.Index("ix_users_username_key", "username_key"),
    sa.Index("ix_users_email_key", "email_key"),
)

groups = sa.Table(
    "groups",
    metadata,
    *_named(),
    sa.Column("name_key", Text, nullable=False),
    sa.Column("policy", Text, nullable=False),
    *_stamps(),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "name_key"),
)

group_members = sa.Table(
    "group_members",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("group_id", Text, nullable=False),
    sa.Column("kind", Text, nullable=False),
    sa.Column("subject_id", Text, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "group_id", "kind", "subject_id"),
    sa.Index("ix_group_members_account_id_kind_subject_id", "account_id", "kind", "subject_id"),
)

applications = sa.Table(
    "applications",
    metadata,
    *_named(),
    sa.Column("name_key", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("status", Text, nullable=False),
    sa.Column("last_used_at", BigInteger),
    *_stamps(),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("account_id", "name_key"),
)

access_keys = sa.Table(
    "access_keys",
    metadata,
    *_named(),
    sa.Column("application_id", Text, nullable=False),
    sa.Column("description", Text),
    sa.Column("status", Text, nullable=False),
    sa.Column("expiration", BigInteger),
    sa.Column("key", Text, nullable=False),  # without its secret
    sa.Column("digest", LargeBinary, nullable=False),
    sa.Column("last_used_at", BigInteger),
    *_stamps(),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("digest"),
    sa.Index("ix_access_keys_account_id_application_id", "account_id", "application_id", "id"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    *_named(),
    sa.Column("owner", Text),
    sa.Column("status", Text, nullable=False),
    sa.Column("key", Text, nullable=False),
    sa.Column("digest", LargeBinary, nullable=False),
    sa.Column("last_used_at", BigInteger),
    *_stamps(),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("digest"),
    sa.Index("ix_api_keys_account_id_owner", "account_id", "owner"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("id", Text, nullable=False),
    sa.Column("user_id", Text, nullable=False),
    sa.Column("digest", LargeBinary, nullable=False),
    sa.Column("token", Text, nullable=False),  # without its secret
    sa.Column("address", Text, nullable=False),
    sa.Column("user_agent", Text, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("last_used_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.UniqueConstraint("digest"),
    sa.Index("ix_sessions_account_id_user_id", "account_id", "user_id", "id"),
    sa.Index("ix_sessions_last_used_at", "last_used_at"),
)

operation_counts = sa.Table(
    "operation_counts",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("month", Text, nullable=False),
    sa.Column("count", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "month"),
)
