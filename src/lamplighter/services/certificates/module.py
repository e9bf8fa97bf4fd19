"""Keys that never leave a hardware module: it signs when it is asked to, over PKCS#11.

To whatever signs certificates it is an ``ec.EllipticCurvePrivateKey``: pyca/cryptography calls its ``sign`` like that of its own.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, NoReturn

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from lamplighter.errors.issuers import AuthorityAway
from lamplighter.services.certificates.module_uri import ModuleUri, parse_uri

log = structlog.get_logger("lamplighter.certificates")

_TRIAL = b"is this the key of the certificate?"


class ModuleUnusable(ValueError):
    """A module, its token or its key is not as the URI says. The text says what to do."""


class ModuleKey(ec.EllipticCurvePrivateKey):
    """A private key in a module. ``sign`` waits for the module, so call it in a thread, and raises AuthorityAway."""

    def __init__(self, uri: ModuleUri, public_key: ec.EllipticCurvePublicKey) -> None:
        self.uri = uri
        self._public_key = public_key
        self._token = _token_of(uri)

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        algorithm = signature_algorithm.algorithm
        assert not isinstance(algorithm, Prehashed)
        digest = hashes.Hash(algorithm)
        digest.update(data)
        try:
            return self._token.sign(self.uri, digest.finalize())
        except ModuleUnusable as error:
            raise AuthorityAway(reason=str(error)) from error

    def try_out(self) -> None:
        """Raises ModuleUnusable for another key than the certificate's, AuthorityAway where the module does not answer."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(_TRIAL)
        signature = self._token.sign(self.uri, digest.finalize())
        try:
            self._public_key.verify(signature, _TRIAL, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise ModuleUnusable("the key in the module is not that of the certificate") from None

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


_tokens: dict[tuple[str, tuple[tuple[str, str], ...]], _Token] = {}
_tokens_lock = threading.Lock()
_libraries: dict[str, threading.Lock] = {}


def _token_of(uri: ModuleUri) -> _Token:
    """A process is logged in to a token once, for all keys in it."""
    with _tokens_lock:
        return _tokens.setdefault((uri.library, uri.token), _Token(uri))


class _Token:
    """One at a time: a session does one thing after the other, and a library is begun anew for all of its tokens."""

    def __init__(self, uri: ModuleUri) -> None:
        self._lock = _libraries.setdefault(uri.library, threading.Lock())
        self._library = uri.library
        self._known_by = dict(uri.token)
        self._session: Any = None
        self._keys: dict[tuple[str | None, bytes | None], Any] = {}
        self._refused: str | None = None

    def sign(self, uri: ModuleUri, digest: bytes) -> bytes:
        """The signature in DER of a SHA-256. Raises AuthorityAway, ModuleUnusable."""
        from pkcs11 import Mechanism, PKCS11Error
        from pkcs11.util.ec import encode_ecdsa_signature

        with self._lock:
            had_session = self._session is not None
            try:
                try:
                    signature = self._key(uri).sign(digest, mechanism=Mechanism.ECDSA)
                except PKCS11Error:
                    self._close()
                    if not had_session:
                        raise
                    # The token was away since, and a session does not outlive that.
                    signature = self._key(uri).sign(digest, mechanism=Mechanism.ECDSA)
            except PKCS11Error as error:
                self._close()
                raise AuthorityAway(reason=_words(error)) from error
        return encode_ecdsa_signature(signature)

    def _key(self, uri: ModuleUri) -> Any:
        from pkcs11 import KeyType, MultipleObjectsReturned, NoSuchKey, ObjectClass

        if self._session is None:
            self._session = self._opened(uri)
        which = uri.label, uri.id
        if which not in self._keys:
            try:
                self._keys[which] = self._session.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, uri.label, uri.id)
            except NoSuchKey:
                raise ModuleUnusable("the token has no such private key of an elliptic curve") from None
            except MultipleObjectsReturned:
                raise ModuleUnusable("the token has several such keys: give both object= and id=") from None
        return self._keys[which]

    def _opened(self, uri: ModuleUri) -> Any:
        import pkcs11

        pin = _pin(uri)
        if pin is not None and pin == self._refused:
            # Each attempt counts, and after some a token is locked.
            raise ModuleUnusable("the token refuses the PIN: correct the file of pin-source")
        token = self._found(pkcs11)
        try:
            return token.open(user_pin=pin)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return token.open()
        except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinLenRange, pkcs11.exceptions.PinInvalid):
            self._refused = pin
            raise ModuleUnusable("the token refuses the PIN: correct the file of pin-source") from None
        except pkcs11.exceptions.PinLocked:
            raise ModuleUnusable("the token is locked after too many wrong PINs") from None

    def _found(self, pkcs11: Any) -> Any:
        try:
            library = pkcs11.lib(self._library)
        except (pkcs11.PKCS11Error, OSError, RuntimeError):
            raise ModuleUnusable(f"{self._library} cannot be loaded as a PKCS#11 module") from None
        found = []
        with suppress(pkcs11.PKCS11Error):  # of a token that was taken out
            found = self._matching(library)
        if not found:
            library.reinitialize()  # some look for tokens only when they begin
            found = self._matching(library)
        if not found:
            raise pkcs11.exceptions.NoSuchToken
        if len(found) > 1:
            raise ModuleUnusable("several tokens are as the URI says: give serial= too")
        return found[0]

    def _matching(self, library: Any) -> list[Any]:
        names = {"token": "label", "serial": "serial", "model": "model", "manufacturer": "manufacturer_id"}
        return [
            token
            for token in library.get_tokens()
            if all(_said(getattr(token, names[name])) == wanted for name, wanted in self._known_by.items())
        ]

    def _close(self) -> None:
        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            with suppress(RuntimeError):  # what the library says of a session that is gone
                session.close()


def _pin(uri: ModuleUri) -> str | None:
    if uri.pin_file is None:
        return None
    try:
        return uri.pin_file.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise ModuleUnusable(f"{uri.pin_file}, which pin-source= names, cannot be read") from None


def _said(value: Any) -> str:
    return value.decode(errors="replace").strip() if isinstance(value, bytes) else str(value).strip()


def _words(error: Exception) -> str:
    """What is known of a fault: the library says it by class."""
    name = type(error).__name__
    return "there is no such token" if name == "NoSuchToken" else f"the module says {name}"
