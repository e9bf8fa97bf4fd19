"""What can be wrong with a request before any service sees it: HTTP, encoding, parameters, path, method, load."""

from __future__ import annotations

from lamplighter.errors import families as family
from lamplighter.errors.base import FieldFault


class MalformedHttp(family.BadRequest):
    """The bytes on the connection are not an HTTP request."""

    message = "The connection did not carry a well-formed HTTP/1.1 request."
    cause = (
        "The request line or a header breaks the grammar, Content-Length and Transfer-Encoding stand together, "
        "or something that is not HTTP was sent."
    )
    remedy = "Send the request with an HTTP client library instead of writing it by hand."


class RequestNotFinished(family.BadRequest):
    """The request stopped arriving before its end."""

    message = "The request did not arrive whole within {seconds:g} seconds."
    cause = "The client sent fewer bytes than Content-Length promises, or the connection stalled."
    remedy = "Check Content-Length and the connection, then send the request again."


class MalformedEscape(family.BadRequest):
    """The URL has a percent-escape that is not one, or does not decode to UTF-8."""

    message = "The {part} of the URL has a percent-escape that cannot be decoded: {text}."
    cause = "A % is not followed by two hex digits, or the decoded bytes are not UTF-8."
    remedy = "Write a literal % as %25 and encode the URL as UTF-8."


class MalformedJson(family.BadRequest):
    """The body is not JSON."""

    message = "The body is not valid JSON: {fault}."
    cause = "A quote, comma or bracket is missing, or the body is in another format."
    remedy = "Build the body with a JSON library and send it again."
    word = "MALFORMED_JSON_CONTENT"


class BodyNotUtf8(family.BadRequest):
    """The body is not UTF-8."""

    message = "The body is not UTF-8: byte {position} cannot be decoded."
    cause = "The body was written in another character encoding, for example Latin-1, or is not text."
    remedy = "Encode the body as UTF-8; JSON knows no other encoding."
    word = "MALFORMED_JSON_CONTENT"


class BodyHasLoneSurrogate(family.BadRequest):
    """A string of the body has half of a surrogate pair."""

    message = "The body has a lone surrogate (\\ud800 to \\udfff), which stands for no character."
    cause = "A string was cut in the middle of a character, or bytes were escaped as if they were text."
    remedy = "Escape whole characters only, or send binary data as base64."
    word = "MALFORMED_JSON_CONTENT"


class BodyHasDuplicateKeys(family.BadRequest):
    """An object of the body has the same key twice."""

    message = "The body names {key} twice in one object."
    cause = "The body was joined from parts, or written by hand."
    remedy = "Keep the key once; which of the two was meant cannot be known."
    word = "MALFORMED_JSON_CONTENT"


class BodyNotObject(family.BadRequest):
    """The body is JSON, but not of the kind that this operation takes."""

    message = "The body must be a JSON {expected}, not {found}."
    cause = "The value was sent bare, or wrapped once too often."
    remedy = "See the operation's request body in /docs/api."
    word = "MALFORMED_JSON_CONTENT"


class MalformedForm(family.BadRequest):
    """The body is not a form."""

    message = "The body is not a well-formed multipart/form-data: {fault}."
    cause = "The boundary of the Content-Type header is missing or another than in the body, or the body was cut."
    remedy = "Have an HTTP client library build the form, and let it set the Content-Type header itself."


class ContentTypeNotTaken(family.BadRequest):
    """The operation does not take a body of this media type."""

    message = "This operation does not take a body of Content-Type {content_type}."
    cause = "The Content-Type header is missing its real value, or a form was sent where JSON is expected."
    remedy = "Send Content-Type: {expected}."


class ContentEncodingNotTaken(family.BadRequest):
    """The body is compressed."""

    message = "A body with Content-Encoding {content_encoding} is not taken."
    cause = "The client or a proxy compressed the body; compressed requests are refused to keep memory bounded."
    remedy = "Send the body as it is, without Content-Encoding."


class ParameterRepeated(family.BadRequest):
    """A parameter that has one value was given more than once."""

    message = "The query names {name} more than once."
    cause = "The URL was joined from parts that both carry the parameter."
    remedy = "Give it once; several values for one filter go into a comma-separated list under {name}__in."


class InterfaceSwitchedOff(family.BadRequest):
    """This installation does not offer the interface."""

    message = "{operation} is switched off on this server."
    cause = "The operator listed it in the setting api.disabled."
    remedy = "Ask the operator to switch it on, or use another interface."


class InvalidParameters(family.ValidationError):
    """One or more parameters cannot be used; every one is listed in ``fields``."""

    message = "{summary}."
    cause = "Each entry of `fields` names a parameter and what is wrong with it."
    remedy = "Correct {what} and send the request again; nothing was changed."
    word = "MALFORMED_JSON_CONTENT"


class PlainHttpRefused(family.InvalidRequest):
    """The API was called over plain HTTP."""

    message = "The API is served over HTTPS only, and this request came over plain HTTP."
    cause = (
        "The URL begins with http://, or names the plain port. A key sent this way could be read by others: replace it."
    )
    remedy = "Use {url} instead."


class PathUnknown(family.UnrecognizedRequest):
    """The API has no such path."""

    message = "There is nothing at {path}.{suggestion}"
    cause = "The path is misspelt, belongs to another version of the API, or to a part that this server does not have."
    remedy = "See /docs/api for every path."


class MethodUnknown(family.MethodNotSupported):
    """The path exists, but not with this method."""

    message = "{path} does not take {method}."
    cause = "The method is misspelt or belongs to another path; creating uses the collection's path, for instance."
    remedy = "Use {allowed}."


class BodyTooLarge(family.PayloadTooLarge):
    """The body is larger than this operation takes."""

    message = "The body is larger than {limit} bytes."
    cause = "The operation reads its body into memory and therefore bounds it."
    remedy = "Send less at once: split the work into several requests."


class HeadTooLarge(family.HeaderTooLarge):
    """The request line and headers together are too large."""

    message = "The request line and headers are larger than {limit} bytes."
    cause = "A very long query, or cookies and headers added by something on the way."
    remedy = "Shorten the query, for example with several requests of fewer values each, and send no cookies."


class CredentialRateExceeded(family.RateLimitExceeded):
    """One credential sends more requests than this server allows."""

    message = "This credential may send {rate:g} requests a second, {burst} at once, and has used them up."
    cause = "A loop without a pause, or several programs that share one key."
    remedy = "Wait {retry_after:.1f} seconds, and keep to the rate; the RateLimit header shows what is left."


class AddressRateExceeded(family.RateLimitExceeded):
    """One address sends more unauthenticated requests than this server allows."""

    message = "Your address may send {rate:g} requests a second without a valid credential, and has used them up."
    cause = "Requests with a wrong key in a loop, or many clients behind one address."
    remedy = "Wait {retry_after:.1f} seconds and send a valid credential."


class Defect(family.InternalServerError):
    """Something in the server does not work as its authors meant."""

    message = "The server failed while working on this request, and the fault is not yours."
    cause = "A defect of the server. Its log has the full trace under the request ID."
    remedy = "Try once more; if it happens again, give the request ID {request_id} to {contact}."


class UnderMaintenance(family.SystemUnavailable):
    """The operator has put the server into maintenance."""

    message = "The server is under maintenance.{note}"
    cause = "`lamplighter maintenance on` was given; devices stay connected meanwhile."
    remedy = "Try again in {retry_after:.0f} seconds."


class Overloaded(family.SystemUnavailable):
    """The server has more work than it can do in time."""

    message = "The server has more requests open than it can answer in time."
    cause = "A burst of requests. New ones are refused at once so that those already open finish."
    remedy = "Try again in {retry_after:.0f} seconds, with growing pauses."


class ShuttingDown(family.SystemUnavailable):
    """The server is stopping."""

    message = "The server is stopping and takes no new requests."
    cause = "It was asked to stop or restart; requests already open are being finished."
    remedy = "Try again in {retry_after:.0f} seconds."


class UpgradeToWebSocket(family.UpgradeRequired):
    """The path is a WebSocket's, and the request is not a handshake."""

    message = "{path} speaks WebSocket only."
    cause = "A plain GET was sent, or a proxy on the way dropped the Upgrade header."
    remedy = "Connect with a WebSocket client to wss://, and let proxies pass Upgrade and Connection."


class FaultNotKnown(family.BadRequest):
    """X-Lamplighter-Fault names no documented error."""

    message = "X-Lamplighter-Fault: {name} is not an error that this server knows."
    cause = "The header takes a type such as not_found or a member such as path-unknown."
    remedy = "Choose one of /docs/errors."


class MediaTypeUnsupported(family.UnsupportedMediaType):
    """The operation does not take a body of this media type, and says so with 415."""

    message = "This operation does not take a body of Content-Type {content_type}."
    cause = "The Content-Type header is missing its real value."
    remedy = "Send Content-Type: {expected}."


class NotWebSocket(family.BadRequest):
    """A WebSocket handshake was sent to a path that does not speak it."""

    message = "{path} does not speak WebSocket."
    cause = "The handshake went to another path than that of notifications."
    remedy = "Connect to wss://<host>/v2/notification/websocket-connect."


def invalid(faults: list[FieldFault]) -> InvalidParameters:
    """The one error for any number of faulty parameters."""
    if len(faults) == 1:
        return InvalidParameters(summary=f"{faults[0].name} {faults[0].message}", what="it", fields=faults)
    names = ", ".join(dict.fromkeys(fault.name for fault in faults))
    return InvalidParameters(summary=f"{len(faults)} parameters cannot be used: {names}", what="them", fields=faults)
