"""Certificates by ACME: accounts, bindings, orders, challenges, and what is told when there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lamplighter.errors.issuers import IssuerFailed
from lamplighter.services.issuers import acme
from lamplighter.services.issuers.challenges import Challenges
from lamplighter.services.issuers.issued import Refused, Use, certification_request, check
from lamplighter.services.issuers.model import Subject
from lamplighter.services.issuers.tables import acme_challenges
from lamplighter.settings import Settings
from lamplighter.storage.query import Query
from tests.services.issuers.acme_server import EAB_KEY, AcmeServer, Fault
from tests.services.issuers.authorities import Signer, listening
from tests.services.issuers.conftest import Town
from tests.services.issuers.test_issuers import PATH, faults
from tests.services.issuers.test_issuing import issuer, key, lamp, verified

pytestmark = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)

NAME = "lamp-1.lamps.test"
BINDING = {"eab_key_id": "lamps", "eab_hmac_key": EAB_KEY}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[AcmeServer]:
    made = AcmeServer(Signer())
    async with listening(made, tmp_path) as receiver:
        made.url = receiver.url("localhost", "")
        yield made


async def acme_issuer(town: Town, server: AcmeServer, **credentials: str) -> str:
    """An issuer of certificates to register with, and of those by which devices serve their own pages."""
    attributes = {"directory_url": f"{server.url}/directory"}
    issuer_id = await issuer(town, "ACME", attributes, credentials or BINDING)
    body = {"reference": "customer.web", "certificate_issuer_id": issuer_id}
    made = await town.app.post("/v3/certificate-issuer-configurations", json=body)
    assert made.status_code == 201, made.text
    return issuer_id


async def certify(town: Town, request: bytes | None = None, subject: Subject | None = None) -> list[x509.Certificate]:
    subject = subject or lamp(town)
    request = request or certification_request(key(), subject)
    issued = await town.issuers.certify("customer.web", subject, request)
    return [x509.load_der_x509_certificate(each) for each in issued.chain]


def challenged(town: Town, server: AcmeServer, seen: list[int], host: str = "") -> None:
    """The server looks for its challenges where they are answered to everybody, at the name that was ordered."""
    town.issuers.challenges = Challenges(town.database, town.app.clock, [f"lamps.test={town.app.account_id}"])

    async def look(token: str) -> str:
        headers = {"Host": host or f"{NAME}:80"}
        answer = await town.app.call("GET", f"/.well-known/acme-challenge/{token}", None, headers=headers)
        seen.append(answer.status_code)
        if answer.status_code == 404:
            return "nothing"
        assert answer.headers["content-type"] == "application/octet-stream"
        return answer.text

    server.beforehand, server.look = False, look


async def refusal(town: Town, subject: Subject | None = None) -> str:
    with pytest.raises(IssuerFailed) as caught:
        await certify(town, subject=subject)
    return caught.value.text.removeprefix("The certificate issuer ACME issued no certificate: ").removesuffix(".")


async def test_what_was_authorized_beforehand_is_certified_for_an_external_account(
    town: Town, server: AcmeServer
) -> None:
    server.looks_until_done = 2
    issuer_id = await acme_issuer(town, server)
    leaf, above = await certify(town)
    assert leaf.subject.rfc4514_string() == f"CN={lamp(town).endpoint_name}"
    assert above == server.signer.certificate
    await certify(town)
    assert len(server.accounts) == 1  # the key is the account's, from one order to the next
    assert (await verified(town, issuer_id))[0]


def below(town: Town, name: str = "") -> Subject:
    return lamp(town)._replace(endpoint_name=name or NAME)


async def test_a_name_is_shown_to_be_ours_by_http_while_the_authority_looks_and_not_longer(
    town: Town, server: AcmeServer
) -> None:
    seen: list[int] = []
    challenged(town, server, seen)
    await acme_issuer(town, server)
    await certify(town, subject=below(town))
    assert seen == [200]
    (order,) = server.orders.values()
    headers = {"Host": NAME}
    gone = await town.app.call("GET", f"/.well-known/acme-challenge/{order['token']}", None, headers=headers)
    assert (gone.status_code, gone.json()["type"]) == (404, "not_found")
    assert (await town.app.call("GET", "/.well-known/acme-challenge/..%2F", None)).status_code == 404


async def test_a_challenge_is_answered_at_its_own_name_only(town: Town, server: AcmeServer) -> None:
    seen: list[int] = []
    challenged(town, server, seen, host="localhost")
    await acme_issuer(town, server)
    assert await refusal(town, below(town)) == "it did not authorize the name: found nothing"
    assert seen == [404]


@pytest.mark.parametrize("name", ["lamps.test", "lamp-1.others.test", "notlamps.test", "localhost"])
async def test_an_account_proves_no_name_that_the_operator_has_not_left_to_it(
    town: Town, server: AcmeServer, name: str
) -> None:
    seen: list[int] = []
    challenged(town, server, seen)
    await acme_issuer(town, server)
    assert "the operator has not left that name to the account" in await refusal(town, below(town, name))
    foreign = town.issuers.challenges.may_prove("f" * 32, NAME)
    assert seen == [] and not foreign and town.issuers.challenges.may_prove(town.app.account_id, NAME)


@pytest.mark.parametrize(
    "text", ["lamps.test", "lamps.test=", "=" + "a" * 32, "*.lamps.test=" + "a" * 32, "lamps.test=me"]
)
async def test_a_domain_that_is_left_to_nobody_is_no_setting(town: Town, text: str) -> None:
    with pytest.raises(ValueError, match="is not <domain in lower case>=<account id>"):
        Challenges(town.database, town.app.clock, [text])


async def test_strangers_who_try_challenges_out_are_held_back(town: Town) -> None:
    tried = [
        (await town.app.call("GET", f"/.well-known/acme-challenge/{number:020}", None)).status_code
        for number in range(Settings().api.rate_burst_address + 20)
    ]
    assert tried[0] == 404 and tried[-1] == 429


async def test_two_orders_for_one_name_answer_their_challenges_beside_each_other(town: Town) -> None:
    challenges = town.issuers.challenges
    async with challenges.answered("t" * 20, NAME, "the first"):
        town.app.clock.advance(1)
        async with challenges.answered("t" * 20, NAME, "the second"):
            assert await challenges.answer("t" * 20, NAME) == "the second"
        assert await challenges.answer("t" * 20, NAME) == "the first"
        town.app.clock.advance(3600)
        assert await challenges.answer("t" * 20, NAME) is None  # left by a process that was killed
        await challenges.prune()
        assert await town.database.fetch_all(Query(sa.select(acme_challenges))) == []


async def test_a_name_that_the_authority_does_not_find_ours_is_told_in_its_words(
    town: Town, server: AcmeServer
) -> None:
    async def look(token: str) -> str:
        return "a parking page"

    challenged(town, server, [])
    server.look = look
    await acme_issuer(town, server)
    assert await refusal(town, below(town)) == "it did not authorize the name: found a parking page"


async def test_a_server_that_offers_no_http_challenge_is_told_with_what_it_offers(
    town: Town, server: AcmeServer
) -> None:
    server.beforehand, server.challenges = False, ["dns-01", "tls-alpn-01"]
    await acme_issuer(town, server)
    assert "has no http-01 among its challenges (dns-01, tls-alpn-01)" in await refusal(town)


async def test_a_nonce_that_is_not_taken_is_replaced(town: Town, server: AcmeServer) -> None:
    server.bad_nonces = 3
    await acme_issuer(town, server)
    await certify(town)
    server.bad_nonces = 100
    assert await refusal(town) == "it says: that nonce is not good"


async def test_an_account_that_must_be_bound_and_is_not_is_told_what_to_give(town: Town, server: AcmeServer) -> None:
    issuer_id = await acme_issuer(town, server, eab_key_id="lamps", eab_hmac_key="A" * 43)
    assert await refusal(town) == "it says: the external account is not known"
    changed = await town.app.put(f"{PATH}/{issuer_id}", json={"issuer_credentials": {}})
    assert changed.status_code == 200, changed.text
    assert "give eab_key_id and eab_hmac_key" in await refusal(town)


def pem_of(private: Any, passphrase: bytes = b"") -> str:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    text: bytes = private.private_bytes(serialization.Encoding.PEM, form, encryption)
    return text.decode()


@pytest.mark.parametrize(
    "made",
    [lambda: rsa.generate_private_key(65537, 2048), lambda: ec.generate_private_key(ec.SECP384R1()), key],
    ids=["rsa", "p384", "p256"],
)
async def test_an_account_that_is_there_already_is_used_by_its_key(town: Town, server: AcmeServer, made: Any) -> None:
    server.wants_binding, server.terms = False, "https://ca.test/terms"
    await acme_issuer(town, server, private_key=pem_of(made(), b"swordfish"), passphrase="swordfish")
    await certify(town)
    server.wants_binding = True  # who has an account is not asked for it again
    await certify(town)
    assert len(server.accounts) == 1


async def test_what_the_authority_refuses_is_told_with_all_its_reasons(town: Town, server: AcmeServer) -> None:
    parts = [{"type": "a", "detail": "no such zone"}, {"type": "urn:b"}]
    server.policy = lambda name: Fault(403, "rejectedIdentifier", f"{name} is not yours", subproblems=parts)
    await acme_issuer(town, server)
    assert await refusal(town) == f"it says: {lamp(town).endpoint_name} is not yours; no such zone; urn:b"


async def test_an_answer_that_is_nested_without_end_is_refused(town: Town, server: AcmeServer) -> None:
    await acme_issuer(town, server)
    server.directory = b'{"meta": {"caaIdentities": ' + b"[" * 30_000
    assert "is not the JSON that its API has" in await refusal(town)


async def test_an_order_that_is_never_done_is_given_up_while_the_device_waits(
    town: Town, server: AcmeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acme, "LONGEST_WAIT", 0.2)
    server.looks_until_done = 1_000_000
    await acme_issuer(town, server)
    assert "is not done after 0.2 seconds" in await refusal(town)


@pytest.mark.parametrize("name", ["urn:imei:490154203237518", "Street-Lamp", "street_lamp", "a..b"])
async def test_an_endpoint_name_that_is_no_host_name_is_refused_before_anything_is_asked(
    town: Town, server: AcmeServer, name: str
) -> None:
    await acme_issuer(town, server)
    subject = lamp(town)._replace(endpoint_name=name)
    with pytest.raises(IssuerFailed, match="certifies host names only"):
        await town.issuers.certify("customer.web", subject, certification_request(key(), subject))
    assert server.orders == {} and server.accounts == {}


async def test_what_is_no_certificate_is_refused(town: Town) -> None:
    subject = Subject("lamp", "a" * 32, "d" * 32)
    with pytest.raises(Refused, match="cannot be read"):
        check([b"\x30\x00"], subject, certification_request(key(), subject), Use.OWNERS, 0)


async def test_a_request_in_other_names_than_the_devices_is_not_passed_on(town: Town, server: AcmeServer) -> None:
    await acme_issuer(town, server)
    other = Subject("another-lamp", town.app.account_id, "d" * 32)
    with pytest.raises(IssuerFailed, match="request says another-lamp"):
        await certify(town, certification_request(key(), other))
    assert server.orders == {}


def hosts_in(extensions: x509.Extensions) -> list[str]:
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


async def test_a_certificate_without_common_name_is_the_devices_by_its_only_host_name(
    town: Town, server: AcmeServer
) -> None:
    server.without_common_name = True
    await acme_issuer(town, server)
    leaf, *_ = await certify(town)
    assert leaf.subject.rfc4514_string() == ""
    assert hosts_in(leaf.extensions) == [lamp(town).endpoint_name]


async def test_a_key_made_here_is_certified_for_a_request_that_has_the_host_name_too(
    town: Town, server: AcmeServer
) -> None:
    await acme_issuer(town, server)
    made, issued = await town.issuers.equip(lamp(town), vendor=False)
    (request,) = server.requests
    assert x509.load_der_x509_certificate(issued.chain[0]).public_key() == made.public_key() == request.public_key()
    assert hosts_in(request.extensions) == [lamp(town).endpoint_name]


async def test_a_certificate_in_which_the_vendors_client_would_not_find_its_id_is_refused_before_it_has_it(
    town: Town, server: AcmeServer
) -> None:
    await acme_issuer(town, server)
    with pytest.raises(IssuerFailed, match="it lacks OU="):
        await town.issuers.equip(lamp(town), vendor=True)
    with pytest.raises(IssuerFailed, match="it lacks OU="):
        await town.issuers.certify("LWM2M", lamp(town), certification_request(key(), lamp(town)))


async def test_every_fault_of_an_acme_issuer_is_told_at_once(town: Town) -> None:
    body: dict[str, Any] = {
        "issuer_type": "ACME",
        "name": "Theirs",
        "issuer_attributes": {"directory_url": "http://ca.test/", "acme_test_name": "Lamp_1", "host_url": "https://x"},
        "issuer_credentials": {"eab_key_id": "lamps", "private_key": "no key"},
    }
    found = await faults(town, body)
    assert set(found) == {
        "attributes.directory_url",
        "attributes.acme_test_name",
        "attributes.host_url",
        "credentials.eab_hmac_key",
        "credentials.private_key",
    }
    body["issuer_attributes"] = {"directory_url": "https://ca.test/"}
    body["issuer_credentials"] = {"private_key": pem_of(ec.generate_private_key(ec.SECP521R1()))}
    assert "P-256 or P-384" in (await faults(town, body))["credentials.private_key"]
    for no_key in ("not base64!", "A" * 25, "A" * 18):
        body["issuer_credentials"] = {"eab_key_id": "lamps", "eab_hmac_key": no_key}
        assert "base64url" in (await faults(town, body))["credentials.eab_hmac_key"]


async def test_the_name_by_which_an_issuer_is_verified_can_be_one_that_the_authority_reaches(
    town: Town, server: AcmeServer
) -> None:
    asked: list[str] = []
    server.policy = lambda name: asked.append(name)
    attributes = {"directory_url": f"{server.url}/directory", "acme_test_name": "probe.lamps.test"}
    issuer_id = await issuer(town, "ACME", attributes, BINDING)
    assert (await verified(town, issuer_id))[0]
    assert asked == ["probe.lamps.test"]
