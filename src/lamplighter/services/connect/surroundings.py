"""What the devices of a process have around them."""

from __future__ import annotations

from typing import NamedTuple

from lamplighter.clock import Clock
from lamplighter.services.connect.commands import Commands
from lamplighter.services.connect.presubscriptions import Presubscriptions
from lamplighter.services.directory.service import Directory
from lamplighter.storage.database import Database


class Services(NamedTuple):
    """One for all devices of a process."""

    database: Database
    clock: Clock
    commands: Commands
    presubscriptions: Presubscriptions
    directory: Directory
    process: str
    """Its name."""
    value_age: float
    """Seconds for which a value may be given again."""
