from __future__ import annotations

import pytest

from lamplighter.lwm2m.objects import Type, definitions, parse_table, resource_at
from lamplighter.lwm2m.path import Path


def test_the_objects_of_the_specification_and_of_ipso_are_known() -> None:
    core = {0, 1, 2, 3, 4, 5, 6, 7, 9}
    ipso = {3200, 3300, 3301, 3303, 3304, 3305, 3308, 3311, 3312, 3336, 3341, 3342, 3347}
    assert core | ipso <= definitions().keys()
    assert {number for number, found in definitions().items() if found.mandatory} == {0, 1, 3}


def test_a_resource_tells_what_may_be_done_with_it() -> None:
    reboot, lifetime, error = (resource_at(Path(*ids)) for ids in ((3, 0, 4), (1, 0, 1), (3, 0, 11, 0)))
    assert reboot is not None and reboot.executable and not reboot.readable and reboot.type is Type.NONE
    assert lifetime is not None and lifetime.readable and lifetime.writable and lifetime.unit == "s"
    assert error is not None and error.multiple and error.mandatory and error.name == "Error Code"
    secret = definitions()[0].resources[5]
    assert not (secret.readable or secret.writable or secret.executable)


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
