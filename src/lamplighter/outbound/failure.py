"""Why a request of ours got no answer."""

from __future__ import annotations

from typing import Literal

Kind = Literal["address", "name", "connection", "tls", "timeout", "protocol"]
"""``address``: not permitted; ``name``: not to be resolved; ``connection``: refused or broken; ``tls``: not trusted or not
spoken; ``timeout``: no answer in time; ``protocol``: the answer is no HTTP."""


class OutboundFailed(Exception):
    """No answer. Its text may be shown to whoever named the URL: it never tells what a private name server knows."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
