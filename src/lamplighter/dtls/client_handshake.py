"""One handshake, as the client sees it (RFC 6347 section 4.2.4)."""

from __future__ import annotations

import hashlib
import hmac
import math
import os
from collections.abc import Hashable

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .certificates import CertificateError, Purpose, not_after, verify_chain
from .ciphers import CIPHER_SUITES, CipherSuite
from .client_configuration import ClientConfig
from .failures import FailureReason, HandshakeError, MalformedMessage
from .flights import Flights
from .fragments import Reassembler
from .handshake import (
    ClientHello,
    certificate,
    client_hello,
    fragment_header,
    message,
    parse_certificate,
    parse_ecdh_server_key_exchange,
    parse_fragments,
    parse_hello_verify_request,
    parse_server_hello,
    require_version,
    signature,
)
from .identities import CertificateIdentity, Identity, PskIdentity
from .keys import TrafficKeys, derive_keys, expand_keys
from .numbers import (
    DTLS_1_2,
    ECDSA_SECP256R1_SHA256,
    EMPTY_RENEGOTIATION_INFO_SCSV,
    MAX_FRAGMENT_LENGTHS,
    SECP256R1,
    UNCOMPRESSED,
    AlertDescription,
    ContentType,
    ExtensionType,
    HandshakeType,
)
from .prf import client_verify_data, psk_premaster_secret, server_verify_data
from .reader import Reader, vector
from .records import PLAINTEXT_LIMIT
from .resumption import Resumable
from .sessions import Session
from .states import Role, State, Trigger, advance

_SIGNATURE = ec.ECDSA(hashes.SHA256())
_TRIGGERS = {
    HandshakeType.HELLO_VERIFY_REQUEST: Trigger.HELLO_VERIFY_REQUEST,
    HandshakeType.CERTIFICATE: Trigger.CERTIFICATE,
    HandshakeType.SERVER_KEY_EXCHANGE: Trigger.SERVER_KEY_EXCHANGE,
    HandshakeType.CERTIFICATE_REQUEST: Trigger.CERTIFICATE_REQUEST,
    HandshakeType.SERVER_HELLO_DONE: Trigger.SERVER_HELLO_DONE,
}


class ClientHandshake:
    """Begins with its first flight in ``outgoing``. Raises HandshakeError when it must end."""

    def __init__(self, config: ClientConfig, address: Hashable, now: float, resumable: Resumable | None = None) -> None:
        """``resumable``: an earlier session that the server may go on with."""
        self.config = config
        self._resumable = resumable
        self.resumed = False
        self._session_id = b""
        self.address = address
        self.state = State.EXPECT_SERVER_HELLO
        self.started = now
        self.timer = now
        self.session: Session | None = None
        self.outgoing: list[bytes] = []
        self._random = os.urandom(32)
        self._incoming = Reassembler(0)
        self._flights = Flights(config.mtu)
        self._wait = config.retransmission
        self._cipher: CipherSuite
        self._extended = False
        self._cid = b""
        self._peer_cid = b""
        self._draft = False
        self._server_random = b""
        self._server_chain: list[bytes] = []
        self._server_share: ec.EllipticCurvePublicKey
        self._certificate_requested = False
        self._identity: Identity = PskIdentity(b"")
        self._keys: TrafficKeys
        self._say_hello(b"", now)

    @property
    def due(self) -> float:
        return min(self.timer, self.started + self.config.handshake_age)

    def handle_timer(self, now: float) -> None:
        """Send the last flight again when its time has come."""
        if now >= self.timer:
            self._wait = min(self._wait * 2, self.config.retransmission_limit)
            self._send_flight(now)

    @property
    def resumable(self) -> Resumable | None:
        """What the established session leaves for the next one."""
        if not self._session_id or not self._extended:
            return None
        return Resumable(self._session_id, self._keys.secret, self._cipher, self._identity, "", math.inf)

    def repeat(self) -> None:
        """Send the last flight again: in a resumed session it is ours, and the server may have lost it."""
        self.outgoing += self._flights.datagrams()

    def alert(self, description: AlertDescription) -> bytes:
        return self._flights.alert(description)

    def receive_plaintext(self, payload: bytes, now: float) -> None:
        """A handshake record of epoch 0."""
        if self.state is State.EXPECT_FINISHED:
            return  # the server's flight again; ours follows by timer
        for fragment in parse_fragments(payload):
            if fragment.type != HandshakeType.FINISHED:
                self._incoming.add(fragment)
        while (following := self._incoming.next_message()) is not None:
            self._receive_message(*following, now)

    def receive_protected(self, content_type: int, number: int, fragment: bytes) -> None:
        """A record of epoch 1: the server's Finished."""
        if self.session is None or self.state is not State.EXPECT_FINISHED:
            return
        opened = self.session.reader.unprotect(content_type, number, fragment)
        if opened is None or opened[0] != ContentType.HANDSHAKE:
            return
        for piece in parse_fragments(opened[1]):
            self._incoming.add(piece)
        following = self._incoming.next_message()
        if following is None or following[0] != HandshakeType.FINISHED:
            return
        expected = server_verify_data(self._cipher.digest, self._keys.master, self._flights.transcript)
        if not hmac.compare_digest(following[2], expected):
            raise HandshakeError(AlertDescription.DECRYPT_ERROR, FailureReason.WRONG_KEY, "Finished does not match")
        if self.resumed:
            self._flights.transcript += message(HandshakeType.FINISHED, following[1], following[2])
            self._flights.begin()
            self._flights.change_cipher_spec()
            verify_data = client_verify_data(self._cipher.digest, self._keys.master, self._flights.transcript)
            self._flights.say(HandshakeType.FINISHED, verify_data, epoch=1)
            self.repeat()
        self.state = advance(Role.CLIENT, self.state, Trigger.FINISHED)

    def _receive_message(self, kind: int, sequence: int, body: bytes, now: float) -> None:
        whole = fragment_header(kind, len(body), sequence, 0, len(body)) + body
        if kind == HandshakeType.SERVER_HELLO:
            self._flights.transcript += whole
            self._receive_server_hello(body)
            return
        trigger = _TRIGGERS.get(HandshakeType(kind)) if kind in list(HandshakeType) else None
        if trigger is None:
            raise HandshakeError(
                AlertDescription.UNEXPECTED_MESSAGE, FailureReason.UNEXPECTED_MESSAGE, f"handshake message {kind}"
            )
        self.state = advance(Role.CLIENT, self.state, trigger)
        if trigger is Trigger.HELLO_VERIFY_REQUEST:
            self._flights.transcript.clear()  # neither it nor the first hello count (RFC 6347 section 4.2.1)
            self._say_hello(parse_hello_verify_request(body), now)
            return
        self._flights.transcript += whole
        match trigger:
            case Trigger.CERTIFICATE:
                self._receive_certificate(body)
            case Trigger.SERVER_KEY_EXCHANGE if not self._cipher.psk:
                self._receive_key_share(body)
            case Trigger.CERTIFICATE_REQUEST:
                self._certificate_requested = True
            case Trigger.SERVER_HELLO_DONE:
                self._answer(now)

    def _receive_server_hello(self, body: bytes) -> None:
        hello = parse_server_hello(body)
        require_version(hello.version)
        if hello.cipher_suite not in self.config.cipher_suites:
            raise MalformedMessage(f"cipher suite {hello.cipher_suite:04x} was not offered")
        self._cipher = CIPHER_SUITES[hello.cipher_suite]
        self._server_random = hello.random
        offered = self._extensions()
        if not hello.extensions.keys() <= offered.keys() | {ExtensionType.RENEGOTIATION_INFO}:
            raise MalformedMessage("an extension that was not offered")
        self._extended = ExtensionType.EXTENDED_MASTER_SECRET in hello.extensions
        for extension in (ExtensionType.CONNECTION_ID, ExtensionType.CONNECTION_ID_DRAFT):
            if extension in hello.extensions:
                self._cid = self.config.connection_id or b""
                self._peer_cid = Reader(hello.extensions[extension]).vector(1)
                self._draft = extension == ExtensionType.CONNECTION_ID_DRAFT
        if ExtensionType.RECORD_SIZE_LIMIT in hello.extensions:
            self._flights.fragment_limit = min(
                int.from_bytes(hello.extensions[ExtensionType.RECORD_SIZE_LIMIT], "big"), PLAINTEXT_LIMIT
            )
        elif ExtensionType.MAX_FRAGMENT_LENGTH in hello.extensions and self.config.max_fragment_length:
            self._flights.fragment_limit = MAX_FRAGMENT_LENGTHS[self.config.max_fragment_length]
        self._session_id = hello.session_id
        resumable = self._resumable
        if resumable is not None and hello.session_id == resumable.session_id:
            self.resumed = True
            self._identity = resumable.identity
            self._keys = expand_keys(self._cipher, resumable.secret, self._random, self._server_random)
            self.session = self._flights.session = self._session()
            self.state = advance(Role.CLIENT, self.state, Trigger.HELLO_RESUMED)
            return
        trigger = Trigger.HELLO_WITH_PSK if self._cipher.psk else Trigger.HELLO_WITH_CERTIFICATE
        self.state = advance(Role.CLIENT, self.state, trigger)

    def _receive_certificate(self, body: bytes) -> None:
        self._server_chain = parse_certificate(body)
        fingerprints = tuple(hashlib.sha256(der).digest() for der in self._server_chain)
        try:
            self._identity = CertificateIdentity(fingerprints, not_after(self._server_chain))
            if self.config.trust_anchors is not None:
                at = self.config.wall_time()
                path = verify_chain(self._server_chain, self.config.trust_anchors, at, purpose=Purpose.SERVER)
                self._identity = CertificateIdentity(path.fingerprints, path.not_after)
        except CertificateError as error:
            raise HandshakeError(error.alert, FailureReason.CERTIFICATE_REJECTED, error.detail) from error

    def _receive_key_share(self, body: bytes) -> None:
        parameters, point, signed = parse_ecdh_server_key_exchange(body)
        try:
            key = x509.load_der_x509_certificate(self._server_chain[0]).public_key()
            if not isinstance(key, ec.EllipticCurvePublicKey):
                raise MalformedMessage("the server's key is not on a curve")
            key.verify(signed, self._random + self._server_random + parameters, _SIGNATURE)
            self._server_share = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except InvalidSignature as error:
            raise HandshakeError(
                AlertDescription.DECRYPT_ERROR, FailureReason.BAD_SIGNATURE, "ServerKeyExchange does not verify"
            ) from error
        except (ValueError, IndexError) as error:
            raise MalformedMessage("the server's certificate or key share cannot be read") from error

    def _answer(self, now: float) -> None:
        """Flight 5."""
        config = self.config
        self._flights.begin()
        if self._certificate_requested:
            self._flights.say(HandshakeType.CERTIFICATE, certificate(config.certificate_chain))
        if self._cipher.psk:
            premaster = psk_premaster_secret(config.psk)
            self._flights.say(HandshakeType.CLIENT_KEY_EXCHANGE, vector(2, config.psk_identity))
        else:
            ephemeral = ec.generate_private_key(ec.SECP256R1())
            point = ephemeral.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            premaster = ephemeral.exchange(ec.ECDH(), self._server_share)
            self._flights.say(HandshakeType.CLIENT_KEY_EXCHANGE, vector(1, point))
        self._keys = derive_keys(
            self._cipher,
            premaster,
            self._random,
            self._server_random,
            self._flights.transcript if self._extended else None,
        )
        self.session = self._flights.session = self._session()
        if self._certificate_requested and config.private_key is not None:
            signed = config.private_key.sign(bytes(self._flights.transcript), _SIGNATURE)
            self._flights.say(HandshakeType.CERTIFICATE_VERIFY, signature(signed))
        self._flights.change_cipher_spec()
        verify_data = client_verify_data(self._cipher.digest, self._keys.master, self._flights.transcript)
        self._flights.say(HandshakeType.FINISHED, verify_data, epoch=1)
        self._wait = config.retransmission
        self._send_flight(now)

    def _session(self) -> Session:
        session = Session(
            self._cipher,
            self._keys.of_client,
            address=self.address,
            cid=self._cid,
            peer_cid=self._peer_cid,
            draft_cid=self._draft,
            extended_master_secret=self._extended,
            fragment_limit=self._flights.fragment_limit,
        )
        session.identity = self._identity
        return session

    def _say_hello(self, cookie: bytes, now: float) -> None:
        suites = (*self.config.cipher_suites, EMPTY_RENEGOTIATION_INFO_SCSV)
        session_id = self._resumable.session_id if self._resumable is not None else b""
        hello = ClientHello(DTLS_1_2, self._random, session_id, cookie, suites, b"\0", self._extensions())
        self._flights.begin()
        self._flights.say(HandshakeType.CLIENT_HELLO, client_hello(hello))
        self._wait = self.config.retransmission
        self._send_flight(now)

    def _extensions(self) -> dict[int, bytes]:
        config = self.config
        extensions: dict[int, bytes] = {}
        if config.private_key is not None:
            extensions[ExtensionType.SUPPORTED_GROUPS] = vector(2, SECP256R1.to_bytes(2, "big"))
            extensions[ExtensionType.EC_POINT_FORMATS] = vector(1, bytes([UNCOMPRESSED]))
            extensions[ExtensionType.SIGNATURE_ALGORITHMS] = vector(2, ECDSA_SECP256R1_SHA256.to_bytes(2, "big"))
        if config.extended_master_secret:
            extensions[ExtensionType.EXTENDED_MASTER_SECRET] = b""
        if config.max_fragment_length is not None:
            extensions[ExtensionType.MAX_FRAGMENT_LENGTH] = bytes([config.max_fragment_length])
        if config.record_size_limit is not None:
            extensions[ExtensionType.RECORD_SIZE_LIMIT] = config.record_size_limit.to_bytes(2, "big")
        if config.connection_id is not None:
            kind = ExtensionType.CONNECTION_ID_DRAFT if config.connection_id_draft else ExtensionType.CONNECTION_ID
            extensions[kind] = vector(1, config.connection_id)
        return extensions

    def _send_flight(self, now: float) -> None:
        self.repeat()
        self.timer = now + self._wait
