"""Logging in, on the wire."""

from __future__ import annotations

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class Credentials(msgspec.Struct, kw_only=True):
    """What a user logs in with, as a form or as JSON."""

    username: Text
    """User name or e-mail address."""
    password: Text
    account: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    """Id or alias; may be left out where the name exists once on the server."""


class Token(msgspec.Struct, kw_only=True):
    """A session. Send ``token`` as ``Authorization: Bearer``."""

    token: str
    expires_in: int
    """Seconds without a request after which the session ends."""
    account_id: str
    user_id: str
    status: str
    """RESET: the password must be changed, with PUT /v3/users/me."""
    token_type: str = "Bearer"
