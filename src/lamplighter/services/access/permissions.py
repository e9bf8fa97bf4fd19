"""What may be allowed: one table of permissions, and the policies that groups give.

A permission is ``<area>.read``, ``<area>.write`` or ``<area>.use``. Every service names in its operations the permissions of this
table and no other; ``*`` alone in a caller stands for all of them, those of later versions included.
"""

from __future__ import annotations

from typing import Final, Literal

EVERYTHING: Final = frozenset({"*"})

PERMISSIONS: Final[dict[str, str]] = {
    "accounts.read": "See the account's settings, limits and tenants.",
    "accounts.write": "Change the account, create tenants.",
    "users.read": "See the account's users.",
    "users.write": "Create, change and delete users.",
    "groups.read": "See policy groups and who is in them.",
    "groups.write": "Create, change and delete policy groups, and put users and keys into them.",
    "applications.read": "See applications and their access keys.",
    "applications.write": "Create, change and delete applications and their access keys.",
    "apikeys.read": "See every API key of the account; a key always sees itself.",
    "apikeys.write": "Create, change and delete API keys; a key may always rename itself.",
    "devices.read": "See devices.",
    "devices.write": "Create, change, suspend and delete devices.",
    "device-groups.read": "See device groups.",
    "device-groups.write": "Create, change and delete device groups, and move devices among them.",
    "queries.read": "See stored device queries.",
    "queries.write": "Create, change and delete stored device queries.",
    "events.read": "See what happened to devices.",
    "connect.use": "Read, write and observe the resources of devices, and hold notification channels.",
    "credentials.read": "See pre-shared keys without their secrets, enrolments and server credentials.",
    "credentials.write": "Create and delete pre-shared keys and enrolments.",
    "certificates.read": "See trusted and developer certificates, issuers and renewals.",
    "certificates.write": "Upload, issue, change, renew and delete certificates.",
    "device-access.read": "See the trust anchors of secure device access.",
    "device-access.write": "Create, change and delete trust anchors.",
    "device-access.use": "Get access tokens that devices obey without the server (secure device access).",
    "update.read": "See firmware images, manifests and campaigns.",
    "update.write": "Upload images and manifests; make, start and stop campaigns.",
    "branding.read": "See colours and images of the account's portal.",
    "branding.write": "Change colours and images of the account's portal.",
    "statistics.read": "See counters of traffic and devices.",
    "billing.read": "See reports and service packages.",
    "logs.read": "See logs that devices sent.",
    "logs.write": "Delete logs that devices sent.",
    "support.read": "Look up kept errors by their request ID.",
}

_ADMINISTRATION: Final = frozenset({"accounts", "users", "groups", "applications", "apikeys", "support"})

Policy = Literal["administrators", "developers"]

POLICIES: Final[dict[str, frozenset[str]]] = {
    "administrators": EVERYTHING,
    "developers": frozenset(name for name in PERMISSIONS if name.partition(".")[0] not in _ADMINISTRATION),
}
"""What a group gives, by the name in its row. A new group gives what Developers do."""


def granted(policies: list[str]) -> frozenset[str]:
    """The union of what these policies allow."""
    union: frozenset[str] = frozenset().union(*(POLICIES[policy] for policy in policies))
    return EVERYTHING if "*" in union else union


def features() -> list[str]:
    """The areas of the table, in its order: what an account's policies speak of."""
    return list(dict.fromkeys(name.partition(".")[0] for name in PERMISSIONS))
