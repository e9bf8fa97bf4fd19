"""The families: every status and public type that this API answers, both editions together, and the services' own."""

from __future__ import annotations

from lamplighter.errors.base import Error


class BadRequest(Error):
    """Something is wrong with the request as a whole."""

    status, type = 400, "bad_request"


class ValidationError(Error):
    """One or more parameters are missing or invalid."""

    status, type = 400, "validation_error"


class InvalidAuth(Error):
    """The Authorization header is missing or cannot be used."""

    status, type = 401, "invalid_auth"


class AuthMismatch(Error):
    """The credential is good, but of a kind that this request never takes."""

    status, type = 401, "auth_mismatch"


class InvalidAccesskey(Error):
    """The access key is not valid."""

    status, type = 401, "invalid_accesskey"


class InvalidApikey(Error):
    """The API key is not valid."""

    status, type = 401, "invalid_apikey"


class InvalidToken(Error):
    """The user token is not valid."""

    status, type = 401, "invalid_token"


class AccessDenied(Error):
    """The caller is known but not authorized for this."""

    status, type = 403, "access_denied"


class AccessRestricted(Error):
    """Access is blocked for where the request comes from."""

    status, type = 403, "access_restricted"


class AccountLimitExceeded(Error):
    """A limit of the account has been reached."""

    status, type = 403, "account_limit_exceeded"


class InvalidRequest(Error):
    """The request came over plain HTTP."""

    status, type = 403, "invalid_request"


class NotFound(Error):
    """There is no such resource in this account."""

    status, type = 404, "not_found"


class UnrecognizedRequest(Error):
    """The API has no such URL."""

    status, type = 404, "unrecognized_request"


class MethodNotSupported(Error):
    """The URL exists, the method does not."""

    status, type = 405, "method_not_supported"


class Conflict(Error):
    """The current state does not allow the request."""

    status, type = 409, "conflict"


class Duplicate(Error):
    """The request would make a second of something that must be unique."""

    status, type = 409, "duplicate"


class Gone(Error):
    """It existed and was removed."""

    status, type = 410, "gone"


class PayloadTooLarge(Error):
    """The body is larger than this operation takes."""

    status, type = 413, "payload_too_large"


class UnsupportedMediaType(Error):
    """The body is of a media type that this operation does not take."""

    status, type = 415, "unsupported_media_type"


class Locked(Error):
    """The resource cannot be worked on now."""

    status, type = 423, "locked"


class FailedDependency(Error):
    """A system outside, on which the request depends, failed."""

    status, type = 424, "failed_dependency"


class UpgradeRequired(Error):
    """The request needs another protocol."""

    status, type = 426, "upgrade_required"


class RateLimitExceeded(Error):
    """Too many requests."""

    status, type = 429, "rate_limit_exceeded"


class HeaderTooLarge(Error):
    """The request line or the headers are too large."""

    status, type = 431, "header_too_large"


class InternalServerError(Error):
    """The server has a defect."""

    status, type = 500, "internal_server_error"


class BadGateway(Error):
    """The device side failed."""

    status, type = 502, "bad_gateway"


class SystemUnavailable(Error):
    """The server cannot answer at the moment."""

    status, type = 503, "system_unavailable"


class BillingUnauthorized(Error):
    """Billing's word for a credential that is not accepted."""

    status, type = 401, "unauthorized"


class BillingForbidden(Error):
    """Billing's word for a caller without permission."""

    status, type = 403, "forbidden"


class BillingReportNotFound(Error):
    """Billing's word for a report that does not exist."""

    status, type = 404, "report_not_found"


class BillingInternalError(Error):
    """Billing's word for a defect of the server."""

    status, type = 500, "internal_error"
