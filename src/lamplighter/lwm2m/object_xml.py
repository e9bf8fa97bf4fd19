"""The OMA's XML of an object definition (LwM2M Core appendix D, schema LWM2M.xsd), as makers of devices publish it.

The text is a stranger's: there are no document types, and so no entities; size, depth and number of elements are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.parsers import expat

from lamplighter.lwm2m.objects import ObjectDefinition, Resource, Type
from lamplighter.lwm2m.path import MAX_ID

MAX_SIZE = 256 * 1024
"""Bytes."""
MAX_DEPTH = 12
MAX_ELEMENTS = 20_000
LONGEST_TEXT = 100_000
"""Characters of one element: the descriptions of some objects are long."""
LONGEST_NAME = 200

_TYPES = {
    "": Type.NONE,
    "none": Type.NONE,
    "string": Type.STRING,
    "integer": Type.INTEGER,
    "unsigned integer": Type.UNSIGNED,
    "float": Type.FLOAT,
    "boolean": Type.BOOLEAN,
    "opaque": Type.OPAQUE,
    "time": Type.TIME,
    "objlnk": Type.OBJECT_LINK,
    "corelnk": Type.CORE_LINK,
}
_OPERATIONS = frozenset({"", "R", "W", "RW", "E"})


class ObjectXmlFaults(ValueError):
    """Everything that is wrong with a definition: where, and what."""

    def __init__(self, faults: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{where} {what}" for where, what in faults))
        self.faults = faults


class Element:
    """One element: its attributes, its children in order, its text."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.text = ""

    def all(self, name: str) -> list[Element]:
        return [child for child in self.children if child.name == name]

    def words(self, name: str) -> str:
        """The text of the first child of that name, on one line; empty where there is none."""
        return " ".join(next((child.text for child in self.children if child.name == name), "").split())


def parse_object(payload: bytes) -> tuple[ObjectDefinition, str]:
    """The definition and its description. Raises ObjectXmlFaults with all that is wrong."""
    root = _parse(payload)
    found = root.all("Object") if root.name == "LWM2M" else []
    if len(found) != 1:
        raise ObjectXmlFaults([("LWM2M", "must hold exactly one Object")])
    faults: list[tuple[str, str]] = []
    element = found[0]
    resources: dict[int, Resource] = {}
    for item in (each for group in element.all("Resources") for each in group.all("Item")):
        resource = _resource(item, faults)
        if resource is not None and resource.id in resources:
            faults.append((f"Item {resource.id}", "is there twice"))
        elif resource is not None:
            resources[resource.id] = resource
    definition = ObjectDefinition(
        _number(element.words("ObjectID"), "ObjectID", faults),
        _name(element, "Object", faults),
        element.words("ObjectVersion")[:20] or "1.0",
        _choice(element, "MultipleInstances", _MULTIPLE, "Object", faults),
        _choice(element, "Mandatory", _MANDATORY, "Object", faults),
        resources,
    )
    if faults:
        raise ObjectXmlFaults(faults)
    return definition, element.words("Description1")


_MULTIPLE = {"Multiple": True, "Single": False}
_MANDATORY = {"Mandatory": True, "Optional": False}


def _resource(item: Element, faults: list[tuple[str, str]]) -> Resource | None:
    text = item.attributes.get("ID", "")
    where = f"Item {text[:10]}"
    number = _number(text, where, faults)
    if number < 0:
        return None
    operations = item.words("Operations").upper()
    if operations not in _OPERATIONS:
        faults.append((where, "has Operations other than R, W, RW, E and none"))
    type_ = _TYPES.get(item.words("Type").lower())
    if type_ is None:
        faults.append((where, f"has a Type other than {', '.join(sorted(filter(None, _TYPES)))}"))
    elif (type_ is Type.NONE) != (operations == "E"):
        faults.append((where, "must have a Type, or the operation E and none"))
    return Resource(
        number,
        _name(item, where, faults),
        operations,
        type_ or Type.NONE,
        _choice(item, "MultipleInstances", _MULTIPLE, where, faults),
        _choice(item, "Mandatory", _MANDATORY, where, faults),
        item.words("Units")[:20],
    )


def _number(text: str, where: str, faults: list[tuple[str, str]]) -> int:
    """The id, or -1 with a fault."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= MAX_ID:
        return int(text)
    faults.append((where, f"is not an id between 0 and {MAX_ID}"))
    return -1


def _name(element: Element, where: str, faults: list[tuple[str, str]]) -> str:
    name = element.words("Name")
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        faults.append((where, f"must have a Name of 1 to {LONGEST_NAME} printable characters"))
    return name


def _choice(
    element: Element, name: str, choices: Mapping[str, bool], where: str, faults: list[tuple[str, str]]
) -> bool:
    found = choices.get(element.words(name))
    if found is None:
        faults.append((where, f"must have {name} {' or '.join(choices)}"))
    return bool(found)


def _parse(payload: bytes) -> Element:
    if len(payload) > MAX_SIZE:
        raise ObjectXmlFaults([("body", f"must have at most {MAX_SIZE} bytes")])
    parser = expat.ParserCreate()
    parser.buffer_text = True
    document = Element("", {})
    stack = [document]
    count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MAX_ELEMENTS or len(stack) > MAX_DEPTH:
            raise ObjectXmlFaults([("body", f"must have at most {MAX_ELEMENTS} elements, {MAX_DEPTH} deep")])
        element = Element(name, attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def end(name: str) -> None:
        stack.pop()

    def text(data: str) -> None:
        if len(stack[-1].text) + len(data) > LONGEST_TEXT:
            raise ObjectXmlFaults([(stack[-1].name, f"must have at most {LONGEST_TEXT} characters")])
        stack[-1].text += data

    def refuse(*_: object) -> None:
        raise ObjectXmlFaults([("body", "must have no document type")])

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(payload, True)
    except expat.ExpatError as error:
        raise ObjectXmlFaults([("body", f"is not XML: {error}")]) from None
    except ObjectXmlFaults:
        raise
    except (LookupError, ValueError):  # what Python says to an encoding that it does not know, or of several bytes
        raise ObjectXmlFaults([("body", "is in an encoding that cannot be read; use UTF-8")]) from None
    return document.children[0]
