"""Why a device is not bootstrapped."""

from __future__ import annotations

from lamplighter.errors import families as family


class BootstrapOfAnother(family.AccessDenied):
    """A device asks for a bootstrap under another name or account than its credential's."""

    message = "The device asks to be bootstrapped as {claimed}, and its credential is for {endpoint_name}."
    cause = (
        "The endpoint name or the account (`aid`) in the device's settings is not the one of its key or certificate."
    )
    remedy = "Build the device with the credentials file as it was downloaded, or configure the name of its key."
    coap = "4.03"


class BootstrapCredentialGone(family.AccessDenied):
    """The credential that a device's session rests on was deleted or made inactive meanwhile."""

    message = "The credential of the device {endpoint_name} is not valid any more."
    cause = "Its pre-shared key or certificate was deleted or made inactive while the device was connected."
    remedy = "Give the device another credential, or make this one active again."
    coap = "4.03"


class DeveloperDevicesReached(family.AccountLimitExceeded):
    """One developer certificate is used by as many devices as it may be."""

    message = "{used} devices use the developer certificate {certificate_id}, and {maximum} may."
    cause = (
        "A developer certificate is for trying out, and each device that is reset counts as a new one while it is on."
    )
    remedy = "Switch off devices that are not needed, delete their records, or make another developer certificate."
    coap = "5.03"


class CertificationRequestInvalid(family.BadRequest):
    """A device's certification request (EST) cannot be used."""

    message = "The certification request of the device {device_id} cannot be used: {reason}."
    cause = "It is damaged, is not signed by its own key, or its key is not of the curve P-256."
    remedy = "Let the device make a new key on P-256 and sign the request with it."
    coap = "4.00"


class CertificationNotExpected(family.AccessDenied):
    """A device sends a certification request that nobody asked for."""

    message = "The device {device_id} sent a certification request, and none is expected from it now."
    cause = "Enrolment follows once after a bootstrap that gave no certificate; the device repeats an old one."
    remedy = "Let the device bootstrap again."
    coap = "4.03"


class DeviceUnclaimed(family.AccessDenied):
    """A device with a certificate of its own came, and it is not known whose it is."""

    message = "The device with the enrollment identity {identity} is not let in: {reason}."
    cause = "A factory device belongs to the account that claims it and trusts the authority of its certificate."
    remedy = (
        "Claim it with POST /v3/device-enrollments in the account that trusts its authority; it comes again by itself."
    )
    coap = "4.03"
