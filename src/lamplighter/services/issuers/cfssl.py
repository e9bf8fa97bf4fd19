"""CFSSL's API behind an authentication by HMAC: ``/api/v1/cfssl/authsign``, and ``info`` for the certificate above.

The request is JSON, sent in base64 with the HMAC-SHA-256 of it. ``subject`` stands in the place of what the PKCS#10 request says.
"""

from __future__ import annotations

import base64
import hmac
from typing import Any

import msgspec

from lamplighter.outbound.client import OutboundClient, Outgoing, Reply
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.services.issuers import issued
from lamplighter.services.issuers.issued import Refused
from lamplighter.services.issuers.kinds import Values
from lamplighter.services.issuers.model import Subject
from lamplighter.services.issuers.sending import decoded, post, reaching, words

API = "/api/v1/cfssl"


class _Message(msgspec.Struct):
    code: int = 0
    message: str = ""


class _Certificate(msgspec.Struct):
    certificate: str = ""


class _Answer(msgspec.Struct):
    success: bool
    result: _Certificate | None = None
    errors: list[_Message] | None = None


class Cfssl:
    """One server."""

    def __init__(self, outbound: OutboundClient, attributes: Values, credentials: Values) -> None:
        self._outbound = outbound
        self._attributes = attributes
        self._credentials = credentials

    async def issue(self, subject: Subject, request: bytes, now: int) -> list[bytes]:
        async with reaching(self._outbound, self._attributes["host_url"], self._credentials) as outgoing:
            asked = {
                "certificate_request": issued.pem_of(request),
                "subject": {
                    "CN": subject.endpoint_name,
                    "names": [{"OU": subject.account_id, "L": subject.device_id}],
                },
                **self._chosen(profile="cfssl_profile"),
            }
            leaf = self._certificate(await post(outgoing.at(f"{API}/authsign"), self._authenticated(asked)))
            above = await self._above(outgoing)
        return issued.with_issuers(leaf[0], [*leaf[1:], *above])

    def _chosen(self, **names: str) -> dict[str, str]:
        chosen = {"label": "cfssl_label", **names}
        return {
            name: self._attributes[attribute] for name, attribute in chosen.items() if self._attributes.get(attribute)
        }

    def _authenticated(self, asked: dict[str, Any]) -> dict[str, str]:
        text = msgspec.json.encode(asked)
        token = hmac.digest(bytes.fromhex(self._credentials["hmac_hex_key"]), text, "sha256")
        return {"token": base64.b64encode(token).decode(), "request": base64.b64encode(text).decode()}

    async def _above(self, outgoing: Outgoing) -> list[Any]:
        """The certificate of the signer, where the server tells it: it need not."""
        try:
            return self._certificate(await post(outgoing.at(f"{API}/info"), self._chosen()))
        except (OutboundFailed, Refused):
            return []

    def _certificate(self, reply: Reply) -> list[Any]:
        if reply.status in (401, 403) and not reply.body.startswith(b"{"):
            raise Refused(f"it answers {reply.status}: it does not know hmac_hex_key")
        if reply.status == 404:
            raise Refused("host_url has no CFSSL server behind it: it answers 404")
        answer = decoded(reply, _Answer)
        if not answer.success or answer.result is None:
            said = words("; ".join(each.message for each in answer.errors or [])) or f"status {reply.status}"
            raise Refused(f"it says: {said}")
        return issued.parsed(answer.result.certificate)
