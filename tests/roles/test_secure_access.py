"""Secure device access through a whole server over HTTPS: the token opens a device that has the anchor's key, and no other."""

from __future__ import annotations

import base64
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.roles.serving import Serving, settings_for
from tests.services.secure_access.test_token import HOLDER, opened, pem_of


async def test_a_token_got_over_https_is_verified_by_the_key_that_a_device_was_given(tmp_path: Path) -> None:
    serving = Serving(tmp_path, settings_for())
    await serving.start()
    try:
        made = await serving.call("POST", "/v3/trust-anchors", json={"description": "Street lamps"})
        assert made.status_code == 201, made.text
        device = await serving.call("POST", "/v3/devices", json={"endpoint_name": "lamp"})
        body = {
            "grant_type": "client_credentials",
            "aud": [f"id:{device.json()['id']}", "ep:dev1"],
            "scope": "turn-led-on",
            "cnf": pem_of(HOLDER),
        }
        answer = await serving.call("POST", "/ace-auth/token", json=body)
        assert answer.status_code == 200, answer.text
        key = serialization.load_der_public_key(base64.b64decode(made.json()["public_key_der"]))
        assert isinstance(key, ec.EllipticCurvePublicKey)
        _, claims = opened(base64.b64decode(answer.json()["access_token"]), key)
        assert (claims[1], claims[3]) == (made.json()["fingerprint"], body["aud"])
    finally:
        await serving.close()
    # What the server writes to disk has the private key sealed only.
    assert b"PRIVATE KEY" not in (tmp_path / "lamplighter.db").read_bytes()
