"""An ACME server (RFC 8555) on loopback that checks what it gets: signatures, nonces, bindings, names, challenges."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, RSAKey

from tests.outbound.receivers import Request
from tests.services.issuers.authorities import PEM, Signer, answer

EAB_KEY = base64.urlsafe_b64encode(b"swordfish" * 4).decode()
ERROR = "urn:ietf:params:acme:error:"
_HEADER = jws.JWSRegistry(algorithms=["ES256", "ES384", "RS256", "HS256"], strict_check_header=False)
_HEADER.max_header_length = 8192  # an RSA key is in it


class Fault(Exception):
    """A problem document."""

    def __init__(self, status: int, kind: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.body = {"type": ERROR + kind, "detail": detail, **more}


class AcmeServer:
    """Orders are ``ready`` at once for what was authorized beforehand; otherwise ``look`` is asked for the challenge's text."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.url = ""
        self.directory = b""
        self.wants_binding = True
        self.terms = ""
        self.beforehand = True
        self.challenges = ["dns-01", "http-01"]
        self.look: Callable[[str], Awaitable[str]] | None = None
        self.bad_nonces = 0
        self.looks_until_done = 0
        self.without_common_name = False
        self.policy: Callable[[str], Fault | None] = lambda name: None
        self.accounts: dict[str, Key] = {}
        self.agreed: list[bool] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.chains: dict[str, bytes] = {}
        self.requests: list[x509.CertificateSigningRequest] = []
        self._names: dict[str, str] = {}
        self._nonces: set[str] = set()

    async def serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.url = f"https://{request.headers['host']}"
        nonce = secrets.token_urlsafe(16)
        self._nonces.add(nonce)
        self._headers = [f"Replay-Nonce: {nonce}", "Content-Type: application/json"]
        try:
            if request.path == "/directory":
                answer(writer, 200, self.directory or self._directory(), "Content-Type: application/json")
            elif request.path == "/nonce":
                answer(writer, 200, b"", *self._headers)
            else:
                await self._signed(request, writer)
        except Fault as fault:
            answer(writer, fault.status, fault.body, *self._headers)

    def _directory(self) -> dict[str, Any]:
        names = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order"}
        meta = {"externalAccountRequired": self.wants_binding, **({"termsOfService": self.terms} if self.terms else {})}
        return {**{name: f"{self.url}/{path}" for name, path in names.items()}, "meta": meta}

    async def _signed(self, request: Request, writer: asyncio.StreamWriter) -> None:
        assert request.headers["content-type"] == "application/jose+json"
        given = json.loads(request.body)
        header = json.loads(base64.urlsafe_b64decode(given["protected"] + "=="))
        assert header["url"] == self.url + request.path
        assert ("jwk" in header) == (request.path == "/account")
        assert ("kid" in header) == (request.path != "/account")
        if header["nonce"] not in self._nonces or self.bad_nonces > 0:
            self.bad_nonces -= 1
            raise Fault(400, "badNonce", "that nonce is not good")
        self._nonces.discard(header["nonce"])
        key = _key(header["jwk"]) if "jwk" in header else self.accounts[header["kid"]]
        payload = jws.deserialize_json(given, key, registry=_HEADER).payload
        asked = json.loads(payload) if payload else None
        match request.path.split("/")[1:]:
            case ["account"]:
                self._account(header, key, asked, writer)
            case ["order"]:
                self._order(asked, writer)
            case ["order", name]:
                assert asked is None
                self._tell(writer, name)
            case ["authorization", name]:
                answer(writer, 200, self._authorization(name), *self._headers)
            case ["challenge", name]:
                assert asked == {}
                await self._validate(name, key)
                answer(writer, 200, {"type": "http-01", "url": "", "status": "processing"}, *self._headers)
            case ["finalize", name]:
                self._finalize(name, asked, key)
                self._tell(writer, name)
            case ["certificate", name]:
                assert request.headers["accept"] == "application/pem-certificate-chain"
                answer(writer, 200, self.chains[name], *self._headers)

    def _account(self, header: dict[str, Any], key: Key, asked: Any, writer: asyncio.StreamWriter) -> None:
        place = f"{self.url}/account/{key.thumbprint()}"
        if place not in self.accounts:
            if asked.get("onlyReturnExisting"):
                raise Fault(400, "accountDoesNotExist", "that key has no account")
            if self.wants_binding:
                self._check_binding(header, asked.get("externalAccountBinding"))
            if self.terms and not asked.get("termsOfServiceAgreed"):
                raise Fault(403, "userActionRequired", "agree to the terms")
            self.accounts[place] = key
            answer(writer, 201, {"status": "valid"}, f"Location: {place}", *self._headers)
        else:
            answer(writer, 200, {"status": "valid"}, f"Location: {place}", *self._headers)

    def _check_binding(self, header: dict[str, Any], binding: Any) -> None:
        secret = OctKey.import_key({"kty": "oct", "k": EAB_KEY.rstrip("=")})
        try:
            found = jws.deserialize_json(binding, secret, registry=_HEADER)
        except Exception:
            raise Fault(403, "unauthorized", "the external account is not known") from None
        named = found.headers()
        assert (named["kid"], named["url"], json.loads(found.payload or b"")) == ("lamps", header["url"], header["jwk"])

    def _order(self, asked: Any, writer: asyncio.StreamWriter) -> None:
        (identifier,) = asked["identifiers"]
        assert identifier["type"] == "dns"
        fault = self.policy(identifier["value"])
        if fault is not None:
            raise fault
        name = secrets.token_hex(8)
        self._names[name] = identifier["value"]
        self.orders[name] = {
            "status": "ready" if self.beforehand else "pending",
            "authorizations": [f"{self.url}/authorization/{name}"],
            "finalize": f"{self.url}/finalize/{name}",
            "looks": self.looks_until_done,
            "token": secrets.token_urlsafe(32),
            "authorized": "valid" if self.beforehand else "pending",
        }
        answer(writer, 201, self._shown(name), f"Location: {self.url}/order/{name}", *self._headers)

    def _shown(self, name: str) -> dict[str, Any]:
        order = self.orders[name]
        return {each: order[each] for each in ("status", "authorizations", "finalize", "certificate") if each in order}

    def _tell(self, writer: asyncio.StreamWriter, name: str) -> None:
        order = self.orders[name]
        if order["status"] == "processing":
            order["looks"] -= 1
            if order["looks"] < 0:
                order |= {"status": "valid", "certificate": f"{self.url}/certificate/{name}"}
        answer(writer, 200, self._shown(name), *self._headers, "Retry-After: 0")

    def _authorization(self, name: str) -> dict[str, Any]:
        order = self.orders[name]
        challenges = [
            {
                "type": kind,
                "url": f"{self.url}/challenge/{name}",
                "token": order["token"],
                "status": order["authorized"],
                **({"error": order["fault"]} if "fault" in order and kind == "http-01" else {}),
            }
            for kind in self.challenges
        ]
        return {"status": order["authorized"], "challenges": challenges}

    async def _validate(self, name: str, key: Key) -> None:
        order = self.orders[name]
        assert self.look is not None
        found = await self.look(order["token"])
        good = found == f"{order['token']}.{key.thumbprint()}"
        order |= {"authorized": "valid", "status": "ready"} if good else {"authorized": "invalid", "status": "invalid"}
        if not good:
            order["fault"] = {"type": ERROR + "unauthorized", "detail": f"found {found[:20]}"}

    def _finalize(self, name: str, asked: Any, key: Key) -> None:
        request = x509.load_der_x509_csr(base64.urlsafe_b64decode(asked["csr"] + "=="))
        assert request.is_signature_valid
        self.requests.append(request)
        names = {str(each.value) for each in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
        if names != {self._names[name]}:
            raise Fault(400, "badCSR", "the names differ from the order's")
        certificate = self.signer.sign(
            _subject(self._names[name], self.without_common_name),
            request.public_key(),
            host=self._names[name],
        )
        self.chains[name] = b"".join(each.public_bytes(PEM) for each in (certificate, self.signer.certificate))
        self.orders[name]["status"] = "processing"


def _subject(name: str, nobody: bool) -> x509.Name:
    return x509.Name([] if nobody else [x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key(jwk: dict[str, Any]) -> Key:
    return RSAKey.import_key(jwk) if jwk["kty"] == "RSA" else ECKey.import_key(jwk)
