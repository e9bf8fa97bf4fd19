"""A certificate renewed on the server's word: object 35011 of the vendor's client, and EST on the session (wire facts 2.4).

The names and numbers are those of the client's certificate-enrollment-client (ce_tlv.c, ce_status.h).
"""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.events import RequestReceived
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option, is_success
from lamplighter.lwm2m.est import EST_PATH
from lamplighter.lwm2m.renewal import NAME, OPTIONAL, RENEWAL
from lamplighter.lwm2m.renewal import RenewalStatus as Status
from lamplighter.simulator.account import Account
from lamplighter.simulator.bootstrapping import Bootstrapping
from lamplighter.simulator.enrolment import (
    ChainUnreadable,
    certificates_of,
    certification_request,
    enrolment_message,
)

LWM2M = "LWM2M"
"""The certificate that the device registers with."""
CUSTOM = "customer.dlms"
"""A certificate for a purpose of the owner's, which the device has from its factory."""
_PATH = [b"%d" % number for number in RENEWAL.ids]
_BOOTSTRAP = frozenset({"mbed.BootstrapDeviceCert", "mbed.BootstrapDevicePrivateKey"})


class RenewalImpossible(Exception):
    """There will be no certificate; ``status`` says why."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


class Renewal:
    """One at a time: the POST that asks for it is answered when it is done. The new certificate serves the next session."""

    def __init__(self, endpoint: Endpoint, server: str, bootstrapping: Bootstrapping) -> None:
        self.certificates: dict[str, bytes] = {}
        """Renewed ones beside the account's, in DER, by name."""
        self._endpoint = endpoint
        self._server = server
        self._bootstrapping = bootstrapping
        self._asked: RequestReceived | None = None
        self._exchange: Exchange | None = None
        self._name = ""
        self._key: ec.EllipticCurvePrivateKey | None = None

    @staticmethod
    def concerns(message: Message) -> bool:
        """Whether a request is for a renewal."""
        return message.code == Code.POST and message.all(Option.URI_PATH) == _PATH

    def begin(self, request: RequestReceived, now: float) -> None:
        """Do what the request asks for, and answer it sooner or later."""
        if self._asked is not None:
            self._endpoint.respond(request, Message(Code.PRECONDITION_FAILED), now)
            return
        self._asked = request
        try:
            self._name = name = certificate_name(request.message.payload)
            if name in _BOOTSTRAP:
                raise RenewalImpossible(Status.FORBIDDEN_REQUEST)
            if name not in (LWM2M, CUSTOM):
                raise RenewalImpossible(Status.ITEM_NOT_FOUND)
        except RenewalImpossible as error:
            self._end(error.status, now)
            return
        account = self._account
        self._key = ec.generate_private_key(ec.SECP256R1())
        wanted = certification_request(self._key, account.endpoint_name, account.account_id, account.device_id)
        path = EST_PATH if name == LWM2M else (EST_PATH[0], name, EST_PATH[1])
        self._exchange = self._endpoint.request(self._server, enrolment_message(wanted, path), now)

    def take_response(self, exchange: Exchange, message: Message, now: float) -> bool:
        """Whether it was the answer to the enrolment."""
        if exchange is not self._exchange:
            return False
        try:
            self._keep(message)
        except RenewalImpossible as error:
            self._end(error.status, now)
        else:
            self._end(Status.SUCCESS, now)
        return True

    def take_silence(self, exchange: Exchange, now: float) -> bool:
        """The same when no answer came."""
        if exchange is not self._exchange:
            return False
        self._end(Status.EST_ERROR, now)
        return True

    def stop(self) -> None:
        """The session is gone, and with it whoever waits for the answer."""
        self._asked = self._exchange = self._key = None

    @property
    def _account(self) -> Account:
        account = self._bootstrapping.account
        assert account is not None, "whoever is registered has an account"
        return account

    def _keep(self, message: Message) -> None:
        """Raises RenewalImpossible."""
        key = self._key
        if not is_success(message.code):
            raise RenewalImpossible(Status.EST_ERROR)
        try:
            certificate = certificates_of(message.payload)[0]
            public = x509.load_der_x509_certificate(certificate).public_key()
        except (ChainUnreadable, ValueError):
            raise RenewalImpossible(Status.EST_ERROR) from None
        if key is None or public != key.public_key():
            raise RenewalImpossible(Status.RENEWAL_ITEM_VALIDATION_ERROR)
        if self._name == LWM2M:
            self._bootstrapping.account = replace(self._account, certificate=certificate, key=key)
        else:
            self.certificates[self._name] = certificate

    def _end(self, status: Status, now: float) -> None:
        asked = self._asked
        self.stop()
        if asked is not None:
            answer = Message(Code.CHANGED, payload=str(status.value).encode())
            self._endpoint.respond(asked, answer, now)


def certificate_name(payload: bytes) -> str:
    """What the server wants renewed: elements of type, length (two bytes each) and value. Raises RenewalImpossible."""
    name, position = "", 0
    while position < len(payload):
        kind = int.from_bytes(payload[position : position + 2], "big")
        length = int.from_bytes(payload[position + 2 : position + 4], "big")
        value = payload[position + 4 : position + 4 + length]
        position += 4 + length
        if position > len(payload) or (kind & ~OPTIONAL != NAME and not kind & OPTIONAL):
            raise RenewalImpossible(Status.BAD_INPUT_FROM_SERVER)
        if kind & ~OPTIONAL == NAME:
            if not value.endswith(b"\0") or not value.isascii():
                raise RenewalImpossible(Status.BAD_INPUT_FROM_SERVER)
            name = value[:-1].decode()
    if not name:
        raise RenewalImpossible(Status.BAD_INPUT_FROM_SERVER)
    return name
