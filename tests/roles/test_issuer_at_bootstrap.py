"""Devices that get their certificate for LwM2M from another authority when they are bootstrapped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.dtls import CertificateError, VerifiedPath
from lamplighter.services.issuers.issued import name_of
from lamplighter.services.issuers.model import Issued, Subject
from lamplighter.services.issuers.noted import note_certificate
from tests.roles.serving import Serving
from tests.roles.vendor_fleet import (
    cfssl_issuer,
    noted,
    serving_vendors,
    until,
    vendor_client,
    vendor_device,
)
from tests.services.issuers.authorities import DER, PEM, CfsslServer, Signer, listening


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
        issuer_id = await cfssl_issuer(serving.call, receiver.url("localhost", ""), "LWM2M")
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

            # It rests on what it was bootstrapped with all the same.
            off = await serving.call("PUT", f"/v3/trusted-certificates/{device['ca_id']}", json={"status": "INACTIVE"})
            assert off.status_code == 200, off.text

            async def suspended() -> Any:
                shown = (await serving.call("GET", f"/v3/devices/{device_id}")).json()
                return shown["system_suspended"] and shown["state"] == "deregistered"

            await until(serving, suspended)


async def test_what_the_issuer_refuses_is_told_to_the_owner_and_devices_come_when_it_is_mended(
    serving: Serving, tmp_path: Path
) -> None:
    signer = Signer()
    async with listening(CfsslServer(signer), tmp_path) as receiver:
        await trust(serving, signer)
        url = receiver.url("localhost", "")
        await cfssl_issuer(serving.call, url, "LWM2M", "77" * 16)
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


async def test_an_issuer_whose_authority_the_account_does_not_trust_is_told_before_the_device_has_its_certificate(
    serving: Serving, tmp_path: Path
) -> None:
    async with listening(CfsslServer(Signer()), tmp_path) as receiver:
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), "LWM2M")
        async with vendor_client(serving):

            async def failed() -> Any:
                return await failures(serving)

            (why, *_) = await until(serving, failed)
            assert why.startswith("The account does not trust CN=their issuing authority for LwM2M"), why
            assert await noted(serving, "LWM2M") == []


async def test_a_certificate_that_one_account_had_issued_opens_no_other(serving: Serving) -> None:
    signer = Signer()
    process = serving.process
    assert process.lwm2m is not None
    own = (await serving.call("GET", "/v3/accounts/me")).json()["id"]
    login = {"end_market": "lamps", "admin_email": "bo@other.test"}
    other = (await serving.call("POST", "/v3/accounts", json=login)).json()["id"]
    await trust(serving, signer, other)
    subject = name_of(Subject("street-lamp-1", own, "d" * 32))
    leaf = signer.sign(subject, ec.generate_private_key(ec.SECP256R1()).public_key()).public_bytes(DER)
    path = VerifiedPath((sha256(leaf).digest(), signer.certificate.fingerprint(hashes.SHA256())), 0)
    assert other in await process.lwm2m.behind_certificate(leaf, path, ours=False)  # nobody here had it issued
    async with process.database.transaction() as tx:
        issued = Issued((leaf,), "i" * 32)
        await note_certificate(tx, process.ids, own, "d" * 32, "LWM2M", issued, process.clock.now())
    newer = signer.sign(subject, ec.generate_private_key(ec.SECP256R1()).public_key()).public_bytes(DER)
    async with process.database.transaction() as tx:  # a renewal: the older one may come back from a copy of the flash
        issued = Issued((newer,), "i" * 32)
        await note_certificate(tx, process.ids, own, "d" * 32, "LWM2M", issued, process.clock.now())
    await process.renewals.prune()
    with pytest.raises(CertificateError, match="does not trust"):
        await process.lwm2m.behind_certificate(leaf, path, ours=False)
    await trust(serving, signer)
    assert own in await process.lwm2m.behind_certificate(leaf, path, ours=False)


async def test_of_two_accounts_that_trust_one_authority_each_has_the_devices_it_had_certified(
    serving: Serving, tmp_path: Path
) -> None:
    signer = Signer()
    login = {"end_market": "lamps", "admin_email": "bo@other.test"}
    other = (await serving.call("POST", "/v3/accounts", json=login)).json()["id"]
    async with listening(CfsslServer(signer), tmp_path) as receiver:
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), "LWM2M")
        await trust(serving, signer, other)  # it is the first
        await trust(serving, signer)
        async with vendor_device(serving) as device_id:
            (known,) = await noted(serving, "LWM2M")
            assert known["device_id"] == device_id
            name = (await serving.call("GET", f"/v3/devices/{device_id}")).json()["endpoint_name"]
            process = serving.process
            assert await process.directory.device_of_endpoint(process.database, other, name) is None
