"""Bootstrap and LwM2M in one process on loopback, and developer certificates to come with."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.dtls import TrustAnchor
from lamplighter.dtls.client_configuration import ClientConfig
from lamplighter.outbound.client import OutboundClient
from lamplighter.roles.bootstrap import BootstrapRole
from lamplighter.services.bootstrap.service import Bootstrap as BootstrapService
from lamplighter.services.credentials.model import DeveloperCertificate, DeveloperCertificateRequest, PreSharedKey
from lamplighter.services.directory.model import Device as Shown
from lamplighter.services.enrollment.service import Enrollment
from lamplighter.services.issuers.service import Issuers
from lamplighter.settings import Bootstrap, Public, Settings
from lamplighter.storage.database import Database
from tests.api.toy import ACCOUNT
from tests.roles.bootstrap_client import BootstrapClient, StandardClient, VendorClient
from tests.roles.lwm2m_device import Device, with_key
from tests.roles.lwm2m_serving import MASTER_KEY, SECRET, SETTINGS, Serving
from tests.services.connect.bench import commercial

VENDOR = {"account": ACCOUNT, "client_version": "4.13.2"}


class BootstrapServing(Serving):
    """The LwM2M role with the bootstrap role beside it."""

    def __init__(self, database: Database, folder: Path, settings: Settings | None = None, **bootstrap: bool) -> None:
        settings = settings or msgspec.structs.replace(
            SETTINGS,
            bootstrap=Bootstrap(port=0, plain_port=0, **bootstrap),
            public=Public(lwm2m_uri="coaps://lamps.example.com:5684", bootstrap_uri="coaps://lamps.example.com:5784"),
        )
        super().__init__(database, folder, settings)
        self.claims = Enrollment(database, self.clock, self.ids, settings, self.bus)
        self.outbound = OutboundClient(settings.outbound)
        self.issuers = Issuers(
            database,
            self.clock,
            self.ids,
            settings,
            MASTER_KEY,
            self.authority,
            self.outbound,
            self.credentials.trusted.judge_at_lwm2m,
        )
        service = BootstrapService(
            database,
            self.clock,
            settings,
            self.directory,
            self.credentials,
            self.authority,
            commercial,
            self.claims,
            self.issuers,
        )
        self.bootstrap = BootstrapRole(
            settings,
            self.clock,
            self.bus,
            self.log,
            service,
            self.credentials.trusted,
            self.authority,
            MASTER_KEY,
            insecure_account=ACCOUNT,
        )

    async def start(self) -> None:
        await super().start()
        await self.bootstrap.start()

    async def close(self) -> None:
        await self.bootstrap.close()
        await super().close()
        await self.outbound.close()

    async def developer(self, name: str = "for trying out") -> DeveloperCertificate:
        return await self.credentials.create_developer_certificate(ACCOUNT, DeveloperCertificateRequest(name))

    async def vendor_client(self, developer: DeveloperCertificate) -> VendorClient:
        """A client of the vendor with that certificate, in a session."""
        client = VendorClient(self.changed)
        await self._connect(client, self.with_developer(developer))
        return client

    async def standard_client(self, kind: type[StandardClient], name: str) -> StandardClient:
        """A client with a pre-shared key of that name, in a session."""
        if await self.credentials.owner_of_identity(name.encode()) is None:
            await self.credentials.create_key(ACCOUNT, PreSharedKey(name, SECRET.hex()))
        client = kind(self.changed)
        await self._connect(client, with_key(name, SECRET))
        return client

    async def _connect(self, client: BootstrapClient, config: ClientConfig) -> None:
        self.devices.append(client)
        await client.connect(config, self.bootstrap.port)

    def with_developer(self, developer: DeveloperCertificate) -> ClientConfig:
        certificate = x509.load_pem_x509_certificate(developer.developer_certificate.encode())
        key = serialization.load_pem_private_key(developer.developer_private_key.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return ClientConfig(
            wall_time=time.time,
            certificate_chain=(certificate.public_bytes(serialization.Encoding.DER),),
            private_key=key,
            trust_anchors=(TrustAnchor.from_der(self.authority.bootstrap_ca.certificate_der),),
        )

    async def at_lwm2m(self, client: BootstrapClient) -> Device:
        """The same device in a session with what it was given, for LwM2M."""
        mode, identity, anchor, secret = (client.security[number] for number in (2, 3, 4, 5))
        assert isinstance(identity, bytes) and isinstance(secret, bytes) and isinstance(anchor, bytes)
        device = self.new_device()
        if mode == 0:
            await device.connect(with_key(identity.decode(), secret), self.role.port)
            return device
        key = serialization.load_der_private_key(secret, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        await device.connect(self.with_certificate(identity, key, anchor), self.role.port)
        return device

    def with_certificate(self, certificate: bytes, key: ec.EllipticCurvePrivateKey, anchor: bytes) -> ClientConfig:
        return ClientConfig(
            wall_time=time.time,
            certificate_chain=(certificate,),
            private_key=key,
            trust_anchors=(TrustAnchor.from_der(anchor),),
        )

    async def in_state(self, endpoint_name: str, state: str) -> Shown:
        """The device of that name, once the directory says that it is in that state."""

        async def look() -> Shown | None:
            known = await self.directory.device_of_endpoint(self.database, ACCOUNT, endpoint_name)
            if known is None or known.state != state:
                return None
            return await self.directory.retrieve(ACCOUNT, known.device_id)

        shown: Shown = await self.until(look)
        return shown


async def finished(client: BootstrapClient) -> None:
    async with asyncio.timeout(10):
        await client.finished.wait()
