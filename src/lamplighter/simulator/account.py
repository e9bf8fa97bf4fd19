"""What a device has to connect with a certificate: an LwM2M Security object, as the vendor's client keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True)
class Account:
    """For the bootstrap server or, with a device ID, for the LwM2M server."""

    uri: str
    endpoint_name: str
    account_id: str
    certificate: bytes
    """DER."""
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    anchor: bytes
    """The authority of the server, in DER."""
    device_id: str = ""

    @property
    def port(self) -> int:
        return port_of(self.uri)


def port_of(uri: str) -> int:
    """As the vendor's client reads it: whatever follows the last colon before the query (wire facts section 0.1)."""
    return int(uri.partition("?")[0].rpartition(":")[2])
