"""Why a request of ours got no answer."""

from __future__ import annotations

import ssl
from typing import Literal

Kind = Literal["address", "name", "connection", "tls", "timeout", "protocol", "refused", "missing"]
"""``address``: not permitted; ``name``: not to be resolved; ``connection``: refused or broken; ``tls``: not trusted or not
spoken; ``timeout``: no answer in time; ``protocol``: the answer is not what that protocol has; ``refused``: a broker answered
that it does not take it; ``missing``: what sends it is not installed here."""


class OutboundFailed(Exception):
    """No answer. Its text may be shown to whoever named the URL: it never tells what a private name server knows."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def tls_reason(error: ssl.SSLError) -> str:
    """What went wrong, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return f"TLS failed: {(error.reason or 'the other end gave up').lower().replace('_', ' ')}"
