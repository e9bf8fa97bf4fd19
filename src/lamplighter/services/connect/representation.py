"""What a device's payload says of its resources, one by one: of an object or instance it says many at once."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import NamedTuple

from lamplighter.coap.numbers import ContentFormat
from lamplighter.lwm2m.codecs import CodecError, decode
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import ROOT, PathError, parse_path
from lamplighter.services.connect.formats import content_format_of, media_type_of
from lamplighter.services.connect.resources import payload_of

_STRUCTURED = frozenset(
    {
        ContentFormat.LWM2M_TLV,
        ContentFormat.LWM2M_JSON,
        ContentFormat.SENML_JSON,
        ContentFormat.SENML_CBOR,
    }
)


class ResourceValue(NamedTuple):
    """A resource's value. ``media_type`` is empty for text that no type was said of."""

    path: str
    payload: bytes
    media_type: str


def resource_values(item: Mapping[str, str], path: str, definitions: Definitions | None = None) -> list[ResourceValue]:
    """The values in an item of an event, as a device would answer for each resource alone.

    A payload that cannot be taken apart is given whole, under the path that it is of.

    :param item: ``ct`` and ``payload`` (base64)
    :param path: what it is of; commas in it, or the root, where the payload names the paths
    """
    payload, media_type = base64.b64decode(item["payload"]), item["ct"]
    try:
        content_format = content_format_of(media_type)
        if content_format in _STRUCTURED:
            at = ROOT if "," in path or path == "/" else parse_path(path)
            found = decode(content_format, payload, at, definitions)
            return [ResourceValue(str(each), *_as_answered(payload_of(value))) for each, value in found]
    except (CodecError, PathError, ValueError):
        pass
    return [ResourceValue(path, payload, media_type)]


def _as_answered(value: tuple[bytes, int]) -> tuple[bytes, str]:
    payload, content_format = value
    return payload, media_type_of(content_format)
