"""Who is bootstrapped, as which device, with what for LwM2M.

Whatever a device is given rests on what it proved. Its id is kept when the same credential comes back with it (``iep``), or when
the credential is one device's own. A developer certificate is many devices': whoever comes with it without an id is a new device,
or the old one after a factory reset, and gets a new id either way.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives import serialization

from lamplighter.clock import MICROSECONDS, Clock
from lamplighter.errors import bootstrap as errors
from lamplighter.errors import connect
from lamplighter.ids import is_id
from lamplighter.lwm2m.bootstrap import BootstrapRequest, SecurityMode, ServerAccount
from lamplighter.services.bootstrap import store
from lamplighter.services.bootstrap.model import Grant, Kind, Presented
from lamplighter.services.certificates.service import Authority
from lamplighter.services.connect.service import was_reset
from lamplighter.services.credentials.service import AT_BOOTSTRAP, Credentials, endpoint_name_in
from lamplighter.services.directory.model import DEVELOPER_MODE, Facts
from lamplighter.services.directory.service import Directory, Ensured, Known
from lamplighter.services.enrollment.service import Enrollment
from lamplighter.services.issuers.model import LWM2M
from lamplighter.services.issuers.service import Issued, Issuers, Subject, facts_of
from lamplighter.settings import Settings
from lamplighter.storage.database import Database, Transaction

DEVICES_OF_CERTIFICATE = 100
"""Devices that one developer certificate serves (contract: developer certificates)."""
ON_ITS_WAY = 900.0
"""Seconds that a device may take from the beginning of its bootstrap to its registration, however slow."""
LONGEST_NAME = 64
UNCLAIMED = "no account that trusts the authority of its certificate has claimed it"
#: Of the vendor's client, since when it fetches its certificate by itself.
EST_SINCE = 4
NOT_ENROLLED_REMEMBERED = 10_000
"""Credentials."""


class _Device(NamedTuple):
    device_id: str
    endpoint_name: str


class Bootstrap:
    """Decides, and writes down what was decided before a device is told."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        directory: Directory,
        credentials: Credentials,
        authority: Authority,
        tier_of: Callable[[str], Awaitable[str]],
        claims: Enrollment,
        issuers: Issuers,
    ) -> None:
        self._database = database
        self._claims = claims
        self._issuers = issuers
        self._clock = clock
        self._settings = settings
        self._directory = directory
        self._credentials = credentials
        self._authority = authority
        self._tier_of = tier_of
        self._not_enrolled: dict[str, None] = {}
        """Credentials whose last bootstrap should have ended in an enrolment and did not, the longest ago first."""

    # Who it is

    async def presented_by_key(self, identity: bytes) -> tuple[Presented, bytes] | None:
        """Who is behind a PSK identity, with the key; None: nobody."""
        owner = await self._credentials.owner_of_identity(identity)
        if owner is None:
            return None
        return Presented(Kind.PSK, owner.account_id, owner.endpoint_name), owner.key

    async def presented_by_certificate(self, leaf: bytes) -> Presented | None:
        """Whose developer certificate (DER) that is; its path was verified before. None: nobody's, or an inactive one."""
        owner = await self._credentials.owner_of_certificate(leaf)
        if owner is None:
            return None
        return Presented(Kind.DEVELOPER, owner.account_id, owner.endpoint_name, owner.certificate_id)

    async def presented_by_factory(self, leaf: bytes, anchor: bytes) -> Presented:
        """Whose device that is, of its certificate (DER) and the trusted one above it (SHA-256).

        It belongs to whoever claimed it and trusts that certificate; nobody claimed it: to the first account that trusts it
        and asks for no claim. Raises ValueError for an unusable name, DeviceUnclaimed.
        """
        name, fingerprint = endpoint_name_in(leaf), hashlib.sha256(leaf).hexdigest()
        who = await self._credentials.trusted.who_trust(anchor, AT_BOOTSTRAP)
        presented = Presented(Kind.FACTORY, "", name, fingerprint=fingerprint)
        claim = await self._claims.claim_of(self._database, presented.enrollment_identity, self._clock.now())
        may = [each for each in who if (each.account_id == claim.account_id if claim else not each.enrollment_mode)]
        if not may:
            await self._claims.denied({each.account_id: each.certificate_id for each in who}, name, UNCLAIMED)
            raise errors.DeviceUnclaimed(identity=presented.enrollment_identity, reason=UNCLAIMED)
        found = may[0]
        return presented._replace(account_id=found.account_id, certificate_id=found.certificate_id)

    async def is_good(self, presented: Presented) -> bool:
        """Whether what it presented would still let it in."""
        match presented.kind:
            case Kind.PSK:
                owner = await self._credentials.owner_of_identity(presented.endpoint_name.encode())
                return owner is not None and owner.account_id == presented.account_id
            case Kind.DEVELOPER:
                return await self._credentials.trusted.is_active(presented.account_id, presented.certificate_id)
            case Kind.FACTORY:
                return await self._may_factory(presented)
        return True

    async def _may_factory(self, presented: Presented) -> bool:
        """Whether it would be found to be the same account's now."""
        claim = await self._claims.claim_of(self._database, presented.enrollment_identity, self._clock.now())
        if claim is not None and claim.account_id != presented.account_id:
            return False
        trust = await self._credentials.trusted.active(presented.account_id, presented.certificate_id, AT_BOOTSTRAP)
        return trust is not None and (claim is not None or not trust.enrollment_mode)

    # What it gets

    async def begin(self, presented: Presented, asked: BootstrapRequest, *, transport: str = "udp") -> Grant:
        """The device that asks, and its server account; both are written down when this returns.

        Raises BootstrapCredentialGone, BootstrapOfAnother, DeveloperDevicesReached, DeviceBlocked, DeviceLimitReached.

        :param transport: ``udp`` or ``tcp``, over which it shall come to LwM2M too
        """
        name = _endpoint_name(presented, asked)
        if not await self.is_good(presented):  # a session may outlive what it rests on for a moment
            raise errors.BootstrapCredentialGone(endpoint_name=presented.endpoint_name)
        tier = await self._tier_of(presented.account_id)
        mode = self._mode(presented, asked)
        async with self._database.transaction() as tx:
            device = await self._device(tx, presented, asked, name, tier)
            await self._claim(tx, presented, device)
            await store.bind(
                tx,
                presented.account_id,
                device.device_id,
                presented.credential,
                device.endpoint_name,
                self._clock.now(),
            )
        return await self._grant(presented, asked, device, mode, transport)

    async def finish(self, presented: Presented, grant: Grant) -> None:
        """The device has everything. Raises DeviceNotFound when it was deleted meanwhile."""
        self._not_enrolled.pop(presented.credential, None)
        async with self._database.transaction() as tx:
            last = await store.last_of(tx, grant.account_id, grant.device_id)
            since = last["began_at"] if last is not None else self._clock.now()
            facts = self._facts(presented, grant)
            await self._directory.bootstrapped(tx, grant.account_id, grant.device_id, facts, since)

    async def fail(self, presented: Presented, grant: Grant, reason: str) -> None:
        """The bootstrap was not finished. Raises DeviceNotFound when the device was deleted meanwhile."""
        if grant.account.mode is SecurityMode.EST:
            self._not_enrolled[presented.credential] = None
            if len(self._not_enrolled) > NOT_ENROLLED_REMEMBERED:
                del self._not_enrolled[next(iter(self._not_enrolled))]
        async with self._database.transaction() as tx:
            await store.failed(tx, grant.account_id, grant.device_id)
            await self._directory.bootstrap_failed(tx, grant.account_id, grant.device_id, reason)

    async def enrol(self, grant: Grant, request: bytes) -> Grant:
        """A certificate for the key of a PKCS#10 request (DER), by whom the account has configured. Whatever the request says, it
        is this device's.

        Raises CertificationRequestInvalid, IssuerFailed, IssuerUnreachable, IssuerNotTrusted, DatabaseUnavailable.
        """
        return await self._noted(grant, await self._issuers.certify(LWM2M, _subject(grant), request))

    async def equip(self, grant: Grant) -> Grant:
        """A key and its certificate, for a device that cannot make a key itself; for others nothing is done.

        Raises IssuerFailed, IssuerUnreachable, IssuerNotTrusted, DatabaseUnavailable.
        """
        if grant.account.mode is not SecurityMode.CERTIFICATE:
            return grant
        key, issued = await self._issuers.equip(_subject(grant), vendor=grant.vendor)
        secret = key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        account = replace(grant.account, identity=issued.chain[0], secret=secret)
        return await self._noted(grant._replace(account=account), issued)

    # Steps

    async def _noted(self, grant: Grant, issued: Issued) -> Grant:
        """Before the device has its certificate: it is known by this note when it comes with it."""
        await self._database.together(
            lambda tx: self._issuers.note(tx, grant.account_id, grant.device_id, LWM2M, issued)
        )
        return grant._replace(issued=issued)

    async def _claim(self, tx: Transaction, presented: Presented, device: _Device) -> None:
        """A factory device that somebody claimed has come: the claim is its own from now on."""
        if presented.kind is Kind.FACTORY:
            claim = await self._claims.claim_of(tx, presented.enrollment_identity, self._clock.now())
            if claim is not None and claim.device_id != device.device_id:
                await self._claims.claimed(tx, claim, device.device_id)
                facts = Facts(enrolment_list_timestamp=self._clock.now())
                await self._directory.reported(tx, presented.account_id, device.device_id, facts)

    def _mode(self, presented: Presented, asked: BootstrapRequest) -> SecurityMode:
        if presented.kind is Kind.PSK:
            return SecurityMode.PSK
        if presented.kind is Kind.NOTHING:
            return SecurityMode.NO_SEC
        fetches = self._settings.bootstrap.est and _major(asked.client_version) >= EST_SINCE
        # The client keeps the key that it made in vain, and while it has one refuses (4.00) to be told to make one.
        usable = presented.credential not in self._not_enrolled
        return SecurityMode.EST if fetches and usable else SecurityMode.CERTIFICATE

    async def _device(
        self, tx: Transaction, presented: Presented, asked: BootstrapRequest, name: str, tier: str
    ) -> _Device:
        facts = Facts(device_execution_mode=DEVELOPER_MODE) if presented.kind is Kind.DEVELOPER else Facts()
        if presented.kind is not Kind.DEVELOPER:
            found = await self._ensure(tx, presented, name, facts, tier, reset=False)
            return _Device(found.device_id, name)
        account_id = presented.account_id
        await store.alone(tx, account_id, presented.credential)
        known = await self._returning(tx, presented, asked.device_id)
        if known is None and asked.is_vendor:
            known = await self._left_without(tx, presented)
        if known is not None:
            return known
        await self._make_room(tx, presented)
        name = await self._former_name(tx, presented) or name
        holder = await self._directory.device_of_endpoint(tx, account_id, name)
        if asked.is_vendor and holder is not None and await self._is_on(tx, account_id, holder):
            # Another device that this certificate was built into, or this one's former life, if it was reset otherwise
            # than by a command: the server cannot tell them apart, and the one that is on keeps its name.
            name = f"{name[: LONGEST_NAME - 9]}-{secrets.token_hex(4)}"
        # Others than the vendor's client cannot be told a new name, and are one device with one certificate.
        found = await self._ensure(tx, presented, name, facts, tier, reset=asked.is_vendor)
        return _Device(found.device_id, name)

    async def _returning(self, tx: Transaction, presented: Presented, device_id: str | None) -> _Device | None:
        """The device of that id, if it is bound to this credential. Raises DeviceBlocked."""
        if device_id is None or not is_id(device_id):
            return None
        last = await store.last_of(tx, presented.account_id, device_id)
        known = await self._directory.device(tx, presented.account_id, device_id)
        if last is None or last["credential"] != presented.credential or known is None:
            return None
        if known.suspended:
            raise connect.DeviceBlocked(device_id=device_id)
        return _Device(device_id, known.endpoint_name)

    async def _left_without(self, tx: Transaction, presented: Presented) -> _Device | None:
        """A device of the certificate's whose bootstrap failed before it was given anything: whoever comes next can be it."""
        account_id = presented.account_id
        for row in await store.devices_of(tx, account_id, presented.credential):
            if row["began_at"]:  # those that failed are the first
                break
            known = await self._directory.device(tx, account_id, row["device_id"])
            if known is None or known.state != "cloud_enrolling" or known.suspended:
                continue
            if not await self._issuers.has_noted(tx, account_id, row["device_id"], LWM2M):
                return _Device(row["device_id"], known.endpoint_name)
        return None

    async def _former_name(self, tx: Transaction, presented: Presented) -> str | None:
        """The name of the certificate's device that has agreed to a factory reset, and so is the one that comes now."""
        for row in reversed(await store.devices_of(tx, presented.account_id, presented.credential)):
            if await was_reset(tx, presented.account_id, row["device_id"]):
                former = await self._directory.device(tx, presented.account_id, row["device_id"])
                return former.endpoint_name if former is not None else None
        return None

    async def _make_room(self, tx: Transaction, presented: Presented) -> None:
        """Forget the longest unused of the certificate's devices when there are too many. Raises DeveloperDevicesReached."""
        devices = await store.devices_of(tx, presented.account_id, presented.credential)
        excess = len(devices) + 1 - DEVICES_OF_CERTIFICATE
        for device_id in (row["device_id"] for row in devices):
            if excess <= 0:
                return
            known = await self._directory.device(tx, presented.account_id, device_id)
            if known is None or not await self._is_on(tx, presented.account_id, known):
                await self._directory.forget(tx, presented.account_id, device_id)
                await store.unbind(tx, presented.account_id, device_id)
                excess -= 1
        if excess > 0:
            raise errors.DeveloperDevicesReached(
                used=len(devices), maximum=DEVICES_OF_CERTIFICATE, certificate_id=presented.certificate_id
            )

    async def _is_on(self, tx: Transaction, account_id: str, device: Known) -> bool:
        """Whether a device is registered, or may be on its way from its bootstrap to there."""
        if device.state == "registered":
            return not await was_reset(tx, account_id, device.device_id)
        last = await store.last_of(tx, account_id, device.device_id)
        return last is not None and self._clock.now() - last["began_at"] < round(ON_ITS_WAY * MICROSECONDS)

    async def _ensure(
        self, tx: Transaction, presented: Presented, name: str, facts: Facts, tier: str, *, reset: bool
    ) -> Ensured:
        found = await self._directory.ensure_device(
            tx, presented.account_id, name, facts, tier=tier, state="cloud_enrolling", reset=reset
        )
        if found.suspended:
            raise connect.DeviceBlocked(device_id=found.device_id)
        return found

    async def _grant(
        self, presented: Presented, asked: BootstrapRequest, device: _Device, mode: SecurityMode, transport: str
    ) -> Grant:
        authority, settings = self._authority, self._settings
        identity = secret = anchor = server = b""
        if mode is SecurityMode.PSK:
            owner = await self._credentials.owner_of_identity(presented.endpoint_name.encode())
            if owner is None:
                raise errors.BootstrapCredentialGone(endpoint_name=presented.endpoint_name)
            identity, secret = owner.endpoint_name.encode(), owner.key
        elif mode is not SecurityMode.NO_SEC:
            anchor = authority.device_root.public_bytes(serialization.Encoding.DER)
            server = authority.lwm2m.certificate_der
        account = ServerAccount(
            uri=self._uri(presented, asked, mode, transport),
            mode=mode,
            identity=identity,
            anchor=anchor,
            server_certificate=server,
            secret=secret,
            lifetime=int(settings.bootstrap.lifetime),
            binding="T" if transport == "tcp" else "U",
        )
        return Grant(presented.account_id, device.device_id, device.endpoint_name, account, asked.is_vendor)

    def _uri(self, presented: Presented, asked: BootstrapRequest, mode: SecurityMode, transport: str) -> str:
        uri = self._settings.public.lwm2m_uri
        if asked.is_vendor:
            # The vendor's client uses the same scheme for UDP and TCP, and looks for its account in the query.
            return f"{uri}?aid={presented.account_id}"
        host = uri.removeprefix("coaps://").rpartition(":")[0] or uri.removeprefix("coaps://")
        if mode is SecurityMode.NO_SEC:
            scheme = "coap+tcp" if transport == "tcp" else "coap"
            return f"{scheme}://{host}:{self._settings.coap.port}"
        return uri.replace("coaps://", "coaps+tcp://", 1) if transport == "tcp" else uri

    def _facts(self, presented: Presented, grant: Grant) -> Facts:
        if grant.issued is None:
            return Facts()
        return msgspec.structs.replace(
            facts_of(grant.issued),
            device_execution_mode=DEVELOPER_MODE if presented.kind is Kind.DEVELOPER else None,
            ca_id=presented.certificate_id or None,
            bootstrap_expiration_date=self._authority.bootstrap.certificate.not_valid_after_utc.date().isoformat(),
        )


def _endpoint_name(presented: Presented, asked: BootstrapRequest) -> str:
    """The name that the credential proves. Raises BootstrapOfAnother."""
    claimed = asked.endpoint_name or presented.endpoint_name
    proven = presented.endpoint_name or claimed
    if claimed != proven or (asked.account or presented.account_id) != presented.account_id:
        raise errors.BootstrapOfAnother(claimed=claimed[:LONGEST_NAME], endpoint_name=proven)
    if not proven or len(proven) > LONGEST_NAME or not proven.isprintable():
        raise errors.BootstrapOfAnother(claimed=claimed[:LONGEST_NAME], endpoint_name="no name a device can have")
    return proven


def _major(version: str | None) -> int:
    digits = (version or "").split(".", 1)[0]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 4 else 0


def _subject(grant: Grant) -> Subject:
    return Subject(grant.endpoint_name, grant.account_id, grant.device_id)
