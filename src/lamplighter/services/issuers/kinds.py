"""The kinds of certificate issuers: what each needs to be told, and what is wrong with what was told.

GLOBAL_SIGN and CFSSL_AUTH are the public contract's; EST (RFC 7030) and ACME (RFC 8555) are this server's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from lamplighter.clock import EPOCH
from lamplighter.errors import FieldFault
from lamplighter.outbound.url import target_of
from lamplighter.services.issuers.key_cost import fault_of_closed

Kind = Literal["GLOBAL_SIGN", "CFSSL_AUTH", "EST", "ACME"]

ATTRIBUTES, CREDENTIALS = "issuer_attributes", "issuer_credentials"
PEM_CHARACTERS = 3000
"""Of a certificate or a key (contract: GlobalSignCredentials)."""
_HMAC_KEY = re.compile(r"([0-9A-Fa-f]{2}){1,32}", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9._~-]{1,100}", re.ASCII)
_BASE64URL = re.compile(r"(?:[A-Za-z0-9_-]{4}){5,250}(?:[A-Za-z0-9_-]{2}(?:==)?|[A-Za-z0-9_-]{3}=?)?", re.ASCII)
_HOST = re.compile(r"(?=.{1,64}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)
SMALLEST_RSA = 2048
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Values = Mapping[str, str]


def _url(text: str) -> str | None:
    try:
        target = target_of(text)
    except ValueError as fault:
        return f"must {fault}"
    if target.scheme != "https":
        return "must begin with https://"
    return "must have no query (?…)" if "?" in text else None


def _hmac_key(text: str) -> str | None:
    return None if _HMAC_KEY.fullmatch(text) else "must have an even number of hex digits, 2 to 64"


def _label(text: str) -> str | None:
    return None if _LABEL.fullmatch(text) else "must have 1 to 100 of A-Z, a-z, 0-9, ., _, ~ and -"


def _printable(text: str) -> str | None:
    return "must have printable characters only" if _UNPRINTABLE.search(text) else None


def _user(text: str) -> str | None:
    return "must have no colon" if ":" in text else _printable(text)


def is_host(text: str) -> bool:
    """Whether a name of a certificate is a host's, in lower case."""
    return _HOST.fullmatch(text) is not None


def _host(text: str) -> str | None:
    return None if is_host(text) else "must be a host name in lower case, of at most 64 characters"


def _mac_key(text: str) -> str | None:
    return (
        None
        if _BASE64URL.fullmatch(text)
        else "must be a key of at least 16 bytes in base64url, as the authority gave it"
    )


def _anything(text: str) -> str | None:
    """Looked at together with others."""
    return None


class Rule(NamedTuple):
    """One attribute or credential."""

    longest: int
    check: Callable[[str], str | None]
    """What is wrong with it, to follow its name."""
    required: bool = False


class Description(NamedTuple):
    """What an issuer of that kind is told."""

    attributes: Mapping[str, Rule]
    credentials: Mapping[str, Rule]


_IDENTITY: Final = {
    "client_certificate": Rule(PEM_CHARACTERS, _anything),
    "private_key": Rule(PEM_CHARACTERS, _anything),
    "passphrase": Rule(1000, _anything),
}
"""What shows who we are in TLS."""

KINDS: Final[Mapping[Kind, Description]] = {
    "CFSSL_AUTH": Description(
        {
            "host_url": Rule(1000, _url, required=True),
            "cfssl_label": Rule(100, _printable),
            "cfssl_profile": Rule(100, _printable),
        },
        {"hmac_hex_key": Rule(64, _hmac_key, required=True)},
    ),
    "GLOBAL_SIGN": Description(
        {"host_url": Rule(1000, _url)},
        {
            "api_key": Rule(1000, _printable, required=True),
            "api_secret": Rule(250, _printable, required=True),
            "client_certificate": Rule(PEM_CHARACTERS, _anything, required=True),
            "private_key": Rule(PEM_CHARACTERS, _anything, required=True),
            "passphrase": Rule(1000, _anything),
        },
    ),
    "EST": Description(
        {"host_url": Rule(1000, _url, required=True), "est_label": Rule(100, _label)},
        {"username": Rule(250, _user), "password": Rule(250, _printable), **_IDENTITY},
    ),
    "ACME": Description(
        {"directory_url": Rule(1000, _url, required=True), "acme_test_name": Rule(64, _host)},
        {
            "eab_key_id": Rule(1000, _printable),
            "eab_hmac_key": Rule(1000, _mac_key),
            "private_key": Rule(PEM_CHARACTERS, _anything),
            "passphrase": Rule(1000, _anything),
        },
    ),
}


def faults_of(kind: Kind, attributes: Values | None, credentials: Values | None, now: int) -> list[FieldFault]:
    """Everything that is wrong with them; what is None is not looked at.

    :param now: microseconds UTC
    """
    description, found = KINDS[kind], list[FieldFault]()
    if attributes is not None:
        found += _rule_faults(ATTRIBUTES, description.attributes, attributes)
    if credentials is not None:
        found += _rule_faults(CREDENTIALS, description.credentials, credentials)
        if kind == "EST":
            found += _login_faults(credentials)
        if kind == "ACME":
            found += _pair_faults(credentials, "eab_key_id", "eab_hmac_key")
        found += _identity_faults(credentials, {fault.name for fault in found}, now)
        if kind == "ACME" and not found:
            found += _account_faults(credentials)
    return found


def _rule_faults(where: str, rules: Mapping[str, Rule], given: Values) -> Iterator[FieldFault]:
    for name in given:
        if name not in rules:
            yield FieldFault(f"{where}.{name[:60]}", f"is unknown; there are {', '.join(rules)}")
    for name, rule in rules.items():
        text = given.get(name)
        if text is None or (not text and not rule.required):
            if rule.required:
                yield FieldFault(f"{where}.{name}", "is required")
        elif not text:
            yield FieldFault(f"{where}.{name}", "must not be empty")
        elif len(text) > rule.longest:
            yield FieldFault(f"{where}.{name}", f"must have at most {rule.longest} characters")
        elif (fault := rule.check(text)) is not None:
            yield FieldFault(f"{where}.{name}", fault)


def _login_faults(given: Values) -> Iterator[FieldFault]:
    yield from _pair_faults(given, "username", "password")
    yield from _pair_faults(given, "client_certificate", "private_key")
    if not any(given.get(name) for name in ("username", "password", "client_certificate", "private_key")):
        yield FieldFault(CREDENTIALS, "must have username and password, or client_certificate and private_key")


def _pair_faults(given: Values, first: str, second: str) -> Iterator[FieldFault]:
    """One without the other."""
    for name, other in ((first, second), (second, first)):
        if given.get(name) and not given.get(other):
            yield FieldFault(f"{CREDENTIALS}.{other}", f"is required with {name}")


def _account_faults(given: Values) -> Iterator[FieldFault]:
    if given.get("private_key") and not signing_algorithm(private_key_of(given)):
        yield FieldFault(
            f"{CREDENTIALS}.private_key", f"must be of P-256 or P-384, or RSA with at least {SMALLEST_RSA} bits"
        )


def _identity_faults(given: Values, known: set[str], now: int) -> Iterator[FieldFault]:
    """Whether the client certificate is one, is valid, and belongs to the key."""
    certificate, key = None, None
    places = {name: f"{CREDENTIALS}.{name}" for name in _IDENTITY}
    if given.get("client_certificate") and places["client_certificate"] not in known:
        try:
            certificate = x509.load_pem_x509_certificates(given["client_certificate"].encode())[0]
        except ValueError:
            yield FieldFault(
                places["client_certificate"], "must be a certificate in PEM, which may be followed by its chain"
            )
        else:
            yield from _validity_faults(places["client_certificate"], certificate, now)
    if given.get("private_key") and places["private_key"] not in known:
        try:
            key = private_key_of(given)
        except KeyFault as fault:
            yield FieldFault(places[fault.name], str(fault))
    if certificate is not None and key is not None and certificate.public_key() != key.public_key():
        yield FieldFault(places["client_certificate"], "does not belong to private_key")


def _validity_faults(place: str, certificate: x509.Certificate, now: int) -> Iterator[FieldFault]:
    moment = EPOCH + timedelta(microseconds=now)
    if certificate.not_valid_after_utc < moment:
        yield FieldFault(place, f"expired on {certificate.not_valid_after_utc.date().isoformat()}")
    if certificate.not_valid_before_utc > moment:
        yield FieldFault(place, f"is valid only from {certificate.not_valid_before_utc.date().isoformat()} on")


class KeyFault(ValueError):
    """A private key cannot be read; ``name`` is the credential to blame."""

    def __init__(self, name: str, fault: str) -> None:
        super().__init__(fault)
        self.name = name


def private_key_of(given: Values) -> PrivateKeyTypes:
    """The key that ``private_key`` is, opened by ``passphrase`` where it is closed. Raises KeyFault."""
    pem, passphrase = given["private_key"].encode(), given.get("passphrase") or None
    if passphrase is not None and (fault := fault_of_closed(pem)) is not None:
        raise KeyFault("private_key", fault)
    try:
        try:
            return serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
        except TypeError:
            if passphrase is None:
                raise KeyFault("passphrase", "is required: private_key is encrypted") from None
            return serialization.load_pem_private_key(pem, None)  # it is not encrypted
    except UnsupportedAlgorithm:
        raise KeyFault("private_key", "is of a kind that is not supported: RSA or a NIST curve is") from None
    except KeyFault:
        raise
    except (ValueError, InternalError):  # the latter of OpenSSL, for rounds and costs that are none
        if passphrase is not None and b"ENCRYPTED" in pem:
            raise KeyFault("passphrase", "does not open private_key") from None
        raise KeyFault("private_key", "must be a private key in PEM") from None


def signing_algorithm(key: PrivateKeyTypes) -> str:
    """How a key signs in JOSE (RFC 7518 section 3.1); "": it is of another kind than ACME servers take."""
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= SMALLEST_RSA:
        return "RS256"
    curve = key.curve if isinstance(key, ec.EllipticCurvePrivateKey) else None
    return "ES256" if isinstance(curve, ec.SECP256R1) else "ES384" if isinstance(curve, ec.SECP384R1) else ""


def kept_credentials(kind: Kind, given: Values) -> dict[str, str]:
    """What is kept of credentials without faults: a private key opened, because that may take long, and an ACME account's made
    where none is given."""
    if given.get("private_key"):
        return {
            **{name: text for name, text in given.items() if name != "passphrase"},
            "private_key": opened_key(given),
        }
    if kind != "ACME":
        return dict(given)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(serialization.Encoding.PEM, *form)
    return {**given, "private_key": pem.decode()}


def opened_key(given: Values) -> str:
    """The same in PEM without a passphrase, for TLS. Raises KeyFault."""
    key = private_key_of(given)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
