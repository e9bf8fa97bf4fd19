"""The REST operations of pre-shared keys, developer certificates and server credentials."""

from __future__ import annotations

import base64
import re

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lamplighter.api.operation import Call, Operations
from lamplighter.api.page import Paging
from lamplighter.clock import to_rfc3339
from lamplighter.errors import access, credentials
from lamplighter.services.credentials.model import (
    ENDPOINT_NAME,
    AllServerCredentials,
    DeveloperCertificate,
    DeveloperCertificateRequest,
    PreSharedKey,
    PreSharedKeyInfo,
    PreSharedKeyPage,
    ServerAddress,
    ServerCredentials,
)
from lamplighter.services.credentials.service import Credentials

operations = Operations("Security and identity - pre-shared keys")

_DEVELOPER = "Security and identity - developer class certificates"
_SERVER = "Security and identity - server credentials"


@operations.add(
    "GET",
    "/v2/device-shared-keys",
    "listPreSharedKeys",
    permission="credentials.read",
    paging=Paging(includes=(), opaque_after=True),
    answer=PreSharedKeyPage,
    raises=(credentials.PreSharedKeyTokenUnknown,),
    words=frozenset({"INVALID_LIMIT", "TOKEN_NOT_FOUND"}),
    fault_words={"limit": "INVALID_LIMIT"},
)
async def list_pre_shared_keys(service: Credentials, call: Call) -> PreSharedKeyPage:
    """List pre-shared keys, without their secrets."""
    after = _name_of(call.page.after) if call.page.after else ""
    found, has_more = await service.keys(call.account_id, after, call.page.limit)
    marker = _marker_of(found[-1].endpoint_name) if has_more else None
    return PreSharedKeyPage("list", found, call.page.limit, "ASC", has_more, call.page.after, marker)


@operations.add(
    "POST",
    "/v2/device-shared-keys",
    "uploadPreSharedKey",
    permission="credentials.write",
    status=201,
    body=PreSharedKey,
    raises=(credentials.PreSharedKeyExists,),
    words=frozenset(
        {"INVALID_ENDPOINT_NAME", "INVALID_SECRET_HEX", "MALFORMED_JSON_CONTENT", "KEY_ALREADY_EXISTS_FOR_ENDPOINT"}
    ),
    fault_words={
        "endpoint_name": "INVALID_ENDPOINT_NAME",
        "secret_hex": "INVALID_SECRET_HEX",
        "body": "MALFORMED_JSON_CONTENT",
    },
)
async def upload_pre_shared_key(service: Credentials, call: Call) -> None:
    """Create a pre-shared key for one endpoint name; it serves bootstrap and LwM2M."""
    await service.create_key(call.account_id, call.body, call.caller.actor)


@operations.add(
    "GET",
    "/v2/device-shared-keys/{endpoint_name}",
    "getPreSharedKey",
    permission="credentials.read",
    answer=PreSharedKeyInfo,
    raises=(credentials.PreSharedKeyNotFound, credentials.EndpointNameInvalid),
    words=frozenset({"INVALID_ENDPOINT_NAME"}),
)
async def get_pre_shared_key(service: Credentials, call: Call, endpoint_name: str) -> PreSharedKeyInfo:
    """Get a pre-shared key, without its secret."""
    _check(endpoint_name)
    return await service.key(call.account_id, endpoint_name)


@operations.add(
    "DELETE",
    "/v2/device-shared-keys/{endpoint_name}",
    "deletePreSharedKey",
    permission="credentials.write",
    status=204,
    raises=(credentials.EndpointNameInvalid,),
    words=frozenset({"INVALID_ENDPOINT_NAME"}),
)
async def delete_pre_shared_key(service: Credentials, call: Call, endpoint_name: str) -> None:
    """Delete a pre-shared key; 204 also when there is none."""
    _check(endpoint_name)
    await service.delete_key(call.account_id, endpoint_name, call.caller.actor)


@operations.add(
    "POST",
    "/v3/developer-certificates",
    "createDeveloperCertificate",
    tag=_DEVELOPER,
    permission="certificates.write",
    status=201,
    body=DeveloperCertificateRequest,
    answer=DeveloperCertificate,
    raises=(access.ObjectLimitReached, credentials.CertificateNameTaken),
)
async def create_developer_certificate(service: Credentials, call: Call) -> DeveloperCertificate:
    """Create a developer certificate, with its key and the C source to compile a device with."""
    by, owner = call.caller.actor, call.caller.user_id
    return await service.create_developer_certificate(call.account_id, call.body, by, owner)


@operations.add(
    "GET",
    "/v3/developer-certificates/{developerCertificateId}",
    "getDeveloperCertificate",
    tag=_DEVELOPER,
    permission="certificates.read",
    answer=DeveloperCertificate,
    raises=(credentials.CertificateNotFound,),
)
async def get_developer_certificate(service: Credentials, call: Call, certificate_id: str) -> DeveloperCertificate:
    """Get a developer certificate."""
    return await service.developer_certificate(call.account_id, certificate_id)


@operations.add(
    "GET",
    "/v3/server-credentials",
    "getAllServerCredentials",
    tag=_SERVER,
    permission="certificates.read",
    answer=AllServerCredentials,
)
async def get_all_server_credentials(service: Credentials, call: Call) -> AllServerCredentials:
    """Get address and certificate of both device-facing servers."""
    public, authority = service.settings.public, service.authority
    return AllServerCredentials(
        ServerAddress(f"{public.bootstrap_uri}?aid={call.account_id}", _pem(authority.bootstrap_root)),
        ServerAddress(public.lwm2m_uri, _pem(authority.device_root)),
    )


@operations.add(
    "GET",
    "/v3/server-credentials/bootstrap",
    "getBootstrapServerCredentials",
    tag=_SERVER,
    permission="certificates.read",
    answer=ServerCredentials,
    deprecated=True,
)
async def get_bootstrap_server_credentials(service: Credentials, call: Call) -> ServerCredentials:
    """Get address and certificate of the bootstrap server."""
    uri = f"{service.settings.public.bootstrap_uri}?aid={call.account_id}"
    return _server(service, call, uri, service.authority.bootstrap_root)


@operations.add(
    "GET",
    "/v3/server-credentials/lwm2m",
    "getL2M2MServerCredentials",
    tag=_SERVER,
    permission="certificates.read",
    answer=ServerCredentials,
    deprecated=True,
)
async def get_lwm2m_server_credentials(service: Credentials, call: Call) -> ServerCredentials:
    """Get address and certificate of the LwM2M server."""
    return _server(service, call, service.settings.public.lwm2m_uri, service.authority.device_root)


def _server(service: Credentials, call: Call, uri: str, certificate: x509.Certificate) -> ServerCredentials:
    return ServerCredentials(
        object="server-credentials",
        id=call.account_id,
        etag="1",
        created_at=to_rfc3339(service.started),
        server_uri=uri,
        server_certificate=_pem(certificate),
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _check(endpoint_name: str) -> None:
    if re.fullmatch(ENDPOINT_NAME, endpoint_name) is None:
        raise credentials.EndpointNameInvalid()


def _marker_of(endpoint_name: str) -> str:
    return base64.urlsafe_b64encode(endpoint_name.encode()).decode().rstrip("=")


def _name_of(marker: str) -> str:
    try:
        name = base64.urlsafe_b64decode(marker + "=" * (-len(marker) % 4)).decode()
    except ValueError:  # binascii.Error, UnicodeDecodeError, or characters outside ASCII
        raise credentials.PreSharedKeyTokenUnknown() from None
    if re.fullmatch(ENDPOINT_NAME, name) is None:
        raise credentials.PreSharedKeyTokenUnknown()
    return name
