"""Certificate issuers, their configurations, and the renewal of devices' certificates."""

from __future__ import annotations

from lamplighter.errors import families as family


class IssuerNotFound(family.NotFound):
    """The account has no such certificate issuer."""

    message = "There is no certificate issuer {issuer_id}."
    cause = "The ID is mistyped, the issuer was deleted, or it belongs to another account."
    remedy = "List the issuers with GET /v3/certificate-issuers and take the ID from there."


class IssuerNameTaken(family.Duplicate):
    """A certificate issuer of the account has this name."""

    message = "The name {name} is already used by another certificate issuer."
    cause = "Names of certificate issuers are unique in an account."
    remedy = "Choose another name for the issuer."


class IssuerInUse(family.BadRequest):
    """A certificate issuer is to be deleted that a configuration names."""

    message = "The certificate issuer {issuer_id} is in use by the configuration {references}."
    cause = "Devices get certificates from it, and would get none without it."
    remedy = (
        "Give that configuration another issuer first (PUT /v3/certificate-issuer-configurations/{configuration_id})."
    )


class IssuerFailed(family.FailedDependency):
    """A certificate issuer answered, and not with a certificate that can be used."""

    message = "The certificate issuer {name} issued no certificate: {reason}."
    cause = "It refused the credentials or the request, or what it sent is no certificate for this key and device."
    remedy = "Correct the issuer's credentials or attributes, or its own policy, then verify it again."
    coap = "5.02"


class IssuerUnreachable(IssuerFailed):
    """A certificate issuer did not answer."""

    message = "The certificate issuer {name} cannot be reached: {reason}."
    cause = "The issuer's URL is wrong, it is down, its certificate is not trusted, or its address is not permitted."
    remedy = (
        "Check the URL. For a private authority the operator sets outbound.ca_file, and for a private address "
        "outbound.allowed_networks."
    )
    coap = "5.02"


class IssuerNotTrusted(IssuerFailed):
    """A certificate issuer signs under an authority that the account does not trust."""

    message = "The account does not trust {authority} for LwM2M, which signed the device's certificate."
    cause = "The issuer is configured for LWM2M, and a device with its certificate would be refused when it registers."
    remedy = (
        "Upload the certificate of {authority} for lwm2m (POST /v3/trusted-certificates), or choose another issuer."
    )
    coap = "5.02"


class ChallengeNotFound(family.NotFound):
    """An ACME authority, or somebody else, asks for a challenge that nobody waits for."""

    message = "There is no challenge {token}."
    cause = "The certificate that it was for has been issued or refused, or another installation ordered it."
    remedy = "Order the certificate again; challenges are answered while an ACME issuer is asked for one."


class AuthorityAway(family.SystemUnavailable):
    """The installation's authority cannot sign: its key is in a hardware module, which does not answer."""

    message = "The server's own authority cannot sign certificates at the moment: {reason}."
    cause = "The key of the authority is in a hardware module that is away, was taken out, or refuses the server."
    remedy = (
        "Nothing was changed. Have the operator look at the module (lamplighter doctor), then send the request again."
    )
    coap = "5.03"


class IssuerConfigurationNotFound(family.NotFound):
    """The account has no such configuration of a certificate issuer."""

    message = "There is no certificate issuer configuration {configuration_id}."
    cause = "The ID is mistyped, the configuration was deleted, or it belongs to another account."
    remedy = "List the configurations with GET /v3/certificate-issuer-configurations and take the ID from there."


class IssuerConfigurationExists(family.Duplicate):
    """The account has a configuration for certificates of this name."""

    message = "The account has an issuer configuration for {reference} already."
    cause = "Each certificate name has one configuration, and that of LWM2M is always there."
    remedy = "Change the one that is there with PUT /v3/certificate-issuer-configurations/{configuration_id}."


class IssuerConfigurationNotCustom(family.BadRequest):
    """The configuration of the LwM2M certificate is to be deleted."""

    message = "The issuer configuration for {reference} cannot be deleted."
    cause = (
        "Every device has a certificate for LwM2M, so its configuration is always there; only custom ones come and go."
    )
    remedy = "Set certificate_issuer_id to null instead, and the server's own authority issues."


class CertificateEnrollmentNotFound(family.NotFound):
    """The account has no such certificate enrollment."""

    message = "There is no certificate enrollment {enrollment_id}."
    cause = "The ID is mistyped, or it belongs to another account."
    remedy = "List the enrollments with GET /v3/certificate-enrollments and take the ID from there."


class RenewalRunning(family.Conflict):
    """The certificate of the device is being renewed already."""

    message = "The certificate {certificate_name} of the device {device_id} is being renewed already."
    cause = "An earlier renewal has not ended: the device sleeps, or is about to fetch its certificate."
    remedy = "Wait until GET /v3/certificate-enrollments/{enrollment_id} says completed."


class RenewalNotSupported(family.Locked):
    """The device cannot renew certificates on the server's word."""

    message = (
        "The device {device_id} has not registered the resource /35011/0/27002, by which certificates are renewed."
    )
    cause = "Its firmware is built without the certificate enrollment client."
    remedy = "Update the device's firmware; without it, a certificate for LwM2M is renewed by a new bootstrap."


class RenewalNotConnected(family.Locked):
    """The device whose certificate is to be renewed is not registered."""

    message = "The device {device_id} is not registered, so its certificate {certificate_name} cannot be renewed now."
    cause = "It has never registered, has deregistered, was suspended, or its registration lifetime has passed."
    remedy = "Wait for the device to register, then ask for the renewal again."


class CertificateNotAsked(family.AccessDenied):
    """A device asks for a certificate that nobody wanted renewed."""

    message = "The device {device_id} asks for a certificate {certificate_name}, and no renewal of it is under way."
    cause = "A device gets a certificate once after the server has asked it to, and for one key only."
    remedy = "Renew the certificate with POST /v3/devices/{device_id}/certificates/{certificate_name}/renew."
    coap = "4.03"
