"""One handshake, as the server sees it, from the ClientHello with a good cookie to Finished (RFC 6347 section 4.2.4)."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Hashable, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .certificates import Certificate, CertificateError, VerifiedPath, not_after
from .configuration import ServerConfig
from .events import CertificateReceived, PskRequested
from .failures import FailureReason, HandshakeError
from .flights import RECORD_ROOM, FinalFlight, Flights
from .fragments import Reassembler
from .handshake import (
    CERTIFICATE_REQUEST,
    HEADER_LENGTH,
    Fragment,
    ServerHello,
    certificate,
    ecdh_parameters,
    message,
    parse_certificate,
    parse_client_hello,
    parse_fragments,
    read_signature,
    server_hello,
    signature,
)
from .identities import CertificateIdentity, Identity, PskIdentity
from .keys import TrafficKeys, derive_keys, expand_keys
from .negotiation import Agreement, negotiate
from .numbers import DTLS_1_2, AlertDescription, ContentType, HandshakeType
from .prf import client_verify_data, psk_premaster_secret, server_verify_data
from .reader import Reader
from .resumption import SESSION_ID_LENGTH, Resumable, Resumables
from .sessions import Session
from .states import FINISHED_IS_EARLY, FLIGHT_4_STANDS, PLAINTEXT_IS_OVER, Role, State, Trigger, advance

_SIGNATURE = ec.ECDSA(hashes.SHA256())
_CLIENT_HELLO, _FINISHED = int(HandshakeType.CLIENT_HELLO), int(HandshakeType.FINISHED)
_HELD_RECORDS = 4
"""Records of epoch 1 kept while a question is open: Finished, and the same sent again."""
_HELD_LENGTH = 256
"""Bytes of such a record: Finished takes less than 100."""
_RESENDS = 12
"""How often flight 4 is sent again in all, by timer or because the client repeats its hello."""


class ServerHandshake:
    """Takes the client's messages and the answers to the questions it asks; adds to the engine's datagrams.

    Raises HandshakeError from every call when it must end; the engine then asks for the alert and forgets it.
    """

    def __init__(
        self,
        config: ServerConfig,
        resumables: Resumables,
        outgoing: list[tuple[bytes, Hashable]],
        address: Hashable,
        client_random: bytes,
        sequence: int,
        record: int,
        now: float,
    ) -> None:
        """``sequence`` and ``record``: message_seq and record sequence number of the ClientHello. Ours go on from there,
        because the HelloVerifyRequest that used them left no trace (RFC 6347 sections 4.2.1 and 4.2.2)."""
        self.config = config
        self.resumed: Resumable | None = None
        """The session that this one goes back to."""
        self._resumables = resumables
        self.session_id = b""
        """By which this session can be resumed; empty: it cannot."""
        self.address = address
        self.client_random = client_random
        self.state = State.EXPECT_CLIENT_HELLO
        self.started = now
        self.timer: float | None = None
        """When flight 4 is sent again."""
        self.session: Session | None = None
        """From the moment its keys exist."""
        self.question: PskRequested | CertificateReceived | None = None
        """What it has come to ask, until somebody takes it."""
        self.final_flight: FinalFlight | None = None
        """The last flight, once the client's Finished was good; in a resumed session the last is the client's."""
        self.wrong_key = FailureReason.WRONG_KEY
        """What a Finished that cannot be read is to be reported as."""
        self._outgoing = outgoing
        self._incoming = Reassembler(sequence)
        self._flights = Flights(config.mtu, sequence=sequence, record=record)
        self._wait = config.retransmission
        self._resends = 0
        self._agreement: Agreement
        self._server_random = b""
        self._ephemeral: ec.EllipticCurvePrivateKey | None = None
        self._chain: tuple[bytes, ...] = ()
        self._client_key: ec.EllipticCurvePublicKey
        self._identity: Identity
        self._credential = ""
        self._keys: TrafficKeys
        self._held: list[tuple[int, int, bytes]] = []
        self._unreadable = 0

    @property
    def due(self) -> float:
        """When to call ``handle_timer``, or to give up."""
        end = self.started + self.config.handshake_age
        return end if self.timer is None else min(self.timer, end)

    def resumable(self, valid_until: float) -> Resumable | None:
        """What the established session leaves for the next one; None where none may follow."""
        if not self.session_id:
            return None
        return Resumable(
            self.session_id, self._keys.secret, self._agreement.cipher, self._identity, self._credential, valid_until
        )

    @property
    def cid(self) -> bytes:
        """The connection ID given out in this handshake; empty before ServerHello and where there is none."""
        return b"" if self.state is State.EXPECT_CLIENT_HELLO else self._agreement.cid

    # Messages

    def receive_plaintext(self, fragments: Sequence[Fragment], now: float) -> None:
        """What was in a handshake record of epoch 0."""
        if self.state in PLAINTEXT_IS_OVER:
            if self.resumed is not None and any(each.type == _CLIENT_HELLO for each in fragments):
                self._resend(now)
            return  # the same messages again, or someone else's
        incoming = self._incoming
        for fragment in fragments:
            if fragment.type == _FINISHED:
                continue  # counts in epoch 1 only
            if fragment.type == _CLIENT_HELLO and fragment.sequence < incoming.next_sequence:
                self._resend(now)
                return
            incoming.add(fragment)
        while (following := incoming.next_message()) is not None:
            self._receive_message(*following, now)

    def receive_protected(self, content_type: int, number: int, fragment: bytes) -> None:
        """A record of epoch 1: nothing but Finished is of use yet. Held while a question is open."""
        if self.state is not State.EXPECT_FINISHED:
            if self.state in FINISHED_IS_EARLY and len(self._held) < _HELD_RECORDS and len(fragment) <= _HELD_LENGTH:
                self._held.append((content_type, number, fragment))
            return
        assert self.session is not None
        reader = self.session.reader
        failures = reader.failures
        opened = reader.unprotect(content_type, number, fragment)
        if opened is None:
            self._count_unreadable(reader.failures - failures)
            return
        kind, payload, _ = opened
        if kind != ContentType.HANDSHAKE:
            return  # no application data before Finished
        for piece in parse_fragments(payload):
            self._incoming.add(piece)
        following = self._incoming.next_message()
        if following is not None:
            self._receive_finished(*following)

    def _count_unreadable(self, failures: int) -> None:
        self._unreadable += failures
        if self._unreadable >= self.config.finished_failures:
            raise HandshakeError(
                AlertDescription.DECRYPT_ERROR, self.wrong_key, f"{self._unreadable} records could not be decrypted"
            )

    def _receive_message(self, kind: int, sequence: int, body: bytes, now: float) -> None:
        self.timer = None  # the client has our flight (RFC 6347 section 4.2.4)
        receive = _RECEIVE.get(kind)
        if receive is None:
            raise HandshakeError(
                AlertDescription.UNEXPECTED_MESSAGE, FailureReason.UNEXPECTED_MESSAGE, f"handshake message {kind}"
            )
        self._flights.transcript += message(kind, sequence, body)
        receive(self, body, now)

    def _receive_client_hello(self, body: bytes, now: float) -> None:
        hello = parse_client_hello(body)
        self._agreement = agreement = negotiate(hello, self.config)
        self._flights.fragment_limit = agreement.fragment_limit
        wall_time = self.config.wall_time()
        fresh = os.urandom(28 + SESSION_ID_LENGTH)  # at once: each call is one of the system
        self._server_random = (int(wall_time) & 0xFFFF_FFFF).to_bytes(4, "big") + fresh[:28]
        resumable = self._resumables.find(hello.session_id, wall_time)
        if resumable is not None and resumable.cipher.number in hello.cipher_suites:
            self._resume(resumable, now)
            return
        if agreement.extended_master_secret and self.config.resumable_sessions:
            self.session_id = fresh[28:]
        trigger = Trigger.HELLO_WITH_PSK if agreement.cipher.psk else Trigger.HELLO_WITH_CERTIFICATE
        self.state = advance(Role.SERVER, self.state, trigger)
        self._say_hello()
        if not agreement.cipher.psk:
            self._flights.say(HandshakeType.CERTIFICATE, certificate(self.config.certificate_chain))
            self._flights.say(HandshakeType.SERVER_KEY_EXCHANGE, self._server_key_exchange())
            self._flights.say(HandshakeType.CERTIFICATE_REQUEST, CERTIFICATE_REQUEST)
        self._flights.say(HandshakeType.SERVER_HELLO_DONE, b"")
        self._send_flight(now)

    def _say_hello(self) -> None:
        agreement = self._agreement
        hello = ServerHello(
            DTLS_1_2, self._server_random, self.session_id, agreement.cipher.number, agreement.extensions
        )
        self._flights.say(HandshakeType.SERVER_HELLO, server_hello(hello))

    def _resume(self, resumable: Resumable, now: float) -> None:
        """The abbreviated handshake: our Finished comes first (RFC 5246 section 7.3)."""
        agreement = self._agreement
        if not agreement.extended_master_secret:  # RFC 7627 section 5.3: abort
            raise HandshakeError(
                AlertDescription.HANDSHAKE_FAILURE,
                FailureReason.EXTENDED_MASTER_SECRET_MISSING,
                "the session that is to be resumed has it, and this ClientHello does not",
            )
        self.state = advance(Role.SERVER, self.state, Trigger.HELLO_RESUMED)
        self.resumed = resumable
        self.session_id = resumable.session_id
        self._identity, self._credential = resumable.identity, resumable.credential
        agreement.cipher = resumable.cipher
        self._say_hello()
        self._make_session(expand_keys(resumable.cipher, resumable.secret, self.client_random, self._server_random))
        self._flights.change_cipher_spec()
        verify_data = server_verify_data(resumable.cipher.digest, self._keys.master, self._flights.transcript)
        self._flights.say(HandshakeType.FINISHED, verify_data, epoch=1)
        self._send_flight(now)

    def _server_key_exchange(self) -> bytes:
        assert self.config.private_key is not None
        self._ephemeral = ec.generate_private_key(ec.SECP256R1())
        point = self._ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        parameters = ecdh_parameters(point)
        signed = self.config.private_key.sign(self.client_random + self._server_random + parameters, _SIGNATURE)
        return parameters + signature(signed)

    def _receive_certificate(self, body: bytes, now: float) -> None:
        self.state = advance(Role.SERVER, self.state, Trigger.CERTIFICATE)
        self._chain = tuple(parse_certificate(body))
        if not self._chain:
            raise HandshakeError(
                AlertDescription.HANDSHAKE_FAILURE, FailureReason.CERTIFICATE_MISSING, "an empty certificate list"
            )
        try:
            self._client_key = Certificate.from_der(self._chain[0]).p256_key()
        except CertificateError as error:
            raise HandshakeError(error.alert, FailureReason.CERTIFICATE_REJECTED, error.detail) from error

    def _receive_client_key_exchange(self, body: bytes, now: float) -> None:
        self.state = advance(Role.SERVER, self.state, Trigger.CLIENT_KEY_EXCHANGE)
        reader = Reader(body)
        if self._agreement.cipher.psk:
            identity = reader.vector(2)
            reader.end()
            self._identity = PskIdentity(identity)
            self.question = PskRequested(self, identity)
            return
        point = reader.vector(1)
        reader.end()
        assert self._ephemeral is not None
        try:
            shared = self._ephemeral.exchange(
                ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
            )
        except ValueError as error:
            raise HandshakeError(
                AlertDescription.ILLEGAL_PARAMETER, FailureReason.MALFORMED, "the key share is not on the curve"
            ) from error
        self._derive(shared)

    def _receive_certificate_verify(self, body: bytes, now: float) -> None:
        self.state = advance(Role.SERVER, self.state, Trigger.CERTIFICATE_VERIFY)
        before = bytes(self._flights.transcript[: -HEADER_LENGTH - len(body)])  # it signs everything before itself
        try:
            self._client_key.verify(read_signature(Reader(body)), before, _SIGNATURE)
        except InvalidSignature as error:
            raise HandshakeError(
                AlertDescription.DECRYPT_ERROR, FailureReason.BAD_SIGNATURE, "CertificateVerify does not verify"
            ) from error
        self.question = CertificateReceived(self, self._chain)

    def _receive_finished(self, kind: int, sequence: int, body: bytes) -> None:
        if kind != _FINISHED:
            raise HandshakeError(
                AlertDescription.UNEXPECTED_MESSAGE,
                FailureReason.UNEXPECTED_MESSAGE,
                f"handshake message {kind} in epoch 1",
            )
        digest, master = self._agreement.cipher.digest, self._keys.master
        if not hmac.compare_digest(body, client_verify_data(digest, master, self._flights.transcript)):
            raise HandshakeError(
                AlertDescription.DECRYPT_ERROR, self.wrong_key, "Finished does not match the handshake"
            )
        self.state = advance(Role.SERVER, self.state, Trigger.FINISHED)
        self._flights.transcript += message(_FINISHED, sequence, body)
        assert self.session is not None
        self.session.identity = self._identity
        self.session.credential = self._credential
        if self.resumed is not None:
            return
        self.final_flight = self._flights.final(server_verify_data(digest, master, self._flights.transcript))
        self._outgoing.append((self.final_flight.datagram(), self.address))

    # Answers

    def provide_psk(self, key: bytes | None, credential: str) -> None:
        """Go on with that key. None leads to a key that nobody has; both take the same steps."""
        assert isinstance(self._identity, PskIdentity)
        self.state = advance(Role.SERVER, self.state, Trigger.KEY_PROVIDED)
        nobody = self.config.nobodys_key(self._identity.identity)
        if not key:
            self.wrong_key = FailureReason.UNKNOWN_PSK_IDENTITY
        self._credential = credential
        self._derive(psk_premaster_secret(key or nobody))
        self._release()

    def accept_certificate(self, path: VerifiedPath | None, credential: str) -> None:
        """Go on. Without ``path``, the session rests on the certificates as the peer sent them."""
        self.state = advance(Role.SERVER, self.state, Trigger.CERTIFICATE_ACCEPTED)
        if path is None:
            fingerprints = tuple(hashlib.sha256(der).digest() for der in self._chain)
            self._identity = CertificateIdentity(fingerprints, not_after(self._chain))
        else:
            self._identity = CertificateIdentity(path.fingerprints, path.not_after)
        self._credential = credential
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for record in held:
            if self.state is State.EXPECT_FINISHED:
                self.receive_protected(*record)

    # Sending

    def handle_timer(self, now: float) -> None:
        """Send flight 4 again when its time has come."""
        if self.timer is not None and now >= self.timer:
            self._wait = min(self._wait * 2, self.config.retransmission_limit)
            self._resend(now)

    def alert(self, description: AlertDescription) -> bytes:
        """A fatal alert in epoch 0."""
        return self._flights.alert(description)

    def _send_flight(self, now: float) -> None:
        for datagram in self._flights.datagrams():
            self._outgoing.append((datagram, self.address))
        self.timer = now + self._wait

    def _resend(self, now: float) -> None:
        waits = self.state in FLIGHT_4_STANDS or self.resumed is not None and self.state is State.EXPECT_FINISHED
        if not waits or self._resends >= _RESENDS:
            self.timer = None
            return
        self._resends += 1
        self._send_flight(now)

    def _derive(self, premaster: bytes) -> None:
        agreement = self._agreement
        transcript = self._flights.transcript if agreement.extended_master_secret else None
        self._make_session(
            derive_keys(agreement.cipher, premaster, self.client_random, self._server_random, transcript)
        )

    def _make_session(self, keys: TrafficKeys) -> None:
        agreement = self._agreement
        self._keys = keys
        self.session = self._flights.session = Session(
            agreement.cipher,
            keys.of_server,
            address=self.address,
            cid=agreement.cid,
            peer_cid=agreement.peer_cid,
            draft_cid=agreement.draft_cid,
            extended_master_secret=agreement.extended_master_secret,
            fragment_limit=min(agreement.fragment_limit, self.config.mtu - RECORD_ROOM),
        )


_RECEIVE: dict[int, Callable[[ServerHandshake, bytes, float], None]] = {
    HandshakeType.CLIENT_HELLO: ServerHandshake._receive_client_hello,
    HandshakeType.CERTIFICATE: ServerHandshake._receive_certificate,
    HandshakeType.CLIENT_KEY_EXCHANGE: ServerHandshake._receive_client_key_exchange,
    HandshakeType.CERTIFICATE_VERIFY: ServerHandshake._receive_certificate_verify,
}
