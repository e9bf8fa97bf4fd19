"""What lists may be filtered by: every field and operator of the public contract, of both its syntaxes."""

from __future__ import annotations

from lamplighter.api.filter import EQUALITY, RANGE, SETS, Fields, FilterField
from lamplighter.services.directory.model import LIFECYCLES, STATES

_TEXT = FilterField(SETS)
_TIME = FilterField(RANGE, "date-time")
_DATE = FilterField(RANGE, "date")
_MAP = FilterField(EQUALITY, "map")

DEVICES: Fields = {
    "account_id": _TEXT,
    "auto_update": FilterField(SETS, "boolean"),
    "bootstrap_expiration_date": _DATE,
    "bootstrapped_timestamp": _TIME,
    "ca_id": _TEXT,
    "component_attributes": _MAP,
    "connector_expiration_date": _DATE,
    "created_at": _TIME,
    "custom_attributes": _MAP,
    "deployed_state": FilterField(SETS, choices=("development", "production")),
    "deployment": _TEXT,
    "description": _TEXT,
    "device_class": _TEXT,
    "device_execution_mode": FilterField(SETS, "integer"),
    "device_key": _TEXT,
    "endpoint_name": _TEXT,
    "endpoint_type": _TEXT,
    "enrolment_list_timestamp": _TIME,
    "etag": _TIME,
    "firmware_checksum": _TEXT,
    "host_gateway": _TEXT,
    "id": _TEXT,
    "issuer_fingerprint": _TEXT,
    "last_operator_suspended_category": _TEXT,
    "last_operator_suspended_updated_at": _TIME,
    "last_system_suspended_category": _TEXT,
    "last_system_suspended_updated_at": _TIME,
    "lifecycle_status": FilterField(SETS, choices=LIFECYCLES),
    "manifest": _TEXT,
    "manifest_timestamp": _TIME,
    "mechanism": FilterField(SETS, choices=("connector", "direct")),
    "mechanism_url": _TEXT,
    "name": _TEXT,
    "net_id": _TEXT,
    "operator_suspended": FilterField(EQUALITY, "boolean"),
    "serial_number": _TEXT,
    "state": FilterField(SETS, choices=STATES),
    "system_suspended": FilterField(EQUALITY, "boolean"),
    "updated_at": _TIME,
    "vendor_id": _TEXT,
}

GROUPS: Fields = {
    "component_attributes": _MAP,
    "created_at": _TIME,
    "custom_attributes": _MAP,
    "devices_count": FilterField(RANGE, "integer"),
    "etag": _TIME,
    "id": _TEXT,
    "name": _TEXT,
    "updated_at": _TIME,
}
"""The contract lets groups be filtered by component_attributes, which no group has."""

QUERIES: Fields = {
    "created_at": _TIME,
    "etag": _TIME,
    "id": _TEXT,
    "name": _TEXT,
    "query": _TEXT,
    "updated_at": _TIME,
}

EVENTS: Fields = {
    "date_time": _TIME,
    "description": _TEXT,
    "device_id": _TEXT,
    "event_type": _TEXT,
    "id": _TEXT,
    "state_change": FilterField(SETS, "boolean"),
}

BLOCK_CATEGORIES: Fields = {"reference": _TEXT, "updated_at": FilterField(("in", "nin", "lte", "gte"), "date-time")}
