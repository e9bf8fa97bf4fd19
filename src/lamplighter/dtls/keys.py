"""From a premaster secret to a session's traffic keys: the same for both sides."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.hmac import HMAC

from .ciphers import SALT_LENGTH, CipherSuite
from .prf import extended_master_secret, key_block, keyed, master_secret


@dataclass(slots=True, eq=False, repr=False)
class TrafficKeys:
    """Keys and salts of both directions, and the master secret, needed until both Finished have passed."""

    secret: bytes
    """The master secret."""
    master: HMAC
    """The same as the key that everything after it is made with."""
    client_key: bytes
    server_key: bytes
    client_salt: bytes
    server_salt: bytes

    @property
    def of_server(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Read key, write key, read salt, write salt as the server has them."""
        return self.client_key, self.server_key, self.client_salt, self.server_salt

    @property
    def of_client(self) -> tuple[bytes, bytes, bytes, bytes]:
        return self.server_key, self.client_key, self.server_salt, self.client_salt


def derive_keys(
    cipher: CipherSuite,
    premaster: bytes,
    client_random: bytes,
    server_random: bytes,
    transcript: bytes | bytearray | None,
) -> TrafficKeys:
    """RFC 5246 section 6.3. ``transcript``: the handshake through ClientKeyExchange where RFC 7627 was agreed, else None."""
    if transcript is None:
        secret = master_secret(cipher.digest, premaster, client_random, server_random)
    else:
        secret = extended_master_secret(cipher.digest, premaster, transcript)
    return expand_keys(cipher, secret, client_random, server_random)


def expand_keys(cipher: CipherSuite, secret: bytes, client_random: bytes, server_random: bytes) -> TrafficKeys:
    """The keys of a master secret, which may be that of an earlier session."""
    master = keyed(cipher.digest, secret)
    block = key_block(master, client_random, server_random, cipher.key_block_length)
    size = cipher.key_length
    salts = 2 * size
    return TrafficKeys(
        secret,
        master,
        block[:size],
        block[size:salts],
        block[salts : salts + SALT_LENGTH],
        block[salts + SALT_LENGTH :],
    )
