"""The resources of a device: as it registered them, as the API and its notifications show them, and what they tell."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import msgspec

from lamplighter.clock import MICROSECONDS
from lamplighter.coap.numbers import ContentFormat
from lamplighter.lwm2m.codecs import CodecError, Value
from lamplighter.lwm2m.codecs.value import from_text, to_text, type_at
from lamplighter.lwm2m.link import Link
from lamplighter.lwm2m.objects import Definitions
from lamplighter.lwm2m.path import PathError, parse_path
from lamplighter.lwm2m.registration import auto_observations, resource_values
from lamplighter.lwm2m.steps import STEP, Steps
from lamplighter.services.connect.formats import media_type_of
from lamplighter.services.connect.model import Resource
from lamplighter.services.directory.model import Facts

_SERIAL, _CLASS, _VENDOR = "/3/0/2", "/10255/0/4", "/10255/0/3"
_IMAGE, _MANIFEST = "/10252/0/5", "/10252/0/6"
_TELLING = (_SERIAL, "/10255/0/", "/14/", _IMAGE, _MANIFEST)
_COMPONENT_NAME, _COMPONENT_VERSION = "0", "2"
_COMPONENT = re.compile(r"/14/(\d+)/([02])", re.ASCII)
LONGEST_PATH = 255
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_OLDEST, _NEWEST = 1_000_000_000, 1 << 33
"""Seconds since 1970 that can be the time of a manifest."""


class Links(tuple[Link, ...]):
    """What a device registered."""

    @cached_property
    def told(self) -> msgspec.Raw:
        """As notifications show them (contract: ResourcesData), encoded once for all updates that do not change them."""
        return msgspec.Raw(msgspec.json.encode(_told(self)))

    @cached_property
    def kept(self) -> str:
        """As they are kept."""
        return dump_links(self)

    @cached_property
    def root(self) -> str:
        """What stands before every path: empty, or an alternate path such as ``/lwm2m``."""
        return next((link.get("href") or "" for link in self if link.target == "/"), "")

    @cached_property
    def content_formats(self) -> tuple[int, ...]:
        """Those that the device names for objects and instances."""
        text = next((link.get("ct") or "" for link in self if link.target == "/"), "")
        return tuple(map(int, text.split()))

    @cached_property
    def auto_tokens(self) -> dict[bytes, str]:
        """What the device observes by itself: paths by the tokens of their notifications."""
        return {token: path_of(target) for token, target in auto_observations(self).items()}

    @cached_property
    def auto(self) -> frozenset[str]:
        """The paths that the device observes by itself: it refuses to be asked for them."""
        return frozenset(self.auto_tokens.values())

    @cached_property
    def values(self) -> list[dict[str, str]]:
        """The values that came with them, as events tell them: path, ct, payload (base64)."""
        found = []
        for link in self:
            text = link.get("v")
            if text is not None and not link.target.startswith("/d/"):
                path = path_of(link.target)
                payload, content_format = _payload(text, path, None)
                encoded = base64.b64encode(payload).decode()
                found.append({"path": path, "ct": media_type_of(content_format), "payload": encoded})
        return found

    @cached_property
    def has_devices_behind(self) -> bool:
        """Whether this is an edge gateway with devices behind it."""
        return any([link.target.startswith("/d/") for link in self])


class _Told(msgspec.Struct, rename={"interface": "if"}, gc=False):
    path: str
    rt: str
    interface: str
    ct: str
    obs: bool


def _told(links: Iterable[Link]) -> list[_Told]:
    return [
        _Told(path_of(link.target), link.get("rt") or "", link.get("if") or "", link.get("ct") or "", link.observable)
        for link in links
        if link.target != "/"
    ]


def links_in_steps(links: Sequence[Link]) -> Steps[Links]:
    """A long list with what is made from it, which otherwise is made when it is first wanted, all at once."""
    found = Links(links)
    told, tokens = [], {}
    for start in range(0, len(found), STEP):
        some = found[start : start + STEP]
        told.append(msgspec.json.encode(_told(some))[1:-1])
        tokens.update(Links(some).auto_tokens)
        yield
    found.told = msgspec.Raw(b"[" + b",".join(filter(None, told)) + b"]")
    found.auto_tokens = tokens
    return found


def root_link(root: str, content_formats: Iterable[int]) -> tuple[Link, ...]:
    """How the root of a device's objects is kept among its links, which are relative to it; none where it says nothing."""
    formats = " ".join(map(str, content_formats))
    prefix = root.rstrip("/")
    return (Link("/", (("href", prefix), ("ct", formats))),) if prefix or formats else ()


def with_root(links: Sequence[Link], before: Iterable[Link]) -> Sequence[Link]:
    """All links of an update; one that does not name the root leaves it where it was."""
    if any([link.target == "/" for link in links]):
        return links
    return (*(link for link in before if link.target == "/"), *links)


def dump_links(links: Iterable[Link]) -> str:
    """Links as they are kept."""
    return msgspec.json.encode(links if isinstance(links, tuple) else tuple(links)).decode()


_KEPT = msgspec.json.Decoder(list[Link])


def load_links(text: str) -> Links:
    """The same back."""
    return Links(_KEPT.decode(text))


def path_of(text: str) -> str:
    """A path with one slash before each segment, as it is kept and compared."""
    if text[:1] == "/" and text[-1] != "/" and "//" not in text:
        return text
    return "/" + "/".join(filter(None, text.split("/")))


def lineage(path: str) -> list[str]:
    """The path and all above it but the root."""
    parts = path.split("/")
    return ["/".join(parts[: length + 1]) for length in range(1, len(parts))]


def is_path(path: str) -> bool:
    """Whether any device could have this path: LwM2M's numbers, also behind a gateway's ``/d/NAME``; never the root."""
    if len(path) > LONGEST_PATH:
        return False
    parts = path.split("/", 3)
    inner = "/" + (parts[3] if len(parts) == 4 else "") if path.startswith("/d/") else path
    try:
        return bool(parse_path(inner).ids)
    except PathError:
        return False


def has(links: Sequence[Link], path: str) -> bool:
    """Whether a device that registered these links may have the path.

    It is listed, or something below it is. Standard clients list objects and instances only: below what is listed without
    anything beneath it, every path is taken. The instances of a resource come and go unannounced.
    """
    if not path:
        return False
    below = path + "/"
    targets = [path_of(link.target) for link in links]
    if any(target == path or target.startswith(below) for target in targets):
        return True
    if not is_path(path):
        return False
    above = [target for target in targets if target != "/" and path.startswith(target + "/")]
    if not above:
        return False
    nearest = max(above, key=len)
    if nearest.count("/") >= 3 and path.count("/") == nearest.count("/") + 1:
        return True
    return not any(target.startswith(nearest + "/") for target in targets)


def shown(links: Iterable[Link]) -> list[Resource]:
    """As GET /v2/endpoints/{device-id} answers."""
    return [
        Resource(path_of(link.target), link.get("rt") or "", link.get("ct") or "", link.observable)
        for link in links
        if link.target != "/"
    ]


def registered_item(
    device_id: str, endpoint_name: str, endpoint_type: str, queue_mode: bool, links: Links
) -> dict[str, Any]:
    """The contract's EndpointData."""
    return {
        "ep": device_id,
        "original-ep": endpoint_name,
        "ept": endpoint_type,
        "q": queue_mode,
        "resources": links.told,
    }


def value_in(links: Iterable[Link], path: str, definitions: Definitions | None = None) -> tuple[bytes, int] | None:
    """The value that the registration carried for a resource, as a device would answer it, with its content format;
    None: there is none."""
    for link in links:
        text = link.get("v")
        if text is not None and path_of(link.target) == path:
            return _payload(text, path, definitions)
    return None


def payload_of(value: Value) -> tuple[bytes, int]:
    """A value as a device would answer it, with its content format."""
    if isinstance(value, bytes):
        return value, ContentFormat.OCTET_STREAM
    return to_text(value).encode(), ContentFormat.TEXT


def facts_of(endpoint_type: str | None, links: Sequence[Link]) -> Facts:
    """What a registration tells of the device itself: wire facts 3.2 and 4.1, OMA objects 3, 14 and the vendor's 10255."""
    telling = [link for link in links if link.target.startswith(_TELLING)]
    values = {path: value for name, path, value in resource_values(telling) if not name}
    names: dict[str, str] = {}
    versions: dict[str, str] = {}
    for path, value in values.items():
        match = _COMPONENT.fullmatch(path)
        if match is not None:
            (names if match[2] == _COMPONENT_NAME else versions)[match[1]] = str(value)
    components = {name: versions[number] for number, name in names.items() if number in versions}
    serial = values.get(_SERIAL)
    return Facts(
        endpoint_type=endpoint_type,
        device_class=_hex(values.get(_CLASS)),
        vendor_id=_hex(values.get(_VENDOR)),
        serial_number=to_text(serial) if serial is not None else None,
        component_attributes=components or None,
        firmware_checksum=_checksum(values.get(_IMAGE)),
        manifest_timestamp=_moment(values.get(_MANIFEST)),
    )


def facts_told(links: Sequence[Link], path: str, payload: bytes, content_format: int | None) -> Facts | None:
    """What a value that came after the registration tells of the device; None where it tells nothing.

    A component's version says nothing without its name: that is taken from the registration.
    """
    if not path.startswith(_TELLING):
        return None
    is_bytes = content_format == ContentFormat.OCTET_STREAM
    text = base64.b64encode(payload).decode() if is_bytes else payload.decode(errors="replace")
    told = [Link(path, (("v", text),))]
    match = _COMPONENT.fullmatch(path)
    if match is not None:
        other = _COMPONENT_VERSION if match[2] == _COMPONENT_NAME else _COMPONENT_NAME
        told += [link for link in links if link.target == f"/14/{match[1]}/{other}"]
    return facts_of(None, told)


def _payload(text: str, path: str, definitions: Definitions | None) -> tuple[bytes, int]:
    try:
        value = from_text(text, type_at(parse_path(path), definitions))
    except (CodecError, PathError):
        value = text
    return (value, ContentFormat.OCTET_STREAM) if isinstance(value, bytes) else (text.encode(), ContentFormat.TEXT)


def _hex(value: Value | None) -> str | None:
    """Identifiers of 16 bytes, which filters name in hex. The vendor's objects are not all in the definitions."""
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return None
    return value.hex() if isinstance(value, bytes) else None


def _checksum(value: Value | None) -> str | None:
    """The SHA-256 of the running image, which the vendor's older clients give as hex digits or as bytes."""
    if isinstance(value, str) and _SHA256.fullmatch(value):
        return value.lower()
    found = _hex(value)
    return found if found is not None and len(found) == 64 else None


def _moment(value: Value | None) -> int | None:
    """The version of a manifest of the vendor's older clients, which is when it was made; microseconds UTC."""
    return value * MICROSECONDS if type(value) is int and _OLDEST <= value < _NEWEST else None
