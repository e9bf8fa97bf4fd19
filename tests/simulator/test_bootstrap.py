"""What the vendor's client takes from a bootstrap server, and what not."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lamplighter.coap.message import Message, path_options
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.codecs import Value, encode
from lamplighter.lwm2m.est import vendor_chain
from lamplighter.lwm2m.path import Path
from lamplighter.simulator.bootstrap import BootstrapUnusable, VendorRecords
from lamplighter.simulator.enrolment import ChainUnreadable, certificates_of, certification_request
from tests.simulator.bootstrap_server import ACCOUNT, ANCHOR, certificate

URI = f"coaps://lamps.example.com:5684?aid={ACCOUNT}"
ENROLS: dict[int, Value] = {0: URI, 1: False, 2: 4, 3: b"", 4: ANCHOR, 5: b"", 10: 1}


def put(path: str, values: dict[int, Value], content_format: int = 11542) -> Message:
    payload = encode(content_format, [(Path(0, 0, number), value) for number, value in values.items()], Path(0))
    message = Message(Code.PUT, path_options(path.strip("/").split("/")), payload)
    return message.add(Option.CONTENT_FORMAT, content_format)


def finish(query: str = "iep=an-id") -> Message:
    return Message(Code.POST, path_options(("bs",))).add(Option.URI_QUERY, query)


def finished(values: dict[int, Value], query: str = "iep=an-id") -> tuple[Code, VendorRecords]:
    records = VendorRecords()
    assert records.answer(put("/0", values)).code == Code.CHANGED
    return Code(records.answer(finish(query)).code), records


@pytest.mark.parametrize("content_format", [11542, 99])
def test_whole_objects_are_taken_in_both_numbers_of_tlv(content_format: int) -> None:
    records = VendorRecords()
    assert records.answer(Message(Code.DELETE, path_options(("0",)))).code == Code.DELETED
    assert records.answer(put("/0", ENROLS, content_format)).code == Code.CHANGED
    assert records.answer(finish()).code == Code.CHANGED
    assert records.finished and records.device_id == "an-id"
    assert records.asked == ["DELETE /0", "PUT /0", "POST /bs"]


@pytest.mark.parametrize(
    "message",
    [
        put("/0/0", ENROLS),
        put("/9", ENROLS),
        Message(Code.PUT, path_options(("0",)), b"text"),
        Message(Code.PUT, path_options(("0",)), b"\xc8").add(Option.CONTENT_FORMAT, 11542),
        Message(Code.DELETE),
        Message(Code.GET, path_options(("0",))),
    ],
    ids=["an instance", "another object", "text", "broken TLV", "everything", "a read"],
)
def test_other_requests_are_refused(message: Message) -> None:
    assert VendorRecords().answer(message).code == Code.BAD_REQUEST


@pytest.mark.parametrize(
    "changes",
    [
        {0: "coaps://lamps.example.com:5684"},
        {4: b""},
        {4: bytes(1025)},
        {3: b"certificate"},
        {2: 2},
        {2: 2, 3: b"certificate"},
        {2: 0},
        {2: 9},
    ],
    ids=[
        "no aid",
        "no authority",
        "too long",
        "certificate in mode 4",
        "mode 2 empty",
        "no key",
        "psk",
        "unknown mode",
    ],
)
def test_a_finish_with_records_that_cannot_be_used_is_refused(changes: dict[int, Value]) -> None:
    code, records = finished(ENROLS | changes)
    assert code == Code.BAD_REQUEST and not records.finished


def test_a_finish_without_a_device_id_is_refused_where_the_client_enrols() -> None:
    assert finished(ENROLS, "x=1")[0] == Code.BAD_REQUEST
    assert finished(ENROLS | {2: 3}, "x=1")[0] == Code.CHANGED


def test_a_finish_before_anything_was_written_is_refused() -> None:
    assert VendorRecords().answer(finish()).code == Code.BAD_REQUEST


def test_a_client_that_kept_a_key_does_not_enrol_another() -> None:
    records = VendorRecords()
    records.has_key = True
    assert records.answer(put("/0", ENROLS)).code == Code.BAD_REQUEST


def test_an_account_is_what_the_certificate_says() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    _, records = finished(ENROLS)
    account = records.account(certificate("lamp", key.public_key(), "an-id"), key)
    assert (account.endpoint_name, account.account_id, account.device_id) == ("lamp", ACCOUNT, "an-id")
    assert account.port == 5684 and "key" not in repr(account)
    with pytest.raises(BootstrapUnusable, match="lacks CN or L"):
        records.account(certificate("lamp", key.public_key()), key)
    with pytest.raises(BootstrapUnusable, match="1025 bytes"):
        records.account(bytes(1025), key)


def test_a_certification_request_names_the_device_in_the_vendors_order() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.load_der_x509_csr(certification_request(key, "lamp", ACCOUNT, "an-id"))
    assert request.is_signature_valid and len(request.extensions) == 0
    assert request.subject.rfc4514_string() == f"CN=lamp,OU={ACCOUNT},L=an-id"  # which writes the last first


def test_a_chain_is_read_as_it_was_written() -> None:
    assert certificates_of(vendor_chain([b"leaf", b"authority"])) == [b"leaf", b"authority"]


@pytest.mark.parametrize(
    "payload", [b"", b"\x01", b"\x02\x01\x00\x00", b"\x01\x00", b"\x01\x01\x00\x05abc", b"\x01\x01\x00\x01ab"]
)
def test_what_is_no_chain_is_refused(payload: bytes) -> None:
    with pytest.raises(ChainUnreadable):
        certificates_of(payload)
