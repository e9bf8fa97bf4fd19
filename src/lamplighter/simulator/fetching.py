"""A firmware image fetched over CoAP, block after block: RFC 7959, wire facts section 5.2."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from urllib.parse import unquote, urlsplit

from lamplighter.coap.blockwise import Block, block_of
from lamplighter.coap.endpoint import Endpoint
from lamplighter.coap.exchange import Exchange
from lamplighter.coap.message import FormatError, Message, path_options
from lamplighter.coap.numbers import Code, Option
from lamplighter.simulator.draws import Draws
from lamplighter.simulator.image import Fault, Image, ImageFailed

FIRMWARE_PATH = "fw"
"""Where the vendor's client asks its server for an image, by Proxy-Uri."""
MOST_TRIES = 8
"""Times in a row that a block is asked for in vain before the download is given up."""
_LONGEST_PAUSE = 600.0

Ended = Callable[[Image, Fault | None, float], None]


class Fetch:
    """One image at a time; ``ended`` hears how it went.

    ``proxied``: the server of the session is asked to get it from the address, as the vendor's client does; otherwise the server
    is the one that the address names. Each block is a request of its own, with a token of its own.
    """

    def __init__(
        self, endpoint: Endpoint, server: Hashable, random: Draws, ended: Ended, *, proxied: bool, block_size: int
    ) -> None:
        self.due: float | None = None
        self._endpoint = endpoint
        self._server = server
        self._random = random
        self._ended = ended
        self._proxied = proxied
        self._first_szx = self._szx = block_size.bit_length() - 5
        self._image: Image | None = None
        self._exchange: Exchange | None = None
        self._tries = 0

    def begin(self, image: Image, now: float) -> None:
        """Fetch it, or go on where it stopped."""
        self._image = image
        self._tries = 0
        self._szx = self._first_szx
        self._ask(now)

    def stop(self) -> None:
        """There is no session any more."""
        self._image = self._exchange = self.due = None

    def advance(self, now: float) -> None:
        if self.due is not None and self.due <= now:
            self._ask(now)

    def take_response(self, exchange: Exchange, message: Message, now: float) -> bool:
        """Whether it was an answer to this."""
        if exchange is not self._exchange or self._image is None:
            return False
        self._exchange = None
        try:
            self._take(self._image, message, now)
        except ImageFailed as error:
            self._end(error.fault, now)
        except FormatError:
            self._end(Fault.BAD_IMAGE, now)
        return True

    def take_silence(self, exchange: Exchange, now: float) -> bool:
        """The same when no answer came."""
        if exchange is not self._exchange:
            return False
        self._exchange = None
        self._later(now)
        return True

    def _take(self, image: Image, message: Message, now: float) -> None:
        if message.code == Code.SERVICE_UNAVAILABLE:
            self._later(now)
            return
        if message.code != Code.CONTENT:
            raise ImageFailed(Fault.NOT_FOUND)
        self._tries = 0
        block = block_of(message, Option.BLOCK2) or Block(0, False, self._szx)
        if block.offset != image.size or (block.more and not block.is_filled_by(message.payload)):
            raise ImageFailed(Fault.BAD_IMAGE)
        size = message.uint(Option.SIZE2)
        if size is not None and image.total is None:
            image.expect(size)
        image.add(message.payload)
        if block.more:
            self._szx = block.szx
            self._ask(now)
        else:
            self._end(None, now)

    def _later(self, now: float) -> None:
        """After 1 to 10 seconds, and after twice as long each time."""
        self._tries += 1
        if self._tries >= MOST_TRIES:
            self._end(Fault.LOST, now)
        else:
            self.due = now + min(_LONGEST_PAUSE, self._random.uniform(1.0, 10.0) * (1 << (self._tries - 1)))

    def _ask(self, now: float) -> None:
        self.due = None
        image = self._image
        if image is None or image.over:
            self.stop()
            return
        block = Block(image.size >> (self._szx + 4), False, self._szx)
        message = Message(Code.GET, _options(image.uri, self._proxied)).add(Option.BLOCK2, block.encode())
        self._exchange = self._endpoint.request(self._server, message, now, one_block=True)

    def _end(self, fault: Fault | None, now: float) -> None:
        image = self._image
        self.stop()
        if image is not None:
            self._ended(image, fault, now)


def _options(uri: str, proxied: bool) -> list[tuple[int, bytes]]:
    if proxied:
        return [*path_options((FIRMWARE_PATH,)), (Option.PROXY_URI, uri.encode())]
    parts = urlsplit(uri)
    options = path_options([unquote(segment) for segment in parts.path.split("/")[1:]])
    return options + [(Option.URI_QUERY, unquote(each).encode()) for each in parts.query.split("&") if each]
