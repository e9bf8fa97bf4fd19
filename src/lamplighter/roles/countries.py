"""Countries of addresses, from a MaxMind-format database."""

from __future__ import annotations

import maxminddb

from lamplighter.settings import Settings


class CountryDatabase:
    """Reads ``country.iso_code``, or ``registered_country`` where that is missing."""

    def __init__(self, path: str) -> None:
        self._reader = maxminddb.open_database(path)

    def country_of(self, address: str) -> str | None:
        try:
            record = self._reader.get(address)
        except ValueError:
            return None
        if not isinstance(record, dict):
            return None
        for part in ("country", "registered_country"):
            entry = record.get(part)
            if isinstance(entry, dict) and isinstance(entry.get("iso_code"), str):
                return str(entry["iso_code"])
        return None


def open_countries(settings: Settings) -> CountryDatabase | None:
    path = settings.access.country_database
    return CountryDatabase(path) if path else None
