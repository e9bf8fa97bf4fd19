"""How names compare: as sent they are kept, by their Unicode composition (NFC) they are told apart. And what of a
client's text may stand in a message."""

from __future__ import annotations

import unicodedata


def key_of(name: str) -> str:
    """The form a name is unique by. Case and look-alike letters still make a difference."""
    return unicodedata.normalize("NFC", name)


def email_key_of(email: str) -> str:
    """The form an e-mail address is unique by: mail systems do not tell case apart, so neither does an account."""
    return unicodedata.normalize("NFC", email).casefold()


def shown(text: str) -> str:
    """An ID as the client wrote it, for a message: bounded, and without what a terminal or a page would act on."""
    return ascii(text[:64])[1:-1]
