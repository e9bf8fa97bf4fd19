from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.lwm2m.object_xml import MAX_DEPTH, MAX_SIZE, ObjectXmlFaults, parse_object
from lamplighter.lwm2m.objects import Type

XML = """<?xml version="1.0" encoding="utf-8"?>
<LWM2M xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="LWM2M.xsd">
  <Object ObjectType="MODefinition">
    <Name>Street Lamp</Name>
    <Description1><![CDATA[Light on a
      pole.]]></Description1>
    <ObjectID>33001</ObjectID>
    <ObjectURN>urn:oma:lwm2m:x:33001:1.1</ObjectURN>
    <LWM2MVersion>1.0</LWM2MVersion>
    <ObjectVersion>1.1</ObjectVersion>
    <MultipleInstances>Multiple</MultipleInstances>
    <Mandatory>Optional</Mandatory>
    <Resources>
      <Item ID="0"><Name>Level</Name><Operations>RW</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Mandatory</Mandatory><Type>Float</Type><RangeEnumeration>0..1</RangeEnumeration><Units>%</Units>
        <Description>How bright.</Description></Item>
      <Item ID="1"><Name>Flash</Name><Operations>E</Operations><MultipleInstances>Single</MultipleInstances>
        <Mandatory>Optional</Mandatory><Type></Type><RangeEnumeration/><Units/><Description>Once.</Description></Item>
      <Item ID="2"><Name>Secret</Name><Operations></Operations><MultipleInstances>Multiple</MultipleInstances>
        <Mandatory>Optional</Mandatory><Type>Opaque</Type></Item>
    </Resources>
    <Description2></Description2>
  </Object>
</LWM2M>"""


def faults_of(text: str | bytes) -> list[tuple[str, str]]:
    with pytest.raises(ObjectXmlFaults) as caught:
        parse_object(text if isinstance(text, bytes) else text.encode())
    return caught.value.faults


def test_a_definition_is_read() -> None:
    definition, description = parse_object(XML.encode())
    assert (definition.id, definition.name, definition.version) == (33001, "Street Lamp", "1.1")
    assert definition.multiple and not definition.mandatory
    assert description == "Light on a pole."
    level, flash, secret = definition.resources.values()
    assert (level.name, level.operations, level.type, level.mandatory, level.unit) == (
        "Level",
        "RW",
        Type.FLOAT,
        True,
        "%",
    )
    assert (flash.operations, flash.type) == ("E", Type.NONE)
    assert (secret.operations, secret.type, secret.multiple) == ("", Type.OPAQUE, True)
    assert definition.types == {0: Type.FLOAT, 2: Type.OPAQUE}


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_other_encodings_that_xml_declares_are_read(encoding: str) -> None:
    text = XML.replace("utf-8", encoding).replace("Street Lamp", "Straßenlampe")
    assert parse_object(text.encode(encoding))[0].name == "Straßenlampe"


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = XML.replace("33001</ObjectID>", "65535</ObjectID>").replace("<Name>Level</Name>", "")
    text = text.replace(">Opaque<", ">Blob<").replace('ID="1"', 'ID="0"').replace(">Multiple<", ">Many<", 1)
    assert [where for where, _ in faults_of(text)] == ["Item 0", "Item 0", "Item 2", "ObjectID", "Object"]


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("<Operations>RW</Operations>", "<Operations>RWE</Operations>", "Item 0"),
        ("<Operations>E</Operations>", "<Operations>R</Operations>", "Item 1"),
        ("<Type>Float</Type>", "<Type></Type>", "Item 0"),
        ('ID="2"', 'ID="x"', "Item x"),
        ('ID="2"', "", "Item "),
        ("<Mandatory>Mandatory</Mandatory>", "<Mandatory>yes</Mandatory>", "Item 0"),
        ("<Name>Street Lamp</Name>", f"<Name>{'x' * 201}</Name>", "Object"),
        ("<LWM2M ", "<Other ", "body"),
    ],
)
def test_one_fault_is_found_where_it_is(old: str, new: str, where: str) -> None:
    assert old in XML
    assert [found for found, _ in faults_of(XML.replace(old, new))] == [where]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<LWM2M/>",
        "<Other/>",
        "<LWM2M><Object/><Object/></LWM2M>",
        '<!DOCTYPE LWM2M [<!ENTITY a "b">]><LWM2M>&a;</LWM2M>',
        '<!DOCTYPE LWM2M SYSTEM "http://198.51.100.1/x.dtd"><LWM2M/>',
        "<LWM2M>&a;</LWM2M>",
        "<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1),
        "<LWM2M>" + "<a/>" * 20_001 + "</LWM2M>",
        "<LWM2M>" + "x" * 100_001 + "</LWM2M>",
        " " * (MAX_SIZE + 1),
        '<?xml version="1.0" encoding="ebcdic-x"?><LWM2M/>',
        '<?xml version="1.0" encoding="utf-7"?><LWM2M/>',
        '<?xml version="1.0" encoding="punycode"?><LWM2M/>',
        '<?xml version="1.0" encoding="hex"?><LWM2M/>',
    ],
    ids=range(15),
)
def test_what_is_no_definition_is_refused(text: str) -> None:
    assert faults_of(text)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_definition_or_faults(payload: bytes) -> None:
    for each in (payload, XML.encode()[:700] + payload, XML.encode().replace(b"Float", payload[:20])):
        try:
            parse_object(each)
        except ObjectXmlFaults as error:
            assert error.faults
