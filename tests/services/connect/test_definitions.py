"""LwM2M objects of an owner: loaded, shown, listed, deleted, and limited."""

from __future__ import annotations

import httpx2
import pytest

from lamplighter.lwm2m.objects import Type, types_of
from lamplighter.services.connect.definitions import KEPT
from lamplighter.settings import Lwm2m, Settings
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT, DEVELOPER, FOREIGN, OTHER
from tests.lwm2m.test_object_xml import XML
from tests.services.connect.bench import Bench

PATH = "/v3/lwm2m-objects"


async def load(bench: Bench, xml: str = XML, media_type: str = "application/xml", **more: str) -> httpx2.Response:
    return await bench.call("POST", PATH, content=xml.encode(), headers={"Content-Type": media_type}, **more)


def numbered(number: int) -> str:
    return XML.replace("33001</ObjectID>", f"{number}</ObjectID>")


async def test_a_makers_xml_is_loaded_and_shown(bench: Bench) -> None:
    created = await load(bench)
    assert created.status_code == 201
    shown = created.json()
    assert (shown["object"], shown["id"], shown["name"], shown["version"]) == (
        "lwm2m-object",
        "33001",
        "Street Lamp",
        "1.1",
    )
    assert (shown["description"], shown["multiple"], shown["source"]) == ("Light on a pole.", True, "account")
    assert shown["resources"][0] == {
        "id": 0,
        "name": "Level",
        "operations": "RW",
        "type": "Float",
        "multiple": False,
        "mandatory": True,
        "units": "%",
    }
    assert (await bench.call("GET", f"{PATH}/33001")).json() == shown
    assert (await bench.call("GET", f"{PATH}/33001/", key=OTHER)).json()["type"] == "not_found"
    assert types_of(33001, await bench.connect.definitions.of(ACCOUNT))[2] is Type.OPAQUE
    assert await bench.connect.definitions.of(FOREIGN) == {}


async def test_what_the_server_knows_is_shown_too(bench: Bench) -> None:
    device = (await bench.call("GET", f"{PATH}/3")).json()
    assert (device["name"], device["source"], device["created_at"]) == ("Device", "built-in", None)
    assert device["resources"][4] == {
        "id": 4,
        "name": "Reboot",
        "operations": "E",
        "type": "",
        "multiple": False,
        "mandatory": True,
        "units": "",
    }
    profile = (await bench.call("GET", f"{PATH}/11")).json()
    assert (profile["source"], profile["resources"][1]["type"]) == ("registry", "")
    assert (await load(bench, numbered(3))).status_code == 201
    assert (await bench.call("GET", f"{PATH}/3")).json()["source"] == "account"


@pytest.mark.parametrize("number", ["40000", "65535", "x", "0x3", "٣", "3" * 50])
async def test_what_is_not_known_is_not_found(bench: Bench, number: str) -> None:
    for method in ("GET", "DELETE"):
        answer = await bench.call(method, f"{PATH}/{number}")
        assert (answer.status_code, answer.json()["type"]) == (404, "not_found")


async def test_an_account_lists_its_own_page_by_page(bench: Bench) -> None:
    for number in (33003, 33001, 33002):
        assert (await load(bench, numbered(number))).status_code == 201
    first = (await bench.call("GET", f"{PATH}?limit=2")).json()
    assert ([each["id"] for each in first["data"]], first["has_more"], first["total_count"]) == (
        ["33001", "33002"],
        True,
        3,
    )
    second = (await bench.call("GET", f"{PATH}?limit=2&after=33002")).json()
    assert ([each["id"] for each in second["data"]], second["has_more"]) == (["33003"], False)
    backwards = (await bench.call("GET", f"{PATH}?order=DESC&after=33003")).json()
    assert [each["id"] for each in backwards["data"]] == ["33002", "33001"]
    assert (await bench.call("GET", PATH, key=OTHER)).json()["data"] == []
    assert (await bench.call("GET", f"{PATH}?after=x")).json()["type"] == "validation_error"


async def test_a_second_definition_of_an_object_is_a_duplicate_until_the_first_is_deleted(bench: Bench) -> None:
    await load(bench)
    answer = await load(bench)
    assert (answer.status_code, answer.json()["type"]) == (409, "duplicate")
    assert (await load(bench, key=OTHER)).status_code == 201
    assert (await bench.call("DELETE", f"{PATH}/33001")).status_code == 204
    assert (await bench.call("DELETE", f"{PATH}/33001")).status_code == 404
    assert await bench.connect.definitions.of(ACCOUNT) == {}
    assert (await load(bench)).status_code == 201


async def test_an_account_has_a_largest_number_of_definitions(database: Database) -> None:
    bench = Bench(database, settings=Settings(lwm2m=Lwm2m(object_definitions=1)))
    assert (await load(bench)).status_code == 201
    answer = await load(bench, numbered(33002))
    assert (answer.status_code, answer.json()["type"]) == (403, "account_limit_exceeded")
    assert (await bench.call("GET", PATH)).json()["total_count"] == 1


async def test_all_that_is_wrong_with_an_xml_is_answered_as_fields(bench: Bench) -> None:
    answer = await load(bench, XML.replace(">Float<", ">Real<").replace("<Name>Street Lamp</Name>", ""))
    assert (answer.status_code, answer.json()["type"]) == (400, "validation_error")
    assert [fault["name"] for fault in answer.json()["fields"]] == ["Item 0", "Object"]
    for xml, media_type in (("{}", "application/json"), ("", "application/xml"), ("<", "text/xml")):
        assert (await load(bench, xml, media_type)).status_code == 400
    assert (await load(bench, " " * 300_000)).json()["type"] == "payload_too_large"


async def test_only_who_may_change_devices_may_load_one(bench: Bench) -> None:
    assert (await load(bench, key=DEVELOPER)).json()["type"] == "access_denied"


async def test_another_process_reads_by_the_new_definition_after_a_while(bench: Bench) -> None:
    other = Bench(bench.database, clock=bench.clock, bus=bench.bus, process="other")
    assert await other.connect.definitions.of(ACCOUNT) == {}
    await load(bench)
    assert await other.connect.definitions.of(ACCOUNT) == {}
    bench.clock.advance(KEPT)
    assert 33001 in await other.connect.definitions.of(ACCOUNT)
