"""The tables that connect owns; only its store names them.

``registrations`` is narrow and written with every contact of a device. The links are text of JSON, never searched:
PostgreSQL need not take them apart, and U+0000 in a device's value does no harm.
"""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text, metadata

registrations = sa.Table(
    "registrations",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    # New with every full registration, so that what belongs to an older one does not touch this one.
    sa.Column("registration_id", Text, nullable=False),
    sa.Column("endpoint_name", Text, nullable=False),
    sa.Column("endpoint_type", Text, nullable=False),
    sa.Column("lifetime", BigInteger, nullable=False),
    sa.Column("expires_at", BigInteger, nullable=False),
    sa.Column("binding", Text, nullable=False),
    sa.Column("queue_mode", SmallInteger, nullable=False),
    sa.Column("version", Text, nullable=False),
    # Whether it speaks the vendor's dialect: updates then add links, where standard clients send all.
    sa.Column("vendor", SmallInteger, nullable=False),
    sa.Column("links", Text, nullable=False),
    sa.Column("location", Text, nullable=False),
    sa.Column("credential", Text, nullable=False),
    sa.Column("process", Text, nullable=False),
    sa.Column("peer", Text, nullable=False),
    sa.Column("registered_at", BigInteger, nullable=False),
    sa.Column("updated_at", BigInteger, nullable=False),
    # The Register request itself, so that it is known when it is repeated to another process.
    sa.Column("asked", Text, nullable=False, server_default=""),
    # Whether the device has agreed to a factory reset: it bootstraps as another one next.
    sa.Column("reset", SmallInteger, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("account_id", "device_id"),
    sa.Index("ix_registrations_expires_at", "expires_at"),
    sa.Index("ix_registrations_account_id_endpoint_name", "account_id", "endpoint_name"),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    # Ordered by time: a device's queue is in the order of ids.
    sa.Column("id", Text, nullable=False),
    sa.Column("subject_id", Text, nullable=False),
    sa.Column("async_id", Text, nullable=False),
    sa.Column("method", Text, nullable=False),
    sa.Column("uri", Text, nullable=False),
    sa.Column("accept", BigInteger),
    sa.Column("content_format", BigInteger),
    sa.Column("payload", LargeBinary, nullable=False),
    sa.Column("deliveries", SmallInteger, nullable=False),
    # The process that has sent it, for those that must not be sent again by a process that does not know.
    sa.Column("sent_by", Text, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.Column("expires_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "device_id", "id"),
    sa.UniqueConstraint("account_id", "device_id", "subject_id", "async_id"),
    sa.Index("ix_commands_expires_at", "expires_at"),
    sa.Index("ix_commands_account_id_async_id", "account_id", "async_id"),
)

# How requests ended that failed, or that must not be done twice.
request_outcomes = sa.Table(
    "request_outcomes",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    # The command's.
    sa.Column("id", Text, nullable=False),
    sa.Column("async_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.Column("subject_id", Text, nullable=False),
    sa.Column("method", Text, nullable=False),
    sa.Column("uri", Text, nullable=False),
    # Of what was asked, where it must not be done twice.
    sa.Column("digest", Text, nullable=False),
    sa.Column("status", BigInteger, nullable=False),
    sa.Column("error", Text, nullable=False),
    # JSON.
    sa.Column("details", Text, nullable=False),
    sa.Column("expires_at", BigInteger, nullable=False),
    sa.Column("ended_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "id"),
    sa.Index("ix_request_outcomes_account_id_async_id", "account_id", "async_id"),
    sa.Index("ix_request_outcomes_ended_at", "ended_at"),
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.Column("path", Text, nullable=False),
    sa.Column("subject_id", Text, nullable=False),
    sa.Column("async_id", Text, nullable=False),
    # 0 until the device has been asked.
    sa.Column("active", SmallInteger, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    # The stored session in which the device observes, and the token under which it notifies.
    sa.Column("session", Text, nullable=False, server_default=""),
    sa.Column("token", Text, nullable=False, server_default=""),
    # Made by a pre-subscription: it does not vanish at a full registration for long.
    sa.Column("by_rule", SmallInteger, nullable=False, server_default="0"),
    sa.PrimaryKeyConstraint("account_id", "device_id", "path", "subject_id"),
    sa.Index(
        "ix_subscriptions_by_rule",
        "account_id",
        "subject_id",
        "device_id",
        "path",
        sqlite_where=sa.text("by_rule = 1"),
        postgresql_where=sa.text("by_rule = 1"),
    ),
)

# The pre-subscriptions of an application, also none any more: so that what they made is looked for.
presubscriptions = sa.Table(
    "presubscriptions",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("subject_id", Text, nullable=False),
    # JSON, as they were set.
    sa.Column("rules", Text, nullable=False),
    sa.Column("updated_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "subject_id"),
)

# What Write-Attributes set on a device, which forgets it when it restarts.
notification_attributes = sa.Table(
    "notification_attributes",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.Column("path", Text, nullable=False),
    # As it is sent: names and values, with & between.
    sa.Column("query", Text, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "device_id", "path"),
)

# Which device a gateway means by a name. Kept when the device deregisters, so that it comes back as the same one.
mediated_devices = sa.Table(
    "mediated_devices",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("gateway_id", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "gateway_id", "name"),
    sa.UniqueConstraint("account_id", "device_id"),
)

# The last Send of a device: the same again after a restart is a repetition.
sends = sa.Table(
    "sends",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("device_id", Text, nullable=False),
    # Message ID and token.
    sa.Column("mark", Text, nullable=False),
    sa.Column("sent_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "device_id"),
)

# Objects that owners define, one each of a number.
lwm2m_objects = sa.Table(
    "lwm2m_objects",
    metadata,
    sa.Column("account_id", Text, nullable=False),
    sa.Column("object_id", BigInteger, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("version", Text, nullable=False),
    sa.Column("description", Text, nullable=False),
    sa.Column("multiple", SmallInteger, nullable=False),
    sa.Column("mandatory", SmallInteger, nullable=False),
    # JSON: the members of each resource in their order.
    sa.Column("resources", Text, nullable=False),
    sa.Column("created_at", BigInteger, nullable=False),
    sa.PrimaryKeyConstraint("account_id", "object_id"),
)
