from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamplighter.coap.message import Message
from lamplighter.coap.numbers import Code, Option
from lamplighter.lwm2m.link import Link, parse_links
from lamplighter.lwm2m.registration import (
    DEFAULT_LIFETIME,
    Registration,
    RegistrationFaults,
    RegistrationUpdate,
    auto_observations,
    deregister_request,
    merge_links,
    parse_registration,
    parse_update,
    register_request,
    resource_values,
    update_request,
)

VENDOR = Registration(
    endpoint_name="lamp-1",
    lifetime=7200,
    version="1.0",
    binding="UQ",
    queue_mode=True,
    endpoint_type="default",
    domain="0" * 32,
    account="0" * 32,
    client_version="4.13.2",
    links=(Link("/3/0/2", (("v", "0"), ("aobs", "353"))), Link("/3200/0/5501", (("obs", None),))),
)


def register(*query: str, payload: bytes = b"</3/0>", content_format: int | None = 40) -> Message:
    message = Message(Code.POST, payload=payload).add(Option.URI_PATH, "rd")
    for argument in query:
        message.add(Option.URI_QUERY, argument)
    return message if content_format is None else message.add(Option.CONTENT_FORMAT, content_format)


def test_the_vendors_registration_reads_as_written() -> None:
    message = register_request(VENDOR)
    assert message.uri_query() == (
        "ep=lamp-1",
        "et=default",
        "lt=7200",
        "lwm2m=1.0",
        "d=" + "0" * 32,
        "b=UQ",
        "aid=" + "0" * 32,
        "mccv=4.13.2",
    )
    assert parse_registration(message) == VENDOR
    assert VENDOR.is_vendor


def test_a_standard_registration_with_a_root_reads_as_written() -> None:
    registration = Registration(
        endpoint_name=None,
        version="1.1",
        binding="UT",
        queue_mode=True,
        sms_number="123",
        parameters=(("pid", "7"),),
        links=(Link("/1", (("ver", "1.1"),)), Link("/3/0")),
        root="/lwm2m",
        content_formats=(11543,),
    )
    message = register_request(registration)
    assert "Q" in message.uri_query()
    read = parse_registration(register_request(Registration(version="1.1", links=registration.links)))
    assert read.links == registration.links and not read.is_vendor
    root = b'</lwm2m>;rt="oma.lwm2m";ct=11543,</lwm2m/1>;ver=1.1,</lwm2m/3/0>'
    parsed = parse_registration(
        register("lwm2m=1.1", "b=UT", "Q", "sms=123", "pid=7", f"lt={DEFAULT_LIFETIME}", payload=root)
    )
    assert parsed == registration


def test_the_root_names_the_content_formats_that_the_client_takes() -> None:
    for ct, expected in (('ct="60 110 112 11542"', (60, 110, 112, 11542)), ("ct=112", (112,)), ('ct="x 1234567"', ())):
        payload = f'</>;rt="oma.lwm2m";{ct},</3/0>'.encode()
        for read in (
            parse_registration(register("ep=a", "lwm2m=1.1", payload=payload)),
            parse_update(register(payload=payload), "1.1"),
        ):
            assert (read.content_formats, read.root, read.links) == (expected, "/", (Link("/3/0"),))
    registration = Registration(endpoint_name="a", version="1.1", links=(Link("/3/0"),), content_formats=(112, 110))
    assert parse_registration(register_request(registration)) == registration


def test_what_is_not_said_has_the_specifications_default() -> None:
    registration = parse_registration(register("ep=a", payload=b"", content_format=None))
    assert (registration.lifetime, registration.version, registration.binding) == (86400, "1.0", "U")
    assert not registration.queue_mode and registration.links == () and registration.root == "/"


@pytest.mark.parametrize("binding", ["U", "UQ", "S", "SQ", "US", "UQS"])
def test_the_bindings_of_1_0_are_six(binding: str) -> None:
    registration = parse_registration(register("ep=a", "lwm2m=1.0", f"b={binding}"))
    assert registration.queue_mode == ("Q" in binding)


@pytest.mark.parametrize(
    ("version", "binding"), [("1.0", "T"), ("1.0", "QU"), ("1.0", ""), ("1.1", "UQ"), ("1.1", "UU"), ("1.1", "")]
)
def test_other_bindings_are_refused(version: str, binding: str) -> None:
    with pytest.raises(RegistrationFaults, match="b is not"):
        parse_registration(register("ep=a", f"lwm2m={version}", f"b={binding}"))


@pytest.mark.parametrize("binding", ["U", "T", "UTSN", "NU"])
def test_the_bindings_of_1_1_are_any_set_with_queue_mode_apart(binding: str) -> None:
    assert not parse_registration(register("ep=a", "lwm2m=1.1", f"b={binding}")).queue_mode
    assert parse_registration(register("ep=a", "lwm2m=1.1", f"b={binding}", "Q")).queue_mode


def test_all_faults_are_found_at_once() -> None:
    with pytest.raises(RegistrationFaults) as caught:
        parse_registration(register("lt=0", "lt=5", "lwm2m=1.0", "b=X", payload=b"<"))
    assert caught.value.code == Code.BAD_REQUEST
    assert [fault.split()[0] for fault in caught.value.faults] == ["lt", "the", "b", "ep"]


@pytest.mark.parametrize(
    "query",
    [
        ("ep=a", "lt=0"),
        ("ep=a", "lt=-1"),
        ("ep=a", "lt=4294967296"),
        ("ep=a", "lt=x"),
        ("ep=",),
        (),
        ("ep=a", "lwm2m=x"),
        ("ep=", "lwm2m=1.1"),
    ],
)
def test_a_faulty_parameter_is_a_bad_request(query: tuple[str, ...]) -> None:
    with pytest.raises(RegistrationFaults) as caught:
        parse_registration(register(*query))
    assert caught.value.code == Code.BAD_REQUEST


def test_an_unknown_version_is_a_failed_precondition() -> None:
    with pytest.raises(RegistrationFaults) as caught:
        parse_registration(register("ep=a", "lwm2m=2.0", "b=whatever"))
    assert caught.value.code == Code.PRECONDITION_FAILED


def test_a_registration_in_another_content_format_or_encoding_is_refused() -> None:
    with pytest.raises(RegistrationFaults, match="11542"):
        parse_registration(register("ep=a", content_format=11542))
    message = register()
    message.options.append((Option.URI_QUERY, b"ep=\xff"))
    with pytest.raises(RegistrationFaults, match="UTF-8"):
        parse_registration(message)


def test_an_update_reads_as_written() -> None:
    update = RegistrationUpdate(
        lifetime=60, binding="U", queue_mode=False, endpoint_type="default", links=(Link("/9", (("d", None),)),)
    )
    message = update_request(("rd", "a", "b"), update)
    assert message.uri_path() == ("rd", "a", "b")
    assert parse_update(message) == update
    assert not update.changes_nothing


def test_an_update_that_says_nothing_changes_nothing() -> None:
    update = parse_update(register("et=default", payload=b""))
    assert update.changes_nothing and update.lifetime is None and update.queue_mode is None
    assert parse_update(register("Q", "b=U", payload=b""), "1.1").queue_mode is True
    assert "Q" in update_request(("rd", "x"), RegistrationUpdate(binding="U", queue_mode=True)).uri_query()
    with pytest.raises(RegistrationFaults):
        parse_update(register("lt=0", "b=Z"))


def test_a_deregistration_names_the_location() -> None:
    message = deregister_request(("rd", "a", "b"))
    assert (message.code, message.uri_path()) == (Code.DELETE, ("rd", "a", "b"))


def test_values_in_the_links_have_their_types_and_a_slip_is_text() -> None:
    links = parse_links(
        '</3/0/1>;v="model",</3/0/9>;v="80",</10255/0/4>;v="AQI=",</3/0/10>;v="many",</3/0/16>;obs,</d/lamp/3303/0/5700>;v="2",</d/lamp>'
    )
    assert resource_values(links) == [
        ("", "/3/0/1", "model"),
        ("", "/3/0/9", 80),
        ("", "/10255/0/4", b"\x01\x02"),
        ("", "/3/0/10", "many"),
        ("lamp", "/3303/0/5700", 2.0),
    ]


def test_auto_observations_have_two_byte_tokens() -> None:
    links = parse_links('</3/0/2>;aobs="353",</3/0/1>;aobs="1",</3/0/0>;aobs="70000",</3/0/3>;aobs="x",</3/0/4>;obs')
    assert auto_observations(links) == {b"\x01\x61": "/3/0/2", b"\x00\x01": "/3/0/1"}


def test_the_vendors_updates_add_and_take_away() -> None:
    known = parse_links("</3/0>,</d/a>,</d/a/3303/0/5700>,</d/ab>")
    update = parse_links('</d/a>;d,</d/c>;name="c",</3/0>;obs')
    assert [link.target for link in merge_links(known, update)] == ["/3/0", "/d/ab", "/d/c"]
    assert merge_links(known, update)[0].observable


def test_what_an_update_takes_away_and_lists_again_is_there() -> None:
    known = parse_links("</d/a/3303/0/5700>,</d/b/3303/0/5700>")
    update = parse_links("</d/b/1/0>,</d/b>;d,</d/a>;d,</d/a/3303/0/5700>;obs")
    assert merge_links(known, update) == (Link("/d/a/3303/0/5700", (("obs", None),)),)


@given(st.lists(st.text(max_size=12), max_size=6), st.binary(max_size=40), st.one_of(st.none(), st.integers(0, 70000)))
def test_any_register_is_a_registration_or_has_faults(
    query: list[str], payload: bytes, content_format: int | None
) -> None:
    message = register(payload=payload, content_format=content_format)
    for argument in query:
        message.options.append((Option.URI_QUERY, argument.encode(errors="replace")))
    for parse in (parse_registration, parse_update):
        try:
            parse(message)
        except RegistrationFaults as error:
            assert error.faults
