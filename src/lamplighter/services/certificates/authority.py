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
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lamplighter.clock import EPOCH

ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
"""Validity towards devices, whose clocks may stand at zero."""

RENEW_BEFORE = timedelta(days=30)


class Credential(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


class Authority:
    """The folder and what is in it. Everything is P-256 with SHA-256: what devices can check."""

    def __init__(self, folder: Path, now: int, device_hosts: Iterable[str] = ()) -> None:
        """Open the folder, and make whatever is missing or about to expire.

        :param now: microseconds UTC
        :param device_hosts: where devices are sent to; the vendor's client looks at no name, others do
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        moment = EPOCH + timedelta(microseconds=now)
        rest = (moment - timedelta(hours=1), moment + timedelta(days=3650))
        self.ca = self._load("ca") or self._root("ca", "Lamplighter REST CA", rest)
        self.device_ca = self._load("device-ca") or self._root("device-ca", "Lamplighter device CA", ALWAYS)
        self.server = self._current_server(moment)
        self.client = self._current_client(moment)
        # A certificate for one role must not open the other: each role trusts its own CA only (gateway rule 5.9).
        self.bootstrap_ca = self._load("bootstrap-ca") or self._root("bootstrap-ca", "Lamplighter bootstrap CA", ALWAYS)
        names = [_name(host) for host in device_hosts if host.isascii()]
        self.lwm2m = self._device_server("lwm2m", self.device_ca, "Lamplighter LwM2M server", names)
        self.bootstrap = self._device_server("bootstrap", self.bootstrap_ca, "Lamplighter bootstrap server", names)
        self._listeners: list[Callable[[], None]] = []

    @property
    def device_anchors(self) -> tuple[x509.Certificate, ...]:
        """Whose certificates open LwM2M: the authority that signs now first, then former ones until they are retired."""
        return (self.device_ca.certificate,)

    @property
    def bootstrap_anchors(self) -> tuple[x509.Certificate, ...]:
        """Likewise for bootstrap."""
        return (self.bootstrap_ca.certificate,)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call it, on the event loop, after the anchors or what the servers show have changed."""
        self._listeners.append(listener)

    @property
    def server_files(self) -> tuple[Path, Path]:
        """Certificate chain and key of HTTPS, as files."""
        return self.folder / "server.pem", self.folder / "server.key"

    @property
    def client_files(self) -> tuple[Path, Path]:
        """Certificate and key with which this server is a client of others, as files."""
        return self.folder / "client.pem", self.folder / "client.key"

    def issue_device(self, endpoint_name: str, account_id: str, device_id: str) -> Credential:
        """A device certificate for LwM2M: CN is the endpoint name, OU the account, L the device id (wire facts 2.2)."""
        return self._issue_client(
            self.device_ca,
            x509.NameAttribute(NameOID.COMMON_NAME, endpoint_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, account_id),
            x509.NameAttribute(NameOID.LOCALITY_NAME, device_id),
        )

    def issue_device_for(
        self, key: ec.EllipticCurvePublicKey, endpoint_name: str, account_id: str, device_id: str
    ) -> bytes:
        """The same in DER, for a key that the device made and keeps to itself."""
        builder = _client_builder(
            self.device_ca,
            key,
            x509.NameAttribute(NameOID.COMMON_NAME, endpoint_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, account_id),
            x509.NameAttribute(NameOID.LOCALITY_NAME, device_id),
        )
        return builder.sign(self.device_ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def issue_developer(self, endpoint_name: str, account_id: str) -> Credential:
        """A developer certificate: it opens bootstrap, and nothing else."""
        return self._issue_client(
            self.bootstrap_ca,
            x509.NameAttribute(NameOID.COMMON_NAME, endpoint_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, account_id),
        )

    def _issue_client(
        self,
        issuer: Credential,
        *subject: x509.NameAttribute[str],
        validity: tuple[datetime, datetime] = ALWAYS,
    ) -> Credential:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _client_builder(issuer, key.public_key(), *subject, validity=validity)
        return Credential(builder.sign(issuer.key, hashes.SHA256()), key)

    def _current_server(self, moment: datetime) -> Credential:
        found = self._load("server")
        names = _names()
        if (
            found is not None
            and found.certificate.not_valid_after_utc - moment > RENEW_BEFORE
            and _covers(found, names)
        ):
            return found
        return self._store("server", self._issue_server(self.ca, "Lamplighter", names, _year_from(moment)))

    def _current_client(self, moment: datetime) -> Credential:
        found = self._load("client")
        if found is not None and found.certificate.not_valid_after_utc - moment > RENEW_BEFORE:
            return found
        name = x509.NameAttribute(NameOID.COMMON_NAME, "Lamplighter notifications")
        return self._store("client", self._issue_client(self.ca, name, validity=_year_from(moment)))

    def _device_server(
        self, name: str, issuer: Credential, common_name: str, names: list[x509.GeneralName]
    ) -> Credential:
        """What the server shows devices. It stays as it is while it has those names: some devices trust just this one."""
        found = self._load(name)
        if found is not None and _covers(found, names):
            return found
        key = None if found is None else found.key
        every = list(dict.fromkeys([*names, *_names()]))
        return self._store(name, self._issue_server(issuer, common_name, every, ALWAYS, key))

    def _root(self, name: str, common_name: str, validity: tuple[datetime, datetime]) -> Credential:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = _builder(subject, subject, key.public_key(), validity)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        return self._store(name, Credential(builder.sign(key, hashes.SHA256()), key))

    def _issue_server(
        self,
        issuer: Credential,
        common_name: str,
        names: list[x509.GeneralName],
        validity: tuple[datetime, datetime],
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Credential:
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = _builder(subject, issuer.certificate.subject, key.public_key(), validity)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(digital_signature=True), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False
        )
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return Credential(builder.sign(issuer.key, hashes.SHA256()), key)

    def _load(self, name: str) -> Credential | None:
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if not certificate.exists() or not key.exists():
            return None
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        return Credential(x509.load_pem_x509_certificate(certificate.read_bytes()), private)

    def _store(self, name: str, credential: Credential) -> Credential:
        _write(self.folder / f"{name}.key", credential.key_pem, 0o600)
        _write(self.folder / f"{name}.pem", credential.certificate_pem, 0o644)
        return credential


def _client_builder(
    issuer: Credential,
    key: ec.EllipticCurvePublicKey,
    *subject: x509.NameAttribute[str],
    validity: tuple[datetime, datetime] = ALWAYS,
) -> x509.CertificateBuilder:
    builder = _builder(x509.Name(subject), issuer.certificate.subject, key, validity)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(digital_signature=True), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, validity: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
    )


def _year_from(moment: datetime) -> tuple[datetime, datetime]:
    return moment - timedelta(hours=1), moment + timedelta(days=365)


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


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


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file whole, so that a crash leaves the old one or the new one."""
    temporary = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
