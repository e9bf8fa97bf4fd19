"""The way of the vendor's client to its LwM2M account: ask, be written to, enrol (wire facts section 2)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, format_code, is_success
from lamplighter.lwm2m.bootstrap import BootstrapRequest, SecurityMode, bootstrap_request
from lamplighter.simulator.account import Account
from lamplighter.simulator.bootstrap import BootstrapUnusable, VendorRecords
from lamplighter.simulator.enrolment import (
    ChainUnreadable,
    certificates_of,
    certification_request,
    enrolment_message,
)

GUARD = 1800.0
"""Seconds after which the client gives a bootstrap up."""
CLIENT_VERSION = "4.13.2"


class BootstrapFailed(Exception):
    """No account came of it; the text says why."""


class Bootstrapping:
    """``account`` is the LwM2M account, kept in memory; ``made_with`` is what the device was compiled with."""

    def __init__(self, made_with: Account, endpoint: Endpoint, server: str) -> None:
        self.made_with = made_with
        self.account: Account | None = None
        self.records = VendorRecords()
        self._endpoint = endpoint
        self._server = server
        self._exchange: Exchange | None = None
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._accepted = False

    @property
    def device_id(self) -> str:
        """``iep``: what the device is called since its last factory reset."""
        return self.records.device_id

    @property
    def finished(self) -> bool:
        """Whether the server has said that this was all."""
        return self.records.finished

    def forget(self) -> None:
        """A factory reset: certificate and device ID are gone."""
        self.account = None
        self.records = VendorRecords()

    def begin(self, now: float) -> None:
        """Ask for a bootstrap."""
        former, self.records = self.records, VendorRecords()
        self.records.device_id = known = former.device_id
        self.records.has_key = former.has_key
        self._accepted = False
        made = self.made_with
        asked = BootstrapRequest(
            endpoint_name=made.endpoint_name,
            account=made.account_id,
            device_id=known or None,
            client_version=CLIENT_VERSION,
        )
        self._exchange = self._endpoint.request(self._server, bootstrap_request(asked), now)

    def answer(self, message: Message) -> Message:
        """What the client says to a request of the bootstrap server; before its own is answered it takes none."""
        return self.records.answer(message) if self._accepted else Message(Code.BAD_REQUEST)

    def go_on(self, now: float) -> Account | None:
        """The answer to the finish has left: the account, or None while it is enrolled. Raises BootstrapFailed."""
        try:
            if self.records.mode is not SecurityMode.EST:
                self.account = self.records.written_account()
                self.records.has_key = False
                return self.account
        except (BootstrapUnusable, ValueError) as error:
            raise BootstrapFailed(str(error)) from None
        made = self.made_with
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.records.has_key = True
        request = certification_request(self._key, made.endpoint_name, made.account_id, self.records.device_id)
        self._exchange = self._endpoint.request(self._server, enrolment_message(request), now)
        return None

    def take_response(self, exchange: Exchange, message: Message) -> Account | None:
        """The account once it is there. Raises BootstrapFailed."""
        if exchange is not self._exchange:
            return None
        self._exchange = None
        if not is_success(message.code):
            what = "bootstrap" if self._key is None else "enrolment"
            text = f" ({message.payload.decode(errors='replace')})" if message.payload else ""
            raise BootstrapFailed(f"the {what} was answered {format_code(message.code)}{text}")
        if self._key is None:
            self._accepted = True
            return None
        key, self._key = self._key, None
        try:
            self.account = self.records.account(certificates_of(message.payload)[0], key)
        except (BootstrapUnusable, ChainUnreadable, ValueError) as error:
            raise BootstrapFailed(str(error)) from None
        self.records.has_key = False
        return self.account

    def lost(self) -> None:
        """The session or the server is gone in the middle of it."""
        self._exchange = None
        self._key = None
        self._accepted = False

    def awaits(self, exchange: Exchange) -> bool:
        return exchange is self._exchange
