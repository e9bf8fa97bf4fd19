"""The certificates that the tests of handshakes share, and both sides set up with them."""

from __future__ import annotations

from typing import Any

from lamplighter.dtls import ServerConfig, TrustAnchor
from lamplighter.dtls.client_configuration import ClientConfig
from tests.dtls.pair import WALL, server_config
from tests.dtls.pki import Credential, authority, device, server

CA = authority()
SERVER = server(CA)
DEVICE = device(CA)
ANCHORS = [TrustAnchor.from_der(CA.der)]


def certificate_server(**changes: Any) -> ServerConfig:
    return server_config(certificate_chain=SERVER.chain, private_key=SERVER.key, **changes)


def certificate_client(credential: Credential = DEVICE, **changes: Any) -> ClientConfig:
    values = {
        "wall_time": lambda: WALL,
        "certificate_chain": credential.chain,
        "private_key": credential.key,
        "trust_anchors": ANCHORS,
        **changes,
    }
    return ClientConfig(**values)
