"""Authorities of others on loopback: servers that check what they get, as CFSSL, Atlas and EST servers do, and sign it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from lamplighter.clock import EPOCH, SystemClock
from lamplighter.services.certificates.authority import Authority
from tests.outbound.receivers import Receiver, Request, receiving, server_tls

HMAC_KEY = "5a" * 16
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


class Serves(Protocol):
    """A server of certificates."""

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None: ...


class Signer:
    """A root and an authority below it, which signs."""

    def __init__(self) -> None:
        self.root_key, self.key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        self.root = self._made("their root", "their root", self.root_key.public_key(), self.root_key, authority=True)
        self.certificate = self._made(
            "their issuing authority", "their root", self.key.public_key(), self.root_key, authority=True
        )
        self.days = 365

    def sign(
        self, subject: x509.Name, key: Any, host: str = "", use: x509.ObjectIdentifier | None = None
    ) -> x509.Certificate:
        """A leaf; ``host``: its alternative name, ``use``: the one extended use of its key."""
        more: list[x509.ExtensionType] = [x509.SubjectAlternativeName([x509.DNSName(host)])] if host else []
        more += [x509.ExtendedKeyUsage([use])] if use is not None else []
        return self._made(subject, "their issuing authority", key, self.key, more=more)

    def _made(
        self,
        subject: str | x509.Name,
        issuer: str,
        key: Any,
        by: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        more: Sequence[x509.ExtensionType] = (),
    ) -> x509.Certificate:
        now, days = EPOCH + timedelta(microseconds=SystemClock().now()), getattr(self, "days", 3650)
        name = subject if isinstance(subject, x509.Name) else _name(subject)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(_name(issuer))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(by, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def answer(writer: asyncio.StreamWriter, status: int, body: Any = b"", *headers: str) -> None:
    """An answer with JSON, or with bytes."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} So", f"Content-Length: {len(payload)}", *headers, "", ""]
    writer.write("\r\n".join(head).encode() + payload)


class CfsslServer:
    """``cfssl serve`` with a profile that wants a token. ``seen``: the requests it has signed."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.seen: list[dict[str, Any]] = []
        self.tells_info = True
        self.spoil: Callable[[x509.Name, Any], tuple[x509.Name, Any]] = lambda subject, key: (subject, key)

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        body = json.loads(request.body)
        if request.path == "/api/v1/cfssl/info" and self.tells_info:
            answer(writer, 200, _cfssl(self.signer.certificate))
        elif request.path == "/api/v1/cfssl/authsign":
            self._sign(body, writer)
        else:
            answer(writer, 404, b"404 page not found\n")

    def _sign(self, body: dict[str, str], writer: asyncio.StreamWriter) -> None:
        text = base64.b64decode(body["request"])
        token = hmac.digest(bytes.fromhex(HMAC_KEY), text, "sha256")
        if token != base64.b64decode(body["token"]):
            errors = [{"code": 6000, "message": "invalid token"}]
            answer(writer, 401, {"success": False, "result": None, "errors": errors, "messages": []})
            return
        asked = json.loads(text)
        self.seen.append(asked)
        request = x509.load_pem_x509_csr(asked["certificate_request"].encode())
        assert request.is_signature_valid
        named = asked["subject"]
        oids = {"OU": NameOID.ORGANIZATIONAL_UNIT_NAME, "L": NameOID.LOCALITY_NAME}
        parts = [x509.NameAttribute(oids[name], value) for name, value in named["names"][0].items()]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, named["CN"]), *parts])
        answer(writer, 200, _cfssl(self.signer.sign(*self.spoil(subject, request.public_key()))))


def _cfssl(certificate: x509.Certificate) -> dict[str, Any]:
    pem = certificate.public_bytes(PEM).decode()
    return {"success": True, "result": {"certificate": pem}, "errors": [], "messages": []}


class AtlasServer:
    """GlobalSign's Atlas API, version 2, below ``/v2``. A certificate is there at the third look."""

    api_key, api_secret, token = "e510e289e6cd8947", "a477a8393d17a55ecb2b", "token-of-ten-minutes"

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.seen: list[dict[str, Any]] = []
        self.policy_fault: dict[str, Any] | None = None
        self._certificates: dict[str, x509.Certificate] = {}
        self._looks = 0

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        authorized = request.headers.get("authorization") == f"Bearer {self.token}"
        match request.method, request.path.removeprefix("/v2"):
            case "POST", "/login":
                given = json.loads(request.body)
                good = given == {"api_key": self.api_key, "api_secret": self.api_secret}
                body = {"access_token": self.token} if good else {"description": "unauthorized"}
                answer(writer, 200 if good else 401, body)
            case _ if not authorized:
                answer(writer, 401, {"description": "no token"})
            case "POST", "/certificates":
                self._request(json.loads(request.body), writer)
            case "GET", "/trustchain":
                chain = [each.public_bytes(PEM).decode() for each in (self.signer.certificate, self.signer.root)]
                answer(writer, 200, chain)
            case "GET", path:
                self._looks += 1
                found = self._certificates[path.rpartition("/")[2]]
                if self._looks < 3:
                    answer(writer, 202, {"description": "pending"})
                else:
                    answer(writer, 200, {"certificate": found.public_bytes(PEM).decode(), "status": "ISSUED"})

    def _request(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if self.policy_fault is not None:
            answer(writer, 422, self.policy_fault)
            return
        self.seen.append(asked)
        request = x509.load_pem_x509_csr(asked["public_key"].encode())
        named = asked["subject_dn"]
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, named["common_name"]),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, named["organizational_unit"][0]),
                x509.NameAttribute(NameOID.LOCALITY_NAME, named["locality"]),
            ]
        )
        certificate = self.signer.sign(subject, request.public_key())
        serial = f"{certificate.serial_number:X}"
        self._certificates[serial] = certificate
        answer(writer, 201, b"", f"Location: https://localhost/v2/certificates/{serial}")


class EstServer:
    """RFC 7030. ``login``: the Authorization it wants; None: a client certificate is enough."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.login: str | None = "Basic " + base64.b64encode(b"lamps:swordfish").decode()
        self.prefix = "/.well-known/est"
        self.waits: list[str] = []
        self.seen = 0

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        match request.method, request.path:
            case "POST", path if path == f"{self.prefix}/simpleenroll":
                if self.login is not None and request.headers.get("authorization") != self.login:
                    answer(writer, 401, b"", 'WWW-Authenticate: Basic realm="est"')
                elif self.waits:
                    answer(writer, 202, b"", f"Retry-After: {self.waits.pop(0)}")
                else:
                    assert request.headers["content-type"] == "application/pkcs10"
                    asked = x509.load_der_x509_csr(base64.b64decode(request.body))
                    self.seen += 1
                    _pkcs7(writer, self.signer.sign(asked.subject, asked.public_key()))
            case "GET", path if path == f"{self.prefix}/cacerts":
                _pkcs7(writer, self.signer.certificate, self.signer.root)
            case _:
                answer(writer, 404)


def _pkcs7(writer: asyncio.StreamWriter, *certificates: x509.Certificate) -> None:
    body = base64.encodebytes(pkcs7.serialize_certificates(list(certificates), DER))
    answer(writer, 200, body, "Content-Type: application/pkcs7-mime", "Content-Transfer-Encoding: base64")


@asynccontextmanager
async def listening(server: Serves, folder: Path, *, ask: bool = False) -> AsyncIterator[Receiver]:
    """The server over TLS, with a certificate that ``ca_of(folder)`` vouches for.

    :param ask: it demands a client certificate, which ``client_identity(folder)`` is
    """
    tls: ssl.SSLContext = server_tls(authority_of(folder), ask=ask)
    async with receiving(server.serve, tls) as receiver:
        yield receiver


def authority_of(folder: Path) -> Authority:
    """What vouches for the servers of a test, and for the clients that they take."""
    return Authority(folder / "theirs", SystemClock().now())


def ca_of(folder: Path) -> str:
    authority_of(folder)
    return str(folder / "theirs" / "ca.pem")


def client_identity(folder: Path, passphrase: str = "") -> dict[str, str]:
    """A client certificate that the servers take and its key, as credentials of an issuer."""
    client = authority_of(folder).client
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    key = client.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption).decode()
    given = {"client_certificate": client.certificate_pem.decode(), "private_key": key}
    return given | ({"passphrase": passphrase} if passphrase else {})
