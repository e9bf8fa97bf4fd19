"""What a network may do to datagrams, and what somebody on it may."""

from __future__ import annotations

from random import Random

from tests.dtls.pair import Network


def disorderly(random: Random) -> Network:
    """A third of all datagrams is lost, repeated, or overtaken by the next."""
    late: list[bytes] = []

    def carry(datagram: bytes) -> list[bytes]:
        fate = random.random()
        if fate < 0.11:
            return []
        if fate < 0.22:
            return [datagram, datagram]
        if fate < 0.33:
            late.append(datagram)
            return []
        arrived = [datagram, *late]
        late.clear()
        return arrived

    return carry


def mutated(random: Random, data: bytes) -> bytes:
    """One to four changes: bits, bytes, lengths, cuts, repeats."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed)) if changed else 0
        match random.randrange(7):
            case 0 if changed:
                changed[at] ^= 1 << random.randrange(8)
            case 1 if changed:
                changed[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del changed[at : at + random.randint(1, 20)]
            case 3:
                changed[at:at] = random.randbytes(random.randint(1, 20))
            case 4:
                changed = changed[:at]
            case 5:
                changed += changed[at:]
            case 6 if len(changed) > 30:
                at = random.randrange(11, 30)
                changed[at : at + 2] = random.randbytes(2)
    return bytes(changed)
