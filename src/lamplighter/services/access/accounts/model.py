"""Accounts on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from lamplighter.clock import to_rfc3339_seconds
from lamplighter.errors import FieldFault
from lamplighter.services.access.passwords import LONGEST, SHORTEST
from lamplighter.services.access.users.model import Email, Username

Short = Annotated[str, msgspec.Meta(max_length=100)] | None
Alias = Annotated[str, msgspec.Meta(pattern=r"^[\w\-._]{8,100}\Z")]
STATUSES = ("ENROLLING", "ACTIVE", "RESTRICTED", "SUSPENDED")
CONTACT = (
    "address_line1",
    "address_line2",
    "city",
    "company",
    "contact",
    "contract_number",
    "customer_number",
    "display_name",
    "email",
    "phone_number",
    "postal_code",
    "state",
)
"""Fields that are only kept and shown."""


class PasswordPolicy(msgspec.Struct):
    minimum_length: int


class FeaturePolicy(msgspec.Struct, kw_only=True):
    """Something the account may do. ``action``: what may be done with it, by commas."""

    feature: str
    action: str
    allow: bool = True
    inherited: bool = False


class Account(msgspec.Struct, kw_only=True):
    """An account: the owner of devices, users and keys."""

    id: str
    status: str
    tier: str
    end_market: str
    country: str | UnsetType = UNSET
    aliases: list[str]
    parent_id: str | UnsetType = UNSET
    address_line1: str | UnsetType = UNSET
    address_line2: str | UnsetType = UNSET
    city: str | UnsetType = UNSET
    company: str | UnsetType = UNSET
    contact: str | UnsetType = UNSET
    contract_number: str | UnsetType = UNSET
    customer_number: str | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    phone_number: str | UnsetType = UNSET
    postal_code: str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    business_model: str | UnsetType = UNSET
    idle_timeout: int
    """Minutes after which an idle session ends."""
    password_policy: PasswordPolicy
    limits: dict[str, str] | UnsetType = UNSET
    policies: list[FeaturePolicy] | UnsetType = UNSET
    sub_accounts: list[Account] | UnsetType = UNSET
    created_at: str
    updated_at: str
    etag: str
    object: str = "account"


class CreatedAccount(Account, kw_only=True):
    """A new account and its first administrator."""

    admin_id: str
    admin_name: str
    admin_email: str
    admin_full_name: str | UnsetType = UNSET
    admin_password: str | UnsetType = UNSET
    """Only where the server invented it: it cannot be seen again."""


class AccountCreate(msgspec.Struct, kw_only=True):
    end_market: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    admin_email: Email | None = None
    admin_name: Username | None = None
    admin_full_name: Short = None
    admin_password: str | None = None
    aliases: list[Alias] | None = None
    business_model: Literal["active_device_business_model", "api_calls_1_business_model"] | None = None
    country: Short = None
    address_line1: Short = None
    address_line2: Short = None
    city: Short = None
    company: Short = None
    contact: Short = None
    contract_number: Short = None
    customer_number: Short = None
    display_name: Short = None
    email: Email | None = None
    phone_number: Short = None
    postal_code: Short = None
    state: Short = None

    def faults(self) -> Iterator[FieldFault]:
        if self.admin_email is None and self.email is None:
            yield FieldFault("admin_email", "is required, unless email is there")
        if self.aliases is not None and len(self.aliases) > 10:
            yield FieldFault("aliases", "must have at most 10 entries")
        if self.admin_password is not None and not SHORTEST <= len(self.admin_password) <= LONGEST:
            yield FieldFault("admin_password", f"must have {SHORTEST} to {LONGEST} characters")

    def profile(self) -> dict[str, Any]:
        """What is only kept and shown."""
        fields = {name: getattr(self, name) for name in (*CONTACT, "business_model")}
        return {name: value for name, value in fields.items() if value is not None}


def account_of(row: Any, aliases: list[str], idle_seconds: float) -> Account:
    """The account of a row.

    :param idle_seconds: idle time-out where the account has none of its own
    """
    profile: dict[str, Any] = msgspec.json.decode(row["profile"])
    return Account(
        id=row["id"],
        status=row["status"],
        tier=row["tier"],
        end_market=row["end_market"],
        country=UNSET if row["country"] is None else row["country"],
        aliases=aliases,
        parent_id=UNSET if row["parent_id"] is None else row["parent_id"],
        idle_timeout=profile.get("idle_timeout") or min(max(round(idle_seconds / 60), 1), 120),
        password_policy=PasswordPolicy(profile.get("password_minimum", SHORTEST)),
        business_model=profile.get("business_model", UNSET),
        created_at=to_rfc3339_seconds(row["created_at"]),
        updated_at=to_rfc3339_seconds(row["updated_at"]),
        etag=str(row["version"]),
        **{name: profile.get(name, UNSET) for name in CONTACT},
    )
