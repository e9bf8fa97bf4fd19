"""Requests to an ACME server, each signed with the account's key and a nonce of the server's (RFC 8555 section 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from lamplighter.outbound.client import OutboundClient, Reply
from lamplighter.outbound.failure import OutboundFailed
from lamplighter.services.issuers.acme_account import AcmeAccount
from lamplighter.services.issuers.issued import Refused, Unreachable
from lamplighter.services.issuers.sending import decoded, words

_BAD_NONCE: Final = "urn:ietf:params:acme:error:badNonce"
_UNKNOWN_ACCOUNT: Final = "urn:ietf:params:acme:error:accountDoesNotExist"
_NONCES = 5
"""Times that a request is sent whose nonce the server does not take."""
_JSON: Final = {"Accept": "application/json"}


class _Subproblem(msgspec.Struct):
    type: str = ""
    detail: str = ""


class Problem(_Subproblem):
    """Why not (RFC 8555 section 6.7)."""

    subproblems: list[_Subproblem] = []

    @property
    def told(self) -> str:
        """In words, on one line."""
        return words("; ".join(filter(None, (each.detail or each.type for each in (self, *self.subproblems)))))


class _Meta(msgspec.Struct, rename="camel"):
    terms_of_service: str = ""
    external_account_required: bool = False


class _Directory(msgspec.Struct, rename="camel"):
    new_nonce: str
    new_account: str
    new_order: str
    meta: _Meta = msgspec.field(default_factory=_Meta)


class AcmeRequests:
    """Those of one account to the server of one directory. ``log_in`` first.

    Everything raises Refused when the server says no, Unreachable when it says nothing.
    """

    new_order: str

    def __init__(self, outbound: OutboundClient, account: AcmeAccount) -> None:
        self._outbound = outbound
        self._account = account
        self._account_url = ""
        self._new_nonce = ""
        self._nonce = ""

    async def log_in(self, directory_url: str) -> None:
        """Find the account of the key, or have one made: whoever made the issuer agrees to the authority's terms."""
        reply = await self._sent("GET", directory_url, _JSON)
        if reply.status != 200:
            raise Refused(f"there is no ACME server at directory_url: it answers {reply.status}")
        directory = decoded(reply, _Directory)
        self._new_nonce, self.new_order = directory.new_nonce, directory.new_order
        # What binds the account may be good for one time only, so it is shown only where there is no account yet.
        reply = await self._posted(directory.new_account, {"onlyReturnExisting": True})
        if reply.status != 200:
            if reply.status >= 500 or _problem(reply).type != _UNKNOWN_ACCOUNT:
                raise _refusal(reply)
            reply = await self._posted(directory.new_account, self._new_account(directory))
            if reply.status not in (200, 201):
                raise _refusal(reply)
        self._account_url = reply.headers.get("location", "")
        if not self._account_url:
            raise Refused("it does not say which account the key has")

    def _new_account(self, directory: _Directory) -> dict[str, Any]:
        binding = self._account.binding(directory.new_account)
        if binding is None and directory.meta.external_account_required:
            raise Refused("it wants an account of its own to be named: give eab_key_id and eab_hmac_key")
        wanted: dict[str, Any] = {"termsOfServiceAgreed": True} if directory.meta.terms_of_service else {}
        return wanted if binding is None else {**wanted, "externalAccountBinding": binding}

    async def post(self, url: str, payload: object, *good: int) -> Reply:
        """Send a request that is answered with one of these statuses."""
        reply = await self._posted(url, payload)
        if reply.status not in good:
            raise _refusal(reply)
        return reply

    async def read(self, url: str, accept: str = "application/json") -> Reply:
        """What is at a URL (POST-as-GET)."""
        reply = await self._posted(url, None, accept)
        if reply.status != 200:
            raise _refusal(reply)
        return reply

    async def _posted(self, url: str, payload: object | None, accept: str = "application/json") -> Reply:
        body = b"" if payload is None else msgspec.json.encode(payload)
        headers = {"Content-Type": "application/jose+json", "Accept": accept}
        for _ in range(_NONCES):
            if not self._nonce:
                await self._sent("HEAD", self._new_nonce, _JSON)
                if not self._nonce:
                    raise Refused("it gives no nonce")
            nonce, self._nonce = self._nonce, ""
            signed = await asyncio.to_thread(self._account.signed, body, url, nonce, self._account_url)
            reply = await self._sent("POST", url, headers, signed)
            if reply.status != 400 or _problem(reply).type != _BAD_NONCE:
                return reply
        raise _refusal(reply)

    async def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Reply:
        if not url.startswith("https://"):
            raise Refused(f"it names an address that is not https: {words(url)}")
        try:
            async with self._outbound.reserve(url) as outgoing:
                reply = await outgoing.send(method, headers, body)
        except OutboundFailed as failure:
            raise Unreachable(str(failure)) from failure
        except ValueError as fault:
            raise Refused(f"it names an address that must {fault}") from fault
        self._nonce = reply.headers.get("replay-nonce", "")
        return reply


def _problem(reply: Reply) -> Problem:
    try:
        return decoded(reply, Problem)
    except Refused:
        return Problem()


def _refusal(reply: Reply) -> Refused:
    told = _problem(reply).told
    return Refused(f"it says: {told}" if told else f"it answers {reply.status}")
