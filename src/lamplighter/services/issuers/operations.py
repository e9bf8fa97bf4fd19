"""The REST operations of certificate issuers and their configurations."""

from __future__ import annotations

from typing import Any

from lamplighter.api.filter import FilterField
from lamplighter.api.http import CHALLENGES
from lamplighter.api.operation import Answer, Call, Operations
from lamplighter.api.page import Paging
from lamplighter.api.parameter import Parameter
from lamplighter.errors import access
from lamplighter.errors import issuers as errors
from lamplighter.services.issuers.model import (
    AutomaticRenewal,
    CertificateIssuer,
    CertificateIssuerRequest,
    CertificateIssuerUpdateRequest,
    CertificateIssuerVerification,
    Configuration,
    ConfigurationCreateRequest,
    ConfigurationRequest,
)
from lamplighter.services.issuers.pages import CertificateIssuerPage, ConfigurationPage
from lamplighter.services.issuers.service import Issuers

operations = Operations("Security and identity - certificate issuers")

_CONFIGURATIONS = "Security and identity - certificate issuer configurations"
_READ, _WRITE = "certificates.read", "certificates.write"
_ISSUERS = "/v3/certificate-issuers"
_ISSUER = _ISSUERS + "/{certificate-issuer-id}"
_CONFIGS = "/v3/certificate-issuer-configurations"
_LWM2M = _CONFIGS + "/lwm2m"
_CONFIG = _CONFIGS + "/{certificate-issuer-configuration-id}"
_RENEWAL = _CONFIG + "/automatic-renewal"


@operations.add(
    "GET", _ISSUERS, "getCertificateIssuers", permission=_READ, paging=Paging(), answer=CertificateIssuerPage
)
async def list_issuers(service: Issuers, call: Call) -> dict[str, Any]:
    """List certificate issuers, all at once and without their credentials."""
    return await service.issuers(call.account_id, call.page)


@operations.add(
    "POST",
    _ISSUERS,
    "createCertificateIssuer",
    permission=_WRITE,
    status=201,
    body=CertificateIssuerRequest,
    answer=CertificateIssuer,
    raises=(access.ObjectLimitReached, errors.IssuerNameTaken),
)
async def create_issuer(service: Issuers, call: Call) -> CertificateIssuer:
    """Create a certificate issuer; nothing is asked of it until it is verified or configured."""
    return await service.create_issuer(call.account_id, call.caller.actor, call.body)


@operations.add(
    "GET",
    _ISSUER,
    "getCertificateIssuer",
    permission=_READ,
    answer=CertificateIssuer,
    raises=(errors.IssuerNotFound,),
)
async def get_issuer(service: Issuers, call: Call, issuer_id: str) -> CertificateIssuer:
    """Get a certificate issuer, without its credentials."""
    return await service.issuer(call.account_id, issuer_id)


@operations.add(
    "PUT",
    _ISSUER,
    "updateCertificateIssuer",
    permission=_WRITE,
    body=CertificateIssuerUpdateRequest,
    answer=CertificateIssuer,
    raises=(errors.IssuerNotFound, errors.IssuerNameTaken),
)
async def update_issuer(service: Issuers, call: Call, issuer_id: str) -> CertificateIssuer:
    """Change a certificate issuer; attributes and credentials that are given replace all of the old ones."""
    return await service.change_issuer(call.account_id, issuer_id, call.caller.actor, call.body)


@operations.add(
    "DELETE",
    _ISSUER,
    "deleteCertificateIssuer",
    permission=_WRITE,
    status=204,
    raises=(errors.IssuerNotFound, errors.IssuerInUse),
)
async def delete_issuer(service: Issuers, call: Call, issuer_id: str) -> None:
    """Delete a certificate issuer that no configuration names."""
    await service.delete_issuer(call.account_id, issuer_id, call.caller.actor)


@operations.add(
    "POST",
    _ISSUER + "/verify",
    "verifyCertificateIssuer",
    permission=_WRITE,
    answer=CertificateIssuerVerification,
    raises=(errors.IssuerNotFound, errors.IssuerUnreachable),
)
async def verify_issuer(service: Issuers, call: Call, issuer_id: str) -> CertificateIssuerVerification:
    """Verify a certificate issuer by having it issue a test certificate, and say what came of it."""
    return await service.verify_issuer(call.account_id, issuer_id, call.caller.actor)


@operations.add(
    "GET",
    _CONFIGS,
    "getCertificateIssuerConfigs",
    tag=_CONFIGURATIONS,
    permission=_READ,
    paging=Paging(),
    filters={"reference": FilterField(("eq",))},
    answer=ConfigurationPage,
)
async def list_configurations(service: Issuers, call: Call) -> dict[str, Any]:
    """List which issuer issues certificates of which name."""
    return await service.configurations.list(call.account_id, call.page, call.conditions)


@operations.add(
    "POST",
    _CONFIGS,
    "createCertificateIssuerConfig",
    tag=_CONFIGURATIONS,
    permission=_WRITE,
    status=201,
    body=ConfigurationCreateRequest,
    answer=Configuration,
    raises=(access.ObjectLimitReached, errors.IssuerConfigurationExists),
)
async def create_configuration(service: Issuers, call: Call) -> Configuration:
    """Say which issuer issues certificates of a name; null is the server's own authority."""
    return await service.configurations.create(call.account_id, call.caller.actor, call.body)


@operations.add(
    "GET", _LWM2M, "getCertificateIssuerConfig", tag=_CONFIGURATIONS, permission=_READ, answer=Configuration
)
async def get_lwm2m_configuration(service: Issuers, call: Call) -> Configuration:
    """Get which issuer issues the certificates that devices register with."""
    return await service.configurations.get_lwm2m(call.account_id)


@operations.add(
    "PUT",
    _LWM2M,
    "updateCertificateIssuerConfig",
    tag=_CONFIGURATIONS,
    permission=_WRITE,
    body=ConfigurationRequest,
    answer=Configuration,
)
async def update_lwm2m_configuration(service: Issuers, call: Call) -> Configuration:
    """Set which issuer issues the certificates that devices register with."""
    return await service.configurations.change_lwm2m(call.account_id, call.caller.actor, call.body)


@operations.add(
    "GET",
    _CONFIG,
    "getCertificateIssuerConfigByID",
    tag=_CONFIGURATIONS,
    permission=_READ,
    answer=Configuration,
    raises=(errors.IssuerConfigurationNotFound,),
)
async def get_configuration(service: Issuers, call: Call, configuration_id: str) -> Configuration:
    """Get a certificate issuer configuration."""
    return await service.configurations.get(call.account_id, configuration_id)


@operations.add(
    "PUT",
    _CONFIG,
    "updateCertificateIssuerConfigByID",
    tag=_CONFIGURATIONS,
    permission=_WRITE,
    body=ConfigurationRequest,
    answer=Configuration,
    raises=(errors.IssuerConfigurationNotFound,),
)
async def update_configuration(service: Issuers, call: Call, configuration_id: str) -> Configuration:
    """Change a certificate issuer configuration."""
    return await service.configurations.change(call.account_id, configuration_id, call.caller.actor, call.body)


@operations.add(
    "DELETE",
    _CONFIG,
    "deleteCertificateIssuerConfigByID",
    tag=_CONFIGURATIONS,
    permission=_WRITE,
    status=204,
    raises=(errors.IssuerConfigurationNotFound, errors.IssuerConfigurationNotCustom),
)
async def delete_configuration(service: Issuers, call: Call, configuration_id: str) -> None:
    """Delete a custom configuration: the server's own authority issues certificates of that name then."""
    await service.configurations.delete(call.account_id, configuration_id, call.caller.actor)


@operations.add(
    "GET",
    _RENEWAL,
    "getAutomaticRenewal",
    tag=_CONFIGURATIONS,
    permission=_READ,
    answer=AutomaticRenewal,
    raises=(errors.IssuerConfigurationNotFound,),
)
async def get_automatic_renewal(service: Issuers, call: Call, configuration_id: str) -> AutomaticRenewal:
    """Get how long before they expire certificates of a configuration are renewed by themselves."""
    return await service.configurations.automatic_renewal(call.account_id, configuration_id)


@operations.add(
    "PUT",
    _RENEWAL,
    "setAutomaticRenewal",
    tag=_CONFIGURATIONS,
    permission=_WRITE,
    body=AutomaticRenewal,
    answer=AutomaticRenewal,
    raises=(errors.IssuerConfigurationNotFound,),
)
async def set_automatic_renewal(service: Issuers, call: Call, configuration_id: str) -> AutomaticRenewal:
    """Have certificates of a configuration renewed by themselves so many days before they expire, or not (null)."""
    return await service.configurations.set_automatic_renewal(
        call.account_id, configuration_id, call.caller.actor, call.body
    )


@operations.add(
    "GET",
    CHALLENGES + "{token}",
    "getAcmeChallenge",
    permission=None,
    answer=bytes,
    answer_media_type="application/octet-stream",
    parameters=(Parameter("Host", "The name that is looked at.", place="header"),),
    raises=(errors.ChallengeNotFound,),
)
async def get_challenge(service: Issuers, call: Call, token: str) -> Answer:
    """What an ACME authority looks for while it sees whether a name is ours (RFC 8555 section 8.3)."""
    host = (call.parameters["Host"] or "").partition(":")[0].lower()
    return Answer(await service.challenge(token, host), "application/octet-stream")
