"""Access by country: a MaxMind-format database, and addresses of both families."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from lamplighter.roles.countries import open_countries
from tests.roles.serving import Serving, settings_for


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "countries.mmdb"
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Country")
    writer.insert_network(IPSet(["203.0.113.0/24", "127.0.0.0/8", "2001:db8::/32"]), {"country": {"iso_code": "KP"}})
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"registered_country": {"iso_code": "FI"}})
    writer.to_db_file(str(path))
    return path


def test_addresses_of_both_families_have_their_country(database: Path) -> None:
    countries = open_countries(settings_for(access={"country_database": str(database)}))
    assert countries is not None
    found = [
        countries.country_of(each) for each in ("203.0.113.7", "2001:db8::1", "198.51.100.1", "192.0.2.1", "nonsense")
    ]
    assert found == ["KP", "KP", "FI", None, None]


async def test_a_restricted_country_is_access_restricted_and_named(database: Path, tmp_path: Path) -> None:
    access = {"country_database": str(database), "restricted_countries": ["kp"]}
    serving = Serving(tmp_path / "data", settings_for(access=access))
    await serving.start()
    answer = await serving.call("GET", "/v3/devices")
    assert (answer.status_code, answer.json()["type"]) == (403, "access_restricted")
    assert answer.json()["message"].startswith("Access from KP is blocked on this server.")
    await serving.close()
