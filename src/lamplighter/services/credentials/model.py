"""What credentials look like on the wire (contract: PreSharedKey…, DeveloperCertificate…, ServerCredentials…)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lamplighter.errors import FieldFault

ENDPOINT_NAME = r"^[ -~]{16,64}$"
SECRET = r"^(0[xX])?[0-9a-fA-F]{32,64}$"


class PreSharedKey(msgspec.Struct):
    endpoint_name: Annotated[str, msgspec.Meta(pattern=ENDPOINT_NAME)]
    secret_hex: Annotated[str, msgspec.Meta(pattern=SECRET)]

    def faults(self) -> list[FieldFault]:
        digits = self.secret_hex[2:] if self.secret_hex[:2].lower() == "0x" else self.secret_hex
        return [FieldFault("secret_hex", "must have an even number of digits")] if len(digits) % 2 else []

    @property
    def secret(self) -> bytes:
        return bytes.fromhex(self.secret_hex[2:] if self.secret_hex[:2].lower() == "0x" else self.secret_hex)


class PreSharedKeyInfo(msgspec.Struct):
    """A key without its secret, which no answer ever holds."""

    endpoint_name: str
    created_at: str


class PreSharedKeyPage(msgspec.Struct, omit_defaults=True):
    object: str
    data: list[PreSharedKeyInfo]
    limit: int
    order: str
    has_more: bool
    after: str | None = None
    continuation_marker: str | None = None


class DeveloperCertificateRequest(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    description: Annotated[str, msgspec.Meta(max_length=500)] | None = None


class DeveloperCertificate(msgspec.Struct, kw_only=True):
    object: str
    id: str
    account_id: str
    name: str
    description: str | None
    created_at: str
    etag: str
    developer_certificate: str
    developer_private_key: str
    security_file_content: str


class ServerAddress(msgspec.Struct):
    url: str
    certificate: str


class AllServerCredentials(msgspec.Struct):
    bootstrap: ServerAddress
    lwm2m: ServerAddress


class ServerCredentials(msgspec.Struct, kw_only=True):
    object: str
    id: str
    etag: str
    created_at: str
    server_uri: str
    server_certificate: str
