"""The two editions of the API's troubleshooting page: which rows each has, and the advice it gives, in our words.

The Izuma edition speaks of access keys, the Pelion edition of API keys and user tokens. The server answers the union of
both; the setting ``api.edition`` only chooses which advice stands first.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Edition = Literal["izuma", "pelion"]

EDITIONS: dict[Edition, str] = {"izuma": "Izuma (access keys)", "pelion": "Pelion (API keys and user tokens)"}

STATUS_GROUPS: tuple[tuple[str, str], ...] = (
    ("2xx", "It worked."),
    ("3xx", "Something more has to be done, by you or by the device, before it is finished."),
    ("4xx", "The request cannot be fulfilled as it was sent; the message says why."),
    ("5xx", "The server could not do what it should; the request itself may be in order."),
)


class Row(NamedTuple):
    """A row of an edition: a family, what it means, and what to try."""

    edition: Edition
    status: int
    type: str
    meaning: str
    advice: tuple[str, ...]


_SUPPORT = "If it goes on, give the request ID to {contact}."

_IZUMA: tuple[tuple[int, str, str, tuple[str, ...]], ...] = (
    (
        400,
        "bad_request",
        "The request as a whole cannot be understood.",
        (
            "See that the Content-Type header names what the body really is.",
            "See that this API, and this server, have the interface you call.",
        ),
    ),
    (
        400,
        "validation_error",
        "A parameter is missing or cannot be used.",
        (
            "Send every parameter that the interface requires.",
            "Compare the form of each parameter and value with the reference; `fields` lists all that are wrong.",
        ),
    ),
    (
        401,
        "invalid_auth",
        "The Authorization header is missing or cannot be used.",
        (
            "Send an Authorization header with the request.",
            "See that the access key was copied whole and unchanged.",
            "Put the scheme Bearer before the key.",
        ),
    ),
    (
        401,
        "auth_mismatch",
        "The credential is good, but not for this request.",
        ("Use the kind of credential that the message names.",),
    ),
    (
        401,
        "invalid_accesskey",
        "The access key is not valid.",
        ("Check that the key exists, is ACTIVE and has not expired, or create a new one under its application.",),
    ),
    (
        403,
        "access_denied",
        "The caller is known, but may not do this.",
        (
            "Ask an administrator which groups you are in and what they allow.",
            "Access may also depend on where you call from.",
        ),
    ),
    (
        403,
        "access_restricted",
        "Access is blocked where you are, to comply with export control.",
        ("Call from a place that is not blocked.",),
    ),
    (
        403,
        "account_limit_exceeded",
        "The account has used up one of its limits.",
        (
            "The account's type decides how many operations it may make: see which it has, and when the count starts anew.",
        ),
    ),
    (
        403,
        "invalid_request",
        "The request came over plain HTTP.",
        ("Begin the URL with https://; the API is used over secure connections only.",),
    ),
    (
        404,
        "not_found",
        "The resource was not found.",
        ("Nothing has this ID in your account, or the interface does not exist: take the ID from a list.",),
    ),
    (
        404,
        "unrecognized_request",
        "The API does not have this URL.",
        ("Check the spelling: the collection is /v3/devices/, for example, and not /v3/device/.",),
    ),
    (
        405,
        "method_not_supported",
        "The URL exists, but not with this method.",
        ("Use one of the methods in the Allow header.", "See that the URL is the one you mean."),
    ),
    (
        409,
        "conflict",
        "The current state does not allow the request.",
        ("Read the resource, see what state it is in, and decide anew.",),
    ),
    (
        409,
        "duplicate",
        "It would exist twice.",
        ("The name is taken: the message says what bears it. Choose another one.",),
    ),
    (
        429,
        "rate_limit_exceeded",
        "Too many requests in a short time.",
        ("Wait as long as Retry-After says, then go on more slowly.",),
    ),
    (
        500,
        "internal_server_error",
        "The server failed unexpectedly.",
        ("Send the request once more.", _SUPPORT),
    ),
    (
        503,
        "system_unavailable",
        "The server cannot answer at the moment.",
        ("Send the request again after the time in Retry-After.", _SUPPORT),
    ),
)

_PELION_OWN: dict[tuple[int, str], tuple[str, ...]] = {
    (400, "bad_request"): (
        "Check the URL and its spelling: /v3/devices, for example, and not /v3/device/.",
        "See that this API, and this server, have the interface you call.",
    ),
    (401, "invalid_auth"): (
        "Send an Authorization header with the request.",
        "Log in again.",
        "See that the token was copied whole and unchanged.",
    ),
    (401, "invalid_token"): ("Log in again.", "The token may have expired: a new login gives a new one."),
    (401, "invalid_apikey"): ("Log in again, and check or reset the API key.",),
    (404, "unrecognized_request"): ("Check the spelling of the URL.",),
}
_PELION_MEANINGS: dict[tuple[int, str], str] = {
    (401, "invalid_token"): "The user token is not valid.",
    (401, "invalid_apikey"): "The API key is not valid.",
}
_PELION_ORDER: tuple[tuple[int, str], ...] = (
    (400, "bad_request"),
    (400, "validation_error"),
    (401, "invalid_auth"),
    (401, "auth_mismatch"),
    (401, "invalid_token"),
    (401, "invalid_apikey"),
    (403, "access_denied"),
    (403, "access_restricted"),
    (403, "account_limit_exceeded"),
    (403, "invalid_request"),
    (404, "not_found"),
    (404, "unrecognized_request"),
    (405, "method_not_supported"),
    (500, "internal_server_error"),
    (503, "system_unavailable"),
)


def _pelion(key: tuple[int, str]) -> Row:
    shared = {(status, kind): (meaning, advice) for status, kind, meaning, advice in _IZUMA}
    meaning, advice = shared.get(key, ("", ()))
    return Row("pelion", *key, _PELION_MEANINGS.get(key, meaning), _PELION_OWN.get(key, advice))


ROWS: dict[Edition, tuple[Row, ...]] = {
    "izuma": tuple(Row("izuma", *row) for row in _IZUMA),
    "pelion": tuple(_pelion(key) for key in _PELION_ORDER),
}
"""The rows of both editions, in the order of their pages: 17 and 15."""


def row_of(edition: Edition, status: int, kind: str) -> Row | None:
    """An edition's row for a family; None where that edition has none."""
    return next((row for row in ROWS[edition] if (row.status, row.type) == (status, kind)), None)


class AsyncStatus(NamedTuple):
    """A status of an asynchronous response: what became of a device request after its 202."""

    status: int
    words: tuple[str, ...]
    origin: Literal["device", "server"]
    meaning: str
    advice: str


ASYNC_STATUSES: tuple[AsyncStatus, ...] = (
    AsyncStatus(200, (), "device", "Done; `payload` is the result.", "Nothing needs to be done."),
    AsyncStatus(
        400, (), "device", "The device refused the request.", "See that the resource takes the method and the value's type."
    ),
    AsyncStatus(404, (), "device", "The device has no such resource.", "Read /v2/endpoints/{device-id} for those it has."),
    AsyncStatus(
        412, (), "device", "A precondition of the device failed; a subscription to what cannot be observed ends so too.",
        "See whether the resource is observable (`obs`), or whether it is busy with the same request.",
    ),
    AsyncStatus(413, (), "device", "The payload is larger than the device takes.", "Send a smaller value."),
    AsyncStatus(415, (), "device", "The device does not know the content format.", "Send another `content-type`, or none."),
    AsyncStatus(
        429,
        ("REQUEST_EXPIRED", "DEVICE_REMOVED_REGISTRATION", "DEVICE_BLOCKED"),
        "server",
        "The request was never delivered: it expired, the device's registration ended, or the device is suspended.",
        "Give `expiry-seconds` more time, or send it again when the device has registered or been resumed.",
    ),
    AsyncStatus(502, (), "server", "All tries failed; the last on its TCP or TLS connection.", "Look at the device's network."),
    AsyncStatus(
        503, ("NOT_CONNECTED",), "server", "All tries failed; the device was not reachable.",
        "Wait until it registers again, or give a larger `retry`.",
    ),
    AsyncStatus(
        504, ("TIMEOUT",), "server", "All tries were sent and not answered in time.",
        "The device may sleep or have lost its network; give a larger `retry`.",
    ),
)  # fmt: skip
"""Every status of an asynchronous response. 429 and 5xx are the server's own, all others come from the device."""
