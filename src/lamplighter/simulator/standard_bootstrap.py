"""The way of a standard client to its LwM2M account, by pre-shared key: OMA LwM2M Core 1.1 section 6.1."""

from __future__ import annotations

from dataclasses import dataclass, field

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, ContentFormat, Option, format_code, is_success
from lamplighter.lwm2m.bootstrap import BOOTSTRAP_PATH, BootstrapRequest, SecurityMode, bootstrap_request
from lamplighter.lwm2m.codecs import CodecError, Value, decode
from lamplighter.lwm2m.link import Link, format_links
from lamplighter.lwm2m.path import Path, path_of
from lamplighter.simulator.account import port_of
from lamplighter.simulator.bootstrapping import BootstrapFailed
from lamplighter.simulator.management_objects import LIFETIME, Server
from lamplighter.simulator.profile import Profile

_URI, _IS_BOOTSTRAP, _MODE, _IDENTITY, _SECRET, _SHORT_ID = 0, 1, 2, 3, 5, 10
_SECURITY, _SERVER = 0, 1
#: The instance of Security that is the bootstrap server's own: no deletion touches it.
_OWN = 0

Records = dict[int, dict[int, Value]]


@dataclass(frozen=True, slots=True)
class KeyAccount:
    """What a bootstrap server wrote: the LwM2M server, and the pre-shared key for it."""

    uri: str
    identity: bytes
    key: bytes = field(repr=False)
    device_id: str = ""
    """None: standard clients have no such thing."""

    @property
    def port(self) -> int:
        return port_of(self.uri)


class StandardBootstrapping:
    """The same face as the vendor's ``Bootstrapping``."""

    def __init__(self, name: str, profile: Profile, server: Server, endpoint: Endpoint, peer: str) -> None:
        self.account: KeyAccount | None = None
        self.finished = False
        """Whether the server has said that this was all."""
        self._name = name
        self._profile = profile
        self._own_server = server
        self._endpoint = endpoint
        self._peer = peer
        self._exchange: Exchange | None = None
        self._security: Records = {}
        self._servers: Records = {}

    def forget(self) -> None:
        """A factory reset."""
        self.account = None
        self._security.clear()
        self._servers.clear()

    def begin(self, now: float) -> None:
        """Ask for a bootstrap."""
        self.finished = False
        preferred = ContentFormat.SENML_CBOR if self._profile is Profile.LWM2M_1_1 else None
        asked = BootstrapRequest(endpoint_name=self._name, preferred_format=preferred)
        self._exchange = self._endpoint.request(self._peer, bootstrap_request(asked), now)

    def answer(self, message: Message) -> Message:
        """What the client says to a request of the bootstrap server."""
        try:
            segments = message.uri_path()
            if message.code == Code.POST and segments == (BOOTSTRAP_PATH,):
                return self._finish()
            path = path_of(tuple(map(int, segments)))
            match message.code:
                case Code.GET if message.accept == ContentFormat.LINK_FORMAT and self._profile is Profile.LWM2M_1_1:
                    return self._discover()
                case Code.DELETE:
                    return self._delete(path)
                case Code.PUT if message.content_format in self._profile.formats:
                    return self._write(path, message)
                case Code.PUT:
                    return Message(Code.UNSUPPORTED_CONTENT_FORMAT)
        except (FormatError, CodecError, ValueError) as error:
            return Message(Code.BAD_REQUEST, payload=str(error).encode()[:64])
        return Message(Code.METHOD_NOT_ALLOWED)

    def go_on(self, now: float) -> KeyAccount | None:
        """The answer to the finish has left: the account."""
        return self.account

    def take_response(self, exchange: Exchange, message: Message) -> KeyAccount | None:
        """The answer to the request. Raises BootstrapFailed when it is a refusal."""
        if exchange is self._exchange:
            self._exchange = None
            if not is_success(message.code):
                text = f" ({message.payload.decode(errors='replace')})" if message.payload else ""
                raise BootstrapFailed(f"the bootstrap was answered {format_code(message.code)}{text}")
        return None

    def lost(self) -> None:
        self._exchange = None

    def awaits(self, exchange: Exchange) -> bool:
        return exchange is self._exchange

    def _discover(self) -> Message:
        links = [Link("/", (("lwm2m", self._profile.version),)), Link(f"/{_SECURITY}/{_OWN}")]
        for number, kept in ((_SECURITY, self._security), (_SERVER, self._servers)):
            short = _SHORT_ID if number == _SECURITY else 0
            links += [
                Link(f"/{number}/{index}", (("ssid", str(values.get(short, 0))),)) for index, values in kept.items()
            ]
        answer = Message(Code.CONTENT, payload=format_links(links).encode())
        return answer.add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)

    def _delete(self, path: Path) -> Message:
        for number, kept in ((_SECURITY, self._security), (_SERVER, self._servers)):
            for index in [index for index in kept if path.contains(Path(number, index))]:
                del kept[index]
        return Message(Code.DELETED)

    def _write(self, path: Path, message: Message) -> Message:
        if path.object not in (_SECURITY, _SERVER):
            return Message(Code.NOT_FOUND)
        kept = self._security if path.object == _SECURITY else self._servers
        for each, value in decode(message.content_format, message.payload, path):
            if each.instance is None or each.resource is None or (kept is self._security and each.instance == _OWN):
                return Message(Code.BAD_REQUEST, payload=b"that instance is not written")
            kept.setdefault(each.instance, {})[each.resource] = value
        return Message(Code.CHANGED)

    def _finish(self) -> Message:
        """An instance of Security and one of Server that name the same server, or 4.06."""
        for values in self._security.values():
            for server in self._servers.values():
                account = _account(values)
                if account is not None and values.get(_SHORT_ID) == server.get(0):
                    lifetime = server.get(LIFETIME)
                    if isinstance(lifetime, int):
                        self._own_server.put(LIFETIME, lifetime)
                    self.account = account
                    self.finished = True
                    return Message(Code.CHANGED)
        return Message(Code.NOT_ACCEPTABLE, payload=b"no server that can be reached with a key")


def _account(values: dict[int, Value]) -> KeyAccount | None:
    uri, identity, secret = values.get(_URI), values.get(_IDENTITY, b""), values.get(_SECRET, b"")
    if (
        not isinstance(uri, str)
        or values.get(_IS_BOOTSTRAP)
        or values.get(_MODE) not in (SecurityMode.PSK, SecurityMode.NO_SEC)
    ):
        return None
    if not isinstance(identity, bytes) or not isinstance(secret, bytes):
        return None
    return KeyAccount(uri, identity, secret)
