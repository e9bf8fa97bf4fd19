"""One authority after another, with a time in which both are trusted.

A device knows its server by one certificate, given to it once: at its bootstrap for LwM2M, at its making for bootstrap. So a new
authority begins to sign at once, while the server goes on showing a certificate under the former one, which older devices know;
with it goes the former authority's name and key, certified by the new one (a cross-certificate), by which devices that are given
the new one believe it too. When the operator retires the former, the server shows a certificate under the new one, and sessions
that rest on the former end.

The file ``authorities.json`` says which generation signs and whether its forerunner is still trusted. It is replaced as the last
step, so a crash leaves the old state or the new one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from cryptography import x509

from lamplighter.errors.issuers import AuthorityAway
from lamplighter.services.certificates.credential import Credential
from lamplighter.services.certificates.files import AuthorityUnusable, KeyFiles, write
from lamplighter.services.certificates.given import check_authority
from lamplighter.services.certificates.issuing import ALWAYS, cross_sign, make_root

if TYPE_CHECKING:
    from lamplighter.services.certificates.authority import Authority

FILE = "authorities.json"


class Line(NamedTuple):
    """An authority and its successors. The first generation's files have no number."""

    authority: str
    authority_name: str
    server: str
    server_name: str

    def authority_file(self, generation: int) -> str:
        return _numbered(self.authority, generation)

    def server_file(self, generation: int) -> str:
        return _numbered(self.server, generation)

    def cross_file(self, generation: int) -> str:
        """That generation's authority, certified by the next."""
        return f"{self.authority_file(generation)}-cross"


DEVICE = Line("device-ca", "Lamplighter device CA", "lwm2m", "Lamplighter LwM2M server")
BOOTSTRAP = Line("bootstrap-ca", "Lamplighter bootstrap CA", "bootstrap", "Lamplighter bootstrap server")
LINES = {"device": DEVICE, "bootstrap": BOOTSTRAP}


class Generation(msgspec.Struct, frozen=True):
    """Where a line is."""

    number: int = 1
    """Of the authority that signs."""
    overlap: bool = False
    """Whether the one before is trusted too."""


class State(msgspec.Struct, frozen=True):
    device: Generation = Generation()
    bootstrap: Generation = Generation()

    @staticmethod
    def path_in(folder: Path) -> Path:
        return folder / FILE


def read_state(folder: Path) -> State:
    """Raises AuthorityUnusable."""
    path = State.path_in(folder)
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except msgspec.DecodeError as error:
        raise AuthorityUnusable(f"{path} cannot be read ({error}): bring it back from a copy.") from None


def in_use(folder: Path) -> list[str]:
    """The names of all certificates with keys that a server there needs. Raises AuthorityUnusable."""
    state, names = read_state(folder), ["ca", "server", "client"]
    for kind, line in LINES.items():
        at: Generation = getattr(state, kind)
        for number in (at.number, at.number - 1)[: 1 + at.overlap]:
            names += [line.authority_file(number), line.server_file(number)]
    return names


class Towards(NamedTuple):
    """What one role and its devices know each other by."""

    signs: Credential
    former: Credential | None
    server: Credential
    """With what is sent along."""
    root: x509.Certificate
    """What devices are given to know the server by."""

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        return tuple(each.certificate for each in (self.signs, self.former) if each is not None)

    @classmethod
    def put_together(
        cls,
        signs: Credential,
        former: Credential | None,
        server: Credential,
        crosses: tuple[x509.Certificate, ...],
    ) -> Towards:
        above = former or signs
        issuers = above.path if above.issuers else ()
        if former is None or former.root == signs.root:
            return cls(signs, former, server._replace(issuers=issuers), signs.root)
        if not crosses:
            return cls(signs, former, server._replace(issuers=issuers), former.root)
        onwards = signs.path if signs.issuers else ()
        return cls(signs, former, server._replace(issuers=(*crosses, *onwards)), signs.root)


def rotate(authority: Authority, kind: str, given: Credential | None = None) -> Credential:
    """Let a new authority sign from now on, and trust the former one too.

    :param kind: of ``LINES``
    :param given: an operator's own; None: one is made

    Raises AuthorityUnusable.
    """
    line, files = LINES[kind], authority.files
    with files.locked():
        state = read_state(files.folder)
        at: Generation = getattr(state, kind)
        if at.overlap:
            raise AuthorityUnusable(
                f"The {kind} authority before this one is still trusted, and devices can follow one step only. "
                f"Retire it first: lamplighter pki retire {kind}."
            )
        former = authority.signing(line, at.number)
        if former is None:
            raise AuthorityUnusable(f"There is no {kind} authority yet: start the server once.")
        number = at.number + 1
        if given is not None:
            check_authority("the given authority", given, authority.moment)
            if given.certificate.public_key() == former.certificate.public_key():
                raise AuthorityUnusable("the given authority has the key of the present one: nothing would change.")
        made = given or make_root(f"{line.authority_name} {number}", ALWAYS)
        files.remove(line.authority_file(number), line.server_file(number))  # what a crash left
        files.store(line.authority_file(number), made)
        # Made now, so that all processes show the same one later.
        authority.device_server(line, number, made)
        cross = line.cross_file(at.number)
        if _may_cross(former, made):
            files.store_certificates(cross, _crossed(former, made))
        else:
            files.remove(cross)
        _write_state(files.folder, msgspec.structs.replace(state, **{kind: Generation(number, overlap=True)}))
        return made


def retire(authority: Authority, kind: str) -> x509.Certificate:
    """Trust the former authority no more; its certificate. Its key is removed.

    Raises AuthorityUnusable.
    """
    line, files = LINES[kind], authority.files
    with files.locked():
        state = read_state(files.folder)
        at: Generation = getattr(state, kind)
        if not at.overlap:
            raise AuthorityUnusable(
                f"There is no former {kind} authority that is still trusted. A new one begins with: "
                f"lamplighter pki rotate {kind}."
            )
        former = files.certificates(line.authority_file(at.number - 1))[0]
        _write_state(files.folder, msgspec.structs.replace(state, **{kind: Generation(at.number)}))
        forget_retired(files, line, Generation(at.number))
        return former


def forget_retired(files: KeyFiles, line: Line, at: Generation) -> None:
    """Remove the keys of generations that nobody trusts any more; also those that a crash left."""
    for number in range(1, at.number - at.overlap):
        files.remove_keys(line.authority_file(number), line.server_file(number))


def _may_cross(former: Credential, new: Credential) -> bool:
    """Whether the new authority may certify the former, and the path stays short enough for devices."""
    if former.root == new.root or len(new.path) > 2 or former.issuers:
        return False
    limits = [_path_length(each) for each in new.path]
    return all(limit is None or limit > below for below, limit in enumerate(limits))


def _crossed(former: Credential, by: Credential) -> x509.Certificate:
    try:
        return cross_sign(former.certificate, by)
    except AuthorityAway as error:
        raise AuthorityUnusable(error.text) from None


def _path_length(certificate: x509.Certificate) -> int | None:
    return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length


def _write_state(folder: Path, state: State) -> None:
    write(State.path_in(folder), msgspec.json.format(msgspec.json.encode(state)), 0o644)


def _numbered(name: str, generation: int) -> str:
    return name if generation == 1 else f"{name}-{generation}"
