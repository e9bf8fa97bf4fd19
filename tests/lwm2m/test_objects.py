from __future__ import annotations

import pytest

from lamplighter.lwm2m.objects import (
    Type,
    definition_of,
    definitions,
    parse_table,
    registered_definitions,
    resource_at,
    types_of,
)
from lamplighter.lwm2m.path import Path


def test_the_objects_of_the_specification_and_of_ipso_are_known() -> None:
    core = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 21, 25}
    ipso = {3200, 3201, 3202, 3203, 3300, 3301, 3302, 3303, 3304, 3305, 3306, 3308, *range(3310, 3351)}
    assert core | ipso <= definitions().keys()
    assert {number for number, found in definitions().items() if found.mandatory} == {0, 1, 3}


def test_a_resource_tells_what_may_be_done_with_it() -> None:
    reboot, lifetime, error = (resource_at(Path(*ids)) for ids in ((3, 0, 4), (1, 0, 1), (3, 0, 11, 0)))
    assert reboot is not None and reboot.executable and not reboot.readable and reboot.type is Type.NONE
    assert lifetime is not None and lifetime.readable and lifetime.writable and lifetime.unit == "s"
    assert error is not None and error.multiple and error.mandatory and error.name == "Error Code"
    secret = definitions()[0].resources[5]
    assert not (secret.readable or secret.writable or secret.executable)


def test_temperature_has_the_resources_of_its_newest_version() -> None:
    timestamp, application = resource_at(Path(3303, 0, 5518)), resource_at(Path(3303, 0, 5750))
    assert timestamp is not None and timestamp.type is Type.TIME
    assert application is not None and application.operations == "RW"


def test_the_rest_of_the_registry_is_known_by_name_and_by_type_where_that_is_certain() -> None:
    rest = registered_definitions()
    assert len(rest) > 200 and not rest.keys() & definitions().keys()
    profile = definition_of(11)
    assert profile is not None and profile.name == "LWM2M APN Connection Profile" and profile.multiple
    assert profile.resources[1].name == "APN" and profile.resources[1].type is Type.UNKNOWN
    assert 1 not in types_of(11) and types_of(11)[4] is Type.INTEGER


def test_an_owners_definition_stands_before_ours() -> None:
    own = {3: definitions()[1], 40000: definitions()[3]}
    assert definition_of(3, own) is definitions()[1]
    assert definition_of(4, own) is definitions()[4]
    assert types_of(40000, own)[13] is Type.TIME and types_of(40000) == {}


def test_what_is_not_defined_is_none() -> None:
    assert resource_at(Path(3, 0)) is None
    assert resource_at(Path(3, 0, 999)) is None
    assert resource_at(Path(40000, 0, 1)) is None


def test_only_executables_have_no_type() -> None:
    for definition in definitions().values():
        for resource in definition.resources.values():
            assert (resource.operations == "E") == (resource.type is Type.NONE), (definition.id, resource.id)


@pytest.mark.parametrize(
    "table", ["1 A | 1.0 |\n1 B | 1.0 |", "1 A | 1.0 |\n  2 B | R | S\n  2 C | R | S", "  1 A | R | S"]
)
def test_a_wrong_table_is_refused(table: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_table(table)
