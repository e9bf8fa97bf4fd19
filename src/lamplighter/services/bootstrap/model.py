"""Who asks to be bootstrapped, and what it is given."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from lamplighter.lwm2m.bootstrap import ServerAccount
from lamplighter.services.enrollment.service import identity_of_fingerprint
from lamplighter.services.issuers.model import Issued


class Kind(StrEnum):
    """What a device proved itself with at the bootstrap port."""

    PSK = "psk"
    DEVELOPER = "developer"
    FACTORY = "factory"
    """A certificate of the device's own, under one that an account trusts."""
    NOTHING = "coap"


class Presented(NamedTuple):
    """What the credential of a session proves (gateway rules 1.1 to 1.4)."""

    kind: Kind
    account_id: str
    endpoint_name: str = ""
    """The PSK identity or the certificate's CN; empty without security."""
    certificate_id: str = ""
    """Of a developer certificate, or of what the account trusts."""
    fingerprint: str = ""
    """Of a factory device's own certificate: SHA-256 in hexadecimal digits."""

    @property
    def credential(self) -> str:
        """The credential, as devices are bound to it."""
        if self.kind is Kind.FACTORY:
            return f"{self.kind.value} {self.fingerprint}"
        return self.certificate_id or f"{self.kind.value} {self.endpoint_name}"

    @property
    def enrollment_identity(self) -> str:
        """By which a factory device is claimed."""
        return identity_of_fingerprint(bytes.fromhex(self.fingerprint))

    @property
    def text(self) -> str:
        """One line, by which a session remembers it."""
        named = (self.certificate_id or "-", self.fingerprint or "-")
        return " ".join((self.kind.value, self.account_id, *named, self.endpoint_name))


def parse_presented(text: str) -> Presented:
    """The same back. Raises ValueError."""
    kind, account_id, certificate_id, fingerprint, endpoint_name = text.split(" ", 4)
    return Presented(
        Kind(kind), account_id, endpoint_name, certificate_id.replace("-", ""), fingerprint.replace("-", "")
    )


class Grant(NamedTuple):
    """What one device gets in one bootstrap."""

    account_id: str
    device_id: str
    endpoint_name: str
    """For LwM2M: of a developer's second device with one certificate it is not the one it asked with."""
    account: ServerAccount
    vendor: bool
    issued: Issued | None = None
    """The device's certificate for LwM2M; None for keys, and until it is issued."""
