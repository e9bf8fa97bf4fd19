"""ACME (RFC 8555): an order for the endpoint name, which the authority has authorized beforehand, or authorizes by ``http-01``.

What an authority of this kind certifies is a host name, so the endpoint name has to be one. It takes names from the request,
which the device has signed, and knows nothing of accounts and device ids.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import Final

import msgspec
from cryptography import x509
from cryptography.x509.oid import NameOID

from lamplighter.outbound.client import OutboundClient, Reply
from lamplighter.services.issuers import issued
from lamplighter.services.issuers.acme_account import AcmeAccount
from lamplighter.services.issuers.acme_requests import AcmeRequests, Problem
from lamplighter.services.issuers.challenges import Challenges, is_token
from lamplighter.services.issuers.issued import Refused
from lamplighter.services.issuers.kinds import KeyFault, Values, is_host
from lamplighter.services.issuers.model import Subject
from lamplighter.services.issuers.sending import decoded, words

LONGEST_WAIT = 25.0
"""Seconds that an order may take in all: a device waits."""
WAITS: Final = (0.2, 0.5, 1.0, 2.0)
"""Seconds between two looks at what is not done yet, where the server names no longer ones; the last again and again."""


class _Challenge(msgspec.Struct):
    type: str
    url: str
    token: str = ""
    status: str = "pending"
    error: Problem | None = None


class _Authorization(msgspec.Struct):
    status: str
    challenges: list[_Challenge] = []


class _Order(msgspec.Struct):
    status: str
    authorizations: list[str] = []
    finalize: str = ""
    certificate: str = ""
    error: Problem | None = None


class Acme:
    """One account at one server."""

    def __init__(
        self, outbound: OutboundClient, challenges: Challenges, attributes: Values, credentials: Values
    ) -> None:
        self._outbound = outbound
        self._challenges = challenges
        self._directory_url = attributes["directory_url"]
        self._credentials = credentials

    async def issue(self, subject: Subject, request: bytes, now: int) -> list[bytes]:
        _require(subject, request)
        try:
            account = await asyncio.to_thread(AcmeAccount, self._credentials)
        except KeyFault as fault:
            raise Refused(f"its {fault.name} {fault}") from fault
        requests = AcmeRequests(self._outbound, account)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await requests.log_in(self._directory_url)
                return await _Ordering(requests, self._challenges, account.thumbprint, subject).done(request)
        except TimeoutError:
            raise Refused(
                f"the order is not done after {LONGEST_WAIT:g} seconds, and a device waits no longer"
            ) from None


class _Ordering:
    def __init__(self, requests: AcmeRequests, challenges: Challenges, thumbprint: str, subject: Subject) -> None:
        self._requests = requests
        self._challenges = challenges
        self._thumbprint = thumbprint
        self._subject = subject

    async def done(self, request: bytes) -> list[bytes]:
        wanted = {"identifiers": [{"type": "dns", "value": self._subject.endpoint_name}]}
        reply = await self._requests.post(self._requests.new_order, wanted, 201)
        place, order = reply.headers.get("location", ""), decoded(reply, _Order)
        if order.status == "pending":
            for authorization in order.authorizations:
                await self._authorize(authorization)
            reply = await self._requests.read(place)
        order = await self._settled(place, reply, "pending")
        csr = base64.urlsafe_b64encode(request).rstrip(b"=").decode()
        reply = await self._requests.post(order.finalize, {"csr": csr}, 200)
        order = await self._settled(place, reply, "processing", "ready")
        reply = await self._requests.read(order.certificate, "application/pem-certificate-chain")
        if not reply.whole:
            raise Refused("its answer is larger than this server reads")
        found = issued.parsed(reply.body)
        return await asyncio.to_thread(issued.with_issuers, found[0], found[1:])

    async def _authorize(self, url: str) -> None:
        """Have the authority see that the name is ours, if it has not authorized it beforehand."""
        authorization = decoded(await self._requests.read(url), _Authorization)
        if authorization.status != "pending":
            return  # what that means is seen in the order
        challenge = next((each for each in authorization.challenges if each.type == "http-01"), None)
        if challenge is None or not is_token(challenge.token):
            kinds = words(", ".join(each.type for each in authorization.challenges)) or "none"
            raise Refused(
                f"it has not authorized the name beforehand, and has no http-01 among its challenges ({kinds})"
            )
        name = self._subject.endpoint_name
        if not self._challenges.may_prove(self._subject.account_id, name):
            raise Refused(
                f"it has not authorized {name} beforehand, and the operator has not left that name to the account "
                "(issuers.acme_domains)"
            )
        async with self._challenges.answered(challenge.token, name, f"{challenge.token}.{self._thumbprint}"):
            reply = await self._requests.post(challenge.url, {}, 200)
            waits = _Waits()
            while authorization.status == "pending":
                await waits.wait(reply)
                reply = await self._requests.read(url)
                authorization = decoded(reply, _Authorization)
        if authorization.status != "valid":
            faults = [each.error.told for each in authorization.challenges if each.error is not None]
            raise Refused(f"it did not authorize the name: {'; '.join(faults) or words(authorization.status)}")

    async def _settled(self, url: str, reply: Reply, *waiting: str) -> _Order:
        """The order when it is in none of these states any more. Raises Refused for one that nothing will come of."""
        order, waits = decoded(reply, _Order), _Waits()
        while order.status in waiting:
            await waits.wait(reply)
            reply = await self._requests.read(url)
            order = decoded(reply, _Order)
        if order.status not in ("ready", "valid"):
            told = order.error.told if order.error is not None else ""
            raise Refused(f"the order is {words(order.status)}{': ' + told if told else ''}")
        return order


class _Waits:
    """Between two looks at what is not done yet: as long as the server says, or longer and longer."""

    def __init__(self) -> None:
        self._next = iter(WAITS)

    async def wait(self, reply: Reply) -> None:
        own = next(self._next, WAITS[-1])
        said = reply.headers.get("retry-after", "")
        seconds = float(said) if said.isascii() and said.isdigit() and len(said) < 4 else own
        await asyncio.sleep(max(own, seconds))  # nobody has us ask without a pause


def _require(subject: Subject, request: bytes) -> None:
    """Raises Refused for a name that is no host's, and for a request in other names than this one."""
    name = subject.endpoint_name
    if not is_host(name):
        raise Refused(f"ACME certifies host names only, in lower case, and the endpoint name {name[:64]} is none")
    try:
        names = _names(x509.load_der_x509_csr(request))
    except Exception as error:  # a device's own bytes: ValueError, DuplicateExtension, and others
        raise Refused("the device's request has names that cannot be read") from error
    if names != {name}:
        told = ", ".join(sorted(names))[:100] or "no name"
        raise Refused(f"the device's request says {told}, the device is {name}, and ACME leaves names to the request")


def _names(request: x509.CertificateSigningRequest) -> set[str]:
    """By which an ACME server knows what a request is for."""
    names = {str(each.value) for each in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    with suppress(x509.ExtensionNotFound):
        more = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names |= set(more.get_values_for_type(x509.DNSName))
    return names
