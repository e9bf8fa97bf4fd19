"""Block-wise transfer, RFC 7959: the option's value, bodies being received, bodies being served.

Everything kept for a peer is bounded three ways: how many per peer, how many bytes in all, how long.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

from lamplighter.coap.limits import NetworkOf, Quota, no_network
from lamplighter.coap.message import FormatError, Message
from lamplighter.coap.numbers import Code, Option

#: The largest body taken or given in one transfer, in bytes.
MAX_BODY = 1 << 20
#: The largest block of RFC 7959 is 16 << 6 = 1024 bytes.
MAX_SZX = 6
#: The exponent of BERT, for reliable transports only: several blocks of 1024 bytes in one message (RFC 8323 section 6).
BERT = 7
#: What a message needs around a full block: header, token, options.
OVERHEAD = 128
#: Seconds after which a peer may try again when no memory is left.
BUSY_SECONDS = 30

Key = tuple[int, tuple[tuple[int, bytes], ...]]
_NOT_IN_KEY = frozenset({Option.BLOCK1, Option.BLOCK2, Option.SIZE1, Option.SIZE2, Option.OBSERVE})
T = TypeVar("T")


class Block(NamedTuple):
    """The value of a Block1 or Block2 option (section 2.2): the number, whether more follow, the size exponent."""

    num: int
    more: bool
    szx: int

    @property
    def size(self) -> int:
        """Bytes of a full block; with BERT, of one of the several."""
        return block_size(self.szx)

    @property
    def offset(self) -> int:
        """Bytes before this block."""
        return self.num * block_size(self.szx)

    def is_filled_by(self, payload: bytes) -> bool:
        """Whether a payload is as long as that of a block that is not the last must be."""
        if self.szx == BERT:
            return len(payload) > 0 and len(payload) % block_size(BERT) == 0
        return len(payload) == self.size

    def encode(self) -> bytes:
        value = self.num << 4 | self.more << 3 | self.szx
        return value.to_bytes((value.bit_length() + 7) // 8, "big")


def block_size(szx: int) -> int:
    """Bytes that one step of a block's number stands for."""
    return 16 << min(szx, MAX_SZX)


def step_of(szx: int, room: int) -> int:
    """Bytes of a body that one message carries when not all of it fits: a block, or with BERT as many as there is room for."""
    return 16 << szx if szx < BERT else max(1024, room & ~1023)


def decode_block(value: bytes, *, bert: bool = False) -> Block:
    """Raises FormatError for a value longer than 3 bytes, and for the size exponent 7 unless it may mean BERT."""
    number = int.from_bytes(value, "big")
    if len(value) > 3 or (number & 7 == BERT and not bert):
        raise FormatError("a reserved block size or a block option longer than 3 bytes")
    return Block(number >> 4, bool(number & 8), number & 7)


def block_of(message: Message, number: int, *, bert: bool = False) -> Block | None:
    """The Block1 or Block2 option of a message. Raises FormatError."""
    value = message.option(number)
    return None if value is None else decode_block(value, bert=bert)


def szx_for(size: int) -> int:
    """The size exponent of the largest block of at most ``size`` bytes; 0 (16 bytes) at the least."""
    return max(0, min(MAX_SZX, size.bit_length() - 5))


def key_of(message: Message) -> Key:
    """What must be the same in all requests of one transfer (section 2.5): method and the options that matter."""
    return message.code, tuple([option for option in message.options if option[0] not in _NOT_IN_KEY])


class BlockRefused(Exception):
    """A block that cannot be taken; ``code`` and ``options`` are the answer."""

    def __init__(self, code: Code, options: list[tuple[int, bytes]] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.options = options or []


class _Slot(Generic[T]):
    __slots__ = ("expires", "item", "network", "size")

    def __init__(self, item: T, size: int, network: Hashable, expires: float) -> None:
        self.item = item
        self.size = size
        self.network = network  # kept: a peer's address may change meanwhile
        self.expires = expires


class Shelf(Generic[T]):
    """Items by peer and key, oldest use first, each for ``lifetime`` seconds since its last use; bounded in number per peer,
    in bytes per network and in all."""

    def __init__(self, lifetime: float, *, per_peer: int, quota: Quota, network_of: NetworkOf = no_network) -> None:
        self._lifetime = lifetime
        self._per_peer = per_peer
        self._quota = quota
        self._network_of = network_of
        self._slots: dict[tuple[Hashable, Key], _Slot[T]] = {}
        self._keys: dict[Hashable, list[Key]] = {}

    @property
    def size(self) -> int:
        """Bytes now held."""
        return self._quota.used

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, peer: Hashable, key: Key, now: float) -> T | None:
        slot = self._slots.get((peer, key)) if self._slots else None
        if slot is None or slot.expires <= now:
            return None
        return slot.item

    def put(self, peer: Hashable, key: Key, item: T, size: int, now: float) -> bool:
        """Keep an item, or keep it longer and with its new size; False when there is no room for it.

        The peer's own oldest item makes room for a new one of that peer; other peers' items never do.
        """
        self.drop(peer, key)
        self.expire(now)
        keys = self._keys.get(peer, [])
        if len(keys) >= self._per_peer:
            self.drop(peer, keys[0])
        network = self._network_of(peer)
        if not self._quota.take(network, size):
            return False
        self._slots[peer, key] = _Slot(item, size, network, now + self._lifetime)
        self._keys.setdefault(peer, []).append(key)
        return True

    def drop(self, peer: Hashable, key: Key) -> None:
        slot = self._slots.pop((peer, key), None)
        if slot is not None:
            self._quota.give_back(slot.network, slot.size)
            self._keys[peer].remove(key)
            if not self._keys[peer]:
                del self._keys[peer]

    def drop_oldest(self) -> None:
        for peer, key in self._slots:
            self.drop(peer, key)
            return

    def forget(self, peer: Hashable) -> None:
        for key in list(self._keys.get(peer, ())):
            self.drop(peer, key)

    def expire(self, now: float) -> None:
        for peer, key in list(self._expired(now)):
            self.drop(peer, key)

    def next_expiry(self) -> float | None:
        for slot in self._slots.values():
            return slot.expires
        return None

    def _expired(self, now: float) -> Iterator[tuple[Hashable, Key]]:
        # Insertion order is order of expiry: an item used again is put again.
        for place, slot in self._slots.items():
            if slot.expires > now:
                return
            yield place


class Uploads:
    """Bodies that peers send us in Block1 requests (section 2.5)."""

    def __init__(self, shelf: Shelf[bytearray], max_body: int) -> None:
        self._max_body = max_body
        self.shelf = shelf

    def receive(self, peer: Hashable, message: Message, block: Block, now: float) -> bytes | None:
        """The whole body once its last block is there, None when more must come. Raises BlockRefused.

        A block seen before (the peer gave up waiting and sent it under a new message ID) is taken again without harm.
        """
        key = key_of(message)
        payload = message.payload
        fits = block.is_filled_by(payload) if block.more else block.szx == BERT or len(payload) <= block.size
        if not fits:
            raise BlockRefused(Code.BAD_REQUEST)
        body = self.shelf.get(peer, key, now)
        if block.num == 0:
            self._check_announced(message)
            body = bytearray()
        elif body is None:
            raise BlockRefused(Code.REQUEST_ENTITY_INCOMPLETE)
        offset = block.offset
        if offset + len(payload) == len(body) and body[offset:] == payload and block.more:
            return None
        if offset != len(body):
            self.shelf.drop(peer, key)
            raise BlockRefused(Code.REQUEST_ENTITY_INCOMPLETE)
        if offset + len(payload) > self._max_body:
            self.shelf.drop(peer, key)
            raise BlockRefused(Code.REQUEST_ENTITY_TOO_LARGE, self._limit())
        body += payload
        if not block.more:
            self.shelf.drop(peer, key)
            return bytes(body)
        if not self.shelf.put(peer, key, body, len(body), now):
            raise BlockRefused(Code.SERVICE_UNAVAILABLE, [(Option.MAX_AGE, bytes((BUSY_SECONDS,)))])
        return None

    def _check_announced(self, message: Message) -> None:
        announced = message.uint(Option.SIZE1)
        if announced is not None and announced > self._max_body:
            raise BlockRefused(Code.REQUEST_ENTITY_TOO_LARGE, self._limit())

    def _limit(self) -> list[tuple[int, bytes]]:
        """Size1 in a 4.13 says what would be taken (section 4)."""
        return Message(Code.EMPTY).add(Option.SIZE1, self._max_body).options


class Downloads:
    """Answers longer than a block, kept while the peer fetches their later blocks (section 2.4)."""

    def __init__(self, shelf: Shelf[Message]) -> None:
        self.shelf = shelf

    def keep(self, peer: Hashable, key: Key, answer: Message, now: float) -> None:
        """Without room the oldest answers go: their peers get the later blocks by asking the service again."""
        while not self.shelf.put(peer, key, answer, len(answer.payload), now) and len(self.shelf):
            self.shelf.drop_oldest()

    def get(self, peer: Hashable, key: Key, now: float) -> Message | None:
        """The whole answer, None when it is no longer here."""
        return self.shelf.get(peer, key, now)


def cut(answer: Message, block: Block, room: int = 0) -> Message:
    """One block of a long answer, with Block2 and Size2. ``room``: bytes that the message may carry, for BERT.

    Size2 goes with each block: the vendor's client may begin a firmware download in the middle, and must know its size.
    Past the end it is 4.02 (section 2.2 has no word; Californium's).
    """
    payload = answer.payload
    offset = block.offset
    if offset and offset >= len(payload):
        return Message(Code.BAD_OPTION)
    end = offset + step_of(block.szx, room)
    # Observe is the notification's, which has the first block; the others answer requests without it (section 2.6).
    only_first = (Option.SIZE2,) if offset == 0 else (Option.SIZE2, Option.OBSERVE)
    options = answer.without(Option.BLOCK2, *only_first)
    options.append((Option.BLOCK2, Block(block.num, end < len(payload), block.szx).encode()))
    return Message(answer.code, options, payload[offset:end]).add(Option.SIZE2, len(payload))
