"""Certificates renewed on the server's word: object 35011 of the vendor's client."""

from __future__ import annotations

import pytest
from cryptography import x509

from lamplighter.coap.numbers import Code, Type
from lamplighter.lwm2m import management
from lamplighter.lwm2m.renewal import RenewalStatus as Status
from lamplighter.lwm2m.server import RequestDelegated
from lamplighter.simulator.account import Account
from lamplighter.simulator.renewal import CUSTOM, LWM2M, RenewalImpossible, certificate_name
from tests.simulator.test_vendor import vendor_town
from tests.simulator.town import Town


def element(name: str, kind: int = 1) -> bytes:
    value = name.encode() + b"\0"
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def renew(place: Town, payload: bytes) -> tuple[Code, bytes]:
    answer = place.ask(management.execute("/35011/0/27002", payload))
    return Code(answer.code), answer.payload


def account(place: Town) -> Account:
    found = place.devices[0].account
    assert isinstance(found, Account)
    return found


def enrolments(place: Town) -> list[tuple[str, ...]]:
    return [event.path for _, event in place.questions(RequestDelegated) if isinstance(event, RequestDelegated)]


def test_the_certificate_of_the_registration_is_renewed_under_a_new_key() -> None:
    place = vendor_town()
    before = account(place)
    assert renew(place, element(LWM2M)) == (Code.CHANGED, b"0")
    after = account(place)
    assert enrolments(place)[-1] == ("est", "sen")
    assert after.certificate != before.certificate and after.device_id == before.device_id
    assert x509.load_der_x509_certificate(after.certificate).public_key() == after.key.public_key()
    assert after.key.public_key() != before.key.public_key()


def test_a_certificate_of_the_owner_is_renewed_by_its_name_and_leaves_the_account_alone() -> None:
    place = vendor_town()
    before = account(place)
    assert renew(place, element("unknown here", 0x8002) + element(CUSTOM)) == (Code.CHANGED, b"0")
    assert enrolments(place)[-1] == ("est", CUSTOM, "sen") and account(place) is before


def test_the_answer_comes_apart_from_its_acknowledgement_once_the_certificate_is_there() -> None:
    place = vendor_town()
    place.silent = True
    exchange = place.endpoint.request(0, management.execute("/35011/0/27002", element(LWM2M)), place.now)
    place.settle()
    assert exchange.acknowledged and exchange not in place.responses
    place.run(80)
    assert place.responses[exchange].payload == b"%d" % Status.EST_ERROR
    assert place.responses[exchange].type == Type.CON


def test_a_second_renewal_meanwhile_is_refused() -> None:
    place = vendor_town()
    place.silent = True
    first = place.endpoint.request(0, management.execute("/35011/0/27002", element(LWM2M)), place.now)
    place.settle()
    second = place.endpoint.request(0, management.execute("/35011/0/27002", element(CUSTOM)), place.now)
    place.settle()
    assert first not in place.responses and place.responses[second].code == Code.PRECONDITION_FAILED


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (element("no such certificate"), Status.ITEM_NOT_FOUND),
        (element("mbed.BootstrapDeviceCert"), Status.FORBIDDEN_REQUEST),
        (b"", Status.BAD_INPUT_FROM_SERVER),
        (element(LWM2M)[:-1], Status.BAD_INPUT_FROM_SERVER),
        (element(LWM2M, 2), Status.BAD_INPUT_FROM_SERVER),
        (b"\0\1\0\5LWM2M", Status.BAD_INPUT_FROM_SERVER),
    ],
)
def test_what_cannot_be_renewed_is_a_status(payload: bytes, status: Status) -> None:
    place = vendor_town()
    asked = enrolments(place)
    assert renew(place, payload) == (Code.CHANGED, b"%d" % status)
    assert enrolments(place) == asked


def test_an_enrolment_that_the_server_refuses_changes_nothing() -> None:
    place = vendor_town()
    assert place.bootstrap is not None
    place.bootstrap.refusals = [Code.FORBIDDEN]
    before = account(place)
    assert renew(place, element(LWM2M)) == (Code.CHANGED, b"%d" % Status.EST_ERROR)
    assert account(place) is before and renew(place, element(LWM2M)) == (Code.CHANGED, b"0")


@pytest.mark.parametrize("cut", range(1, len(element(LWM2M))))
def test_a_name_cut_short_is_bad_input(cut: int) -> None:
    with pytest.raises(RenewalImpossible, match="BAD_INPUT"):
        certificate_name(element(LWM2M)[:cut])
