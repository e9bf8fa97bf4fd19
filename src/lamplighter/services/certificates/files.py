"""Certificates and keys as files of the folder ``pki/``: written whole or not at all, private keys sealed.

``<name>.pem`` is a certificate, and those above it; ``<name>.key.sealed`` its key, sealed by the master key (AES-256-GCM).
A plain ``<name>.key`` beside them is sealed when it is first read, and removed: that is how older installations, and keys that
an operator brings, come under the master key. Of an authority there may be ``<name>.pkcs11`` instead, the URI of a key in a
hardware module (``module.py``). Two keys stay plain, because OpenSSL reads them by their file: that of HTTPS and that of requests
which go out.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.services.certificates.credential import Credential
from lamplighter.services.certificates.module import ModuleKey, open_key
from lamplighter.services.certificates.module_library import ModuleUnusable
from lamplighter.storage.seal import MasterKey, SealBroken

PLAIN = frozenset({"server", "client"})
_PURPOSE = "pki key"


class AuthorityUnusable(ValueError):
    """A certificate or key of the installation cannot be used. The text says which, why and what to do."""


class KeyFiles:
    """The folder."""

    def __init__(self, folder: Path, master_key: MasterKey) -> None:
        self.folder = folder
        self._master_key = master_key

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among the processes of this folder, for as long as it takes to make or change something."""
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def certificate_path(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def plain_path(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def sealed_path(self, name: str) -> Path:
        return self.folder / f"{name}.key.sealed"

    def uri_path(self, name: str) -> Path:
        return self.folder / f"{name}.pkcs11"

    def certificates(self, name: str) -> tuple[x509.Certificate, ...]:
        """All of that file, none where it is not there. Raises AuthorityUnusable."""
        try:
            text = self.certificate_path(name).read_bytes()
            return tuple(x509.load_pem_x509_certificates(text))
        except FileNotFoundError:
            return ()
        except ValueError:
            raise AuthorityUnusable(
                f"{self.certificate_path(name)} is not PEM with certificates: bring it back from a copy."
            ) from None

    def load(self, name: str, check: Callable[[Credential], object] = lambda found: None) -> Credential | None:
        """Certificate and key; None where one of them is missing. A plain key is sealed. Raises AuthorityUnusable.

        :param check: raises AuthorityUnusable for what is not to be taken; then a plain key stays as it is
        """
        certificates = self.certificates(name)
        if not certificates:
            return None
        found, plain = None, self.plain_path(name)
        if plain.exists():
            found = Credential(certificates[0], read_key(plain), certificates[1:])
            if name in PLAIN:
                return found if found.fits else None  # a crash came between the two files
            if not found.fits:  # before it takes the place of another one
                raise AuthorityUnusable(
                    f"{plain} is not the key of {self.certificate_path(name)}: put both there, or move the key away."
                )
            check(found)
            self._seal(name, found.key)
            plain.unlink()
            _sync(self.folder)
            return found
        elif name not in PLAIN and self.uri_path(name).exists():
            found = Credential(certificates[0], self._in_module(name, certificates[0]), certificates[1:])
        elif self.sealed_path(name).exists():
            found = Credential(certificates[0], self._unseal(name), certificates[1:])
        if found is None:
            return None
        if not found.fits:
            raise AuthorityUnusable(
                f"{self.sealed_path(name)} is not the key of {self.certificate_path(name)}: bring both back from one copy."
            )
        check(found)
        return found

    def store(self, name: str, credential: Credential) -> Credential:
        """The key first: a crash between the two leaves a certificate that does not fit it, which is then made anew."""
        if name in PLAIN:
            write(self.plain_path(name), credential.key_pem, 0o600)
        elif isinstance(credential.key, ModuleKey):
            write(self.uri_path(name), f"{credential.key.uri.text}\n".encode(), 0o600)
        else:
            self._seal(name, credential.key)
        self.store_certificates(name, *credential.path)
        return credential

    def store_certificates(self, name: str, *certificates: x509.Certificate) -> None:
        text = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
        write(self.certificate_path(name), text, 0o644)

    def is_sealed(self, name: str) -> bool:
        """Whether there is a sealed key, and the master key opens it, or one in a module, which answers.

        Raises AuthorityUnusable where it does not.
        """
        if self.uri_path(name).exists():
            return bool(self._in_module(name, self.certificates(name)[0], away=False))
        return self.sealed_path(name).exists() and bool(self._unseal(name))

    def remove_keys(self, *names: str) -> None:
        """For good, where they are there."""
        self._remove(
            *(path for name in names for path in (self.sealed_path(name), self.plain_path(name), self.uri_path(name)))
        )

    def remove(self, *names: str) -> None:
        """Certificates and keys, likewise."""
        self._remove(*(self.certificate_path(name) for name in names))
        self.remove_keys(*names)

    def _remove(self, *paths: Path) -> None:
        there = [path for path in paths if path.exists()]
        for path in there:
            path.unlink()
        if there:
            _sync(self.folder)

    def _in_module(self, name: str, certificate: x509.Certificate, *, away: bool = True) -> ModuleKey:
        path = self.uri_path(name)
        try:
            return open_key(path.read_text(), certificate, away=away)
        except ModuleUnusable as error:
            raise AuthorityUnusable(f"{path}: {error}.") from None

    def _unseal(self, name: str) -> ec.EllipticCurvePrivateKey:
        path = self.sealed_path(name)
        try:
            loaded = serialization.load_der_private_key(self._master_key.open(path.read_bytes(), _PURPOSE, name), None)
        except SealBroken:
            raise AuthorityUnusable(
                f"{path} was sealed with another master key, or is damaged. Bring back the master key that belongs to this "
                "folder, or the file from a copy."
            ) from None
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return loaded

    def _seal(self, name: str, key: ec.EllipticCurvePrivateKey) -> None:
        der = key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write(self.sealed_path(name), self._master_key.seal(der, _PURPOSE, name), 0o600)


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """An EC key without a passphrase, in PEM. Raises AuthorityUnusable."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except TypeError:
        raise AuthorityUnusable(
            f"{path} has a passphrase: write it without one (openssl pkey -in … -out …); it is sealed at once."
        ) from None
    except ValueError:
        raise AuthorityUnusable(f"{path} is not a private key in PEM.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityUnusable(f"{path} is not an EC key: devices check keys on the curve P-256 (secp256r1) only.")
    return key


def write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file whole, so that a crash leaves the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
