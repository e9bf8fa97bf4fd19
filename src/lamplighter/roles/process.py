"""One process of an installation: its parts, put together, started in order and ended in the other."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from typing import Literal

import structlog

from lamplighter.api.http import Api
from lamplighter.api.metrics import Metrics
from lamplighter.api.networks import Origin
from lamplighter.api.operation import Bound
from lamplighter.api.server import ApiServer, PortInUse, tls_context
from lamplighter.bus.log import EventLog
from lamplighter.bus.open import open_bus
from lamplighter.clock import MICROSECONDS, SystemClock
from lamplighter.errors import Error
from lamplighter.ids import Ids
from lamplighter.outbound.client import OutboundClient
from lamplighter.roles.bootstrap import BootstrapRole
from lamplighter.roles.channel_metrics import ChannelMetrics
from lamplighter.roles.countries import open_countries
from lamplighter.roles.device_metrics import DeviceMetrics
from lamplighter.roles.lwm2m import Lwm2mRole
from lamplighter.roles.pages import PLAIN, public_pages
from lamplighter.roles.places import CannotStart, Folder, device_hosts, keep_admin_key, with_addresses
from lamplighter.roles.workers import Worker
from lamplighter.services.access.permissions import PERMISSIONS, POLICIES
from lamplighter.services.access.service import Access
from lamplighter.services.bootstrap.service import Bootstrap
from lamplighter.services.certificates.service import Authority, AuthorityUnusable
from lamplighter.services.channels.event_stream_operations import operations as event_stream_operations
from lamplighter.services.channels.named_operations import operations as named_channel_operations
from lamplighter.services.channels.operations import operations as channel_operations
from lamplighter.services.channels.service import Channels
from lamplighter.services.channels.webhook_operations import operations as webhook_operations
from lamplighter.services.connect.direct_operations import operations as direct_operations
from lamplighter.services.connect.follower import Follower
from lamplighter.services.connect.operations import operations as connect_operations
from lamplighter.services.connect.presubscription_operations import operations as presubscription_operations
from lamplighter.services.connect.service import Connect
from lamplighter.services.connect.sessions.service import DeviceSessions
from lamplighter.services.credentials.blocking import CURSOR as BLOCKING
from lamplighter.services.credentials.blocking import FOLLOWED, Blocking
from lamplighter.services.credentials.operations import operations as credential_operations
from lamplighter.services.credentials.service import Credentials
from lamplighter.services.credentials.trusted_operations import operations as trusted_certificate_operations
from lamplighter.services.directory import operations as directory_operations
from lamplighter.services.directory.service import Directory
from lamplighter.services.echo.operations import operations as echo_operations
from lamplighter.services.echo.service import Echoes
from lamplighter.services.enrollment.operations import operations as enrollment_operations
from lamplighter.services.enrollment.service import Enrollment
from lamplighter.services.issuers.campaign import Campaign
from lamplighter.services.issuers.operations import operations as issuer_operations
from lamplighter.services.issuers.renewal_operations import operations as renewal_operations
from lamplighter.services.issuers.renewals import Renewals
from lamplighter.services.issuers.service import Issuers
from lamplighter.services.secure_access.operations import operations as secure_access_operations
from lamplighter.services.secure_access.service import SecureAccess
from lamplighter.services.support.keeper import Keeper
from lamplighter.services.support.maintenance import Gate
from lamplighter.services.support.master_key import check_master_key
from lamplighter.services.support.operations import operations as support_operations
from lamplighter.services.support.service import Support
from lamplighter.settings import Settings
from lamplighter.storage.migrations import SchemaTooNew
from lamplighter.storage.open import open_database
from lamplighter.storage.seal import MasterKeyError, load_master_key
from lamplighter.transport.datagram_socket import CannotBind

log = structlog.get_logger("lamplighter.process")

BEAT = 1.0
"""Seconds between two rounds of small chores."""
PRUNE_EVERY = 600.0
READY_TIMEOUT = 2.0

Role = Literal["all", "api", "lwm2m", "bootstrap", "worker"]

GROUPS = {"Administrators": POLICIES["administrators"], "Developers": POLICIES["developers"]}


class Process:
    """What one process does. ``start`` it on a running loop, and ``close`` it there.

    :param role: ``all``; ``api``: REST without devices; ``lwm2m``: devices without REST; ``bootstrap``: devices that come for
        their credentials; ``worker``: chores only
    :param worker: which of several processes on one port for devices this is
    """

    def __init__(self, data: Path, settings: Settings, role: Role = "all", worker: Worker | None = None) -> None:
        self.role = role
        self._worker = worker
        self.folder = Folder(data)
        self.settings = with_addresses(settings)
        self.port = 0
        self.plain_port = 0
        self.lwm2m: Lwm2mRole | None = None
        self.bootstrap: BootstrapRole | None = None
        self.first_start = False
        self._parts = AsyncExitStack()
        self._pruned = 0.0

    async def start(self) -> None:
        """Everything, up to the open ports. Raises CannotStart."""
        try:
            await self._start()
        except (PortInUse, MasterKeyError, AuthorityUnusable, SchemaTooNew, Error, OSError) as error:
            await self._parts.aclose()
            reason = error.details.get("reason") if isinstance(error, Error) else None
            raise CannotStart(f"{error} ({reason})" if reason else str(error)) from error
        except BaseException:
            await self._parts.aclose()
            raise

    async def _start(self) -> None:
        settings, parts = self.settings, self._parts
        self.folder.make()
        self.clock = SystemClock()
        self.ids = Ids(self.clock)
        self.metrics = Metrics()
        master_key = load_master_key(self.folder.path)
        authority = Authority(self.folder.pki, self.clock.now(), device_hosts(settings), master_key=master_key)
        self.database = open_database(settings, self.folder.path)
        await self.database.start()
        parts.push_async_callback(self.database.close)
        await check_master_key(self.database, master_key)
        bus = open_bus(settings)
        await bus.start()
        parts.push_async_callback(bus.close)
        self.events = EventLog(self.database, bus)
        self.keeper = keeper = Keeper(
            self.database, self.clock, self.folder.path, settings.api.errors_kept, settings.api.errors_rate_address
        )
        await keeper.start()
        parts.push_async_callback(keeper.close)
        self.gate = Gate(self.database, bus)
        await self.gate.start()
        parts.push_async_callback(self.gate.close)
        self.access = Access(self.database, self.clock, self.ids, settings, master_key.derive("credential pepper"), bus)
        await self.access.start()
        parts.push_async_callback(self.access.close)
        key = await self.access.bootstrap(lambda key: keep_admin_key(self.folder, key))
        self.first_start = key is not None
        self.directory = Directory(self.database, self.clock, self.ids, settings)
        credentials = Credentials(
            self.database,
            self.clock,
            self.ids,
            settings,
            master_key,
            authority,
            bus,
            self.clock.now(),
            self.access.certificate_limit,
        )
        await credentials.start()
        secure_access = SecureAccess(self.database, self.clock, self.ids, settings, master_key, self.directory)
        support = Support(keeper, settings.api.errors_kept / 86400)
        name = f"{self.role}-{socket.gethostname()}-{settings.lwm2m.port}".replace(".", "-")
        if self._worker is not None:
            name += f"-{self._worker.slot}"
        connect = self.connect = Connect(
            self.database,
            self.clock,
            self.ids,
            settings,
            bus,
            self.events,
            self.directory,
            self.access.tier_of,
            process=name,
        )
        self.echoes = Echoes(self.database, self.clock, settings, self.events, self.directory, connect)
        # Two workers on one host may have one name, and would take each other's jobs and webhooks for their own.
        own_name = "" if self.role == "worker" else name
        self.enrollment = Enrollment(self.database, self.clock, self.ids, settings, bus, process=own_name)
        try:
            outbound = OutboundClient(settings.outbound, authority.client_files)
        except ValueError as error:
            raise CannotStart(f"outbound.allowed_networks: {error}.") from error
        parts.push_async_callback(outbound.close)
        try:
            issuers = self.issuers = Issuers(
                self.database,
                self.clock,
                self.ids,
                settings,
                master_key,
                authority,
                outbound,
                credentials.trusted.judge_at_lwm2m,
            )
        except ValueError as error:
            raise CannotStart(f"issuers.acme_domains: {error}.") from error
        self.renewals = Renewals(self.database, self.clock, self.ids, settings, connect, self.directory, issuers)
        self.campaign = Campaign(self.database, self.clock, settings, self.renewals)
        channels = Channels(
            self.database,
            self.clock,
            self.ids,
            settings,
            bus,
            self.events,
            self.access.authenticator,
            master_key,
            outbound,
            process=own_name,
        )
        self.metrics.registry.register(ChannelMetrics(channels))
        root = await self.access.root_account() if settings.coap.insecure else ""
        if self.role in ("all", "bootstrap"):
            bootstrap = Bootstrap(
                self.database,
                self.clock,
                settings,
                self.directory,
                credentials,
                authority,
                self.access.tier_of,
                self.enrollment,
                issuers,
            )
            self.bootstrap = BootstrapRole(
                settings,
                self.clock,
                bus,
                self.events,
                bootstrap,
                credentials.trusted,
                authority,
                master_key,
                insecure_account=root,
            )
            await _open(self.bootstrap.start(), "bootstrap.port", "bootstrap.plain_port", settings)
            parts.push_async_callback(self.bootstrap.close)
        if self.role in ("all", "lwm2m"):
            beside = None if settings.database.url else self.folder.path
            sessions = DeviceSessions(self.database, self.clock, bus, master_key, process=name, folder=beside)
            self.lwm2m = Lwm2mRole(
                settings,
                self.clock,
                bus,
                connect,
                credentials,
                authority,
                sessions,
                master_key,
                renewals=self.renewals,
                insecure_account=root,
                worker=self._worker,
            )
            await _open(self.lwm2m.start(), "lwm2m.port", "coap.port", settings)
            parts.push_async_callback(self.lwm2m.close)
        else:
            await connect.start(devices=False)
            parts.push_async_callback(connect.close)
        roles = {"lwm2m": self.lwm2m, "bootstrap": self.bootstrap}
        self.metrics.registry.register(
            DeviceMetrics({name: role.endpoints for name, role in roles.items() if role is not None})
        )
        bound: list[Bound] = [
            *self.access.operations(),
            *chain.from_iterable(table.bind(self.directory) for table in directory_operations.TABLES),
            *credential_operations.bind(credentials),
            *trusted_certificate_operations.bind(credentials.trusted),
            *secure_access_operations.bind(secure_access),
            *issuer_operations.bind(issuers),
            *renewal_operations.bind(self.renewals),
            *support_operations.bind(support),
            *connect_operations.bind(connect),
            *direct_operations.bind(connect),
            *presubscription_operations.bind(connect),
            *channel_operations.bind(channels),
            *webhook_operations.bind(channels),
            *named_channel_operations.bind(channels),
            *event_stream_operations.bind(channels),
            *echo_operations.bind(self.echoes),
            *enrollment_operations.bind(self.enrollment),
        ]
        watch = asyncio.create_task(authority.watch(self.clock), name="authorities")
        parts.push_async_callback(_stop, watch)
        if self.role in ("all", "worker"):
            await self.echoes.start()
            parts.push_async_callback(self.echoes.close)
            await self.enrollment.worker.start()
            parts.push_async_callback(self.enrollment.worker.close)
            blocking = Follower(self.events, Blocking(self.database, self.directory).follow, FOLLOWED, BLOCKING)
            await blocking.start()
            parts.push_async_callback(blocking.close)
            chores = asyncio.create_task(self._chores(), name="chores")
            parts.push_async_callback(_stop, chores)
        if self.role in ("all", "api", "worker"):
            await channels.start(clients=self.role != "worker", deliveries=self.role != "api")
        if self.role in ("all", "api"):
            await self._listen(bound, keeper, authority)
        if self.role in ("all", "api", "worker"):
            parts.push_async_callback(channels.close)  # before the ports: polls and sockets end in good order

    async def _listen(self, bound: list[Bound], keeper: Keeper, authority: Authority) -> None:
        settings = self.settings
        pages = public_pages(
            [each.operation for each in bound], settings, self.metrics, self.ready, PERMISSIONS, GROUPS
        )
        origin = Origin(
            settings.http.trusted_proxies,
            settings.access.restricted_networks,
            settings.access.restricted_countries,
            open_countries(settings),
            settings.support.contact,
        )
        self.api = Api(
            bound,
            settings=settings,
            clock=self.clock,
            ids=self.ids,
            authenticator=self.access.authenticator,
            keeper=keeper,
            quota=self.access.quota,
            origin=origin,
            gate=self.gate,
            metrics=self.metrics,
            public=pages,
            plain=PLAIN,
        )
        server = ApiServer(self.api, settings.http.request_head_timeout, settings.http.drain_timeout)
        self._parts.push_async_callback(server.close)
        certificate, key = authority.server_files
        if settings.http.certificate:
            certificate, key = Path(settings.http.certificate), Path(settings.http.private_key)
        tls = tls_context(certificate, key)
        self.port = server.listen(settings.http.host, settings.http.port, tls, "http.port")
        if settings.http.plain_port:
            self.plain_port = server.listen(settings.http.host, settings.http.plain_port, None, "http.plain_port")

    async def ready(self) -> dict[str, str]:
        """What this process waits for, by part."""
        try:
            async with asyncio.timeout(READY_TIMEOUT):
                await self.events.end()
        except (Error, TimeoutError) as error:
            return {"database": str(error) or "no answer in time"}
        return {}

    async def close(self) -> None:
        """Refuse what is new, finish what is open, end the parts."""
        self.gate.stop()
        await self._parts.aclose()

    async def _chores(self) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                await self.directory.fold_counts()
                await self.campaign.tick()
                if self.clock.monotonic() - self._pruned > PRUNE_EVERY:
                    self._pruned = self.clock.monotonic()
                    await self.echoes.prune()
                    await self.enrollment.prune()
                    await self.connect.outcomes.prune()
                    await self.renewals.prune()
                    await self.issuers.challenges.prune()
                    await self.events.prune(self.clock.now() - round(self.settings.events.kept * MICROSECONDS))
            except Error as error:
                log.warning("chores wait", error=error.name)


async def _open(ports: Awaitable[None], secure: str, plain: str, settings: Settings) -> None:
    """Wait for the ports of a role. Raises CannotStart with the settings that move them."""
    try:
        await ports
    except CannotBind as error:
        setting = f"{secure} (or {plain})" if settings.coap.insecure else secure
        raise CannotStart(
            f"{error.strerror}. Stop what uses it, or choose another port with the setting {setting}."
        ) from error


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
