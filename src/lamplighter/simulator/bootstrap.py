"""What the vendor's client lets a bootstrap server write, as strict as it is: wire facts sections 2.2 and 2.3."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, ContentFormat
from lamplighter.lwm2m.bootstrap import BOOTSTRAP_PATH, SecurityMode
from lamplighter.lwm2m.codecs import CodecError, Value, decode
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.account import Account

LONGEST_CERTIFICATE = 1024
"""Bytes of the client's buffers for certificates."""
URI, MODE, IDENTITY, ANCHOR, SECRET = 0, 2, 3, 4, 5

_TLV = frozenset({ContentFormat.LWM2M_TLV, ContentFormat.LWM2M_TLV_VENDOR})
_OBJECTS = {"0": Path(0), "1": Path(1), "3": Path(3)}
#: Instance of Security that is the LwM2M server's; 1 is the bootstrap server's.
_INSTANCE = 0


class BootstrapUnusable(ValueError):
    """What was written gives no LwM2M account; the text says why."""


class VendorRecords:
    """``answer`` takes the server's requests. Once ``finished``, there is an account, or a key to enrol."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Method and path of every request."""
        self.security: dict[int, Value] = {}
        self.server: dict[int, Value] = {}
        self.device: dict[int, Value] = {}
        self.device_id = ""
        """``iep`` of the finish."""
        self.finished = False
        self.has_key = False
        """Whether the client kept a key of its own from an enrolment that came to nothing: it then refuses to make another."""

    def answer(self, message: Message) -> Message:
        """The response: what the client does not take is 4.00, as it does it."""
        try:
            path = message.uri_path()
            self.asked.append(f"{Code(message.code).name} /{'/'.join(path)}")
            if message.code == Code.POST and path == (BOOTSTRAP_PATH,):
                return self._finish(message)
            if message.code == Code.DELETE:
                return self._delete(path)
            if message.code == Code.PUT and message.content_format in _TLV:
                return self._write(path, message)
        except (FormatError, CodecError, ValueError) as error:
            return Message(Code.BAD_REQUEST, payload=str(error).encode()[:64])
        return Message(Code.BAD_REQUEST)

    @property
    def mode(self) -> SecurityMode:
        """Raises BootstrapUnusable."""
        try:
            return SecurityMode(int(str(self.security[MODE])))
        except (KeyError, ValueError):
            raise BootstrapUnusable("no security mode that the client knows") from None

    def account(self, certificate: bytes, key: ec.EllipticCurvePrivateKey) -> Account:
        """The LwM2M account with that certificate (DER): written, or enrolled. Raises BootstrapUnusable."""
        if not 0 < len(certificate) <= LONGEST_CERTIFICATE:
            raise BootstrapUnusable(f"a certificate of {len(certificate)} bytes")
        subject = x509.load_der_x509_certificate(certificate).subject
        names = {oid: _text(subject, oid) for oid in (NameOID.COMMON_NAME, NameOID.LOCALITY_NAME)}
        if not all(names.values()):
            raise BootstrapUnusable("the certificate's subject lacks CN or L")
        return Account(
            uri=str(self.security[URI]),
            endpoint_name=names[NameOID.COMMON_NAME],
            account_id=_text(subject, NameOID.ORGANIZATIONAL_UNIT_NAME),
            certificate=certificate,
            key=key,
            anchor=self._bytes(ANCHOR),
            device_id=names[NameOID.LOCALITY_NAME],
        )

    def written_account(self) -> Account:
        """The account whose certificate and key were written (mode 2). Raises BootstrapUnusable."""
        key = serialization.load_der_private_key(self._bytes(SECRET), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise BootstrapUnusable("the key is not of an elliptic curve")
        return self.account(self._bytes(IDENTITY), key)

    def _delete(self, path: tuple[str, ...]) -> Message:
        if path not in (("0",), ("1",)):
            return Message(Code.BAD_REQUEST)
        (self.security if path == ("0",) else self.server).clear()
        return Message(Code.DELETED)

    def _write(self, path: tuple[str, ...], message: Message) -> Message:
        if len(path) != 1 or path[0] not in _OBJECTS:
            # The real client takes an instance, and loses resources that it needs: better to see it here.
            return Message(Code.BAD_REQUEST, payload=b"whole objects only")
        kept = {"0": self.security, "1": self.server, "3": self.device}[path[0]]
        for each, value in decode(message.content_format, message.payload, _OBJECTS[path[0]]):
            if each.instance == _INSTANCE and each.resource is not None:
                kept[each.resource] = value
        if kept is self.security and self.has_key and self.mode is SecurityMode.EST:
            return Message(Code.BAD_REQUEST, payload=b"there is a key already")
        return Message(Code.CHANGED)

    def _finish(self, message: Message) -> Message:
        self.device_id = next((text[4:] for text in message.uri_query() if text.startswith("iep=")), "")
        problem = self._problem()
        if problem:
            return Message(Code.BAD_REQUEST, payload=problem.encode())
        self.finished = True
        return Message(Code.CHANGED)

    def _problem(self) -> str:
        """Why the finish cannot be taken; empty: nothing is wrong."""
        if "?aid=" not in str(self.security.get(URI)):
            return "the server's address lacks the account"
        if not 0 < len(self._bytes(ANCHOR)) <= LONGEST_CERTIFICATE:
            return "no authority of the server, or one longer than the buffer"
        given = bool(self._bytes(IDENTITY)), bool(self._bytes(SECRET))
        match self.mode:
            case SecurityMode.CERTIFICATE:
                return "" if all(given) else "certificate or key is missing"
            case SecurityMode.EST:
                return "" if not any(given) and self.device_id else "a certificate where none belongs, or no iep"
            case SecurityMode.NO_SEC:
                return ""
        return f"security mode {self.mode.value}"

    def _bytes(self, number: int) -> bytes:
        value = self.security.get(number, b"")
        return value if isinstance(value, bytes) else b""


def _text(subject: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""
