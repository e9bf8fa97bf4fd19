"""EST (RFC 7030): ``POST /.well-known/est/simpleenroll`` with a PKCS#10 request, by password, by client certificate or both.

The issuer takes the subject from the request, which the device has signed. So a request that names another subject than the
device's is not passed on: nobody can correct it.
"""

from __future__ import annotations

import asyncio
import base64
import binascii

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from lamplighter.outbound.client import OutboundClient, Outgoing, Reply
from lamplighter.services.issuers import issued
from lamplighter.services.issuers.issued import Refused
from lamplighter.services.issuers.kinds import Values
from lamplighter.services.issuers.model import Subject
from lamplighter.services.issuers.sending import reaching, words

WELL_KNOWN = "/.well-known/est"
LONGEST_WAIT = 20.0
"""Seconds that a Retry-After is waited for, in all."""
_ATTEMPTS = 4


class Est:
    """One server."""

    def __init__(self, outbound: OutboundClient, attributes: Values, credentials: Values) -> None:
        self._outbound = outbound
        self._url = attributes["host_url"]
        label = attributes.get("est_label")
        self._path = f"{WELL_KNOWN}/{label}" if label else WELL_KNOWN
        self._credentials = credentials

    async def issue(self, subject: Subject, request: bytes, now: int) -> list[bytes]:
        _require(subject, request)
        async with reaching(self._outbound, self._url, self._credentials) as outgoing:
            found = _certificates(await self._enrolled(outgoing.at(f"{self._path}/simpleenroll"), request))
            reply = await outgoing.at(f"{self._path}/cacerts").send("GET", {"Accept": "application/pkcs7-mime"})
        key = x509.load_der_x509_csr(request).public_key()
        leaf = next((each for each in found if each.public_key() == key), None)
        if leaf is None:
            raise Refused("the certificate is for another key")
        above = _certificates(reply) if reply.status == 200 else []
        return issued.with_issuers(leaf, [*(each for each in found if each is not leaf), *above])

    async def _enrolled(self, outgoing: Outgoing, request: bytes) -> Reply:
        headers = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64", **self._login()}
        left = LONGEST_WAIT
        for _ in range(_ATTEMPTS):
            reply = await outgoing.send("POST", headers, base64.encodebytes(request))
            if reply.status == 200:
                return reply
            if reply.status != 202:
                raise Refused(_refusal(reply))
            wait = _retry_after(reply)
            if wait > left:
                break
            left -= wait
            await asyncio.sleep(wait)
        raise Refused("it wants to issue later (202), and a device does not wait for so long")

    def _login(self) -> dict[str, str]:
        if not self._credentials.get("username"):
            return {}
        pair = f"{self._credentials['username']}:{self._credentials['password']}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _require(subject: Subject, request: bytes) -> None:
    """Raises Refused for a request in the name of another."""
    named = x509.load_der_x509_csr(request).subject
    for oid, what, own in (
        (NameOID.COMMON_NAME, "CN", subject.endpoint_name),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "OU", subject.account_id),
        (NameOID.LOCALITY_NAME, "L", subject.device_id),
    ):
        values = [str(attribute.value) for attribute in named.get_attributes_for_oid(oid)]
        if values != [own] and (values or oid is NameOID.COMMON_NAME):
            told = f"{what}={values[0][:64]}" if values else f"no {what}"
            raise Refused(
                f"the device's request says {told}, the device is {own}, and EST leaves the subject to the request"
            )


def _certificates(reply: Reply) -> list[x509.Certificate]:
    """Raises Refused."""
    if not reply.whole:
        raise Refused("its answer is larger than this server reads")
    try:
        return pkcs7.load_der_pkcs7_certificates(base64.b64decode(reply.body, validate=False))
    except (ValueError, binascii.Error):
        raise Refused("its answer is no PKCS#7 with certificates, in base64") from None


def _refusal(reply: Reply) -> str:
    if reply.status in (401, 403):
        return f"it answers {reply.status}: it does not take the username and password, or the client certificate"
    if reply.status == 404:
        return "there is no EST at host_url: it answers 404"
    said = (
        words(reply.body.decode(errors="replace")) if reply.headers.get("content-type", "").startswith("text/") else ""
    )
    return f"it answers {reply.status}{': ' + said if said else ''}"


def _retry_after(reply: Reply) -> float:
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else LONGEST_WAIT + 1
