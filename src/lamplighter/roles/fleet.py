"""Simulated devices as a role of a process: their names and keys, and the loop they run on."""

from __future__ import annotations

import asyncio
import hmac
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.clock import SystemClock
from lamplighter.coap.parameters import Parameters
from lamplighter.simulator.account import Account
from lamplighter.simulator.behaviour import NETWORK, Behaviour, BehaviourUnknown, behaviours_of, parse_behaviours
from lamplighter.simulator.device import VENDOR_AWAKE
from lamplighter.simulator.fleet import (
    STARTS_PER_SECOND,
    Credential,
    Fleet,
    Summary,
    TooManyDevices,
    require_transport,
)
from lamplighter.simulator.profile import Profile, Transport

__all__ = [
    "NETWORK",
    "Account",
    "Behaviour",
    "BehaviourUnknown",
    "Conduct",
    "Credential",
    "Fleet",
    "Profile",
    "Summary",
    "TooManyDevices",
    "Transport",
    "awake_seconds",
    "behaviours_of",
    "credentials",
    "developer_account",
    "parse_behaviours",
    "require_transport",
    "run_fleet",
    "run_name",
    "run_until_stopped",
]


@dataclass(frozen=True, slots=True)
class Conduct:
    """What kind of devices they are, and what they do. ``profile`` None: LwM2M 1.0 and 1.1 in turn."""

    profile: Profile | None = None
    behaviours: dict[Behaviour, float] = field(default_factory=dict)
    first: int = 1
    """The number of the first device."""
    lifetime: int | None = None
    """Seconds; None: what is usual for the profile."""
    starts_per_second: float = STARTS_PER_SECOND
    transport: Transport = Transport.DTLS
    bootstraps: bool = False
    """Whether they come by way of the bootstrap server. Clients of the vendor always do."""
    awake: float | None = None
    """Seconds of silence after which those that sleep are deaf; None: what is usual for the profile."""
    keepalive: float | None = None
    """Seconds between pings, 0 for none; None: what is usual for profile and transport."""
    anchors: str = ""
    """A PEM file of authorities that are believed when firmware is fetched by HTTPS."""


_ORDINARY = Conduct()


def awake_seconds(profile: Profile | None, awake: float | None) -> float:
    """How long a device that sleeps listens after it last spoke."""
    if awake is not None:
        return awake
    return VENDOR_AWAKE if profile is not None and profile.is_vendor else Parameters().max_transmit_wait


def run_name(admin_key: str, seed: int) -> str:
    """What a seed's devices have in common in their names, the same for the same installation."""
    return _derived(admin_key, f"seed {seed}").hex()[:8]


def credentials(admin_key: str, seed: int, count: int, first: int = 1) -> list[Credential]:
    """Names and keys of simulated devices from that number on, the same for the same installation and seed.

    They are derived from the administrator's key by HMAC-SHA256, so that a second run needs no memory of the first and
    nobody without that key can guess them.
    """
    run = run_name(admin_key, seed)
    names = [f"lamplighter-sim-{run}-{number:05}" for number in range(first, first + count)]
    return [Credential(name, _derived(admin_key, f"key {name}")) for name in names]


def developer_account(certificate_pem: str, key_pem: str, anchor_pem: str, uri: str) -> Account:
    """What a client of the vendor is compiled with, from what the API gives. Raises ValueError."""
    certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    key = serialization.load_pem_private_key(key_pem.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key of a developer certificate is of an elliptic curve")
    name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    anchor = x509.load_pem_x509_certificate(anchor_pem.encode())
    der = serialization.Encoding.DER
    account_id = urlsplit(uri).query.partition("aid=")[2]
    return Account(uri, str(name), account_id, certificate.public_bytes(der), key, anchor.public_bytes(der))


async def run_fleet(
    devices: Sequence[Credential | Account],
    host: str,
    port: int,
    *,
    seed: int,
    stop: asyncio.Event,
    report: Callable[[Summary], None],
    conduct: Conduct = _ORDINARY,
) -> Summary:
    """Keep the devices connected until ``stop``. Raises OSError (no such host), TooManyDevices."""
    fleet = Fleet(
        devices,
        host,
        port,
        clock=SystemClock(),
        seed=seed,
        first=conduct.first,
        profile=conduct.profile,
        behaviours=conduct.behaviours,
        lifetime=conduct.lifetime,
        starts_per_second=conduct.starts_per_second,
        transport=conduct.transport,
        bootstraps=conduct.bootstraps,
        awake=conduct.awake,
        keepalive=conduct.keepalive,
        anchors=conduct.anchors,
    )
    return await fleet.run(stop, report)


def run_until_stopped(
    devices: Sequence[Credential | Account],
    host: str,
    port: int,
    *,
    seed: int,
    report: Callable[[Summary], None],
    conduct: Conduct = _ORDINARY,
) -> Summary:
    """The same as a whole process: SIGINT and SIGTERM stop it. Gives how it went just before the end."""

    async def main() -> Summary:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await run_fleet(devices, host, port, seed=seed, stop=stop, report=report, conduct=conduct)

    return asyncio.run(main())


def _derived(admin_key: str, what: str) -> bytes:
    return hmac.digest(admin_key.encode(), f"lamplighter simulate {what}".encode(), "sha256")
