"""The CoAP message and its datagram form, RFC 7252 section 3.

One function each way, written for speed: the decoder is on the path of every datagram. Numbers are plain ``int`` here;
the enumerations of ``numbers`` compare equal to them.
"""

from __future__ import annotations

from collections.abc import Iterable

from lamplighter.coap.numbers import Option, Type, format_code

#: Larger tokens are reserved (RFC 7252 section 3; RFC 8974 is not for constrained clients).
MAX_TOKEN = 8


class FormatError(ValueError):
    """The datagram is not a CoAP message (RFC 7252 section 3 calls it a message format error)."""


class Message:
    """A CoAP message.

    ``type`` and ``mid`` belong to the message layer: whoever builds a request or an answer leaves them to the endpoint.
    ``options`` is a list of (number, value) in ascending order of number once decoded; when built, any order.
    """

    __slots__ = ("code", "mid", "options", "payload", "token", "type")

    def __init__(
        self,
        code: int,
        options: list[tuple[int, bytes]] | None = None,
        payload: bytes = b"",
        token: bytes = b"",
        type: int = 0,
        mid: int = 0,
    ) -> None:
        self.code = code
        self.options = [] if options is None else options
        self.payload = payload
        self.token = token
        self.type = type
        self.mid = mid

    def encode(self) -> bytes:
        """The datagram. Raises ValueError when a token or an option is longer than the format allows."""
        token = self.token
        previous = 0
        parts = [
            _HEADS[self.type << 4 | len(token)] if len(token) <= MAX_TOKEN else _refuse_token(token),
            _BYTES[self.code],
            self.mid.to_bytes(2, "big"),
            token,
        ]
        for number, value in self.options:
            delta = number - previous
            length = len(value)
            if 0 <= delta < 13 and length < 13:
                parts.append(_BYTES[delta << 4 | length])
            elif delta < 0:
                return self._sorted().encode()
            else:
                parts.append(_option_head(delta, length))
            parts.append(value)
            previous = number
        if self.payload:
            parts.append(b"\xff")
            parts.append(self.payload)
        return b"".join(parts)

    def _sorted(self) -> Message:
        # Stable: the order among options of one number (the path's segments) is kept.
        options = sorted(self.options, key=_number)
        return Message(self.code, options, self.payload, self.token, self.type, self.mid)

    # Options, read

    def option(self, number: int) -> bytes | None:
        """The first value of that option, or None."""
        for candidate, value in self.options:
            if candidate == number:
                return value
        return None

    def all(self, number: int) -> list[bytes]:
        """Every value of a repeatable option, in order."""
        return [value for candidate, value in self.options if candidate == number]

    def uint(self, number: int, most: int = 4) -> int | None:
        """The first value of that option as an unsigned integer (RFC 7252 section 3.2), or None.

        One longer than ``most`` bytes counts as absent, as section 5.4.3 wants it of elective options.
        """
        value = self.option(number)
        return None if value is None or len(value) > most else int.from_bytes(value, "big")

    def uri_path(self) -> tuple[str, ...]:
        """The segments of the path. Raises FormatError when one is not UTF-8."""
        return _texts(self.all(Option.URI_PATH))

    def uri_query(self) -> tuple[str, ...]:
        """The arguments of the query, one ``name=value`` each. Raises FormatError when one is not UTF-8."""
        return _texts(self.all(Option.URI_QUERY))

    def location_path(self) -> tuple[str, ...]:
        """The segments of Location-Path. Raises FormatError when one is not UTF-8."""
        return _texts(self.all(Option.LOCATION_PATH))

    @property
    def observe(self) -> int | None:
        """0 registers and 1 cancels in a request; the sequence number in a notification (RFC 7641 section 2)."""
        return self.uint(Option.OBSERVE, 3)

    @property
    def content_format(self) -> int | None:
        return self.uint(Option.CONTENT_FORMAT, 2)

    @property
    def accept(self) -> int | None:
        return self.uint(Option.ACCEPT, 2)

    @property
    def max_age(self) -> int:
        """Seconds; 60 when the option is absent (RFC 7252 section 5.10.5)."""
        value = self.uint(Option.MAX_AGE)
        return 60 if value is None else value

    @property
    def etag(self) -> bytes | None:
        """1 to 8 bytes (RFC 7252 section 5.10.6), or None."""
        value = self.option(Option.ETAG)
        return value if value is not None and 1 <= len(value) <= 8 else None

    # Options, written

    def add(self, number: int, value: bytes | str | int) -> Message:
        """Append an option: text as UTF-8, a number as the shortest unsigned integer. Gives the message itself."""
        if isinstance(value, int):
            value = value.to_bytes((value.bit_length() + 7) // 8, "big")
        elif isinstance(value, str):
            value = value.encode()
        self.options.append((number, value))
        return self

    def without(self, *numbers: int) -> list[tuple[int, bytes]]:
        """The options but those of these numbers, as a new list."""
        return [option for option in self.options if option[0] not in numbers]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        kind = Type(self.type).name
        return (
            f"<{kind} {format_code(self.code)} mid={self.mid} token={self.token.hex()} "
            f"options={self.options} payload={self.payload[:32]!r}>"
        )


def path_options(segments: Iterable[str], number: int = Option.URI_PATH) -> list[tuple[int, bytes]]:
    """One option for each segment."""
    return [(number, segment.encode()) for segment in segments]


def decode(data: bytes) -> Message:
    """The message in a datagram. Raises FormatError and nothing else.

    An empty ACK or RST followed by options is accepted, against section 4.1: the vendor's client sends ``60 00 mid mid c0``.
    """
    size = len(data)
    if size < 4:
        raise FormatError("shorter than a header")
    first = data[0]
    code = data[1]
    length = first & 15
    if first & 0xC0 != 0x40 or length > 8:
        raise FormatError("not version 1 or a reserved token length")
    position = 4 + length
    if not code and (length or (size > 4 and first < 0x60)):
        raise FormatError("an empty message with a token or content")
    token = data[4:position]
    options: list[tuple[int, bytes]] = []
    payload = b""
    number = 0
    while position < size:
        head = data[position]
        delta = head >> 4
        length = head & 15
        position += 1
        if delta > 12 or length > 12:
            if head == 255:
                payload = data[position:]
                if not payload:
                    raise FormatError("a payload marker without payload")
                break
            delta, length, position = _extended(data, delta, length, position)
        number += delta
        end = position + length
        options.append((number, data[position:end]))
        position = end
    else:
        if position > size:
            raise FormatError("ends inside the token or an option")
    if number > 65535:
        raise FormatError("an option number above 65535")
    return Message(code, options, payload, token, first >> 4 & 3, data[2] << 8 | data[3])


def _extended(data: bytes, delta: int, length: int, position: int) -> tuple[int, int, int]:
    """Delta and length of an option whose first byte has a nibble of 13 or more, and where its value begins."""
    values = []
    for nibble in (delta, length):
        if nibble == 13:
            values.append(int.from_bytes(data[position : position + 1], "big") + 13)
            position += 1
        elif nibble == 14:
            values.append(int.from_bytes(data[position : position + 2], "big") + 269)
            position += 2
        elif nibble == 15:
            raise FormatError("a reserved option nibble")
        else:
            values.append(nibble)
    if position > len(data):
        raise FormatError("ends inside an option's head")
    return values[0], values[1], position


def _option_head(delta: int, length: int) -> bytes:
    """The head of an option of which delta or length is 13 or more."""
    head = 0
    tail = b""
    for value in (delta, length):
        if value < 13:
            nibble = value
        elif value < 269:
            nibble = 13
            tail += bytes((value - 13,))
        elif value < 65805:
            nibble = 14
            tail += (value - 269).to_bytes(2, "big")
        else:
            raise ValueError("an option longer or higher than CoAP can say")
        head = head << 4 | nibble
    return bytes((head,)) + tail


def _texts(values: list[bytes]) -> tuple[str, ...]:
    try:
        return tuple([value.decode() for value in values])
    except UnicodeDecodeError:
        raise FormatError("a path or query that is not UTF-8") from None


def _number(option: tuple[int, bytes]) -> int:
    return option[0]


def _refuse_token(token: bytes) -> bytes:
    raise ValueError(f"a token of {len(token)} bytes; CoAP allows {MAX_TOKEN}")


# Single bytes and first header bytes, made once: indexing is cheaper than building them for each message.
_BYTES = [bytes((value,)) for value in range(256)]
_HEADS = [bytes((0x40 | value,)) for value in range(64)]
