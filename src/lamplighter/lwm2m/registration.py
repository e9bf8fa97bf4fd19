"""What a client says of itself when it registers: OMA LwM2M Core 1.1 section 6.2, Transport section 6.4, the vendor's additions.

Both directions: the server parses, the simulated device writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs.value import CodecError, Value, from_text, type_at
from lamplighter.lwm2m.link import Link, LinkFormatError, format_links, link_steps
from lamplighter.lwm2m.path import PathError, parse_path, split_mediated
from lamplighter.lwm2m.steps import STEP, Steps, finish

#: Seconds, when the client names none (Core section 6.2.1).
DEFAULT_LIFETIME = 86400
MAX_LIFETIME = 0xFFFFFFFF
BINDINGS_1_0 = frozenset({"U", "UQ", "S", "SQ", "US", "UQS"})
TRANSPORTS_1_1 = frozenset("UTSN")
VERSIONS = ("1.0", "1.1", "1.2")
ROOT_TYPE = "oma.lwm2m"
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}", re.ASCII)
_LIFETIME = re.compile(r"\d{1,10}", re.ASCII)


class RegistrationFaults(ValueError):
    """Everything that is wrong with a Register or Update, at once; ``code`` is the answer."""

    def __init__(self, faults: list[str], code: Code = Code.BAD_REQUEST) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)
        self.code = code


@dataclass(frozen=True, slots=True)
class Registration:
    """A Register request. What the client claims, not what is true: its credential says who it is."""

    endpoint_name: str | None = None
    """``ep``; 1.1 clients may leave it to their credential."""
    lifetime: int = DEFAULT_LIFETIME
    """Seconds."""
    version: str = "1.0"
    binding: str = "U"
    """The transports; of a 1.0 client with its Q."""
    queue_mode: bool = False
    sms_number: str | None = None
    endpoint_type: str | None = None
    """``et``, the vendor's; ``MBED_GW`` is an edge gateway."""
    domain: str | None = None
    """``d``, the vendor's: the account."""
    account: str | None = None
    """``aid``, the vendor's."""
    client_version: str | None = None
    """``mccv``, the vendor's client library."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Query parameters of other names, as sent."""
    links: tuple[Link, ...] = ()
    """The objects, instances and resources, without the root's own link."""
    root: str = "/"
    """Where the objects begin: the target of the link with ``rt="oma.lwm2m"``."""
    content_formats: tuple[int, ...] = ()
    """Those that the root's link names: what the client takes for objects and instances."""

    @property
    def is_vendor(self) -> bool:
        """The Mbed, Pelion, Izuma client: it wants ``/rd/<account>/<device id>`` as its location."""
        return self.client_version is not None or self.account is not None


@dataclass(frozen=True, slots=True)
class RegistrationUpdate:
    """An Update request: what it does not name stays as it was."""

    lifetime: int | None = None
    binding: str | None = None
    queue_mode: bool | None = None
    sms_number: str | None = None
    endpoint_type: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    links: tuple[Link, ...] = ()
    """Standard clients send all their links, the vendor's only what is new or, with ``;d``, gone."""
    root: str = "/"
    content_formats: tuple[int, ...] = ()
    """Both as in a registration; only with links."""

    @property
    def changes_nothing(self) -> bool:
        return self == RegistrationUpdate(endpoint_type=self.endpoint_type)


def parse_registration(message: Message) -> Registration:
    """Raises RegistrationFaults with all that is wrong; its code is 4.12 when only the version is (Transport 6.4.2)."""
    return finish(registration_steps(message))


def registration_steps(message: Message) -> Steps[Registration]:
    """The same in steps."""
    faults: list[str] = []
    query = _query(message, faults)
    links, root, content_formats = yield from _links(message, faults)
    version = query.pop("lwm2m", "1.0")
    understood = version in VERSIONS
    if not _VERSION.fullmatch(version):
        faults.append("lwm2m is not a version such as 1.1")
    binding = query.pop("b", None)
    queue = "Q" in query
    query.pop("Q", None)
    if understood and binding is not None:
        _check_binding(binding, version, faults)
    endpoint_name = query.pop("ep", None)
    if endpoint_name == "" or (endpoint_name is None and version == "1.0"):
        faults.append("ep is missing")
    registration = Registration(
        endpoint_name=endpoint_name,
        lifetime=_lifetime(query.pop("lt", None), faults) or DEFAULT_LIFETIME,
        version=version,
        binding=binding or "U",
        queue_mode=queue or "Q" in (binding or ""),
        sms_number=query.pop("sms", None),
        endpoint_type=query.pop("et", None),
        domain=query.pop("d", None),
        account=query.pop("aid", None),
        client_version=query.pop("mccv", None),
        parameters=tuple(query.items()),
        links=links,
        root=root,
        content_formats=content_formats,
    )
    if faults:
        raise RegistrationFaults(faults)
    if not understood:
        raise RegistrationFaults([f"lwm2m {version} is not one of {', '.join(VERSIONS)}"], Code.PRECONDITION_FAILED)
    return registration


def parse_update(message: Message, version: str = "1.0") -> RegistrationUpdate:
    """``version`` is that of the registration, which decides what a binding may be. Raises RegistrationFaults."""
    return finish(update_steps(message, version))


def update_steps(message: Message, version: str = "1.0") -> Steps[RegistrationUpdate]:
    """The same in steps."""
    faults: list[str] = []
    query = _query(message, faults)
    links, root, content_formats = yield from _links(message, faults)
    binding = query.pop("b", None)
    queue = True if "Q" in query else None
    query.pop("Q", None)
    if binding is not None:
        _check_binding(binding, version, faults)
        queue = bool(queue) or "Q" in binding
    update = RegistrationUpdate(
        lifetime=_lifetime(query.pop("lt", None), faults),
        binding=binding,
        queue_mode=queue,
        sms_number=query.pop("sms", None),
        endpoint_type=query.pop("et", None),
        parameters=tuple(query.items()),
        links=links,
        root=root,
        content_formats=content_formats,
    )
    if faults:
        raise RegistrationFaults(faults)
    return update


def register_request(registration: Registration) -> Message:
    """The Register of that registration: ``POST /rd``, parameters in the vendor's order."""
    links = registration.links
    if registration.root != "/" or registration.content_formats:
        formats = " ".join(map(str, map(int, registration.content_formats or (ContentFormat.LWM2M_JSON,))))
        links = (Link(registration.root, (("rt", ROOT_TYPE), ("ct", formats))), *links)
    message = Message(Code.POST, payload=format_links(links).encode()).add(Option.URI_PATH, "rd")
    message.add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)
    pairs: list[tuple[str, str | None]] = [
        ("ep", registration.endpoint_name),
        ("et", registration.endpoint_type),
        ("lt", str(registration.lifetime)),
        ("lwm2m", registration.version),
        ("d", registration.domain),
        ("b", registration.binding),
        ("sms", registration.sms_number),
        ("aid", registration.account),
        ("mccv", registration.client_version),
        *registration.parameters,
    ]
    _add_query(message, pairs)
    return (
        message.add(Option.URI_QUERY, "Q") if registration.queue_mode and "Q" not in registration.binding else message
    )


def update_request(location: Iterable[str], update: RegistrationUpdate) -> Message:
    """The Update of a registration at that location."""
    message = Message(Code.POST, payload=format_links(update.links).encode())
    for segment in location:
        message.add(Option.URI_PATH, segment)
    if update.links:
        message.add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)
    lifetime = None if update.lifetime is None else str(update.lifetime)
    pairs = [("et", update.endpoint_type), ("lt", lifetime), ("b", update.binding), ("sms", update.sms_number)]
    _add_query(message, [*pairs, *update.parameters])
    return message.add(Option.URI_QUERY, "Q") if update.queue_mode and "Q" not in (update.binding or "") else message


def deregister_request(location: Iterable[str]) -> Message:
    """The De-register of a registration at that location."""
    message = Message(Code.DELETE)
    for segment in location:
        message.add(Option.URI_PATH, segment)
    return message


def resource_values(links: Iterable[Link]) -> list[tuple[str, str, Value]]:
    """The values that links carry in ``v``: device behind a gateway (or ""), path, value in its resource's type.

    A value that is not of its type is given as the text it was: the client's slip must not lose the rest.
    """
    values: list[tuple[str, str, Value]] = []
    for link in links:
        text = link.get("v")
        if text is None:
            continue
        name, inner = split_mediated(link.target)
        try:
            value = from_text(text, type_at(parse_path(inner)))
        except (CodecError, PathError):
            value = text
        values.append((name or "", inner, value))
    return values


def auto_observations(links: Iterable[Link]) -> dict[bytes, str]:
    """Token and target of each resource that the vendor's client already observes itself: ``aobs="353"`` is 0x0161."""
    found: dict[bytes, str] = {}
    for link in links:
        number = link.get("aobs") or ""
        if number.isascii() and number.isdigit() and len(number) <= 5 and int(number) < 0x10000:
            found[int(number).to_bytes(2, "big")] = link.target
    return found


def merge_links(known: Iterable[Link], update: Iterable[Link]) -> tuple[Link, ...]:
    """The vendor's way of updating: new links are added or replace their like, ``;d`` takes a target and all below it away."""
    changes = tuple(update)
    removals = {link.target.rstrip("/"): order for order, link in enumerate(changes) if link.removed}
    merged = {link.target: link for link in known if _removed_at(removals, link.target) < 0}
    for order, link in enumerate(changes):
        if _removed_at(removals, link.target) < order:
            merged[link.target] = link
    return tuple(merged.values())


def split_links(links: Iterable[Link]) -> tuple[tuple[Link, ...], dict[str, list[Link]]]:
    """A gateway's own links, and by name those of each device behind it, with targets as that device has them.

    The link of the device itself, ``</d/NAME>``, is the gateway's own, and is ``</>`` among the device's.
    """
    return finish(split_steps(links))


def split_steps(links: Iterable[Link]) -> Steps[tuple[tuple[Link, ...], dict[str, list[Link]]]]:
    """The same in steps."""
    own: list[Link] = []
    mediated: dict[str, list[Link]] = {}
    for number, link in enumerate(links, 1):
        if not number % STEP:
            yield
        name, inner = split_mediated(link.target)
        if name is None:
            own.append(link)
            continue
        if inner == "/":
            own.append(link.at(f"/d/{name}"))
        mediated.setdefault(name, []).append(link.at(inner))
    return tuple(own), mediated


def _removed_at(removals: Mapping[str, int], target: str) -> int:
    """Where the last removal of a target, or of one that it lies below, stands; -1: nowhere."""
    if not removals:
        return -1
    found = removals.get(target.rstrip("/"), -1)
    end = target.find("/", 1)
    while end > 0:
        found = max(found, removals.get(target[:end], -1))
        end = target.find("/", end + 1)
    return found


def _query(message: Message, faults: list[str]) -> dict[str, str]:
    query: dict[str, str] = {}
    try:
        arguments = message.uri_query()
    except FormatError:
        faults.append("the query is not UTF-8")
        return query
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name in query:
            faults.append(f"{name[:20]} is given twice")
        query[name] = value
    return query


def _links(message: Message, faults: list[str]) -> Steps[tuple[tuple[Link, ...], str, tuple[int, ...]]]:
    """The links without the root's own, and with targets relative to it; the root; and its content formats."""
    if message.content_format not in (None, ContentFormat.LINK_FORMAT, ContentFormat.TEXT):
        faults.append(f"content format {message.content_format} is not link format (40)")
        return (), "/", ()
    try:
        links = yield from link_steps(message.payload)
    except LinkFormatError as error:
        faults.append(f"the list of objects: {error}")
        return (), "/", ()
    root = None
    if ROOT_TYPE.encode() in message.payload:
        root = next((link for link in links if ROOT_TYPE in link.resource_types), None)
    if root is None:
        return tuple(links), "/", ()
    prefix = root.target.rstrip("/")
    kept = [link.at(_below(prefix, link.target)) if prefix else link for link in links if link is not root]
    return tuple(kept), prefix or "/", _content_formats(root.get("ct") or "")


def _content_formats(text: str) -> tuple[int, ...]:
    return tuple([int(word) for word in text.split()[:20] if word.isascii() and word.isdigit() and len(word) <= 5])


def _below(prefix: str, target: str) -> str:
    return target[len(prefix) :] if target.startswith(prefix + "/") else target


def _check_binding(binding: str, version: str, faults: list[str]) -> None:
    if version == "1.0":
        if binding not in BINDINGS_1_0:
            faults.append(f"b is not one of {', '.join(sorted(BINDINGS_1_0))}")
    elif not binding or not set(binding) <= TRANSPORTS_1_1 or len(set(binding)) != len(binding):
        faults.append("b is not a set of U, T, S and N (queue mode is the parameter Q)")


def _lifetime(text: str | None, faults: list[str]) -> int | None:
    if text is None:
        return None
    if not _LIFETIME.fullmatch(text) or not 1 <= int(text) <= MAX_LIFETIME:
        faults.append(f"lt is not a number of seconds between 1 and {MAX_LIFETIME}")
        return None
    return int(text)


def _add_query(message: Message, pairs: Iterable[tuple[str, str | None]]) -> None:
    for name, value in pairs:
        if value is not None:
            message.add(Option.URI_QUERY, f"{name}={value}")
