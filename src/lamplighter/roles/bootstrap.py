"""The bootstrap role: its own port, its own certificate authority, its own sessions (gateway rule 5.9)."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence

import structlog

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.bus.event import Event
from lamplighter.bus.log import EventLog
from lamplighter.clock import Clock
from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls import AlertDescription, CertificateError, SessionClosed, TrustAnchor, VerifiedPath
from lamplighter.errors.bootstrap import DeviceUnclaimed
from lamplighter.roles.below import Below
from lamplighter.roles.bootstrap_port import WHOLE, BootstrapPort
from lamplighter.roles.device_ports import DevicePorts, Numbers, server_config
from lamplighter.roles.gate import Gate, Holder, holder_in
from lamplighter.services.bootstrap.model import Kind, Presented, parse_presented
from lamplighter.services.bootstrap.service import Bootstrap
from lamplighter.services.certificates.service import Authority
from lamplighter.services.connect.follower import Follower
from lamplighter.services.credentials.events import CERTIFICATE_ENDS, KEY_DELETED, REVOKED
from lamplighter.services.credentials.service import TrustedCertificates
from lamplighter.services.credentials.trusted_model import AT_BOOTSTRAP
from lamplighter.settings import Settings
from lamplighter.storage.seal import MasterKey
from lamplighter.transport.dtls import SessionEvent

log = structlog.get_logger("lamplighter.bootstrap")

REVOKES = CERTIFICATE_ENDS | {KEY_DELETED}
"""Kinds of events after which a credential opens nothing any more."""


class BootstrapRole:
    """The bootstrap ports of one process.

    :param insecure_account: whose devices without security are, where ``coap.insecure`` opens a port for them
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        bus: Bus,
        events: EventLog,
        bootstrap: Bootstrap,
        trusted: TrustedCertificates,
        authority: Authority,
        master_key: MasterKey,
        *,
        insecure_account: str = "",
    ) -> None:
        self.port = self.plain_port = self.tls_port = self.tcp_port = 0
        """As ``Bound`` says."""
        self._bus = bus
        self._bootstrap = bootstrap
        self._trusted = trusted
        self._authority = authority
        authority.on_change(self._on_authorities)
        self._insecure = Presented(Kind.NOTHING, settings.coap.insecure_account or insecure_account)
        self._revoked: Subscription | None = None
        self._follower = Follower(events, self._on_event, REVOKES, cursor=None)
        self.ports = DevicePorts(
            settings,
            Numbers(settings.bootstrap.port, settings.bootstrap.plain_port),
            server_config(settings, clock, authority.bootstrap, master_key, session_age=2 * WHOLE),
            Gate(clock, lambda: authority.bootstrap_anchors, master_key, self),
            self._make_port,
            self._on_session,
        )

    async def start(self) -> None:
        """Open the ports. Raises CannotBind, DatabaseUnavailable."""
        self._revoked = await self._bus.subscribe(REVOKED, self._on_revoked)
        await self._follower.start()
        try:
            await self.ports.open()
        except BaseException:
            await self.close()
            raise
        self.port, self.plain_port, self.tls_port, self.tcp_port = self.ports.bound

    async def close(self) -> None:
        await self.ports.close()
        await self._follower.close()
        if self._revoked is not None:
            await self._revoked.cancel()

    def endpoints(self) -> dict[str, Endpoint]:
        """The open CoAP endpoints by transport, for metrics."""
        return self.ports.endpoints()

    def _make_port(self, below: Below) -> BootstrapPort:
        if below.secure:
            return BootstrapPort(self._bootstrap, lambda session: parse_presented(holder_in(session)), below)
        return BootstrapPort(self._bootstrap, lambda peer: self._insecure, below)

    def _on_session(self, event: SessionEvent) -> None:
        if isinstance(event, SessionClosed):
            self.ports.secure.disconnected(event.session)

    def _on_revoked(self, name: bytes) -> None:
        self.ports.resting.look_again(name)

    def _on_authorities(self, gone: Collection[bytes]) -> None:
        """The installation's own authorities have changed."""
        self.ports.show(self._authority.bootstrap)
        if gone:
            self.ports.resting.end_under(gone)

    async def _on_event(self, event: Event) -> None:
        """The same word of the log: that of the bus may be lost."""
        if event.kind in REVOKES:
            self._on_revoked(event.data.get("id", event.data.get("endpoint_name", "")).encode())

    # Who holds a credential (``Holders``)

    async def behind_key(self, identity: bytes) -> Holder | None:
        found = await self._bootstrap.presented_by_key(identity)
        if found is None:
            return None
        presented, key = found
        return Holder(presented.text, key)

    async def anchors(self, names: Collection[bytes]) -> Sequence[TrustAnchor]:
        return await self._trusted.anchors(names, AT_BOOTSTRAP)

    async def behind_certificate(self, leaf: bytes, path: VerifiedPath, *, ours: bool) -> str:
        if not ours:
            return await self._behind_factory(leaf, path)
        presented = await self._bootstrap.presented_by_certificate(leaf)
        if presented is None:
            reason = "no account has this certificate, or it is inactive"
            raise CertificateError(AlertDescription.CERTIFICATE_UNKNOWN, reason)
        return presented.text

    async def _behind_factory(self, leaf: bytes, path: VerifiedPath) -> str:
        try:
            return (await self._bootstrap.presented_by_factory(leaf, path.anchor)).text
        except ValueError as error:
            raise CertificateError(AlertDescription.BAD_CERTIFICATE, str(error)) from error
        except DeviceUnclaimed as error:
            log.info("device not claimed", identity=error.facts["identity"], why=error.facts["reason"])
            raise CertificateError(AlertDescription.ACCESS_DENIED, error.text) from error

    async def still_trusted(self, text: str, anchor: bytes) -> bool:
        return await self._trusted.still(parse_presented(text).certificate_id, anchor, AT_BOOTSTRAP)

    async def is_welcome(self, text: str) -> bool:
        """A device that is kept out is told so when it asks (4.03): one certificate is many devices'."""
        return await self._bootstrap.is_good(parse_presented(text))

    def turned_away(self, text: str) -> None:
        presented = parse_presented(text)
        log.info("credential turned away", account_id=presented.account_id, endpoint_name=presented.endpoint_name)

    def rests_on(self, text: str) -> Iterable[Hashable]:
        presented = parse_presented(text)
        return presented.certificate_id.encode(), presented.enrollment_identity.encode()
