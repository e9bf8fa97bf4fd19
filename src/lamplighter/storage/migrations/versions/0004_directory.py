"""Devices, their groups, queries and log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lamplighter.storage.attributes import side_columns
from lamplighter.storage.migrations.operations import on_postgresql
from lamplighter.storage.schema import BigInteger, Json, Serial, SmallInteger, Text

revision = "0004_directory"
down_revision = "0003_access"


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("endpoint_name", Text, nullable=False),
        sa.Column("endpoint_key", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("name_key", Text, nullable=False),
        sa.Column("description", Text, nullable=False),
        sa.Column("custom_attributes", Json, nullable=False),
        sa.Column("component_attributes", Json, nullable=False),
        sa.Column("endpoint_type", Text, nullable=False),
        sa.Column("host_gateway", Text, nullable=False),
        sa.Column("net_id", Text, nullable=False),
        sa.Column("device_class", Text, nullable=False),
        sa.Column("vendor_id", Text, nullable=False),
        sa.Column("serial_number", Text, nullable=False),
        sa.Column("device_key", Text, nullable=False),
        sa.Column("ca_id", Text, nullable=False),
        sa.Column("issuer_fingerprint", Text),
        sa.Column("device_execution_mode", SmallInteger, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("bootstrapped_timestamp", BigInteger),
        sa.Column("enrolment_list_timestamp", BigInteger),
        sa.Column("manifest_timestamp", BigInteger),
        sa.Column("bootstrap_expiration_date", Text),
        sa.Column("connector_expiration_date", Text),
        sa.Column("firmware_checksum", Text, nullable=False),
        sa.Column("lifecycle_status", Text, nullable=False),
        sa.Column("operator_suspended", SmallInteger, nullable=False),
        sa.Column("last_operator_suspended_category", Text),
        sa.Column("last_operator_suspended_description", Text),
        sa.Column("last_operator_suspended_updated_at", BigInteger),
        sa.Column("system_suspended", SmallInteger, nullable=False),
        sa.Column("last_system_suspended_category", Text),
        sa.Column("last_system_suspended_description", Text),
        sa.Column("last_system_suspended_updated_at", BigInteger),
        sa.Column("deployed_state", Text, nullable=False),
        sa.Column("deployment", Text, nullable=False),
        sa.Column("manifest", Text, nullable=False),
        sa.Column("auto_update", SmallInteger, nullable=False),
        sa.Column("mechanism", Text, nullable=False),
        sa.Column("mechanism_url", Text, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "endpoint_key"),
    )
    op.create_index("ix_devices_account_id_state_id", "devices", ["account_id", "state", "id"])
    op.create_index("ix_devices_account_id_name_key_id", "devices", ["account_id", "name_key", "id"])
    op.create_index(
        "ix_devices_account_id_device_class_id_vendor_id", "devices", ["account_id", "device_class", "id", "vendor_id"]
    )
    op.create_index("ix_devices_account_id_vendor_id_id", "devices", ["account_id", "vendor_id", "id"])
    op.create_index("ix_devices_account_id_updated_at_id", "devices", ["account_id", "updated_at", "id"])
    op.create_table(
        "device_groups",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("name_key", Text, nullable=False),
        sa.Column("description", Text, nullable=False),
        sa.Column("custom_attributes", Json, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name_key"),
    )
    op.create_table(
        "device_group_members",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("group_id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "group_id", "device_id"),
    )
    op.create_index(
        "ix_device_group_members_account_id_device_id_group_id",
        "device_group_members",
        ["account_id", "device_id", "group_id"],
    )
    op.create_table(
        "device_queries",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("name_key", Text, nullable=False),
        sa.Column("query", Text, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("updated_at", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
        sa.UniqueConstraint("account_id", "name_key"),
    )
    op.create_table(
        "device_events",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("id", Text, nullable=False),
        sa.Column("device_id", Text, nullable=False),
        sa.Column("date_time", BigInteger, nullable=False),
        sa.Column("created_at", BigInteger, nullable=False),
        sa.Column("event_type", Text, nullable=False),
        sa.Column("event_type_category", Text, nullable=False),
        sa.Column("event_type_description", Text, nullable=False),
        sa.Column("description", Text, nullable=False),
        sa.Column("state_change", SmallInteger, nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "id"),
    )
    op.create_index("ix_device_events_account_id_device_id_id", "device_events", ["account_id", "device_id", "id"])
    op.create_index("ix_device_events_account_id_event_type_id", "device_events", ["account_id", "event_type", "id"])
    op.create_table(
        "device_counts",
        sa.Column("account_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("amount", BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name"),
    )
    op.create_table(
        "device_count_changes",
        sa.Column("position", Serial, primary_key=True),
        sa.Column("account_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("amount", BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_device_count_changes_account_id_name", "device_count_changes", ["account_id", "name"])
    for table, field, side_table in (
        ("devices", "custom_attributes", "device_custom_attributes"),
        ("devices", "component_attributes", "device_component_attributes"),
        ("device_groups", "custom_attributes", "device_group_custom_attributes"),
    ):
        if on_postgresql():
            op.create_index(
                f"ix_{table}_{field}_gin",
                table,
                [field],
                postgresql_using="gin",
                postgresql_ops={field: "jsonb_path_ops"},
            )
        else:
            op.create_table(side_table, *side_columns(), sqlite_with_rowid=False)
