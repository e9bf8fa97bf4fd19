"""Content formats of CoAP and media types of the REST API: one table for both directions."""

from __future__ import annotations

from lamplighter.coap.numbers import ContentFormat

MEDIA_TYPES: dict[int, str] = {
    ContentFormat.TEXT: "text/plain",
    ContentFormat.LINK_FORMAT: "application/link-format",
    ContentFormat.XML: "application/xml",
    ContentFormat.OCTET_STREAM: "application/octet-stream",
    ContentFormat.JSON: "application/json",
    ContentFormat.CBOR: "application/cbor",
    ContentFormat.LWM2M_TLV_VENDOR: "application/vnd.oma.lwm2m+tlv",
    ContentFormat.SENML_JSON: "application/senml+json",
    ContentFormat.SENML_CBOR: "application/senml+cbor",
    ContentFormat.LWM2M_TEXT_OLD: "text/plain",
    ContentFormat.LWM2M_TLV_OLD: "application/vnd.oma.lwm2m+tlv",
    ContentFormat.LWM2M_JSON_OLD: "application/vnd.oma.lwm2m+json",
    ContentFormat.LWM2M_OPAQUE_OLD: "application/octet-stream",
    ContentFormat.LWM2M_TLV: "application/vnd.oma.lwm2m+tlv",
    ContentFormat.LWM2M_JSON: "application/vnd.oma.lwm2m+json",
}

_PREFERRED: dict[str, int] = {
    **{media_type: number for number, media_type in reversed(MEDIA_TYPES.items())},
    "application/vnd.oma.lwm2m+tlv": ContentFormat.LWM2M_TLV,
    "application/vnd.oma.lwm2m+json": ContentFormat.LWM2M_JSON,
    "application/vnd.oma.lwm2m+text": ContentFormat.TEXT,
    "application/vnd.oma.lwm2m+opaque": ContentFormat.OCTET_STREAM,
}


def media_type_of(content_format: int | None) -> str:
    """No content format is text (OMA LwM2M Core 1.1 section 7.4); one without a name is given as its number."""
    number = content_format or 0
    return MEDIA_TYPES.get(number, str(number))


def content_format_of(text: str) -> int | None:
    """The number of a media type, or of a number written as text; empty and ``*/*``: None. Raises ValueError."""
    media_type = text.partition(";")[0].strip().lower()
    if media_type in ("", "*/*"):
        return None
    if media_type.isascii() and media_type.isdigit() and len(media_type) <= 5 and int(media_type) <= 0xFFFF:
        return int(media_type)
    number = _PREFERRED.get(media_type)
    if number is None:
        raise ValueError(f"is not a media type that devices know: {', '.join(sorted(_PREFERRED))}")
    return number
