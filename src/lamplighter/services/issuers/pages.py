"""Pages of this service's lists, for the API reference: each is ``api.page.envelope`` with its own entries."""

from __future__ import annotations

from typing import Literal

import msgspec

from lamplighter.services.issuers.model import (
    CertificateEnrollment,
    CertificateIssuer,
    Configuration,
    DeviceCertificate,
)


class _Page(msgspec.Struct):
    object: Literal["list"]
    limit: int
    after: str | None
    order: Literal["ASC", "DESC"]
    has_more: bool
    total_count: int


class CertificateIssuerPage(_Page):
    data: list[CertificateIssuer]


class ConfigurationPage(_Page):
    data: list[Configuration]


class CertificateEnrollmentPage(_Page):
    data: list[CertificateEnrollment]


class DeviceCertificatePage(_Page):
    data: list[DeviceCertificate]
