"""What the directory takes and gives: bodies of requests, answers, and what a device says about itself.

Members and limits are the public contract's. Where it bounds no string, ours are bounded too, so that nothing
arbitrarily large is kept. ``null`` in a body means the same as leaving the member out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from msgspec import UNSET, Meta, UnsetType

from lamplighter.api.filter import to_date
from lamplighter.errors import FieldFault

State = Literal["unenrolled", "cloud_enrolling", "bootstrapped", "registered", "deregistered"]
STATES: tuple[State, ...] = ("unenrolled", "cloud_enrolling", "bootstrapped", "registered", "deregistered")
LIFECYCLES = ("enabled", "blocked")
MODES = (0, 1, 5)
DEVELOPER_MODE = 1
PRODUCTION_MODE = 5
MOST_COMPONENTS = 10

AttributeKey = Annotated[str, Meta(pattern=r"^[A-Za-z]", max_length=128)]
AttributeValue = Annotated[str, Meta(max_length=128)]
DeviceAttributes = Annotated[dict[AttributeKey, AttributeValue], Meta(max_length=5)]
GroupAttributes = Annotated[dict[AttributeKey, AttributeValue], Meta(max_length=10)]

Text64 = Annotated[str, Meta(max_length=64)]
Text512 = Annotated[str, Meta(max_length=512)]
Text2000 = Annotated[str, Meta(max_length=2000)]
Name = Annotated[str, Meta(max_length=128)]
CaId = Annotated[str, Meta(max_length=500)]
Fingerprint = Annotated[str, Meta(pattern=r"^[A-Fa-f0-9]{64}$")]
Mode = Literal[0, 1, 5]


def compared(name: str) -> str:
    """The form in which names are compared: NFC, so that one name typed on two systems is one name."""
    return unicodedata.normalize("NFC", name)


def quoted(text: str) -> str:
    """A client's text as it may stand in a message: printable and bounded."""
    return ascii(text[:64])[1:-1]


class DeviceCreate(msgspec.Struct, kw_only=True):
    """A device made through the API before it ever connects."""

    name: Name | None = None
    description: Text2000 | None = None
    custom_attributes: DeviceAttributes | None = None
    endpoint_name: Text64 | None = None
    endpoint_type: Text64 | None = None
    host_gateway: Text512 | None = None
    device_class: Annotated[str, Meta(max_length=32)] | None = None
    vendor_id: Annotated[str, Meta(max_length=255)] | None = None
    serial_number: Text64 | None = None
    device_key: Text512 | None = None
    ca_id: CaId | None = None
    issuer_fingerprint: Fingerprint | None = None
    device_execution_mode: Mode | None = None
    state: State | None = None
    bootstrap_expiration_date: str | None = None
    connector_expiration_date: str | None = None
    deployment: Text512 | None = None
    manifest: Text2000 | None = None
    auto_update: bool | None = None
    mechanism: Literal["connector", "direct"] | None = None
    mechanism_url: Text2000 | None = None

    def faults(self) -> Iterator[FieldFault]:
        for name in ("bootstrap_expiration_date", "connector_expiration_date"):
            value = getattr(self, name)
            if value is not None:
                try:
                    setattr(self, name, to_date(value))
                except ValueError as fault:
                    yield FieldFault(name, str(fault))


class DeviceUpdate(msgspec.Struct, kw_only=True):
    """Members left out stay as they are. ``custom_attributes`` replaces the whole map."""

    name: Name | None = None
    description: Text2000 | None = None
    custom_attributes: DeviceAttributes | None = None
    endpoint_name: Text64 | None = None
    """Old clients echo it back; it is read-only, so another value than the device's is refused."""
    endpoint_type: Text64 | None = None
    host_gateway: Text512 | None = None
    device_key: Text512 | None = None
    ca_id: CaId | None = None
    auto_update: bool | None = None


class Block(msgspec.Struct, kw_only=True):
    """Why a device is suspended or resumed. Any category of the form is kept, the listed ones have a description."""

    category: Annotated[str, Meta(pattern=r"^[a-z0-9_]{0,32}$")] = ""
    description: Text2000 = ""


class GroupCreate(msgspec.Struct, kw_only=True):
    """A device group. A name is asked for, because groups are told apart by it."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: Annotated[str, Meta(max_length=1024)] | None = None
    custom_attributes: GroupAttributes | None = None


class GroupUpdate(msgspec.Struct, kw_only=True):
    """Members left out stay as they are."""

    name: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    description: Annotated[str, Meta(max_length=1024)] | None = None
    custom_attributes: GroupAttributes | None = None


class GroupMember(msgspec.Struct, kw_only=True):
    """The device to add to a group or to remove from it."""

    device_id: str


class Device(msgspec.Struct, kw_only=True, omit_defaults=False):
    """A device as the API shows it. What never happened (a time, a suspension) is left out."""

    object: Literal["device"] = "device"
    id: str
    account_id: str
    name: str
    description: str
    custom_attributes: dict[str, str]
    component_attributes: dict[str, str]
    endpoint_name: str
    endpoint_type: str
    host_gateway: str
    net_id: str
    device_class: str
    vendor_id: str
    serial_number: str
    device_key: str
    ca_id: str
    issuer_fingerprint: str | None
    device_execution_mode: int
    state: str
    groups: list[str]
    lifecycle_status: str
    operator_suspended: bool
    system_suspended: bool
    last_operator_suspended_category: str | UnsetType = UNSET
    last_operator_suspended_description: str | UnsetType = UNSET
    last_operator_suspended_updated_at: str | UnsetType = UNSET
    last_system_suspended_category: str | UnsetType = UNSET
    last_system_suspended_description: str | UnsetType = UNSET
    last_system_suspended_updated_at: str | UnsetType = UNSET
    bootstrapped_timestamp: str | UnsetType = UNSET
    enrolment_list_timestamp: str | UnsetType = UNSET
    manifest_timestamp: str | UnsetType = UNSET
    bootstrap_expiration_date: str | None
    connector_expiration_date: str | None
    firmware_checksum: str
    deployed_state: str
    deployment: str
    manifest: str
    auto_update: bool
    mechanism: str
    mechanism_url: str
    created_at: str
    updated_at: str
    etag: str


class DeviceGroup(msgspec.Struct, kw_only=True):
    """A device group as the API shows it."""

    object: Literal["device-group"] = "device-group"
    id: str
    name: str
    description: str
    custom_attributes: dict[str, str]
    devices_count: int
    created_at: str
    updated_at: str
    etag: str


class DeviceEvent(msgspec.Struct, kw_only=True):
    """A device event as the API shows it."""

    object: Literal["device-event"] = "device-event"
    id: str
    device_id: str
    date_time: str
    created_at: str
    etag: str
    event_type: str
    event_type_category: str
    event_type_description: str
    description: str
    state_change: bool
    changes: dict[str, str] = {}
    data: dict[str, str]


class BlockCategory(msgspec.Struct, kw_only=True):
    """A reason to suspend a device, as the API shows it."""

    object: Literal["device-block-category"] = "device-block-category"
    reference: str
    description: str
    updated_at: str


Outcome = Literal["SUCCESS", "FAIL", "SKIPPED", "INFO"]


class Happening(NamedTuple):
    """A kind of device event.

    :param code: ``event_type`` on the wire
    :param category: ``event_type_category`` on the wire
    :param outcome: ``event_type_description`` on the wire
    :param state_change: whether such an event changes the device's ``state``
    :param kind: the name under which the event log tells other services of it; empty: it does not
    """

    code: str
    description: str
    category: str
    outcome: Outcome
    state_change: bool
    kind: str = ""


class Facts(msgspec.Struct, kw_only=True, frozen=True):
    """What a device, its certificate and its enrolment say about it; None where they say nothing.

    Devices are not trusted: what is longer than the directory keeps is cut, see :meth:`values`.
    """

    endpoint_type: str | None = None
    host_gateway: str | None = None
    net_id: str | None = None
    device_class: str | None = None
    vendor_id: str | None = None
    serial_number: str | None = None
    component_attributes: Mapping[str, str] | None = None
    firmware_checksum: str | None = None
    device_execution_mode: int | None = None
    device_key: str | None = None
    ca_id: str | None = None
    issuer_fingerprint: str | None = None
    bootstrap_expiration_date: str | None = None
    connector_expiration_date: str | None = None
    enrolment_list_timestamp: int | None = None
    """Microseconds UTC."""
    manifest_timestamp: int | None = None
    """Microseconds UTC."""
    mechanism: str | None = None
    mechanism_url: str | None = None

    def values(self) -> dict[str, object]:
        """The columns they set, without U+0000 and cut to the longest that is kept."""
        found: dict[str, object] = {}
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, str):
                value = _clean(value, _LONGEST.get(name, 512))
            elif isinstance(value, Mapping):
                pairs = sorted(value.items())[:MOST_COMPONENTS]
                value = {_clean(key, 128): _clean(text, 128) for key, text in pairs}
            found[name] = value
        return found


_LONGEST = {
    "endpoint_type": 64,
    "net_id": 40,
    "device_class": 32,
    "vendor_id": 255,
    "serial_number": 64,
    "device_key": 512,
    "ca_id": 500,
    "issuer_fingerprint": 64,
    "firmware_checksum": 64,
    "mechanism_url": 2000,
}
_UNKEEPABLE = re.compile("[\x00\ud800-\udfff]")


def _clean(text: str, longest: int) -> str:
    return _UNKEEPABLE.sub("", text)[:longest]


def certificate_facts(leaf: bytes, issuer_fingerprint: bytes | None) -> Facts:
    """What the directory shows of the certificate that a device registers with.

    :param leaf: in DER
    :param issuer_fingerprint: SHA-256 of the certificate above it; None where that is not known
    """
    certificate = x509.load_der_x509_certificate(leaf)
    return Facts(
        device_key=certificate.fingerprint(hashes.SHA256()).hex(),
        issuer_fingerprint=None if issuer_fingerprint is None else issuer_fingerprint.hex(),
        connector_expiration_date=certificate.not_valid_after_utc.date().isoformat(),
    )
