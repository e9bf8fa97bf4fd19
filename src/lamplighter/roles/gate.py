"""Who is let in to a role's ports: answers for credentials in handshakes, the same for DTLS and TLS."""

from __future__ import annotations

import hmac
from collections.abc import Hashable
from typing import Any, NamedTuple, Protocol

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.dtls import AlertDescription, CertificateError, PskIdentity, TrustAnchor, VerifiedPath, verify_chain
from lamplighter.services.certificates.service import Credential
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

    async def behind_certificate(self, leaf: bytes, path: VerifiedPath) -> str:
        """Raises CertificateError when nobody is, whatever the authority says."""
        ...

    async def is_welcome(self, text: str) -> bool:
        """Whether the holder of a good credential may come in, or stay."""
        ...

    def turned_away(self, text: str) -> None:
        """Told of one who came and is not welcome."""
        ...

    def rests_on(self, text: str) -> Hashable:
        """By what name others speak of a holder's certificate."""
        ...


class Gate:
    """The gate of one role.

    :param anchor: the authority whose certificates open it
    """

    def __init__(self, clock: Clock, anchor: Credential, master_key: MasterKey, holders: Holders) -> None:
        self._clock = clock
        self._anchor = TrustAnchor.from_der(anchor.certificate_der)
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
            # 0.15 ms; 16 signatures at the most, 1.3 ms
            path = verify_chain(chain, [self._anchor], self._clock.now() / MICROSECONDS)
            text = await self._holders.behind_certificate(chain[0], path)
        except CertificateError as error:
            return Rejected(error.alert, error.detail)
        if not await self._is_welcome(text):
            return Rejected(AlertDescription.ACCESS_DENIED, "the device is kept out")
        return Accepted(path, f"- {text}")

    async def credential_holds(self, session: Any) -> bool:
        """Whether its credential would open that session now (gateway rule 1.5)."""
        if not isinstance(session.identity, PskIdentity):
            return bool(session.identity.fingerprints[-1] == self._anchor.fingerprint)
        found = await self._holders.behind_key(session.identity.identity)
        return found is not None and self._credential(found) == session.credential

    async def may_stay(self, session: Any) -> bool:
        """Whether its holder would get that session now."""
        return await self.credential_holds(session) and await self._holders.is_welcome(holder_in(session))

    def rests_on(self, session: Any) -> Hashable:
        """By what name others speak of what a session rests on: the identity of its key, or what the role says."""
        if isinstance(session.identity, PskIdentity):
            return session.identity.identity
        return self._holders.rests_on(holder_in(session)) if session.identity is not None else None

    async def _is_welcome(self, text: str) -> bool:
        if await self._holders.is_welcome(text):
            return True
        self._holders.turned_away(text)
        return False

    def _credential(self, holder: Holder) -> str:
        """What a session remembers: a key that was deleted and made again under its name is another key."""
        return f"{hmac.digest(self._secret, holder.key, 'sha256')[:8].hex()} {holder.text}"


def holder_in(session: Any) -> str:
    """Who is behind a session, as it remembers."""
    text: str = session.credential.partition(" ")[2]
    return text
