"""Credentials of devices: pre-shared keys and certificates."""

from __future__ import annotations

from lamplighter.errors import families as family


class EndpointNameInvalid(family.BadRequest):
    """The endpoint name of a pre-shared key has the wrong form."""

    message = "An endpoint name has 16 to 64 printable ASCII characters, and this one has another form."
    cause = "It is shorter, longer, or has other characters."
    remedy = "Choose a name of that form; the device uses it as its PSK identity."
    word = "INVALID_ENDPOINT_NAME"


class PreSharedKeyTokenUnknown(family.BadRequest):
    """The continuation marker of a list of keys was not given by this server."""

    message = "The marker in `after` was not given out by this server."
    cause = "It was cut, changed, or belongs to another list."
    remedy = "Use continuation_marker of the page before, or begin anew without `after`."
    word = "TOKEN_NOT_FOUND"


class PreSharedKeyNotFound(family.NotFound):
    """The account has no pre-shared key for this endpoint name."""

    message = "There is no pre-shared key for the endpoint name {endpoint_name}."
    cause = "It was never created, was deleted, or belongs to another account."
    remedy = "List the keys with GET /v2/device-shared-keys, or create one."


class PreSharedKeyExists(family.Duplicate):
    """A pre-shared key for this endpoint name exists."""

    message = "A pre-shared key for the endpoint name {endpoint_name} exists already."
    cause = (
        "Keys are looked up before the account of a device is known, so a name can be used once on a server, "
        "by whichever account."
    )
    remedy = "Delete the old key first if it is yours, or choose another endpoint name."
    word = "KEY_ALREADY_EXISTS_FOR_ENDPOINT"


class CertificateNotFound(family.NotFound):
    """The account has no such certificate."""

    message = "There is no certificate {certificate_id}."
    cause = "The ID is mistyped, the certificate was deleted, or it belongs to another account."
    remedy = "List the certificates with GET /v3/trusted-certificates and take the ID from there."


class CertificateNameTaken(family.Duplicate):
    """A certificate of the account has this name."""

    message = "The name {name} is already used by another certificate."
    cause = "Names of certificates are unique in an account."
    remedy = "Choose another name for the certificate."


class CertificateExists(family.Duplicate):
    """The account trusts this certificate already, for the same service."""

    message = "This certificate is already trusted for {service}, under the name {name}."
    cause = "A certificate is kept once for each service."
    remedy = "Use or change the one that is there ({certificate_id})."


class PrivateKeyUploaded(family.BadRequest):
    """A private key was sent where a certificate is asked for."""

    message = "A private key was sent with the certificate; nothing of it was kept."
    cause = "The file holds a key as well, as many tools write it."
    remedy = (
        "Send the part from BEGIN CERTIFICATE to END CERTIFICATE only, and replace the key if others may have seen it."
    )


class DeveloperCertificateFixed(family.BadRequest):
    """A developer certificate has members that stay as they were made."""

    message = "The {members} of a developer certificate cannot be changed."
    cause = "It was issued by this server for devices in development; only its name, description and status are yours."
    remedy = "Leave {members} out, or create another developer certificate."
