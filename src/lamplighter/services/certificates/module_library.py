"""A PKCS#11 library and its tokens: one session for each, all in one thread.

A session does one thing after the other, and beginning a library anew, which is how some find a token that was put in later,
ends the sessions of all of its tokens. A module behind a network may not answer at all: nobody waits for it longer than
``ANSWERS_WITHIN``, and its thread is no one else's.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from lamplighter.errors.issuers import AuthorityAway
from lamplighter.services.certificates.module_uri import ModuleUri

ANSWERS_WITHIN = 10.0
"""Seconds."""
MOST_WAITING = 64
"""Pieces of work. More are refused at once."""

T = TypeVar("T")


class ModuleUnusable(ValueError):
    """A module, its token or its key is not as the URI says. The text says what to do."""


class Library:
    """Everything is done in its thread, a daemon: the interpreter does not wait for a module that hangs before it ends."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._tokens: dict[Any, _Session] = {}
        self._refused: dict[Any, str] = {}
        """The PIN that a token has refused: not every token says so itself."""
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"module {path}", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do it in the thread; whoever waits too long cancels it. Raises AuthorityAway where too much waits already."""
        if self._work.qsize() >= MOST_WAITING:
            raise AuthorityAway(reason="too much waits for the module already")
        future: Future[T] = Future()
        self._work.put((future, work))
        return future

    def sign(self, uri: ModuleUri, digest: bytes) -> bytes:
        """The signature in DER of a SHA-256. Raises AuthorityAway, ModuleUnusable."""
        if threading.current_thread() is self._thread:
            return self._sign(uri, digest)
        future = self.submit(lambda: self._sign(uri, digest))
        try:
            return future.result(ANSWERS_WITHIN)
        except TimeoutError:
            future.cancel()
            raise late() from None

    def forget(self, uri: ModuleUri) -> None:
        """What is known of its token: it was somebody else's key that signed."""
        self._work.put((Future(), lambda: self._forget(uri)))

    def _serve(self) -> None:
        while True:
            future, work = self._work.get()
            if future.done():
                continue  # nobody waits for it any more
            try:
                result = work()
            except BaseException as error:
                _settle(future, error=error)
            else:
                _settle(future, result)

    def _sign(self, uri: ModuleUri, digest: bytes) -> bytes:
        from pkcs11 import Mechanism, PKCS11Error
        from pkcs11.util.ec import encode_ecdsa_signature

        had_session = uri.token in self._tokens
        try:
            try:
                signature = self._key(uri).sign(digest, mechanism=Mechanism.ECDSA)
            except PKCS11Error:
                if not had_session:
                    raise
                # The token was away since, and a session does not outlive that.
                self._forget(uri)
                signature = self._key(uri).sign(digest, mechanism=Mechanism.ECDSA)
        except PKCS11Error as error:
            self._forget(uri)
            raise AuthorityAway(reason=_words(error)) from error
        return encode_ecdsa_signature(signature)

    def _key(self, uri: ModuleUri) -> Any:
        from pkcs11 import KeyType, MultipleObjectsReturned, NoSuchKey, ObjectClass

        if uri.token not in self._tokens:
            self._tokens[uri.token] = _Session(self._opened(uri))
        session = self._tokens[uri.token]
        which = uri.label, uri.id
        if which not in session.keys:
            try:
                session.keys[which] = session.open.get_key(ObjectClass.PRIVATE_KEY, KeyType.EC, uri.label, uri.id)
            except NoSuchKey:
                raise ModuleUnusable("the token has no such private key of an elliptic curve") from None
            except MultipleObjectsReturned:
                raise ModuleUnusable("the token has several such keys: give both object= and id=") from None
        return session.keys[which]

    def _opened(self, uri: ModuleUri) -> Any:
        import pkcs11

        pin = _pin(uri)
        token = self._found(uri, pkcs11)
        flags = pkcs11.TokenFlag
        warned = token.flags & (flags.USER_PIN_COUNT_LOW | flags.USER_PIN_FINAL_TRY | flags.USER_PIN_LOCKED)
        if pin is not None and (warned or self._refused.get(uri.token) == pin):
            # Whoever was refused before us may have been one of our own processes, and tokens lock after a few.
            raise ModuleUnusable(
                "the token has refused a PIN since the last login: correct the file of pin-source, then log in once by hand"
            )
        try:
            return token.open(user_pin=pin)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return token.open()
        except pkcs11.PKCS11Error as error:
            self._begin_anew(pkcs11)  # the session in which the login failed is open
            if type(error).__name__.startswith("Pin"):
                self._refused[uri.token] = pin or ""
                raise ModuleUnusable("the token refuses the PIN: correct the file of pin-source") from None
            raise

    def _found(self, uri: ModuleUri, pkcs11: Any) -> Any:
        try:
            library = pkcs11.lib(self._path)
        except (pkcs11.PKCS11Error, OSError) as error:
            if isinstance(error, pkcs11.PKCS11Error) and "while loading" not in str(error):
                raise  # it is there, and cannot begin now
            raise ModuleUnusable(f"{self._path} cannot be loaded as a PKCS#11 module") from None
        found = []
        with suppress(pkcs11.PKCS11Error):  # of a token that was taken out
            found = _matching(library, uri)
        if not found:
            self._begin_anew(pkcs11)
            found = _matching(library, uri)
        if not found:
            raise pkcs11.exceptions.NoSuchToken
        if len(found) > 1:
            raise ModuleUnusable("several tokens are as the URI says: give serial= too")
        return found[0]

    def _begin_anew(self, pkcs11: Any) -> None:
        self._tokens.clear()  # handles of keys begin anew as well
        pkcs11.lib(self._path).reinitialize()

    def _forget(self, uri: ModuleUri) -> None:
        session = self._tokens.pop(uri.token, None)
        if session is not None:
            with suppress(RuntimeError):  # what the library says of a session that is gone
                session.open.close()


class _Session:
    """In a token, logged in, and the keys that were found there."""

    def __init__(self, session: Any) -> None:
        self.open = session
        self.keys: dict[tuple[str | None, bytes | None], Any] = {}


_libraries: dict[str, Library] = {}
_alone = threading.Lock()


def library_of(path: str) -> Library:
    """A process loads a library once."""
    path = os.path.realpath(path)
    with _alone:
        if path not in _libraries:
            _libraries[path] = Library(path)
        return _libraries[path]


def late() -> AuthorityAway:
    """The module took too long."""
    return AuthorityAway(reason=f"the module does not answer within {ANSWERS_WITHIN:g} seconds")


def _settle(future: Future[Any], result: Any = None, error: BaseException | None = None) -> None:
    with suppress(Exception):  # it was given up meanwhile
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _matching(library: Any, uri: ModuleUri) -> list[Any]:
    names = {"token": "label", "serial": "serial", "model": "model", "manufacturer": "manufacturer_id"}
    return [
        token
        for token in library.get_tokens()
        if all(_said(getattr(token, names[name])) == wanted for name, wanted in uri.token)
    ]


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
