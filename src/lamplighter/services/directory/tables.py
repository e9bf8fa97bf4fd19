"""The tables that the directory owns; only the directory's own stores name them.

Lists are in the order of creation, which is the order of ids. Each index ends in ``id``, so that a page of what it
selects is read in that order without sorting. ``name_key`` and ``endpoint_key`` hold names after NFC: names are kept as
they were sent, and compared by these.
"""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.storage.attributes import AttributeIndex
from lamplighter.storage.schema import BigInteger, Json, Serial, SmallInteger, Text, metadata

devices = sa.Table(
    "devices",
    metadata,
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
    sa.Index("ix_devices_account_id_state_id", "account_id", "state", "id"),
    sa.Index("ix_devices_account_id_name_key_id", "account_id", "name_key", "id"),
    sa.Index("ix_devices_account_id_device_class_id_vendor_id", "account_id", "device_class", "id", "vendor_id"),
    sa.Index("ix_devices_account_id_vendor_id_id", "account_id", "vendor_id", "id"),
    sa.Index("ix_devices_account_id_updated_at_id", "account_id", "updated_at", "id"),
)

DEVICE_ATTRIBUTES = (
    AttributeIndex("custom_attributes", devices.c.custom_attributes, "device_custom_attributes"),
    AttributeIndex("component_attributes", devices.c.component_attributes, "device_component_attributes"),
)

device_groups = sa.Table(
    "device_groups",
    metadata,
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

GROUP_ATTRIBUTES = AttributeIndex(
    "custom_attributes", device_groups.c.custom_attributes, "device_group_custom_attributes"
)

device_group_members = sa.Table(
    "device_group_members",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("group_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "group_id", "device_id"),
    sa.Index("ix_device_group_members_account_id_device_id_group_id", "account_id", "device_id", "group_id"),
)

device_queries = sa.Table(
    "device_queries",
    metadata,
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

device_events = sa.Table(
    "device_events",
    metadata,
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
    sa.Index("ix_device_events_account_id_device_id_id", "account_id", "device_id", "id"),
    sa.Index("ix_device_events_account_id_event_type_id", "account_id", "event_type", "id"),
)

device_counts = sa.Table(
    "device_counts",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("amount", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "name"),
)

device_count_changes = sa.Table(
    "device_count_changes",
    metadata,
    sa.Column("position", Serial, primary_key=True),
    sa.Column("account_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("amount", BigInteger, nullable=False),
    sa.Index("ix_device_count_changes_account_id_name", "account_id", "name"),
    sqlite_autoincrement=True,
)
