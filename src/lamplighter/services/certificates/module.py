"""Keys that never leave a hardware module: it signs when it is asked to, over PKCS#11.

To whatever signs certificates it is an ``ec.EllipticCurvePrivateKey``: pyca/cryptography calls its ``sign`` like that of its own.
What a module does is done in the one thread of its library (``module_library.py``), and waited for only so long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NoReturn, TypeVar

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from lamplighter.errors.issuers import AuthorityAway
from lamplighter.services.certificates.module_library import ANSWERS_WITHIN, ModuleUnusable, late, library_of
from lamplighter.services.certificates.module_uri import ModuleUri, parse_uri

log = structlog.get_logger("lamplighter.certificates")

_TRIAL = b"is this the key of the certificate?"
T = TypeVar("T")


class ModuleKey(ec.EllipticCurvePrivateKey):
    """A private key in a module. ``sign`` waits for the module; on an event loop call it by ``run``."""

    def __init__(self, uri: ModuleUri, public_key: ec.EllipticCurvePublicKey) -> None:
        self.uri = uri
        self._public_key = public_key
        self._library = library_of(uri.library)

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Raises AuthorityAway, also for what the module signs with another key."""
        try:
            return self._signed(data, signature_algorithm)
        except ModuleUnusable as error:
            raise AuthorityAway(reason=str(error)) from error

    async def run(self, work: Callable[[], T]) -> T:
        """Do what signs with this key, in the thread of its library. Raises AuthorityAway."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                return await asyncio.wrap_future(self._library.submit(work))
        except TimeoutError:
            raise late() from None

    def try_out(self) -> None:
        """Raises ModuleUnusable for another key than the certificate's, AuthorityAway where the module does not answer."""
        self._signed(_TRIAL, ec.ECDSA(hashes.SHA256()))

    def _signed(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        algorithm = signature_algorithm.algorithm
        assert not isinstance(algorithm, Prehashed)
        digest = hashes.Hash(algorithm)
        digest.update(data)
        signature = self._library.sign(self.uri, digest.finalize())
        try:
            # A module may be started after us, and handles of keys begin anew with it: believe none unseen.
            self._public_key.verify(signature, data, signature_algorithm)
        except InvalidSignature:
            self._library.forget(self.uri)  # so that the next attempt looks for the key again
            raise ModuleUnusable("the key in the module is not that of the certificate") from None
        return signature

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        return self._public_key.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise NotImplementedError("it signs, and nothing else")

    def private_numbers(self) -> NoReturn:
        raise NotImplementedError("it stays in its module")

    def private_bytes(self, *form: Any) -> NoReturn:
        raise NotImplementedError("it stays in its module")

    def __copy__(self) -> ModuleKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ModuleKey:
        return self


def open_key(text: str, certificate: x509.Certificate, *, away: bool = False) -> ModuleKey:
    """The key of a certificate, of its PKCS#11 URI. Raises ModuleUnusable.

    :param away: whether it is taken without a trial where the module does not answer: it may be started after us
    """
    if find_spec("pkcs11") is None:
        raise ModuleUnusable("keys in a module need lamplighter[pkcs11], which is not installed")
    try:
        uri = parse_uri(text.strip())
    except ValueError as error:
        raise ModuleUnusable(f"the PKCS#11 URI {error}") from None
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise ModuleUnusable("its certificate is not of an elliptic curve")
    key = ModuleKey(uri, public_key)
    try:
        key.try_out()
    except AuthorityAway as error:
        if not away:
            raise ModuleUnusable(error.facts["reason"]) from None
        log.warning("the module with the key of an authority does not answer", why=error.facts["reason"])
    return key
