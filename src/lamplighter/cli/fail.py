"""A command that cannot go on."""

from __future__ import annotations


class Failure(Exception):
    """Ends the program with status 1. Its text says what is wrong and what to do."""
