"""Devices that get their certificate for LwM2M from another authority when they are bootstrapped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from tests.roles.serving import Serving
from tests.roles.vendor_fleet import cfssl_issuer, noted, serving_vendors, until, vendor_client, vendor_device
from tests.services.issuers.authorities import PEM, CfsslServer, Signer, listening


@pytest.fixture(params=[True, False], ids=["est", "without est"])
async def serving(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Serving]:
    async with serving_vendors(database_url, tmp_path, est=request.param) as serving:
        yield serving


async def trust(serving: Serving, signer: Signer, account: str = "") -> None:
    """Have an account, or the administrator's own, trust devices under that authority at LwM2M."""
    pem = signer.certificate.public_bytes(PEM).decode()
    body = {"name": "their authority", "service": "lwm2m", "certificate": pem}
    path = f"/v3/accounts/{account}/trusted-certificates" if account else "/v3/trusted-certificates"
    made = await serving.call("POST", path, json=body)
    assert made.status_code == 201, made.text


async def failures(serving: Serving) -> list[str]:
    """Why bootstraps came to nothing."""
    events = (await serving.call("GET", "/v3/device-events")).json()["data"]
    return [each["data"]["reason"] for each in events if each["event_type"] == "DEV_BOOTSTRAP_FAILED"]


async def test_a_device_registers_with_the_certificate_of_the_configured_issuer(
    serving: Serving, tmp_path: Path
) -> None:
    signer = Signer()
    server = CfsslServer(signer)
    async with listening(server, tmp_path) as receiver:
        issuer_id = await cfssl_issuer(serving, receiver.url("localhost", ""), "LWM2M")
        await trust(serving, signer)
        async with vendor_device(serving) as device_id:
            device = (await serving.call("GET", f"/v3/devices/{device_id}")).json()
            (asked,) = server.seen
            named = {"OU": device["account_id"], "L": device_id}
            assert asked["subject"] == {"CN": device["endpoint_name"], "names": [named]}
            assert device["issuer_fingerprint"] == signer.certificate.fingerprint(hashes.SHA256()).hex()
            (known,) = await noted(serving, "LWM2M")
            assert (known["device_id"], known["certificate_issuer_id"]) == (device_id, issuer_id)
            assert known["certificate_fingerprint"] == device["device_key"].replace(":", "")
            assert known["expires_at"].startswith(device["connector_expiration_date"])


async def test_what_the_issuer_refuses_is_told_to_the_owner_and_devices_come_when_it_is_mended(
    serving: Serving, tmp_path: Path
) -> None:
    signer = Signer()
    async with listening(CfsslServer(signer), tmp_path) as receiver:
        await trust(serving, signer)
        url = receiver.url("localhost", "")
        await cfssl_issuer(serving, url, "LWM2M", "77" * 16)
        async with vendor_client(serving, "too early"):

            async def failed() -> Any:
                return await failures(serving)

            (why, *_) = await until(serving, failed)
            assert "it says: invalid token" in why, why
        own = {"certificate_issuer_id": None}
        mended = await serving.call("PUT", "/v3/certificate-issuer-configurations/lwm2m", json=own)
        assert mended.status_code == 200
        async with vendor_device(serving) as device_id:
            (known,) = await noted(serving, "LWM2M")
            assert (known["device_id"], known["certificate_issuer_id"]) == (device_id, None)


async def test_of_two_accounts_that_trust_one_authority_each_has_the_devices_it_had_certified(
    serving: Serving, tmp_path: Path
) -> None:
    signer = Signer()
    login = {"end_market": "lamps", "admin_email": "bo@other.test"}
    other = (await serving.call("POST", "/v3/accounts", json=login)).json()["id"]
    async with listening(CfsslServer(signer), tmp_path) as receiver:
        await cfssl_issuer(serving, receiver.url("localhost", ""), "LWM2M")
        await trust(serving, signer, other)  # it is the first
        await trust(serving, signer)
        async with vendor_device(serving) as device_id:
            (known,) = await noted(serving, "LWM2M")
            assert known["device_id"] == device_id
        foreign = await serving.call("GET", f"/v3/accounts/{other}/devices")
        assert foreign.status_code == 404 or not foreign.json()["data"]
