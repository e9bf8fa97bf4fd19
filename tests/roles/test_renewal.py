"""Certificates renewed over the air, by a whole server and the simulated client of the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from lamplighter.clock import ManualClock
from lamplighter.roles.process import Process
from lamplighter.services.issuers import enrollment_store
from tests.roles.serving import Serving
from tests.roles.simulated import PATIENCE, simulated
from tests.roles.vendor_fleet import Held, cfssl_issuer, noted, serving_vendors, until, vendor_device
from tests.services.issuers.authorities import DER, PEM, CfsslServer, Signer, listening

DLMS = "customer.dlms"


@pytest.fixture
async def serving(database_url: str, tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving_vendors(database_url, tmp_path) as serving:
        yield serving


async def again(serving: Serving) -> None:
    """Stop the process and start another on its data and ports."""
    old = serving.process
    await serving.close()
    serving.process = Process(old.folder.path, old.settings)
    await serving.start()


async def renew(serving: Serving, device_id: str, name: str) -> dict[str, Any]:
    answer = await serving.call("POST", f"/v3/devices/{device_id}/certificates/{name}/renew")
    assert answer.status_code == 201, answer.text
    begun: dict[str, Any] = answer.json()
    assert (begun["enroll_status"], begun["device_id"], begun["certificate_name"]) == ("new", device_id, name)
    return begun


async def completed(serving: Serving, enrollment_id: str) -> dict[str, Any]:
    async def look() -> Any:
        found = (await serving.call("GET", f"/v3/certificate-enrollments/{enrollment_id}")).json()
        return found if found["enroll_status"] == "completed" else None

    found: dict[str, Any] = await until(serving, look)
    return found


async def test_the_certificate_that_a_device_registers_with_is_renewed_by_the_servers_own_authority(
    serving: Serving,
) -> None:
    async with vendor_device(serving) as device_id:
        before = (await serving.call("GET", f"/v3/devices/{device_id}")).json()
        (first,) = await noted(serving, "LWM2M")
        assert first["certificate_fingerprint"] == before["device_key"].replace(":", "")
        begun = await renew(serving, device_id, "LWM2M")
        ended = await completed(serving, begun["id"])
        assert ended["enroll_result"] == "success", ended
        after = (await serving.call("GET", f"/v3/devices/{device_id}")).json()
        assert after["device_key"] != before["device_key"] and after["state"] == "registered"
        (known,) = await noted(serving, "LWM2M")
        assert known["device_id"] == device_id
        assert known["certificate_fingerprint"] == after["device_key"].replace(":", "")


async def test_a_certificate_of_the_owners_is_renewed_by_the_configured_issuer(
    serving: Serving, tmp_path: Path
) -> None:
    signer = Signer()
    server = CfsslServer(signer)
    async with listening(server, tmp_path) as receiver, vendor_device(serving) as device_id:
        issuer_id = await cfssl_issuer(serving.call, receiver.url("localhost", ""), DLMS)
        ended = await completed(serving, (await renew(serving, device_id, DLMS))["id"])
        assert ended["enroll_result"] == "success", ended
        device = (await serving.call("GET", f"/v3/devices/{device_id}")).json()
        (asked,) = server.seen
        assert asked["subject"] == {
            "CN": device["endpoint_name"],
            "names": [{"OU": device["account_id"], "L": device_id}],
        }
        (known,) = await noted(serving, DLMS)
        assert known["certificate_issuer_id"] == issuer_id and known["issuer"] == "CN=their issuing authority"
        log = (await serving.call("GET", "/v3/certificate-enrollments?certificate_name__eq=customer.dlms")).json()
        assert [each["id"] for each in log["data"]] == [ended["id"]]


async def test_a_renewal_that_the_issuer_refuses_ends_with_its_words_and_changes_nothing(
    serving: Serving, tmp_path: Path
) -> None:
    async with listening(CfsslServer(Signer()), tmp_path) as receiver, vendor_device(serving) as device_id:
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), DLMS, "77" * 16)
        ended = await completed(serving, (await renew(serving, device_id, DLMS))["id"])
        assert ended["enroll_result"] == "failure"
        assert ended["enroll_result_detail"].startswith(
            "The device did not get a certificate (EST). It answered 0x507."
        )
        assert "it says: invalid token" in ended["enroll_result_detail"]
        assert await noted(serving, DLMS) == []
        again = await completed(serving, (await renew(serving, device_id, "unknown.cert"))["id"])
        assert again["enroll_result_detail"] == "The device has no certificate of that name. It answered 0x504."


async def test_every_certificate_that_an_outside_issuer_signed_for_a_device_stays_its_accounts(
    serving: Serving, tmp_path: Path
) -> None:
    signer, signed = Signer(), []
    server = CfsslServer(signer)
    sign = signer.sign

    def remember(subject: x509.Name, key: Any) -> x509.Certificate:
        signed.append(sign(subject, key))
        return signed[-1]

    signer.sign = remember  # type: ignore[method-assign, assignment]
    async with listening(server, tmp_path) as receiver:
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), "LWM2M")
        pem = signer.certificate.public_bytes(PEM).decode()
        body = {"name": "their authority", "service": "lwm2m", "certificate": pem}
        assert (await serving.call("POST", "/v3/trusted-certificates", json=body)).status_code == 201
        async with vendor_device(serving) as device_id:
            ended = await completed(serving, (await renew(serving, device_id, "LWM2M"))["id"])
            assert ended["enroll_result"] == "success", ended
        own = (await serving.call("GET", "/v3/accounts/me")).json()["id"]
        assert len(signed) == 2
        for each in signed:
            assert await serving.process.renewals.accounts_given(each.public_bytes(DER)) == {own}


async def test_a_device_is_not_given_a_certificate_by_which_it_would_not_be_let_in_again(
    serving: Serving, tmp_path: Path
) -> None:
    async with listening(CfsslServer(Signer()), tmp_path) as receiver, vendor_device(serving) as device_id:
        before = await noted(serving, "LWM2M")
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), "LWM2M")
        ended = await completed(serving, (await renew(serving, device_id, "LWM2M"))["id"])
        assert ended["enroll_result"] == "failure"
        assert "does not trust CN=their issuing authority for LwM2M" in ended["enroll_result_detail"]
        assert await noted(serving, "LWM2M") == before


async def test_what_cannot_be_renewed_is_refused_with_the_documented_statuses(serving: Serving) -> None:
    async def refused(device_id: str, name: str) -> tuple[int, str]:
        answer = await serving.call("POST", f"/v3/devices/{device_id}/certificates/{name}/renew")
        return answer.status_code, answer.json()["type"]

    assert await refused("0" * 32, DLMS) == (404, "not_found")
    assert await refused("x", DLMS) == (404, "not_found")
    created = await serving.call("POST", "/v3/devices/", json={"endpoint_name": "never-came", "mechanism": "connector"})
    assert await refused(created.json()["id"], DLMS) == (423, "locked")
    assert await refused(created.json()["id"], "nonsense") == (400, "validation_error")
    async with simulated(serving, 1) as (device_id,):
        assert await refused(device_id, DLMS) == (423, "locked")


async def test_renewals_that_ended_long_ago_are_forgotten_and_others_are_not(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vendor_device(serving) as device_id:
        ended = await completed(serving, (await renew(serving, device_id, "LWM2M"))["id"])
    renewals_of = serving.process.renewals

    async def listed() -> list[str]:
        data = (await serving.call("GET", "/v3/certificate-enrollments")).json()["data"]
        return [each["id"] for each in data]

    await renewals_of.prune()
    assert await listed() == [ended["id"]]
    now, year = serving.process.clock.now(), 365 * 86_400_000_000
    running = {"id": "e" * 32, "certificate_name": DLMS, "device_id": device_id}
    async with serving.process.database.transaction() as tx:
        fixed = {"enroll_status": "new", "answers": 0, "version": 1, "created_at": 1, "updated_at": 1}
        empty = dict.fromkeys(("enroll_result", "detail", "request", "chain", "try_at", "issuer_id"))
        account = (await serving.call("GET", "/v3/accounts/me")).json()["id"]
        await enrollment_store.add(tx, {"account_id": account, **running, **fixed, **empty})
    monkeypatch.setattr(renewals_of, "_clock", ManualClock(now + year))
    await renewals_of.prune()
    assert await listed() == [running["id"]]


async def test_one_renewal_at_a_time_of_a_certificate(serving: Serving, tmp_path: Path) -> None:
    server = CfsslServer(Signer())
    async with listening(server, tmp_path) as receiver, vendor_device(serving) as device_id:
        held = Held(receiver)
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), DLMS)
        begun = await renew(serving, device_id, DLMS)
        await held.asked.wait()
        second = await serving.call("POST", f"/v3/devices/{device_id}/certificates/{DLMS}/renew")
        assert (second.status_code, second.json()["type"]) == (409, "conflict") and begun["id"] in second.json()[
            "message"
        ]
        running = (await serving.call("GET", "/v3/certificate-enrollments?enroll_status__eq=new")).json()["data"]
        assert [each["id"] for each in running] == [begun["id"]] and "enroll_result" not in running[0]
        held.go_on.set()
        assert (await completed(serving, begun["id"]))["enroll_result"] == "success"
        again = await renew(serving, device_id, DLMS)
        assert (await completed(serving, again["id"]))["enroll_result"] == "success"


async def test_a_renewal_goes_on_where_the_server_was_stopped_in_the_middle_of_it(
    serving: Serving, tmp_path: Path
) -> None:
    async with listening(CfsslServer(Signer()), tmp_path) as receiver, vendor_device(serving) as device_id:
        held = Held(receiver)
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), DLMS)
        begun = await renew(serving, device_id, DLMS)
        await held.asked.wait()
        await again(serving)
        held.go_on.set()

        async def look() -> Any:
            await serving.process.renewals.ask_again()
            found = (await serving.call("GET", f"/v3/certificate-enrollments/{begun['id']}")).json()
            return found if found["enroll_status"] == "completed" else None

        async with asyncio.timeout(PATIENCE):
            while (found := await look()) is None:
                pass
        assert found["enroll_result"] == "success", found


async def test_what_is_about_to_expire_is_renewed_by_itself_and_at_a_pace(serving: Serving, tmp_path: Path) -> None:
    signer = Signer()
    signer.days = 20
    async with listening(CfsslServer(signer), tmp_path) as receiver, vendor_device(serving) as device_id:
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), DLMS)
        first = await completed(serving, (await renew(serving, device_id, DLMS))["id"])
        assert first["enroll_result"] == "success" and await serving.process.campaign.step() == 0
        (known,) = await noted(serving, DLMS)
        (configuration,) = (
            await serving.call("GET", "/v3/certificate-issuer-configurations?reference__eq=customer.dlms")
        ).json()["data"]
        place = f"/v3/certificate-issuer-configurations/{configuration['id']}/automatic-renewal"
        signer.days = 300
        # The server's own chores look every ten seconds; whoever is first begins the one renewal.
        assert (await serving.call("PUT", place, json={"renewal_days": 30})).status_code == 200
        await serving.process.campaign.step()
        assert await serving.process.campaign.step() == 0

        async def renewed() -> Any:
            (found,) = await noted(serving, DLMS)
            return found if found["expires_at"] > known["expires_at"] else None

        assert (await until(serving, renewed))["certificate_fingerprint"] != known["certificate_fingerprint"]
        log = (await serving.call("GET", "/v3/certificate-enrollments")).json()
        assert log["total_count"] == 2
        assert await serving.process.campaign.step() == 0
        due = await serving.call("GET", f"/v3/device-certificates?expires_at__lte={known['expires_at']}")
        assert due.json()["data"] == []


async def test_secrets_are_in_no_event_and_in_no_file_of_the_server(serving: Serving, tmp_path: Path) -> None:
    secret = "a5" * 32
    async with listening(CfsslServer(Signer()), tmp_path) as receiver, vendor_device(serving) as device_id:
        await cfssl_issuer(serving.call, receiver.url("localhost", ""), DLMS, secret)
        await completed(serving, (await renew(serving, device_id, DLMS))["id"])
    data = tmp_path / "data"
    files = [each for each in data.rglob("*") if each.is_file() and each.suffix not in (".key",)]
    assert files
    for each in files:
        content = each.read_bytes()
        assert secret.encode() not in content and bytes.fromhex(secret) not in content, each


async def test_a_device_that_is_gone_ends_its_renewals(serving: Serving) -> None:
    async with vendor_device(serving) as device_id:
        # One that has done something knows that it is registered, and says goodbye.
        await completed(serving, (await renew(serving, device_id, "LWM2M"))["id"])
    async with asyncio.timeout(20):
        while (await serving.call("GET", f"/v3/devices/{device_id}")).json()["state"] != "deregistered":
            pass  # its last word is on its way
    answer = await serving.call("POST", f"/v3/devices/{device_id}/certificates/LWM2M/renew")
    assert answer.status_code == 423
