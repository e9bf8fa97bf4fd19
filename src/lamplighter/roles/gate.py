"""Who is let in to a role's ports: answers for credentials in handshakes, the same for DTLS and TLS."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.dtls import (
    AlertDescription,
    CertificateError,
    PskIdentity,
    TrustAnchor,
    VerifiedPath,
    issuers_in,
    verify_chain,
)
from lamplighter.storage.seal import MasterKey
from lamplighter.transport.dtls import Accepted, PskKey, Rejected, Verdict


class Holder(NamedTuple):
    """Who is behind a pre-shared key."""

    text: str
    """As a session remembers it."""
    key: bytes


class Holders(Protocol):
    """What a role knows of those who hold credentials. Each is one line of text, by which a session remembers it."""

    async def behind_key(self, identity: bytes) -> Holder | None:
        """None: nobody."""
        ...

    async def anchors(self, names: Collection[bytes]) -> Sequence[TrustAnchor]:
        """What accounts trust for this role, of certificates with one of these names (DER)."""
        ...

    async def behind_certificate(self, leaf: bytes, path: VerifiedPath, *, ours: bool) -> str:
        """Raises CertificateError when nobody is, whatever the authority says.

        :param ours: the path ends at the installation's own authority
        """
        ...

    async def still_trusted(self, text: str, anchor: bytes) -> bool:
        """Whether the holder's account trusts that certificate (SHA-256), which is not ours, as it did."""
        ...

    async def is_welcome(self, text: str) -> bool:
        """Whether the holder of a good credential may come in, or stay."""
        ...

    def turned_away(self, text: str) -> None:
        """Told of one who came and is not welcome."""
        ...

    def rests_on(self, text: str) -> Iterable[Hashable]:
        """By what names others speak of a holder's certificate."""
        ...


class Gate:
    """The gate of one role.

    :param anchors: the installation's own authorities whose certificates open it, as they are now
    """

    def __init__(
        self,
        clock: Clock,
        anchors: Callable[[], tuple[x509.Certificate, ...]],
        master_key: MasterKey,
        holders: Holders,
    ) -> None:
        self._clock = clock
        self._ours = anchors
        self._secret = master_key.derive("session credential")
        self._holders = holders

    async def psk_key(self, identity: bytes) -> PskKey | None:
        """For a handshake: the key of that identity, and what the session is to remember.

        Who is not welcome has none: the handshake ends in silence, as with a wrong key (gateway rule 2.9).
        """
        found = await self._holders.behind_key(identity)
        if found is None or not await self._is_welcome(found.text):
            return None
        return PskKey(found.key, self._credential(found))

    async def check_certificate(self, chain: tuple[bytes, ...]) -> Verdict:
        """For a handshake: whether that chain is believed."""
        try:
            path = await self._path(chain)
            text = await self._holders.behind_certificate(chain[0], path, ours=self._is_ours(path.anchor))
        except CertificateError as error:
            return Rejected(error.alert, error.detail)
        if not await self._is_welcome(text):
            return Rejected(AlertDescription.ACCESS_DENIED, "the device is kept out")
        return Accepted(path, f"- {text}")

    async def credential_holds(self, session: Any) -> bool:
        """Whether its credential would open that session now (gateway rule 1.5)."""
        if not isinstance(session.identity, PskIdentity):
            anchor = session.identity.fingerprints[-1]
            return self._is_ours(anchor) or await self._holders.still_trusted(holder_in(session), anchor)
        found = await self._holders.behind_key(session.identity.identity)
        return found is not None and self._credential(found) == session.credential

    async def may_stay(self, session: Any) -> bool:
        """Whether its holder would get that session now."""
        return await self.credential_holds(session) and await self._holders.is_welcome(holder_in(session))

    def rests_on(self, session: Any) -> tuple[Hashable, ...]:
        """By what names others speak of what a session rests on: the identity of its key, or what the role says."""
        if isinstance(session.identity, PskIdentity):
            return (session.identity.identity,)
        return tuple(self._holders.rests_on(holder_in(session))) if session.identity is not None else ()

    async def _path(self, chain: tuple[bytes, ...]) -> VerifiedPath:
        """To our own anchor, or to one that accounts trust. 0.15 ms; 16 signatures at the most, 1.3 ms."""
        at = self._clock.now() / MICROSECONDS
        names, ours = issuers_in(chain), _parsed(self._ours())
        if not any(anchor.certificate.subject in names for anchor in ours):
            return verify_chain(chain, await self._holders.anchors(names), at)
        try:
            return verify_chain(chain, ours, at)
        except CertificateError:  # somebody may have given an authority the name of ours
            if not (others := await self._holders.anchors(names)):
                raise
        return verify_chain(chain, others, at)

    def _is_ours(self, anchor: bytes) -> bool:
        return any(anchor == each.fingerprint for each in _parsed(self._ours()))

    async def _is_welcome(self, text: str) -> bool:
        if await self._holders.is_welcome(text):
            return True
        self._holders.turned_away(text)
        return False

    def _credential(self, holder: Holder) -> str:
        """What a session remembers: a key that was deleted and made again under its name is another key."""
        return f"{hmac.digest(self._secret, holder.key, 'sha256')[:8].hex()} {holder.text}"


@lru_cache(maxsize=16)
def _parsed(anchors: tuple[x509.Certificate, ...]) -> tuple[TrustAnchor, ...]:
    return tuple(TrustAnchor.from_der(each.public_bytes(serialization.Encoding.DER)) for each in anchors)


def holder_in(session: Any) -> str:
    """Who is behind a session, as it remembers."""
    text: str = session.credential.partition(" ")[2]
    return text
