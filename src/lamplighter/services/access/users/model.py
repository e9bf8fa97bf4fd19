"""Users on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from lamplighter.api.body import convert
from lamplighter.clock import to_rfc3339_seconds
from lamplighter.errors import FieldFault
from lamplighter.errors.requests import invalid
from lamplighter.services.access.passwords import LONGEST, SHORTEST

Username = Annotated[str, msgspec.Meta(pattern=r"^[\w\-,._@+=]{4,30}\Z")]
Email = Annotated[str, msgspec.Meta(pattern=r"^(?=.{3,254}\Z).+\@.+\Z")]
Short = Annotated[str, msgspec.Meta(max_length=100)]
Status = Literal["ENROLLING", "INVITED", "ACTIVE", "RESET", "INACTIVE"]
STATUSES = ("ENROLLING", "INVITED", "ACTIVE", "RESET", "INACTIVE")
SETTABLE = ("ACTIVE", "RESET", "INACTIVE")
"""What an administrator may make of a user: the other two belong to invitations and sign-ups under way."""

PROFILE = ("full_name", "address", "phone_number", "is_gtc_accepted", "is_marketing_accepted")
"""Fields that are only kept and shown."""


class LoginProfile(msgspec.Struct):
    """A way to log in; of a request only the id counts."""

    id: str


class Login(msgspec.Struct):
    """An attempt to log in."""

    date: str
    user_agent: str
    ip_address: str
    success: bool


class ActiveSession(msgspec.Struct, kw_only=True):
    """A login that is not over. ``reference_token`` is without its secret."""

    account_id: str
    ip_address: str
    user_agent: str
    reference_token: str
    login_time: str
    created_at: str
    object: str = "user-session"


class User(msgspec.Struct, kw_only=True):
    """A person who may log in. Times named ``…_time`` are milliseconds."""

    id: str
    account_id: str
    username: str | UnsetType = UNSET
    email: str
    email_verified: bool = False
    full_name: str | UnsetType = UNSET
    address: str | UnsetType = UNSET
    phone_number: str | UnsetType = UNSET
    password: str | UnsetType = UNSET
    """Only in the answer that created the user, and only where the server invented it."""
    status: str
    groups: list[str]
    login_profiles: list[LoginProfile]
    login_history: list[Login]
    active_sessions: list[ActiveSession] | UnsetType = UNSET
    is_gtc_accepted: bool
    is_marketing_accepted: bool
    is_totp_enabled: bool = False
    creation_time: int
    last_login_time: int
    password_changed_time: int
    created_at: str
    updated_at: str
    etag: str
    object: str = "user"


class UserCreate(msgspec.Struct, kw_only=True):
    email: Email
    username: Username | None = None
    full_name: Short | None = None
    address: Short | None = None
    phone_number: Short | None = None
    password: str | None = None
    """Invented when absent, and the user has to change it."""
    groups: list[str] = []
    login_profiles: list[LoginProfile] | None = None
    is_gtc_accepted: bool = False
    is_marketing_accepted: bool = False

    def faults(self) -> Iterator[FieldFault]:
        yield from _password_faults(self.password)
        yield from _profile_faults(self.login_profiles)


class UserUpdate(msgspec.Struct, kw_only=True):
    """Absent members stay as they are."""

    email: Email | None | UnsetType = UNSET
    username: Username | None | UnsetType = UNSET
    full_name: Short | None | UnsetType = UNSET
    address: Short | None | UnsetType = UNSET
    phone_number: Short | None | UnsetType = UNSET
    status: Status | None | UnsetType = UNSET
    groups: list[str] | None | UnsetType = UNSET
    login_profiles: list[LoginProfile] | None | UnsetType = UNSET
    is_gtc_accepted: bool | None | UnsetType = UNSET
    is_marketing_accepted: bool | None | UnsetType = UNSET
    is_totp_enabled: bool | None | UnsetType = UNSET

    def faults(self) -> Iterator[FieldFault]:
        yield from _profile_faults(self.login_profiles)
        if self.is_totp_enabled is True:
            yield FieldFault("is_totp_enabled", "cannot be true: this server has no second factor")


class MyUpdate(UserUpdate, kw_only=True):
    """One's own data; a new password needs the old one beside it."""

    password: str | None = None
    old_password: str | None = None

    def faults(self) -> Iterator[FieldFault]:
        yield from super().faults()
        yield from _password_faults(self.password)
        if self.password is not None and self.old_password is None:
            yield FieldFault("old_password", "is required to change the password")


def _password_faults(password: str | None) -> Iterator[FieldFault]:
    if password is not None and not SHORTEST <= len(password) <= LONGEST:
        yield FieldFault("password", f"must have {SHORTEST} to {LONGEST} characters")


def _profile_faults(profiles: list[LoginProfile] | None | UnsetType) -> Iterator[FieldFault]:
    if isinstance(profiles, list):
        if not profiles:
            yield FieldFault("login_profiles", "must not be empty")
        for index, profile in enumerate(profiles):
            if not profile.id or len(profile.id) > 100 or " " in profile.id:
                yield FieldFault(f"login_profiles[{index}].id", "is not the ID of an identity provider")


T = TypeVar("T", bound=msgspec.Struct)


def checked(kind: type[T], value: dict[str, Any]) -> T:
    """A value from elsewhere than a request, held to the same rules. Raises InvalidParameters."""
    faults: list[FieldFault] = []
    converted: T = convert(value, kind, faults)
    if faults:
        raise invalid(faults)
    return converted


def user_of(row: Any, groups: list[str], sessions: list[ActiveSession] | UnsetType = UNSET) -> User:
    profile: dict[str, Any] = msgspec.json.decode(row["profile"])
    return User(
        id=row["id"],
        account_id=row["account_id"],
        username=UNSET if row["username"] is None else row["username"],
        email=row["email"],
        full_name=profile.get("full_name", UNSET),
        address=profile.get("address", UNSET),
        phone_number=profile.get("phone_number", UNSET),
        status=row["status"],
        groups=groups,
        login_profiles=[LoginProfile(each) for each in row["login_profiles"].split()],
        login_history=msgspec.json.decode(row["login_history"], type=list[Login]),
        active_sessions=sessions,
        is_gtc_accepted=profile.get("is_gtc_accepted", False),
        is_marketing_accepted=profile.get("is_marketing_accepted", False),
        creation_time=row["created_at"] // 1000,
        last_login_time=(row["last_login_at"] or 0) // 1000,
        password_changed_time=(row["password_changed_at"] or 0) // 1000,
        created_at=to_rfc3339_seconds(row["created_at"]),
        updated_at=to_rfc3339_seconds(row["updated_at"]),
        etag=str(row["version"]),
    )


def spaced(profiles: list[LoginProfile] | None) -> str:
    """Ids of login profiles as they are kept: each with a space on both sides, so that one can be found."""
    return "".join(f" {each.id} " for each in profiles or ())
