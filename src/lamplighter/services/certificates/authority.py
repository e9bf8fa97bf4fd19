"""The installation's own certificate authorities, in the folder ``pki/``.

Two for two worlds (gateway_rules 2.13): browsers and TLS libraries refuse certificates of absurd validity, and devices start
with a clock at 1970.

=================  ==============================================================  =====================================
file               what                                                            valid
=================  ==============================================================  =====================================
ca.pem             signs ``server.pem``; what REST clients trust                   10 years
server.pem         HTTPS: localhost, host name, this machine's addresses           1 year, made anew 30 days before
client.pem         what this server shows to others' (webhooks), signed by ca.pem  the same
device-ca.pem      signs the LwM2M server, and devices' certificates for it        1970-01-01 to 9999-12-31
lwm2m.pem          the LwM2M server towards devices, which may check its names     the same
bootstrap-ca.pem   signs the bootstrap server, and developer certificates          the same
bootstrap.pem      the bootstrap server towards devices, likewise                  the same
=================  ==============================================================  =====================================

The two towards devices can give way to successors (``rotation.py``), whose files have the number of their generation:
``device-ca-2.pem``, ``lwm2m-2.pem``. They may also be an operator's own (``given.py``): then the ``.pem`` holds the path up to
his root, and nothing is valid for longer than that. Their keys may be in a hardware module (``module.py``).
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lamplighter.clock import EPOCH, Clock
from lamplighter.errors.issuers import AuthorityAway
from lamplighter.services.certificates.credential import Credential
from lamplighter.services.certificates.files import AuthorityUnusable, KeyFiles
from lamplighter.services.certificates.given import check_authority, is_signed
from lamplighter.services.certificates.issuing import ALWAYS, issue_client, issue_server, make_root, year_from
from lamplighter.services.certificates.module import ModuleKey
from lamplighter.services.certificates.rotation import (
    BOOTSTRAP,
    DEVICE,
    LINES,
    Generation,
    Line,
    State,
    Towards,
    forget_retired,
    read_state,
)
from lamplighter.storage.seal import MasterKey, load_master_key

log = structlog.get_logger("lamplighter.certificates")

RENEW_BEFORE = timedelta(days=30)
WATCH_EVERY = 0.4
"""Seconds: what rests on a retired authority ends within a second."""


class Authority:
    """The folder and what is in it. Everything is P-256 with SHA-256: what devices can check.

    What it says can change while a process runs: another one has put a successor in an authority's place. ``watch`` finds
    that out.
    """

    def __init__(
        self, folder: Path, now: int, device_hosts: Iterable[str] = (), *, master_key: MasterKey | None = None
    ) -> None:
        """Open the folder, and make whatever is missing or about to expire.

        Raises AuthorityUnusable, MasterKeyError.

        :param now: microseconds UTC
        :param device_hosts: where devices are sent to; the vendor's client looks at no name, others do
        :param master_key: seals private keys; None: that of the data folder which ``folder`` is in
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self.files = KeyFiles(folder, master_key or load_master_key(folder.parent))
        self.moment = EPOCH + timedelta(microseconds=now)
        """At which certificates are judged."""
        self.device_names = [_name(host) for host in device_hosts if host.isascii()]
        self._listeners: list[Callable[[frozenset[bytes]], None]] = []
        with self.files.locked():
            rest = (self.moment - timedelta(hours=1), self.moment + timedelta(days=3650))
            self.ca = self._with_key("ca") or self._store("ca", make_root("Lamplighter REST CA", rest))
            self.server = self._current_server()
            self.client = self._current_client()
            # A certificate for one role must not open the other: each role trusts its own CA only (gateway rule 5.9).
            self._seen = self._look()
            self._device, self._bootstrap = self._read()

    # Towards devices

    @property
    def device_ca(self) -> Credential:
        """Signs certificates of devices for LwM2M."""
        return self._device.signs

    @property
    def bootstrap_ca(self) -> Credential:
        """Signs developer certificates."""
        return self._bootstrap.signs

    @property
    def lwm2m(self) -> Credential:
        """What the LwM2M server shows. Under a former authority for as long as that is trusted: some devices know no other."""
        return self._device.server

    @property
    def bootstrap(self) -> Credential:
        return self._bootstrap.server

    @property
    def device_root(self) -> x509.Certificate:
        """By which a device that is bootstrapped now knows the LwM2M server, now and when a former authority has retired."""
        return self._device.root

    @property
    def bootstrap_root(self) -> x509.Certificate:
        """By which a device that gets its developer certificate now knows the bootstrap server."""
        return self._bootstrap.root

    @property
    def device_anchors(self) -> tuple[x509.Certificate, ...]:
        """Whose certificates open LwM2M: the authority that signs now first, then a former one until it is retired."""
        return self._device.anchors

    @property
    def bootstrap_anchors(self) -> tuple[x509.Certificate, ...]:
        """Likewise for bootstrap."""
        return self._bootstrap.anchors

    def file_of(self, kind: str, back: int) -> Path:
        """Where the certificate of an anchor lies, that many generations ago."""
        at: Generation = getattr(read_state(self.folder), kind)
        return self.files.certificate_path(LINES[kind].authority_file(at.number - back))

    def on_change(self, listener: Callable[[frozenset[bytes]], None]) -> None:
        """Call it, on the event loop, after the anchors or what the servers show have changed, with the fingerprints (SHA-256)
        of the anchors that are not trusted any more."""
        self._listeners.append(listener)

    async def watch(self, clock: Clock) -> None:
        """Take up what other processes change, until cancelled."""
        told = ""
        while True:
            await asyncio.sleep(WATCH_EVERY)
            if (seen := self._look()) == self._seen:
                continue
            self.moment = EPOCH + timedelta(microseconds=clock.now())
            try:
                self._take(*await asyncio.to_thread(self._read_alone))
            except (
                AuthorityUnusable,
                OSError,
            ) as error:  # files may still be on their way here: the next look tries again
                if str(error) != told:
                    log.warning("a change of the authorities is not taken up", why=str(error))
                told = str(error)
            else:
                self._seen, told = seen, ""
                log.info(
                    "the authorities have changed",
                    device=self.device_ca.certificate.subject.rfc4514_string(),
                    bootstrap=self.bootstrap_ca.certificate.subject.rfc4514_string(),
                )

    def _take(self, device: Towards, bootstrap: Towards) -> None:
        before = {*self.device_anchors, *self.bootstrap_anchors}
        self._device, self._bootstrap = device, bootstrap
        gone = before - {*self.device_anchors, *self.bootstrap_anchors}
        for listener in self._listeners:
            listener(frozenset(each.fingerprint(hashes.SHA256()) for each in gone))

    def _read_alone(self) -> tuple[Towards, Towards]:
        with self.files.locked():
            return self._read()

    def _read(self) -> tuple[Towards, Towards]:
        state = read_state(self.folder)
        return self._open(DEVICE, state.device), self._open(BOOTSTRAP, state.bootstrap)

    # Files of HTTPS

    @property
    def server_files(self) -> tuple[Path, Path]:
        """Certificate chain and key of HTTPS, as files."""
        return self.files.certificate_path("server"), self.files.plain_path("server")

    @property
    def client_files(self) -> tuple[Path, Path]:
        """Certificate and key with which this server is a client of others, as files."""
        return self.files.certificate_path("client"), self.files.plain_path("client")

    # Issuing

    def issue_device(self, endpoint_name: str, account_id: str, device_id: str) -> Credential:
        """A device certificate for LwM2M: CN is the endpoint name, OU the account, L the device id (wire facts 2.2)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(endpoint_name, account_id, device_id)
        return Credential(issue_client(self.device_ca, key.public_key(), *subject), key)

    async def issue_device_for(
        self, key: ec.EllipticCurvePublicKey, endpoint_name: str, account_id: str, device_id: str
    ) -> tuple[bytes, ...]:
        """The same in DER with those above it, for a key that the device made and keeps to itself. Raises AuthorityAway."""
        issuer = self.device_ca
        work = partial(issue_client, issuer, key, *_subject(endpoint_name, account_id, device_id))
        made = await issuer.key.run(work) if isinstance(issuer.key, ModuleKey) else work()
        return made.public_bytes(serialization.Encoding.DER), *issuer.path_der

    async def make_developer(self, endpoint_name: str, account_id: str) -> Credential:
        """``issue_developer`` beside the event loop. Raises AuthorityAway."""
        issuer, work = self.bootstrap_ca, partial(self.issue_developer, endpoint_name, account_id)
        return await (issuer.key.run(work) if isinstance(issuer.key, ModuleKey) else asyncio.to_thread(work))

    def issue_developer(self, endpoint_name: str, account_id: str) -> Credential:
        """A developer certificate: it opens bootstrap, and nothing else."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Credential(issue_client(self.bootstrap_ca, key.public_key(), *_subject(endpoint_name, account_id)), key)

    # Steps

    def signing(self, line: Line, generation: int) -> Credential | None:
        """The authority of that generation, if it is there. Raises AuthorityUnusable."""
        name = line.authority_file(generation)
        path = str(self.files.certificate_path(name))
        return self._with_key(name, lambda found: check_authority(path, found, self.moment))

    def device_server(self, line: Line, generation: int, issuer: Credential) -> Credential:
        """What the server shows under that authority. It stays as it is while it has the names devices are sent to: some trust
        just this one. Raises AuthorityUnusable.
        """
        name = line.server_file(generation)
        found = self.files.load(name)
        if found is not None and _covers(found, self.device_names) and is_signed(found.certificate, issuer.certificate):
            return found
        key = None if found is None else found.key
        every = list(dict.fromkeys([*self.device_names, *_names()]))
        try:
            made = issue_server(issuer, line.server_name, every, ALWAYS, key)
        except AuthorityAway as error:
            raise AuthorityUnusable(
                f"{self.files.certificate_path(name)} has to be signed anew: {error.text}"
            ) from None
        return self._store(name, made)

    def _open(self, line: Line, at: Generation) -> Towards:
        signs = self.signing(line, at.number)
        if signs is None:
            if at.number > 1:
                raise AuthorityUnusable(
                    f"{self.files.certificate_path(line.authority_file(at.number))} is missing: bring it back from a copy."
                )
            signs = self._store(line.authority_file(1), make_root(line.authority_name, ALWAYS))
        forget_retired(self.files, line, at)
        former = self.signing(line, at.number - 1) if at.overlap else None
        shown = at.number if former is None else at.number - 1
        server = self.device_server(line, shown, former or signs)
        crosses = self.files.certificates(line.cross_file(shown)) if former is not None else ()
        return Towards.put_together(signs, former, server, crosses)

    def _with_key(self, name: str, check: Callable[[Credential], object] = lambda found: None) -> Credential | None:
        """An authority of the folder. A certificate without its key is no reason to make another one: devices trust it."""
        found = self.files.load(name, check)
        path = self.files.certificate_path(name)
        if found is None and path.exists():
            raise AuthorityUnusable(
                f"{path} has no key beside it: bring back {self.files.sealed_path(name).name} from a copy. Without it, move "
                "the .pem away: another authority is made, and what trusts this one must be given the new one."
            )
        return found

    def _current_server(self) -> Credential:
        found = self.files.load("server")
        names = _names()
        if found is not None and self._lasts(found) and _covers(found, names):
            return found
        return self._store("server", issue_server(self.ca, "Lamplighter", names, year_from(self.moment)))

    def _current_client(self) -> Credential:
        found = self.files.load("client")
        if found is not None and self._lasts(found):
            return found
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.NameAttribute(NameOID.COMMON_NAME, "Lamplighter notifications")
        made = issue_client(self.ca, key.public_key(), name, validity=year_from(self.moment))
        return self._store("client", Credential(made, key))

    def _lasts(self, credential: Credential) -> bool:
        return credential.certificate.not_valid_after_utc - self.moment > RENEW_BEFORE

    def _store(self, name: str, credential: Credential) -> Credential:
        return self.files.store(name, credential)

    def _look(self) -> tuple[int, int] | None:
        """What tells one state of the folder from another."""
        try:
            found = os.stat(State.path_in(self.folder))
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns


def _subject(common_name: str, account_id: str, device_id: str = "") -> list[x509.NameAttribute[str]]:
    named = [
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, account_id),
    ]
    return [*named, x509.NameAttribute(NameOID.LOCALITY_NAME, device_id)] if device_id else named


def _names() -> list[x509.GeneralName]:
    """localhost, the host name, and the addresses this machine answers to."""
    host = socket.gethostname()
    addresses = {"127.0.0.1", "::1"}
    try:
        addresses |= {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        pass  # a host name that does not resolve adds no address
    names = dict.fromkeys(["localhost", host, socket.getfqdn()])
    dns = [name for name in map(_name, filter(str.isascii, names)) if isinstance(name, x509.DNSName)]
    return [*dns, *(x509.IPAddress(ipaddress.ip_address(each)) for each in sorted(addresses))]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _covers(credential: Credential, names: list[x509.GeneralName]) -> bool:
    try:
        extension = credential.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return not names
    return set(names) <= set(extension.value)
