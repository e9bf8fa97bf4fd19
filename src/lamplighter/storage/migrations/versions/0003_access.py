"""Accounts, users, groups, applications and their keys; sessions, and the operations counted in a month."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text

revision = "0003_access"
down_revision = "0002_support"


def _named() -> list[sa.Column[str]]:
    return [
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
    ]


def _stamps() -> list[sa.Column[int]]:
    return [
        sa.Column("version", BigInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", Text, primary_key=True),
        sa.Column("root", SmallInteger),
        sa.Column("parent_id", Text),
        sa.Column("status", Text, nullable=False),
        sa.Column("tier", Text, nullable=False),
        sa.Column("end_market", Text, nullable=False),
        sa.Column("country", Text),
        sa.Column("profile", Text, nullable=False),
        *_stamps(),
        sa.UniqueConstraint("root"),
    )
    op.create_index("ix_accounts_parent_id_id", "accounts", ["parent_id", "id"])
    op.create_table(
        "account_aliases",
        sa.Column("alias_key", Text, primary_key=True),
        sa.Column("account_id", Text, nullable=False),
        sa.Column("alias", Text, nullable=False),
    )
    op.create_index("ix_account_aliases_account_id", "account_aliases", ["account_id"])
    op.create_table(
        "users",
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
    )
    op.create_index("ix_users_username_key", "users", ["username_key"])
    op.create_index("ix_users_email_key", "users", ["email_key"])
    op.create_table(
        "groups",
        *_named(),
        sa.Column("name_key", Text, nullable=False),
        sa.Column("policy", Text, nullable=False),
        *_stamps(),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name_key"),
    )
    op.create_table(
        "group_members",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("group_id", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("subject_id", Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "group_id", "kind", "subject_id"),
    )
    op.create_index(
        "ix_group_members_account_id_kind_subject_id", "group_members", ["account_id", "kind", "subject_id"]
    )
    op.create_table(
        "applications",
        *_named(),
        sa.Column("name_key", Text, nullable=False),
        sa.Column("description", Text),
        sa.Column("status", Text, nullable=False),
        sa.Column("last_used_at", BigInteger),
        *_stamps(),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name_key"),
    )
    op.create_table(
        "access_keys",
        *_named(),
        sa.Column("application_id", Text, nullable=False),
        sa.Column("description", Text),
        sa.Column("status", Text, nullable=False),
        sa.Column("expiration", BigInteger),
        sa.Column("key", Text, nullable=False),
        sa.Column("digest", LargeBinary, nullable=False),
        sa.Column("last_used_at", BigInteger),
        *_stamps(),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_access_keys_account_id_application_id", "access_keys", ["account_id", "application_id", "id"])
    op.create_table(
        "api_keys",
        *_named(),
        sa.Column("owner", Text),
        sa.Column("status", Text, nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("digest", LargeBinary, nullable=False),
        sa.Column("last_used_at", BigInteger),
        *_stamps(),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_api_keys_account_id_owner", "api_keys", ["account_id", "owner"])
    op.create_table(
        "sessions",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("user_id", Text, nullable=False),
        sa.Column("digest", LargeBinary, nullable=False),
        sa.Column("token", Text, nullable=False),
        sa.Column("address", Text, nullable=False),
        sa.Column("user_agent", Text, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("last_used_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("ix_sessions_account_id_user_id", "sessions", ["account_id", "user_id", "id"])
    op.create_index("ix_sessions_last_used_at", "sessions", ["last_used_at"])
    op.create_table(
        "operation_counts",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("month", Text, nullable=False),
        sa.Column("count", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "month"),
    )
