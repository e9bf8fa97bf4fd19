"""The client's side of bootstrap, as strict as the clients that were seen on the wire."""

from __future__ import annotations

import asyncio
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, ContentFormat, Option
from lamplighter.lwm2m.bootstrap import BootstrapRequest, bootstrap_request
from lamplighter.lwm2m.codecs import Value, decode
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.bootstrap import VendorRecords
from lamplighter.simulator.enrolment import enrolment_message
from tests.roles.lwm2m_device import Device


class BootstrapClient(Device):
    """Keeps what is written to it in ``security`` and ``server``; ``finished`` is set by the server's finish."""

    def __init__(self, changed: asyncio.Event) -> None:
        super().__init__(changed)
        self.security: dict[int, Value] = {}
        self.server: dict[int, Value] = {}
        self.finished = asyncio.Event()
        self.device_id = ""
        """``iep`` of the finish."""
        self.asked: list[str] = []

    async def bootstrap(self, **asked: Any) -> Message:
        """Ask; the answer is 2.04 or the refusal."""
        self.finished.clear()
        return await self.ask(bootstrap_request(BootstrapRequest(**asked)))

    def _answer(self, message: Message) -> Message:
        path = "/" + "/".join(message.uri_path())
        self.asked.append(f"{Code(message.code).name} {path}")
        if message.code == Code.POST and path == "/bs":
            answer = self._finish(message)
            if answer.code == Code.CHANGED:
                self.finished.set()
            return answer
        return self._written(message, path)

    def _written(self, message: Message, path: str) -> Message:
        return Message(Code.NOT_FOUND)

    def _finish(self, message: Message) -> Message:
        return Message(Code.CHANGED)


class VendorClient(BootstrapClient):
    """Wire facts 2.2 and 2.3: as the simulated client of the vendor takes it."""

    def __init__(self, changed: asyncio.Event) -> None:
        super().__init__(changed)
        self._records = VendorRecords()
        self.security = self._records.security
        self.server = self._records.server
        self.asked = self._records.asked

    @property
    def has_key(self) -> bool:
        """Whether it kept one of its own from an enrolment that came to nothing: then it takes no mode that says to make one."""
        return self._records.has_key

    @has_key.setter
    def has_key(self, value: bool) -> None:
        self._records.has_key = value

    def _answer(self, message: Message) -> Message:
        answer = self._records.answer(message)
        self.device_id = self._records.device_id
        if message.code == Code.POST and answer.code == Code.CHANGED:
            self.finished.set()
        return answer

    async def enrol(self, key: ec.EllipticCurvePrivateKey, accept: int | None = None) -> Message:
        """Ask for a certificate for that key, calling itself what it likes."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody else")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return await self.send_request(request.public_bytes(serialization.Encoding.DER), accept)

    async def send_request(self, payload: bytes, accept: int | None = None) -> Message:
        message = enrolment_message(payload)
        return await self.ask(message if accept is None else message.add(Option.ACCEPT, accept))


class StandardClient(BootstrapClient):
    """OMA LwM2M: instances, in the content formats that it knows. ``links`` answers Discover; empty: it knows none."""

    links = '</>;lwm2m="1.1",</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>'
    formats: frozenset[int] = frozenset({ContentFormat.LWM2M_TLV, ContentFormat.SENML_CBOR})
    knows_usage = True
    """Whether it knows resource 15 of Security."""
    instance = -1

    def _written(self, message: Message, path: str) -> Message:
        if message.code == Code.GET:
            if not self.links:
                return Message(Code.NOT_FOUND)
            answer = Message(Code.CONTENT, payload=self.links.encode())
            return answer.add(Option.CONTENT_FORMAT, ContentFormat.LINK_FORMAT)
        if message.code == Code.DELETE:
            return Message(Code.DELETED if path == "/" else Code.BAD_REQUEST)
        if message.content_format not in self.formats:
            return Message(Code.UNSUPPORTED_CONTENT_FORMAT)
        base = Path(*map(int, path[1:].split("/")))
        values = {each.resource: value for each, value in decode(message.content_format, message.payload, base)}
        if not self.knows_usage and 15 in values:
            return Message(Code.BAD_REQUEST)
        kept = self.security if base.object == 0 else self.server
        for number, value in values.items():
            assert number is not None
            kept[number] = value
        if base.object == 0:
            assert base.instance is not None
            self.instance = base.instance
        return Message(Code.CHANGED)

    def _finish(self, message: Message) -> Message:
        consistent = self.security.get(10) == self.server.get(0) and 10 in self.security
        return Message(Code.CHANGED if consistent else Code.NOT_ACCEPTABLE)
