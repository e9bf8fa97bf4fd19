"""The tables of stored sessions; only the store beside names them."""

from __future__ import annotations

import sqlalchemy as sa

from lamplighter.storage.schema import BigInteger, LargeBinary, SmallInteger, Text, metadata

device_sessions = sa.Table(
    "device_sessions",
    metadata,
    # The connection ID in hex digits, or a random name for a session without one. Looked for before any account is
    # known: the record of a device names nothing else.
    sa.Column("id", Text, primary_key=True),
    # Where a session without connection ID is found.
    sa.Column("address", Text),
    # The life of the session that owns the row: whoever loads it takes the next (gateway rule 2.7).
    sa.Column("incarnation", BigInteger, nullable=False),
    sa.Column("process", Text, nullable=False),
    # Keys and all else that does not change.
    sa.Column("sealed", LargeBinary, nullable=False),
    # Records up to this one have had their effect (gateway rule 2.8).
    sa.Column("receive_mark", BigInteger, nullable=False),
    # What the session rests on: see Identity.text.
    sa.Column("credential", Text, nullable=False),
    sa.Column("expires_at", BigInteger, nullable=False),
    sa.Index("ix_device_sessions_address", "address"),
    sa.Index("ix_device_sessions_credential", "credential"),
    sa.Index("ix_device_sessions_expires_at", "expires_at"),
)

session_generation = sa.Table(
    "session_generation",
    metadata,
    # One row.
    sa.Column("id", SmallInteger, primary_key=True, autoincrement=False),
    # Part of what the sessions are sealed with: another one makes all of them void.
    sa.Column("generation", Text, nullable=False),
    # Which history of the database it was given in (schema.History).
    sa.Column("history", Text, nullable=False),
    # Starts of processes with devices, so far.
    sa.Column("starts", BigInteger, nullable=False),
)
