"""A simulated device's end of TLS 1.2. It keeps its session, and resumes it by ticket when it connects again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL

from lamplighter.coap.framing import Framing
from lamplighter.dtls import AlertDescription, CertificateError, Purpose, verify_chain
from lamplighter.dtls.client_configuration import ClientConfig

from .core import StreamCore
from .tcp_client import TcpClientTransport
from .tls_context import PskOffer, chain_of, client_context, is_resumed

RECORD = 1 << 14


class TlsClientTransport(TcpClientTransport):
    """``config`` is that of the DTLS client: the same credentials. ``connect`` again after a loss to come back.

    ``alpn``: whether ``coap`` is offered, as RFC 8323 wants it; the vendor's client offers nothing.
    """

    records = True

    def __init__(
        self,
        config: ClientConfig,
        core: StreamCore,
        on_event: Callable[[Any], None],
        *,
        framing: Framing = Framing.RECORD,
        alpn: bool = False,
        on_close: Callable[[str], None] = lambda reason: None,
    ) -> None:
        super().__init__(core, on_event, framing=framing, on_close=on_close)
        self.resumed = False
        """Whether the present session was resumed."""
        self._config = config
        # OpenSSL calls the key's owner back: it must live as long as the context.
        self._psk = PskOffer(config.psk_identity, config.psk) if config.psk else None
        self._context = client_context(config.certificate_chain, config.private_key, config.cipher_suites, self._psk)
        if alpn:
            self._context.set_alpn_protos([b"coap"])
        self._kept: SSL.Session | None = None
        self._tls: SSL.Connection | None = None

    def opened(self) -> None:
        self._tls = SSL.Connection(self._context, None)
        self._tls.set_connect_state()
        if self._kept is not None:
            self._tls.set_session(self._kept)
        self._shake()

    def read(self, data: bytes) -> None:
        assert self._tls is not None
        self._tls.bio_write(data)
        if self.session is None or self.session.closed:
            self._shake()
        if self.session is not None and not self.session.closed:
            self._read_records()

    def write(self, data: bytes) -> None:
        assert self._tls is not None
        self._tls.send(data)
        self._drain()

    def finish(self) -> None:
        """close_notify."""
        assert self._tls is not None
        try:
            self._tls.shutdown()
        except SSL.Error:
            return  # nothing was agreed yet
        self._drain()

    def connection_lost(self, error: Exception | None) -> None:
        if self._tls is not None:
            # A session that was not ended properly must not be resumed, says OpenSSL; a device does not know the difference.
            self._tls.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
        super().connection_lost(error)

    def _shake(self) -> None:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._drain()
            return
        except SSL.Error as error:
            self._drain()
            self.refuse(f"handshake: {error}")
            return
        try:
            self._verify()
        except CertificateError as error:
            self.send(bytes((21, 3, 3, 0, 2, 2, error.alert)))
            self.refuse(f"{AlertDescription(error.alert).name.lower()}: {error.detail}")
            return
        self._drain()
        self.resumed = is_resumed(self._tls)
        self._kept = self._tls.get_session()
        self.establish()

    def _verify(self) -> None:
        """Raises CertificateError when the server is not who may be believed."""
        assert self._tls is not None
        chain = chain_of(self._tls)
        if chain and self._config.trust_anchors is not None and not is_resumed(self._tls):
            verify_chain(chain, self._config.trust_anchors, self._config.wall_time(), purpose=Purpose.SERVER)

    def _read_records(self) -> None:
        assert self._tls is not None
        try:
            while True:
                self.hand_up(self._tls.recv(RECORD))
        except SSL.WantReadError:
            self._drain()
        except SSL.ZeroReturnError:
            self.refuse("the server closed the session")
        except SSL.Error as error:
            self.refuse(f"TLS: {error}")

    def _drain(self) -> None:
        assert self._tls is not None
        try:
            while True:
                self.send(self._tls.bio_read(1 << 16))
        except SSL.WantReadError:
            return
