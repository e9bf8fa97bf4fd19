"""What an operator is told of the session that a device talks through, for ``explain``."""

from __future__ import annotations

from typing import Any

from lamplighter.clock import MICROSECONDS, to_rfc3339
from lamplighter.dtls import Session
from lamplighter.transport.dtls_openssl import OpensslSession
from lamplighter.transport.stream_session import StreamSession


def facts_of(session: object) -> dict[str, Any]:
    """:param session: the key of a peer of a CoAP endpoint: a session, or the address of one without security"""
    match session:
        case OpensslSession():
            return {"security": "DTLS 1.2, by OpenSSL", **_since(session)}
        case Session():
            return {
                "security": f"DTLS 1.2, {session.cipher.name}",
                "connection_id": session.cid.hex() or "none",
                "life_of_session": session.incarnation,
                "address_confirmed": session.fallback_address is None,
                "forged_records": session.reader.failures,
                **_since(session),
            }
        case StreamSession():
            return {"security": f"TLS, {session.cipher}" if session.cipher else "none, over TCP", **_since(session)}
        case _:
            return {"security": "none, over UDP"}


def _since(session: Session | StreamSession) -> dict[str, str]:
    return {"connected_at": to_rfc3339(round(session.established_at * MICROSECONDS))}
