"""Bootstrap from the server's side: the request, and what is written to a client. OMA LwM2M Core 1.1 section 6.1, wire facts
section 2.

A bootstrap is a generator of requests: send each, and hand it the answer::

    steps = standard_steps(account)
    message = next(steps)
    while True:
        message = steps.send(await ask(message))    # StopIteration: the client has all; BootstrapRefused: it does not want it
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import IntEnum

from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, format_code
from lamplighter.lwm2m.codecs import Value, Values, encode
from lamplighter.lwm2m.link import Link, LinkFormatError, parse_links
from lamplighter.lwm2m.path import Path, PathError, parse_path

BOOTSTRAP_PATH = "bs"
CERTIFICATE_USAGE_ANCHOR = 2
"""Resource 15 of Security: the certificate is an anchor of the server's path, not the server's own."""
SHORT_SERVER_ID = 1
#: Content formats that a client may prefer for what is written to it (``pct``), the default first.
WRITABLE = (ContentFormat.LWM2M_TLV, ContentFormat.SENML_CBOR, ContentFormat.SENML_JSON)
#: The instance of Security to write when a client does not show which one is its bootstrap account: most keep that in 0.
_INSTANCE_UNSEEN = 1
_SECURITY, _SERVER = 0, 1

Steps = Generator[Message, Message, None]


class BootstrapFaults(ValueError):
    """Everything that is wrong with a bootstrap request."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class BootstrapRefused(Exception):
    """The client does not take what it is given: its text says which step it refused, and how."""


class SecurityMode(IntEnum):
    """Resource 2 of Security."""

    PSK = 0
    CERTIFICATE = 2
    NO_SEC = 3
    EST = 4


@dataclass(frozen=True, slots=True)
class BootstrapRequest:
    """What a client says when it asks. Claims: its credential says who it is."""

    endpoint_name: str | None = None
    """``ep``; a 1.1 client may leave it to its credential."""
    account: str | None = None
    """``aid``, the vendor's."""
    device_id: str | None = None
    """``iep``, the vendor's: the id of a device that was here before, and was not reset to its factory state."""
    preferred_format: int | None = None
    """``pct``: the content format to write in (1.1)."""
    client_version: str | None = None
    """``mccv``, the vendor's client library."""

    @property
    def is_vendor(self) -> bool:
        """The Mbed, Pelion, Izuma client, which wants whole objects written."""
        return self.client_version is not None or self.account is not None


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """One LwM2M server account: an instance of Security and one of Server."""

    uri: str
    mode: SecurityMode
    identity: bytes = b""
    """Resource 3: a PSK identity, or the device's certificate in DER."""
    anchor: bytes = b""
    """Resource 4: the certificate authority of the server, in DER."""
    server_certificate: bytes = b""
    """The server's own certificate, for clients that take resource 4 for that."""
    secret: bytes = b""
    """Resource 5: the pre-shared key, or the private key in DER."""
    lifetime: int = 86400
    """Seconds of the registration."""
    binding: str = "U"


def parse_bootstrap_request(message: Message) -> BootstrapRequest:
    """Raises BootstrapFaults with all that is wrong."""
    faults: list[str] = []
    query: dict[str, str] = {}
    try:
        arguments = message.uri_query()
    except FormatError as error:
        raise BootstrapFaults([str(error)]) from None
    for argument in arguments:
        name, _, value = argument.partition("=")
        # The vendor's client adds each id it is told to its stored address, and asks with all of them: the last is its own.
        if name in query and name != "iep":
            faults.append(f"{name[:20]} is given twice")
        query[name] = value
    preferred = query.get("pct")
    if preferred is not None and not (preferred.isascii() and preferred.isdigit() and len(preferred) <= 5):
        faults.append("pct is not a content format")
        preferred = None
    if query.get("ep") == "":
        faults.append("ep is empty")
    if faults:
        raise BootstrapFaults(faults)
    return BootstrapRequest(
        endpoint_name=query.get("ep"),
        account=query.get("aid"),
        device_id=query.get("iep"),
        preferred_format=None if preferred is None else int(preferred),
        client_version=query.get("mccv"),
    )


def bootstrap_request(request: BootstrapRequest) -> Message:
    """The request that says this, as a client sends it."""
    message = Message(Code.POST).add(Option.URI_PATH, BOOTSTRAP_PATH)
    pairs = (
        ("ep", request.endpoint_name),
        ("aid", request.account),
        ("iep", request.device_id),
        ("mccv", request.client_version),
        ("pct", request.preferred_format),
    )
    for name, value in pairs:
        if value is not None:
            message.add(Option.URI_QUERY, f"{name}={value}")
    return message


def vendor_steps(account: ServerAccount, device_id: str) -> Steps:
    """What the vendor's client takes: objects as a whole, in TLV, Security instance 0; its own lifetime is left to it.

    Without ``iep`` in the finish a client that is to fetch its certificate (EST) fails.
    """
    yield from _expect("deletion of /0", _request(Code.DELETE, Path(_SECURITY)))
    values = _security(account, Path(_SECURITY, 0), account.anchor, usage=None)
    yield from _expect("Security object", _write(Path(_SECURITY), values, ContentFormat.LWM2M_TLV))
    finish = _finish().add(Option.URI_QUERY, f"iep={device_id}")
    yield from _expect("end of the bootstrap", finish)


def standard_steps(account: ServerAccount, preferred_format: int | None = None) -> Steps:
    """What any other client takes: Discover, delete everything, the instances of Security and Server, finish."""
    version, instance = yield from _look()
    yield from _expect("deletion of everything", _request(Code.DELETE, Path()))
    formats = _formats(preferred_format, version)
    security = Path(_SECURITY, instance)
    choices: list[tuple[bytes, int | None]] = [(account.server_certificate or account.anchor, None)]
    if account.anchor and version != "1.0":
        # The anchor lets the server's certificate be renewed, but only 1.1 has the resource that says it is one.
        choices.insert(0, (account.anchor, CERTIFICATE_USAGE_ANCHOR))
    attempts = [
        _write(security, _security(account, security, certificate, usage), content_format)
        for certificate, usage in choices
        for content_format in formats
    ]
    content_format = yield from _first_taken("Security instance", attempts)
    server = Path(_SERVER, 0)
    yield from _expect("Server instance", _write(server, _server(account, server), content_format))
    yield from _expect("end of the bootstrap", _finish())


def _look() -> Generator[Message, Message, tuple[str, int]]:
    """The client's version and the Security instance to write, by Bootstrap-Discover (section 6.1.7.2)."""
    answer = yield _request(Code.GET, Path()).add(Option.ACCEPT, ContentFormat.LINK_FORMAT)
    if answer.code != Code.CONTENT:
        return "1.0", _INSTANCE_UNSEEN
    try:
        links = parse_links(answer.payload.decode())
    except (UnicodeDecodeError, LinkFormatError):
        return "1.0", _INSTANCE_UNSEEN
    version = next((link.get("lwm2m") for link in links if link.target == "/"), None) or "1.0"
    # An instance without a short server id is the bootstrap server's own, which a deletion leaves alone.
    taken = {path.instance for link, path in _instances(links) if path.object == _SECURITY and link.get("ssid") is None}
    free = next(number for number in range(len(taken) + 1) if number not in taken)
    return version.strip('"'), free


def _instances(links: list[Link]) -> Iterator[tuple[Link, Path]]:
    for link in links:
        try:
            path = parse_path(link.target)
        except PathError:
            continue
        if len(path.ids) == 2:
            yield link, path


def _formats(preferred: int | None, version: str) -> list[int]:
    """Content formats to try, in that order."""
    usable = [int(each) for each in (WRITABLE if version != "1.0" or preferred is not None else WRITABLE[:1])]
    if preferred in usable:
        usable.remove(preferred)
        usable.insert(0, preferred)
    return usable


def _security(account: ServerAccount, path: Path, certificate: bytes, usage: int | None) -> Values:
    values: dict[int, Value] = {
        0: account.uri,
        1: False,
        2: int(account.mode),
        3: account.identity,
        4: certificate,
        5: account.secret,
        10: SHORT_SERVER_ID,
    }
    if usage is not None:
        values[15] = usage
    return [(path.child(number), value) for number, value in values.items()]


def _server(account: ServerAccount, path: Path) -> Values:
    values: dict[int, Value] = {0: SHORT_SERVER_ID, 1: account.lifetime, 6: True, 7: account.binding}
    return [(path.child(number), value) for number, value in values.items()]


def _expect(what: str, message: Message) -> Steps:
    answer = yield message
    if answer.code >> 5 != 2:
        raise BootstrapRefused(_refusal(what, answer))


def _first_taken(what: str, attempts: list[Message]) -> Generator[Message, Message, int]:
    """Try one after the other; the content format of the one that was taken."""
    for message in attempts:
        answer = yield message
        if answer.code >> 5 == 2:
            return message.content_format or 0
    raise BootstrapRefused(_refusal(what, answer))


def _refusal(what: str, answer: Message) -> str:
    text = answer.payload.decode(errors="replace")[:100] if answer.content_format in (None, 0) else ""
    return f"the {what} was answered {format_code(answer.code)}" + (f" ({text})" if text else "")


def _write(path: Path, values: Values, content_format: int) -> Message:
    message = _request(Code.PUT, path).add(Option.CONTENT_FORMAT, content_format)
    message.payload = encode(content_format, values, path)
    return message


def _finish() -> Message:
    return Message(Code.POST).add(Option.URI_PATH, BOOTSTRAP_PATH)


def _request(code: int, path: Path) -> Message:
    message = Message(code)
    for segment in path.segments():
        message.add(Option.URI_PATH, segment)
    return message
