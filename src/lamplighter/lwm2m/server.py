"""The server's side of Register, Update, De-register and Send, between a CoAP endpoint and whoever decides.

``handle`` turns a request into a question; one of the methods below answers it. Locations are the segments after ``/rd``'s
own: ``("rd", "<account>", "<device id>")`` for the vendor's client, ``("rd", "<device id>")`` for standard ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.message import FormatError, Message, path_options
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.codecs import CodecError, decode_records
from lamplighter.lwm2m.codecs.senml import Record
from lamplighter.lwm2m.path import ROOT
from lamplighter.lwm2m.registration import (
    Registration,
    RegistrationFaults,
    RegistrationUpdate,
    registration_steps,
    update_steps,
)
from lamplighter.lwm2m.steps import Steps, finish

REGISTRATION_PATH = "rd"
SEND_PATH = "dp"
_SEND_FORMATS = frozenset({ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR})
#: The longest diagnostic payload sent, in bytes: it must fit any client's buffer.
_MAX_DIAGNOSTIC = 256


@dataclass(frozen=True, slots=True)
class RegisterRequested:
    """A client registers. Answer with ``accept_registration`` or ``reject``."""

    request: RequestReceived
    registration: Registration


@dataclass(frozen=True, slots=True)
class UpdateRequested:
    """A client refreshes its registration. Answer with ``accept_update``, or ``reject`` with 4.04 to have it register."""

    request: RequestReceived
    location: tuple[str, ...]
    changes: RegistrationUpdate


@dataclass(frozen=True, slots=True)
class DeregisterRequested:
    """A client leaves. Answer with ``accept_deregistration`` or ``reject``."""

    request: RequestReceived
    location: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendRequested:
    """A client sends values unasked (1.1). Answer with ``accept_send``, or ``reject`` with 4.04 when it is not registered."""

    request: RequestReceived
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """A request was answered here: ``code`` and, for whoever looks into it, every fault found."""

    request: RequestReceived
    code: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestDelegated:
    """A request for a path that the caller keeps for itself (EST, firmware). Nothing is answered yet."""

    request: RequestReceived
    path: tuple[str, ...]


Lwm2mEvent = (
    RegisterRequested | UpdateRequested | DeregisterRequested | SendRequested | RequestRefused | RequestDelegated
)


class Lwm2mServer:
    """``delegated``: first path segments that are somebody else's, such as ``est``."""

    def __init__(self, endpoint: Endpoint, *, delegated: frozenset[str] = frozenset()) -> None:
        self._endpoint = endpoint
        self._delegated = delegated

    def handle(self, request: RequestReceived, now: float, *, version: str = "1.0") -> Lwm2mEvent:
        """The question a request asks, or that it was refused. ``version`` is that of the peer's registration, if it has one."""
        return finish(self.steps(request, now, version=version))

    def steps(self, request: RequestReceived, now: float, *, version: str = "1.0") -> Steps[Lwm2mEvent]:
        """The same in steps: a gateway lists thousands of links."""
        message = request.message
        try:
            path = message.uri_path()
        except FormatError as error:
            return self._refuse(request, Code.BAD_REQUEST, (str(error),), now)
        first = path[0] if path else ""
        if first in self._delegated:
            return RequestDelegated(request, path)
        if message.option(Option.PROXY_URI) is not None or message.option(Option.PROXY_SCHEME) is not None:
            return self._refuse(request, Code.PROXYING_NOT_SUPPORTED, (), now)  # nothing that a device names is fetched
        if first == SEND_PATH and len(path) == 1:
            return self._send(request, now)
        if first != REGISTRATION_PATH:
            return self._refuse(request, Code.NOT_FOUND, (), now)
        try:
            if message.code == Code.POST:
                if len(path) == 1:
                    return RegisterRequested(request, (yield from registration_steps(message)))
                return UpdateRequested(request, path, (yield from update_steps(message, version)))
        except RegistrationFaults as error:
            return self._refuse(request, error.code, error.faults, now)
        if message.code == Code.DELETE and len(path) > 1:
            return DeregisterRequested(request, path)
        return self._refuse(request, Code.METHOD_NOT_ALLOWED, (), now)

    def accept_registration(
        self,
        event: RegisterRequested,
        location: tuple[str, ...],
        now: float,
        *,
        lifetime: int | None = None,
        tell_when_sent: bool = True,
    ) -> None:
        """2.01 with the location. ``lifetime`` (60 s at the least) goes as Max-Age, by which the vendor's client sets its own."""
        response = Message(Code.CREATED, path_options(location, Option.LOCATION_PATH))
        if lifetime is not None:
            response.add(Option.MAX_AGE, max(60, lifetime))
        self._endpoint.respond(event.request, response, now, tell_when_sent=tell_when_sent)

    def accept_update(self, event: UpdateRequested, now: float, *, tell_when_sent: bool = True) -> None:
        """2.04: anything else makes the vendor's client register anew at once."""
        self._endpoint.respond(event.request, Message(Code.CHANGED), now, tell_when_sent=tell_when_sent)

    def accept_deregistration(self, event: DeregisterRequested, now: float, *, tell_when_sent: bool = True) -> None:
        """2.02."""
        self._endpoint.respond(event.request, Message(Code.DELETED), now, tell_when_sent=tell_when_sent)

    def accept_send(self, event: SendRequested, now: float) -> None:
        """2.04, once the values are safe."""
        self._endpoint.respond(event.request, Message(Code.CHANGED), now)

    def reject(
        self,
        event: RegisterRequested | UpdateRequested | DeregisterRequested | SendRequested | RequestDelegated,
        code: int,
        now: float,
        *,
        max_age: int | None = None,
        diagnostic: str = "",
    ) -> None:
        """Answer with an error.

        To a Register, 4.00 and 4.03 make the vendor's client drop its credentials: refuse a storm with 5.03 and ``max_age``
        seconds, which every client takes as "later".
        """
        self._answer(event.request, code, now, max_age, diagnostic)

    def _send(self, request: RequestReceived, now: float) -> Lwm2mEvent:
        message = request.message
        if message.code != Code.POST:
            return self._refuse(request, Code.METHOD_NOT_ALLOWED, (), now)
        if message.content_format not in _SEND_FORMATS:
            return self._refuse(request, Code.UNSUPPORTED_CONTENT_FORMAT, ("Send takes SenML, 110 or 112",), now)
        try:
            records = decode_records(message.content_format, message.payload, ROOT)
        except CodecError as error:
            return self._refuse(request, Code.BAD_REQUEST, (str(error),), now)
        return SendRequested(request, tuple(records))

    def _refuse(self, request: RequestReceived, code: int, faults: tuple[str, ...], now: float) -> RequestRefused:
        self._answer(request, code, now, None, "; ".join(faults))
        return RequestRefused(request, code, faults)

    def _answer(self, request: RequestReceived, code: int, now: float, max_age: int | None, diagnostic: str) -> None:
        response = Message(code, payload=diagnostic.encode()[:_MAX_DIAGNOSTIC].decode(errors="ignore").encode())
        if max_age is not None:
            response.add(Option.MAX_AGE, max_age)
        self._endpoint.respond(request, response, now)
