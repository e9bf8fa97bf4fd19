"""The LwM2M role: devices on one side, the connect service on the other. The only place that joins them."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence

from cryptography import x509
from cryptography.x509.oid import NameOID

from lamplighter.bus.bus import Bus, Subscription
from lamplighter.clock import Clock
from lamplighter.coap.endpoint import Endpoint
from lamplighter.dtls import AlertDescription, CertificateError, TrustAnchor, VerifiedPath
from lamplighter.ids import is_id
from lamplighter.roles.below import Below
from lamplighter.roles.device_port import DevicePort
from lamplighter.roles.device_ports import DevicePorts, Numbers, server_config
from lamplighter.roles.est_requests import EstRequests
from lamplighter.roles.gate import Gate, Holder, holder_in
from lamplighter.roles.stored_sessions import StoredSessions
from lamplighter.roles.tasks import Tasks
from lamplighter.roles.turned_away import TurnedAway
from lamplighter.roles.workers import Worker
from lamplighter.services.certificates.service import Authority
from lamplighter.services.connect.service import Connect, Identity, Proof, parse_identity
from lamplighter.services.connect.sessions.service import DeviceSessions
from lamplighter.services.credentials.events import REVOKED
from lamplighter.services.credentials.service import Credentials, endpoint_name_in, only_name
from lamplighter.services.credentials.trusted import Trust
from lamplighter.services.credentials.trusted_model import AT_LWM2M
from lamplighter.services.directory.model import Facts, certificate_facts
from lamplighter.services.issuers.renewals import Renewals
from lamplighter.settings import Settings
from lamplighter.storage.seal import MasterKey

SHOWN_REMEMBERED = 10_000
"""Certificates of devices that have shaken hands and not registered."""


class Lwm2mRole:
    """The ports for devices of one process.

    :param renewals: of devices' certificates; without it devices are told that there is no EST here
    :param insecure_account: whose devices without security are, where ``coap.insecure`` opens a port for them
    :param worker: which process of several on one port this is
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        bus: Bus,
        connect: Connect,
        credentials: Credentials,
        authority: Authority,
        sessions: DeviceSessions,
        master_key: MasterKey,
        *,
        renewals: Renewals | None = None,
        insecure_account: str = "",
        worker: Worker | None = None,
    ) -> None:
        self.ready = False
        """Whether devices are served."""
        self.port = self.plain_port = self.tls_port = self.tcp_port = 0
        """As ``Bound`` says."""
        self._settings = settings
        self._bus = bus
        self._connect = connect
        self._credentials = credentials
        self._sessions = sessions
        self._renewals = renewals
        self._est = EstRequests(connect, renewals) if renewals is not None else None
        self._insecure = Identity(Proof.NOTHING, settings.coap.insecure_account or insecure_account)
        self._turned_away = TurnedAway(connect)
        self._tasks = Tasks()
        self._shown: dict[str, Facts] = {}
        """Of certificates in handshakes whose device has not registered yet, by identity."""
        connect.registering.certificate_shown = lambda identity: self._shown.pop(identity.text, None)
        self._authority = authority
        authority.on_change(self._on_authorities)
        self._revoked: Subscription | None = None
        config = server_config(
            settings,
            clock,
            authority.lwm2m,
            master_key,
            stored_sessions=settings.dtls.engine == "native",
            shard=worker.shard() if worker is not None else 0,
        )
        gate = Gate(clock, lambda: authority.device_anchors, master_key, self)
        self.ports = DevicePorts(
            settings,
            Numbers(settings.lwm2m.port, settings.coap.port),
            config,
            gate,
            self._make_port,
            lambda event: self._stored.on_session(event),
            worker=worker,
        )
        self._stored = StoredSessions(sessions, connect, gate, self.ports)

    async def start(self) -> None:
        """Start the connect service and open the ports. Raises CannotBind, DatabaseUnavailable."""
        if self._settings.coap.insecure and not self._insecure.account_id:
            raise ValueError("coap.insecure needs an account: set coap.insecure_account")
        self._connect.key_deleted = lambda endpoint_name: self._on_revoked(endpoint_name.encode())
        self._connect.device_denied = self._on_denied
        self._connect.certificate_ended = self._on_certificate
        self._connect.denials.is_blocked = self._credentials.trusted.is_blocked
        self._connect.device_wanted = self._stored.reach
        await self._stored.start()
        await self._connect.start()
        self._revoked = await self._bus.subscribe(REVOKED, self._on_revoked)
        try:
            await self.ports.open()
        except BaseException:
            await self.close()
            raise
        self.port, self.plain_port, self.tls_port, self.tcp_port = self.ports.bound
        self._connect.resume()
        self.ready = True

    async def close(self) -> None:
        """Close the ports without a word to the devices: they may go on with another process."""
        self.ready = False
        await self.ports.close()
        if self._revoked is not None:
            await self._revoked.cancel()
        await self._stored.close()
        await self._tasks.close()
        await self._turned_away.close()
        await self._connect.close()

    def endpoints(self) -> dict[str, Endpoint]:
        """The open CoAP endpoints by transport, for metrics."""
        return self.ports.endpoints()

    def _make_port(self, below: Below) -> DevicePort:
        if not below.secure:
            return DevicePort(self._connect, lambda peer: self._insecure, below)
        if below.stream:
            return DevicePort(self._connect, _identity_in, below, est=self._est)
        return DevicePort(
            self._connect, _identity_in, below, stored=self._sessions, lose=self._stored.lose, est=self._est
        )

    # Who holds a credential (``Holders``)

    async def behind_key(self, identity: bytes) -> Holder | None:
        owner = await self._credentials.owner_of_identity(identity)
        if owner is None:
            return None
        return Holder(Identity(Proof.PSK, owner.account_id, owner.endpoint_name).text, owner.key)

    async def anchors(self, names: Collection[bytes]) -> Sequence[TrustAnchor]:
        return await self._credentials.trusted.anchors(names, AT_LWM2M)

    async def behind_certificate(self, leaf: bytes, path: VerifiedPath, *, ours: bool) -> str:
        try:
            if ours:
                identity = _identity_of(leaf)
            else:
                trust = await self._trust(leaf, path.anchor)
                identity = Identity(
                    Proof.TRUSTED, trust.account_id, endpoint_name_in(leaf), certificate_id=trust.certificate_id
                )
        except ValueError as error:
            raise CertificateError(AlertDescription.BAD_CERTIFICATE, str(error)) from error
        self._shown[identity.text] = certificate_facts(
            leaf, path.fingerprints[1] if len(path.fingerprints) > 1 else None
        )
        if len(self._shown) > SHOWN_REMEMBERED:
            del self._shown[next(iter(self._shown))]
        return identity.text

    async def _trust(self, leaf: bytes, anchor: bytes) -> Trust:
        """By which trust a device comes whose certificate is another authority's. Raises ValueError.

        Customers of one public authority trust the same certificate of it; what an account had issued for its device is its own.
        """
        who = await self._credentials.trusted.who_trust(anchor, AT_LWM2M)
        if not who:
            raise ValueError("no account trusts the authority of this certificate any more")
        given = await self._renewals.accounts_given(leaf) if self._renewals is not None else frozenset()
        own = [each for each in who if each.account_id in given] if given else who
        if not own:
            raise ValueError("the account that had this certificate issued does not trust the authority that signed it")
        return own[0]

    async def still_trusted(self, text: str, anchor: bytes) -> bool:
        return await self._credentials.trusted.still(parse_identity(text).certificate_id, anchor, AT_LWM2M)

    async def is_welcome(self, text: str) -> bool:
        return not await self._connect.denials.is_denied(parse_identity(text))

    def turned_away(self, text: str) -> None:
        self._turned_away.tell(text)

    def rests_on(self, text: str) -> Iterable[Hashable]:
        identity = parse_identity(text)
        if identity.proof is Proof.TRUSTED:
            return identity.certificate_id.encode(), identity.endpoint_name.encode()
        return (identity.device_id,)

    # News of what sessions rest on

    def _on_revoked(self, identity: bytes) -> None:
        self.ports.resting.look_again(identity)

    def _on_denied(self, account_id: str, device_id: str, endpoint_name: str) -> None:
        """A device was suspended or deleted: its sessions end, by certificate or by key."""
        self.ports.resting.look_again(device_id)
        self.ports.resting.look_again(endpoint_name.encode())

    def _on_certificate(self, account_id: str, certificate_id: str) -> None:
        """A certificate opens less than before: what came by it is looked at, at LwM2M or at its bootstrap."""
        self.ports.resting.look_again(certificate_id.encode())
        self._tasks.spawn(self._look_behind(account_id, certificate_id))

    def _on_authorities(self, gone: Collection[bytes]) -> None:
        """The installation's own authorities have changed."""
        self.ports.show(self._authority.lwm2m)
        if gone:
            self.ports.resting.end_under(gone)

    async def _look_behind(self, account_id: str, certificate_id: str) -> None:
        async for device_id in self._connect.denials.devices_behind(account_id, certificate_id):
            self.ports.resting.look_again(device_id)


def _identity_in(session: object) -> Identity:
    return parse_identity(holder_in(session))


def _identity_of(leaf: bytes) -> Identity:
    """What a certificate of our own device authority says; nothing of it is believed under another (gateway rule 1.1).

    Raises ValueError for one that this authority would not have issued for LwM2M.
    """
    subject = x509.load_der_x509_certificate(leaf).subject
    endpoint_name, account_id, device_id = (
        only_name(subject, oid)
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.LOCALITY_NAME)
    )
    if not endpoint_name or not is_id(account_id) or not is_id(device_id):
        raise ValueError("the subject lacks an endpoint name (CN), an account (OU) or a device ID (L)")
    return Identity(Proof.CERTIFICATE, account_id, endpoint_name, device_id)
