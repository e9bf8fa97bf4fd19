"""A bootstrap server in memory: it has an authority, writes what the vendor's client takes, and signs what it enrols."""

from __future__ import annotations

import datetime
from collections.abc import Hashable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code
from lamplighter.lwm2m.bootstrap import SecurityMode, ServerAccount, Steps, parse_bootstrap_request, vendor_steps
from lamplighter.lwm2m.est import vendor_chain
from lamplighter.lwm2m.server import RequestDelegated
from lamplighter.simulator.account import Account

ACCOUNT = "0123456789abcdef0123456789abcdef"
_KEY = ec.generate_private_key(ec.SECP256R1())
_BEGIN, _END = datetime.datetime(2020, 1, 1), datetime.datetime(2120, 1, 1)


def certificate(name: str, key: ec.EllipticCurvePublicKey, device_id: str = "") -> bytes:
    """In DER, signed by the authority."""
    parts = [
        (NameOID.COMMON_NAME, name),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, ACCOUNT),
        (NameOID.LOCALITY_NAME, device_id),
    ]
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(1).not_valid_before(_BEGIN).not_valid_after(_END)
    return builder.sign(_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


ANCHOR = certificate("authority", _KEY.public_key())


def developer_account(name: str = "developer") -> Account:
    """What a device is compiled with."""
    key = ec.generate_private_key(ec.SECP256R1())
    uri = f"coaps://lamps.example.com:5784?aid={ACCOUNT}"
    return Account(uri, name, ACCOUNT, certificate(name, key.public_key()), key, ANCHOR)


class BootstrapServer:
    """``mode``: whether the certificate is written, or enrolled by the client. ``asked``: what ``iep`` each client came with."""

    def __init__(self, endpoint: Endpoint, mode: SecurityMode) -> None:
        self.endpoint = endpoint
        self.mode = mode
        self.asked: list[str | None] = []
        self.refusals: list[int] = []
        """Codes of the next answers."""
        self.given: list[str] = []
        """Device IDs."""
        self.names: dict[Hashable, str] = {}
        self._walking: dict[Exchange, Steps] = {}

    def take(self, event: RequestDelegated, now: float) -> None:
        if self.refusals:
            self.endpoint.respond(event.request, Message(self.refusals.pop(0), payload=b"not now"), now)
        elif event.path == ("bs",):
            self._begin(event, now)
        else:
            request = x509.load_der_x509_csr(event.request.message.payload)
            key = request.public_key()
            assert isinstance(key, ec.EllipticCurvePublicKey) and request.is_signature_valid
            leaf = certificate(self.names[event.request.peer], key, self.given[-1])
            self.endpoint.respond(event.request, Message(Code.CHANGED, payload=vendor_chain([leaf, ANCHOR])), now)

    def take_response(self, exchange: Exchange, message: Message, now: float) -> bool:
        """Whether it belonged to a bootstrap."""
        steps = self._walking.pop(exchange, None)
        if steps is None:
            return False
        try:
            self._walk(exchange.peer, steps, steps.send(message), now)
        except StopIteration:
            pass
        return True

    def _begin(self, event: RequestDelegated, now: float) -> None:
        asked = parse_bootstrap_request(event.request.message)
        assert asked.endpoint_name is not None and asked.is_vendor
        self.asked.append(asked.device_id)
        device_id = asked.device_id or f"{len(self.given):032x}"
        self.given.append(device_id)
        self.names[event.request.peer] = asked.endpoint_name
        self.endpoint.respond(event.request, Message(Code.CHANGED), now)
        steps = vendor_steps(self._account(asked.endpoint_name, device_id), device_id)
        self._walk(event.request.peer, steps, next(steps), now)

    def _account(self, name: str, device_id: str) -> ServerAccount:
        uri = f"coaps://lamps.example.com:5684?aid={ACCOUNT}"
        if self.mode is SecurityMode.EST:
            return ServerAccount(uri, self.mode, anchor=ANCHOR)
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return ServerAccount(uri, self.mode, certificate(name, key.public_key(), device_id), ANCHOR, secret=secret)

    def _walk(self, peer: Hashable, steps: Steps, message: Message, now: float) -> None:
        self._walking[self.endpoint.request(peer, message, now)] = steps
