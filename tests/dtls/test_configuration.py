from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.dtls.pair import server_config
from tests.dtls.pki import authority, issue, server

CREDENTIAL = server(authority())


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"shard": 256}, "shard"),
        ({"cid_length": 7}, "connection ID"),
        ({"cid_length": 28}, "connection ID"),
        ({"mtu": 100}, "mtu"),
        ({"cipher_suites": (0x002F,)}, "cipher suites"),
        ({"certificate_chain": CREDENTIAL.chain}, "belong together"),
        ({"certificate_chain": CREDENTIAL.chain, "private_key": issue("other").key}, "not the one"),
        ({"psk": False}, "nobody could connect"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_configuration_that_cannot_work_says_why(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        server_config(**changes)


def test_a_servers_certificate_must_be_of_p256() -> None:
    other = issue("server", key=ec.generate_private_key(ec.SECP384R1()))
    with pytest.raises(ValueError, match="P-256"):
        server_config(certificate_chain=other.chain, private_key=other.key)


def test_suites_need_the_credential_they_rest_on() -> None:
    by_key = server_config()
    assert by_key.speaks(0xC0A8) and not by_key.speaks(0xC0AE)
    by_certificate = server_config(psk=False, certificate_chain=CREDENTIAL.chain, private_key=CREDENTIAL.key)
    assert by_certificate.speaks(0xC0AE) and not by_certificate.speaks(0xC0A8)
    assert not by_key.speaks(0x0001)
