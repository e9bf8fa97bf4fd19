"""What can go wrong between the program and its database."""

from __future__ import annotations

from lamplighter.errors.families import SystemUnavailable


class DatabaseUnavailable(SystemUnavailable):
    """The database cannot be reached, or cannot write."""

    message = "The server cannot reach its database at the moment."
    cause = (
        "The database server is down, restarting or unreachable, all of its connections are in use, "
        "or the disk of the database is full or failing."
    )
    remedy = "Nothing acknowledged was lost. Send the request again in a few seconds."
    coap = "5.03"


class DatabaseContention(SystemUnavailable):
    """Two pieces of work got in each other's way, and the database gave up this one."""

    message = "The server was busy with other changes to the same data."
    cause = "The database ended one of two transactions that waited for each other (deadlock, serialization failure)."
    remedy = "Nothing was changed. Send the request again."
    coap = "5.03"
