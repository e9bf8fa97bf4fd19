"""GlobalSign's Atlas Certificate Management API (HVCA), version 2, behind a TLS client certificate.

``POST /login`` gives a token for ten minutes, ``POST /certificates`` the certificate's place, where it is a little later, and
``GET /trustchain`` those above it. A token is fetched for each certificate: they are few, and it is kept nowhere.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

import msgspec
from cryptography import x509

from lamplighter.clock import MICROSECONDS
from lamplighter.outbound.client import OutboundClient, Outgoing, Reply
from lamplighter.services.issuers import issued
from lamplighter.services.issuers.issued import Refused
from lamplighter.services.issuers.kinds import Values
from lamplighter.services.issuers.model import Subject
from lamplighter.services.issuers.sending import decoded, post, reaching, words

HOST_URL: Final = "https://emea.api.hvca.globalsign.com:8443/v2"
"""Where its attributes name no other."""
WAITS: Final = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between looks for a certificate."""
_PLACE = re.compile(r".*/certificates/([0-9A-Fa-f]{1,64})/?", re.ASCII)


class _Login(msgspec.Struct):
    access_token: str


class _Issued(msgspec.Struct):
    certificate: str = ""
    status: str = ""


class _Fault(msgspec.Struct):
    description: str = ""
    errors: dict[str, Any] = {}


class GlobalSign:
    """One account there."""

    def __init__(self, outbound: OutboundClient, attributes: Values, credentials: Values) -> None:
        self._outbound = outbound
        self._url = attributes.get("host_url") or HOST_URL
        self._credentials = credentials

    async def issue(self, subject: Subject, request: bytes, now: int) -> list[bytes]:
        async with reaching(self._outbound, self._url, self._credentials) as outgoing:
            login = {name: self._credentials[name] for name in ("api_key", "api_secret")}
            reply = self._checked(await post(outgoing.at("/login"), login), "the login", 200, 201)
            headers = {"Authorization": f"Bearer {_token(decoded(reply, _Login).access_token)}"}
            asked = {
                "validity": {"not_before": now // MICROSECONDS, "not_after": 0},
                "subject_dn": {
                    "common_name": subject.endpoint_name,
                    "organizational_unit": [subject.account_id],
                    "locality": subject.device_id,
                },
                "public_key": issued.pem_of(request),
            }
            reply = self._checked(await post(outgoing.at("/certificates"), asked, headers), "the request", 201, 202)
            leaf = await self._fetched(outgoing, headers, reply.headers.get("location", ""))
            reply = await outgoing.at("/trustchain").send("GET", headers)
            above = decoded(self._checked(reply, "the request for the chain of trust", 200), list[str])
        return issued.with_issuers(leaf, [each for pem in above for each in issued.parsed(pem)])

    async def _fetched(self, outgoing: Outgoing, headers: dict[str, str], location: str) -> x509.Certificate:
        place = _PLACE.fullmatch(location)
        if place is None:
            raise Refused("its answer does not say where the certificate is")
        for wait in WAITS:
            reply = await outgoing.at(f"/certificates/{place[1]}").send("GET", headers)
            if reply.status == 200:
                found = decoded(reply, _Issued)
                if found.certificate and found.status.upper() in ("", "ISSUED"):
                    return issued.parsed(found.certificate)[0]
            elif reply.status not in (202, 404):  # it is not there yet
                self._checked(reply, "the request for the certificate", 200)
            await asyncio.sleep(wait)
        raise Refused(f"the certificate is not there {sum(WAITS):g} seconds after it was asked for")

    def _checked(self, reply: Reply, what: str, *good: int) -> Reply:
        if reply.status in good:
            return reply
        try:
            fault = decoded(reply, _Fault)
        except Refused:
            fault = _Fault()
        told = "; ".join([fault.description, *(f"{name}: {value}" for name, value in fault.errors.items())])
        said = f": {words(told)}" if words(told) else ""
        raise Refused(f"it answers {reply.status} to {what}{said}")


def _token(text: str) -> str:
    """Raises Refused for what is no token: it goes into a header."""
    if not re.fullmatch(r"[\x21-\x7e]{1,8192}", text):
        raise Refused("its login gives no token")
    return text
