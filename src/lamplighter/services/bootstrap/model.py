"""Who asks to be bootstrapped, and what it is given."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from lamplighter.lwm2m.bootstrap import ServerAccount


class Kind(StrEnum):
    """What a device proved itself with at the bootstrap port."""

    PSK = "psk"
    DEVELOPER = "developer"
    NOTHING = "coap"


class Presented(NamedTuple):
    """What the credential of a session proves (gateway rules 1.1 to 1.4)."""

    kind: Kind
    account_id: str
    endpoint_name: str = ""
    """The PSK identity or the certificate's CN; empty without security."""
    certificate_id: str = ""
    """Of a developer certificate."""

    @property
    def credential(self) -> str:
        """The credential, as devices are bound to it."""
        return self.certificate_id or f"{self.kind.value} {self.endpoint_name}"

    @property
    def text(self) -> str:
        """One line, by which a session remembers it."""
        return " ".join((self.kind.value, self.account_id, self.certificate_id or "-", self.endpoint_name))


def parse_presented(text: str) -> Presented:
    """The same back. Raises ValueError."""
    kind, account_id, certificate_id, endpoint_name = text.split(" ", 3)
    return Presented(Kind(kind), account_id, endpoint_name, "" if certificate_id == "-" else certificate_id)


class Grant(NamedTuple):
    """What one device gets in one bootstrap."""

    account_id: str
    device_id: str
    endpoint_name: str
    """For LwM2M: of a developer's second device with one certificate it is not the one it asked with."""
    account: ServerAccount
    vendor: bool
    certificate: bytes = b""
    """The device's certificate for LwM2M in DER; empty until its own key is known (EST), and for keys."""
