"""TLS 1.2 between connections and a core: pyOpenSSL on memory, so that one write is one record and one read one message.

asyncio's own TLS joins records, and the vendor's client has nothing else to tell its messages apart. A credential is looked up
while the connection waits: a key before OpenSSL sees the client's last flight (see ``tls_flight``), a certificate after the
handshake, while our Finished is held back.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from OpenSSL import SSL

from lamplighter.coap.framing import Framing
from lamplighter.dtls import AlertDescription, CertificateIdentity, Identity, PskIdentity, ServerConfig

from .core import StreamCore
from .dtls import Accepted, PskKey, Rejected, Verdict
from .stream import Connection, StreamTransport
from .stream_session import StreamEvent, StreamLimits
from .tls_context import TICKET_LIFETIME, PskCallback, chain_of, is_resumed, server_context
from .tls_flight import ClientFlight, FlightTooLong, HelloSeen, IdentitySeen

RECORD = 1 << 14
"""Bytes of the largest record."""
ALPN = b"coap"
"""RFC 8323 section 11.2."""
TICKET_KEY_AGE = float(TICKET_LIFETIME)
"""Seconds after which tickets are sealed with a new key, and those before are worth nothing (RFC 5077 section 5.5).

OpenSSL makes the key with a context and keeps it for as long: a new key is a new context. It cannot be given one either: of the
ways to (``SSL_CTX_set_tlsext_ticket_keys``, the ticket callbacks, the callbacks of a session cache of our own) cryptography binds
none, and its OpenSSL is linked in, where nothing else reaches it. So each process opens its own tickets only. At another one,
and after a restart, a device makes a whole handshake, by itself and in the same connection.
"""
REMEMBERED = 50_000
"""Sessions that can be resumed: what they rest on is kept here, the session itself by the device in its ticket."""


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What a session that may be resumed rests on."""

    identity: bytes = b""
    key_digest: bytes = b""
    chain: tuple[bytes, ...] = ()


class TlsConnection(Connection):
    """Handshake, question, verdict; then records."""

    owner: TlsTransport

    def __init__(self, owner: TlsTransport) -> None:
        super().__init__(owner)
        self.tls = SSL.Connection(owner.context, None)
        self.tls.set_accept_state()
        self._flight: ClientFlight | None = ClientFlight()
        self._extended_master_secret = True
        self._held = b""
        self._asked: PskIdentity | None = None
        self._found: PskKey | None = None
        self._key_given = False
        self._asking: asyncio.Task[None] | None = None

    def opened(self) -> None:
        """The client speaks first."""

    def connection_lost(self, error: Exception | None) -> None:
        if self._asking is not None:
            self._asking.cancel()
        super().connection_lost(error)

    def read(self, data: bytes) -> None:
        if self._asking is not None:
            self._held += data  # what was on its way when reading was paused
        elif self.established:
            self.tls.bio_write(data)
            self._read_records()
        else:
            self._take_flight(data)

    def write(self, data: bytes) -> None:
        """One record for each piece, if it fits: nobody else's message shares it."""
        if self.closing:
            return
        try:
            for start in range(0, len(data), RECORD):
                self.tls.send(data[start : start + RECORD])
        except SSL.Error as error:
            self.abort(f"TLS: {_words(error)}")
            return
        self._drain()

    def finish(self) -> None:
        """close_notify."""
        if self.established:
            try:
                self.tls.shutdown()
            except SSL.Error:
                return
            self._drain()

    # The handshake

    def _take_flight(self, data: bytes) -> None:
        assert self._flight is not None
        try:
            seen = self._flight.feed(data)
        except FlightTooLong as error:
            self.abort(str(error))
            return
        for each in seen:
            match each:
                case HelloSeen(extended_master_secret):
                    self._extended_master_secret = extended_master_secret
                case IdentitySeen(identity) if self._asked is None:
                    self._asked = PskIdentity(identity)
        if not self._extended_master_secret:
            if self.owner.requires_extended_master_secret:
                self._refuse(AlertDescription.HANDSHAKE_FAILURE, "without extended master secret")
                return
            self.tls.set_options(SSL.OP_NO_TICKET)  # RFC 7627 section 5.3: such a session must not be resumed
        if not self.owner.may_resume(self.session.address):
            self.tls.set_options(SSL.OP_NO_TICKET)
        if self._asked is not None and self._found is None:
            self._held = data
            self._ask(self._look_up, self._asked.identity)
            return
        self._shake(data)

    def _shake(self, data: bytes) -> None:
        self.tls.bio_write(data)
        self.owner.psk.find = self._key_for
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            self._drain()
        except SSL.Error as error:
            if self._asked is None:
                self._drain()  # OpenSSL's alert
                self.close(f"handshake: {_words(error)}")
            else:  # a wrong key and an unknown name end alike, without a word (gateway rule 2.9)
                self.abort("the pre-shared key is wrong, or nobody's")
        else:
            self._flight = None
            self._judge()

    def _key_for(self, identity: bytes) -> bytes:
        """The key of the very identity that was looked up. Nobody's name has a key too, so that it fails as a wrong key does."""
        found = self._found
        if found is not None and found.key and self._asked == PskIdentity(identity):
            self._key_given = True
            return found.key
        return self.owner.nobodys_key(identity)

    async def _look_up(self, identity: bytes) -> None:
        answer = await self.owner.psk_key(identity)
        self._found = answer if isinstance(answer, PskKey) else PskKey(answer or b"")
        held, self._held = self._held, b""
        self._shake(held)

    def _judge(self) -> None:
        """The handshake is done, our Finished not yet sent: is the credential good?"""
        if is_resumed(self.tls):
            remembered = self.owner.remembered(self._secret)
            if remembered is None:
                self.owner.forbid_resuming(self.session.address)
                self.close("a session that is not remembered any more")
            elif remembered.chain:
                self._ask(self._check_certificate, remembered.chain)
            else:
                self._ask(self._check_key, remembered)
        elif not (self.tls.get_cipher_name() or "").startswith("PSK-"):
            self._ask(self._check_certificate, chain_of(self.tls))
        elif self._key_given and self._asked is not None and self._found is not None:
            kept = _Remembered(self._asked.identity, hashlib.sha256(self._found.key).digest())
            self.owner.remember(self._secret, kept)
            self._accept(self._asked, self._found.credential)
        else:
            self.abort("the key was made up for nobody")

    @property
    def _secret(self) -> bytes:
        """What a session and its resumptions have in common."""
        return self.tls.master_key() or b""

    async def _check_certificate(self, chain: tuple[bytes, ...]) -> None:
        match await self.owner.check_certificate(chain):
            case Accepted(path, credential):
                self.session.valid_until = min(self.session.valid_until, path.not_after)
                self.owner.remember(self._secret, _Remembered(chain=chain))
                self._accept(CertificateIdentity(path.fingerprints, path.not_after), credential)
            case Rejected(alert, detail):
                self._refuse(alert, detail)

    async def _check_key(self, remembered: _Remembered) -> None:
        answer = await self.owner.psk_key(remembered.identity)
        found = answer if isinstance(answer, PskKey) else PskKey(answer or b"")
        if found.key and secrets.compare_digest(hashlib.sha256(found.key).digest(), remembered.key_digest):
            self._accept(PskIdentity(remembered.identity), found.credential)
        else:
            self.abort("the key that the session rests on is gone")

    def _accept(self, identity: Identity, credential: str) -> None:
        session = self.session
        session.identity, session.credential = identity, credential
        session.cipher = self.tls.get_cipher_name() or ""
        session.valid_until = min(session.valid_until, session.established_at + self.owner.session_age)
        self.no_longer_half_open()
        self._drain()
        framing = Framing.RFC8323 if self.tls.get_alpn_proto_negotiated() == ALPN else None
        self.establish(resumed=is_resumed(self.tls), framing=framing)
        self._read_records()

    def _refuse(self, alert: AlertDescription, detail: str) -> None:
        """Tell the peer, which has not seen our ChangeCipherSpec and reads in the clear, unless it resumed."""
        if not is_resumed(self.tls):
            self.send(bytes((21, 3, 3, 0, 2, 2, alert)))
        self.close(detail or alert.name.lower())

    def _ask(self, question: Callable[..., Coroutine[Any, Any, None]], about: Any) -> None:
        """Ask something about a credential; until it is answered nothing more is read."""
        self.pause(True)
        self._asking = self.owner.loop.create_task(self._finish_asking(question, about))

    async def _finish_asking(self, question: Callable[..., Coroutine[Any, Any, None]], about: Any) -> None:
        try:
            await question(about)
        except SSL.Error as error:
            self.abort(f"after the handshake: {_words(error)}")
        except Exception as error:
            self.abort(f"the credential could not be checked: {error!r}")
            self.owner.loop.call_exception_handler({"message": "a credential could not be checked", "exception": error})
        if self._asking is asyncio.current_task():
            self._asking = None
            held, self._held = self._held, b""
            self.pause(False)
            if held:
                self.read(held)
        self.owner.flush()

    # Records

    def _read_records(self) -> None:
        """Each record is a piece of its own to the core."""
        try:
            while not self.session.closed:
                self.hand_up(self.tls.recv(RECORD))
        except SSL.WantReadError:
            self._drain()  # an alert that refuses to renegotiate
        except SSL.ZeroReturnError:
            self.close("the peer closed the session")
        except SSL.Error as error:
            self._drain()
            self.abort(f"TLS: {_words(error)}")

    def _drain(self) -> None:
        """Send what OpenSSL wrote."""
        try:
            while True:
                self.send(self.tls.bio_read(1 << 16))
        except SSL.WantReadError:
            return


class TlsTransport(StreamTransport):
    """``config`` is that of the DTLS engine: certificate, suites, limits of age. ``psk_key`` and ``check_certificate`` answer
    for credentials as they do there; what they raise goes to the loop's exception handler, and the connection ends."""

    records = True

    def __init__(
        self,
        config: ServerConfig,
        core: StreamCore,
        on_event: Callable[[Any], None],
        *,
        psk_key: Callable[[bytes], Awaitable[PskKey | bytes | None]],
        check_certificate: Callable[[tuple[bytes, ...]], Awaitable[Verdict]],
        on_session: Callable[[StreamEvent], None] = lambda event: None,
        limits: StreamLimits | None = None,
    ) -> None:
        super().__init__(core, on_event, on_session=on_session, limits=limits, wall_time=config.wall_time)
        self.psk_key = psk_key
        self.check_certificate = check_certificate
        self.nobodys_key = config.nobodys_key
        self.session_age = config.session_age
        self.requires_extended_master_secret = config.extended_master_secret == "required"
        self.psk = PskCallback()
        self._config = config
        self._renew()
        self._sessions: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._full_handshake: OrderedDict[Any, None] = OrderedDict()

    def make_connection(self) -> TlsConnection:
        if self.now() - self._renewed >= TICKET_KEY_AGE or self._shown is not self._config.certificate_chain:
            self._renew()
        return TlsConnection(self)

    def _renew(self) -> None:
        """Another context: with another key for tickets, and the certificate that is shown now."""
        config = self._config
        self.context = server_context(
            config.certificate_chain,
            config.private_key,
            [number for number in config.cipher_suites if config.speaks(number)],
            self.psk,
            alpn=_choose_protocol,
        )
        self._shown, self._renewed = config.certificate_chain, self.now()

    # Resumption

    def remember(self, master_key: bytes, kept: _Remembered) -> None:
        """A device may come back with a ticket for this session."""
        name = hashlib.sha256(master_key).digest()
        self._sessions[name] = kept
        self._sessions.move_to_end(name)
        if len(self._sessions) > REMEMBERED:
            self._sessions.popitem(last=False)

    def remembered(self, master_key: bytes) -> _Remembered | None:
        return self._sessions.get(hashlib.sha256(master_key).digest())

    def forbid_resuming(self, address: Any) -> None:
        """Have the next one from there do a whole handshake: it would come with the same ticket again and again."""
        self._full_handshake[_host(address)] = None
        if len(self._full_handshake) > REMEMBERED:
            self._full_handshake.popitem(last=False)

    def may_resume(self, address: Any) -> bool:
        return _host(address) not in self._full_handshake


def _choose_protocol(connection: SSL.Connection, offered: list[bytes]) -> Any:
    return ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _host(address: Any) -> Any:
    return address[0] if isinstance(address, tuple) else address


def _words(error: SSL.Error) -> str:
    """What OpenSSL says, in one line."""
    reasons = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(reason[-1] for reason in reasons) or type(error).__name__
