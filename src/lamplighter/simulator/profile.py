"""What kind of client a simulated device is."""

from __future__ import annotations

from enum import StrEnum

from lamplighter.coap.numbers import ContentFormat

_SINGLE = frozenset({ContentFormat.TEXT, ContentFormat.OCTET_STREAM})
_SENML = frozenset({ContentFormat.SENML_JSON, ContentFormat.SENML_CBOR})


class Transport(StrEnum):
    """How a device reaches its server. The value is the name on the command line."""

    DTLS = "dtls"
    TLS = "tls"
    UDP = "udp"
    TCP = "tcp"

    @property
    def is_stream(self) -> bool:
        return self in (Transport.TLS, Transport.TCP)

    @property
    def is_secure(self) -> bool:
        return self in (Transport.DTLS, Transport.TLS)


class Profile(StrEnum):
    """The value is the name on the command line."""

    LWM2M_1_0 = "lwm2m-1.0"
    LWM2M_1_1 = "lwm2m-1.1"
    VENDOR = "vendor"
    """The Mbed, Pelion, Izuma client: it comes by bootstrap and has quirks of its own (wire facts)."""
    GATEWAY = "gateway"
    """The vendor's edge gateway, with devices behind it."""

    @property
    def version(self) -> str:
        """Of LwM2M."""
        return "1.1" if self is Profile.LWM2M_1_1 else "1.0"

    @property
    def is_vendor(self) -> bool:
        return self in (Profile.VENDOR, Profile.GATEWAY)

    @property
    def formats(self) -> frozenset[int]:
        """Content formats that it reads and writes. TLV and text are what 1.0 asks for."""
        return _FORMATS[self]

    @property
    def block_size(self) -> int:
        """Bytes of the largest payload that it takes in one message; a larger one comes in blocks."""
        return 512 if self is Profile.VENDOR else 1024

    @property
    def keepalive(self) -> float:
        """Seconds from one ping to the next over TCP, where nothing else is said; 0: none."""
        return {Profile.VENDOR: 540.0, Profile.GATEWAY: 60.0}.get(self, 0.0)

    @property
    def lifetime(self) -> int:
        """Seconds of a registration, where nothing else is said."""
        return _LIFETIMES[self]


_VENDOR_FORMATS = _SINGLE | {ContentFormat.LWM2M_TLV, ContentFormat.LWM2M_TLV_VENDOR}
_FORMATS: dict[Profile, frozenset[int]] = {
    Profile.LWM2M_1_0: _SINGLE | {ContentFormat.LWM2M_TLV},
    Profile.LWM2M_1_1: _SINGLE | {ContentFormat.LWM2M_TLV} | _SENML,
    Profile.VENDOR: _VENDOR_FORMATS,
    Profile.GATEWAY: _VENDOR_FORMATS,
}
_LIFETIMES = {Profile.LWM2M_1_0: 600, Profile.LWM2M_1_1: 600, Profile.VENDOR: 7200, Profile.GATEWAY: 3600}
