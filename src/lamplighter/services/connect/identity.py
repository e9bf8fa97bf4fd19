"""Who a device is: what its credential proves, as opposed to what it says (gateway rules 1.1 to 1.4)."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

LONGEST = 255
"""Bytes that a session keeps of its credential."""


class Proof(StrEnum):
    """What a device proved itself with."""

    PSK = "psk"
    CERTIFICATE = "crt"
    """Of our own device authority."""
    TRUSTED = "own"
    """A certificate under one that the account trusts."""
    NOTHING = "coap"


class Identity(NamedTuple):
    """The account and, where the credential names it, the endpoint and the device."""

    proof: Proof
    account_id: str
    endpoint_name: str = ""
    """Empty for a device without security: then the one it claims."""
    device_id: str = ""
    """That a certificate of our own device authority names; empty: the endpoint name decides."""
    certificate_id: str = ""
    """Of what the account trusts, with ``TRUSTED``."""

    @property
    def text(self) -> str:
        """One line, by which a session remembers it. Raises ValueError when it is too long for that."""
        text = " ".join(
            (self.proof.value, self.account_id, self.device_id or self.certificate_id or "-", self.endpoint_name)
        )
        if len(text.encode()) > LONGEST:
            raise ValueError(f"an endpoint name too long: {len(text.encode())} bytes with its account, above {LONGEST}")
        return text


def parse_identity(text: str) -> Identity:
    """The same back. Raises ValueError."""
    proof, account_id, named, endpoint_name = text.split(" ", 3)
    if proof == Proof.TRUSTED:
        return Identity(Proof.TRUSTED, account_id, endpoint_name, certificate_id=named)
    return Identity(Proof(proof), account_id, endpoint_name, "" if named == "-" else named)
