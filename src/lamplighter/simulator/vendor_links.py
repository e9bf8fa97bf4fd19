"""The registration payload of the vendor's client: a link a resource, with values and tokens (wire facts section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

from lamplighter.lwm2m.codecs.value import to_text
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.instance import Instance
from lamplighter.simulator.tree import Tree
from lamplighter.simulator.vendor_objects import VALUED

#: The client's own objects carry their names.
_NAMED = frozenset({14, 10252, 10255, 35011})


def vendor_links(tree: Tree, tokens: Mapping[Path, int], prefix: str = "") -> list[Link]:
    """``tokens``: the numbers of automatic observations. ``prefix``: where a device behind a gateway has its objects."""
    return [link for instance in tree.everything() for link in _links(instance, tokens, prefix)]


def _links(instance: Instance, tokens: Mapping[Path, int], prefix: str) -> list[Link]:
    links: list[Link] = []
    for number in sorted({*instance.content, *instance.executable}):
        path, definition = instance.path.child(number), instance.definition.resources[number]
        content = instance.content.get(number)
        attributes: list[tuple[str, str | None]] = []
        if instance.object_id in _NAMED:
            attributes.append(("rt", definition.name.replace(" ", "")))
        if path in VALUED and content is not None and not isinstance(content, dict):
            attributes.append(("v", to_text(content)))
        if path in tokens:
            attributes.append(("aobs", str(tokens[path])))
        elif definition.readable and path not in VALUED:
            attributes.append(("obs", None))
        links.append(Link(f"{prefix}{path}", tuple(attributes)))
        if isinstance(content, dict):
            links += [Link(f"{prefix}{path.child(index)}", (("obs", None),)) for index in content]
    return links
