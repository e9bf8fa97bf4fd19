"""Authorities whose keys are in a hardware module: they sign like others, and what goes wrong there is told."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from lamplighter.errors.issuers import AuthorityAway
from lamplighter.services.certificates import module as modules
from lamplighter.services.certificates import module_library
from lamplighter.services.certificates.given import read_given
from lamplighter.services.certificates.module_library import library_of
from lamplighter.services.certificates.module_uri import parse_uri
from lamplighter.services.certificates.service import AuthorityUnusable, retire, rotate
from tests.dtls import pki
from tests.services.certificates.openssl import verifies
from tests.services.certificates.softhsm import PIN, Module, softhsm
from tests.services.certificates.test_given import ACCOUNT, DEVICE, intermediate, opened, root


@pytest.fixture
def hsm(tmp_path: Path) -> Iterator[Module]:
    with softhsm(tmp_path) as module:
        module.make_token(tmp_path.name)
        yield module


@pytest.fixture
def token(tmp_path: Path) -> str:
    """Its label: a name of this test's alone, because the process stays logged in to it."""
    return tmp_path.name


def bring(folder: Path, name: str, authority: pki.Credential, uri: str) -> None:
    (folder / "pki").mkdir(exist_ok=True)
    (folder / "pki" / f"{name}.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (folder / "pki" / f"{name}.pkcs11").write_text(f"{uri}\n")


def brought(folder: Path, hsm: Module, token: str) -> pki.Credential:
    """An authority for devices whose key is in the token."""
    devices = root("Devices")
    hsm.import_key(token, "device-ca", devices.key)
    bring(folder, "device-ca", devices, hsm.uri(token, "device-ca"))
    return devices


async def test_authorities_whose_keys_are_in_one_token_sign_and_leave_no_key_in_a_file(
    tmp_path: Path, hsm: Module, token: str
) -> None:
    devices, bootstraps = root("Devices"), root("Bootstrap")
    for number, (name, each) in enumerate((("device-ca", devices), ("bootstrap-ca", bootstraps))):
        hsm.import_key(token, name, each.key, f"0{number}")
        bring(tmp_path, name, each, hsm.uri(token, name))
    for _ in range(2):  # made, and found
        authority = opened(tmp_path)
        assert verifies(authority.lwm2m.certificate, devices.certificate, (), "sslserver")
        lamp = authority.issue_device("lamp", ACCOUNT, DEVICE)
        assert verifies(lamp.certificate, devices.certificate, (), "sslclient")
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        leaf, above = await authority.issue_device_for(key, "lamp", ACCOUNT, DEVICE)
        assert above == devices.der
        leaf = pki.x509.load_der_x509_certificate(leaf)
        assert verifies(leaf, devices.certificate, (), "sslclient")
        assert verifies(authority.issue_developer("lamp", ACCOUNT).certificate, bootstraps.certificate)
        names = {each.name for each in (tmp_path / "pki").iterdir() if each.name.startswith(("device", "bootstrap-ca"))}
        assert names == {"device-ca.pem", "device-ca.pkcs11", "bootstrap-ca.pem", "bootstrap-ca.pkcs11"}


def test_an_authority_in_a_module_takes_over_and_gives_way(tmp_path: Path, hsm: Module, token: str) -> None:
    first, top = opened(tmp_path), root()
    middle = intermediate(top, path_length=1)
    hsm.import_key(token, "next", middle.key)
    chain = tmp_path / "next.pem"
    chain.write_bytes(b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (middle, top)))
    rotate(first, "device", read_given(chain, hsm.uri(token, "next")))
    second = opened(tmp_path)
    assert verifies(second.lwm2m.certificate, second.device_root, second.lwm2m.path[1:], "sslserver")
    lamp = second.issue_device("lamp", ACCOUNT, DEVICE)
    assert verifies(lamp.certificate, top.certificate, [middle.certificate], "sslclient")
    retire(second, "device")
    rotate(opened(tmp_path), "device")
    retire(opened(tmp_path), "device")
    last = opened(tmp_path)
    assert verifies(last.issue_device("lamp", ACCOUNT, DEVICE).certificate, last.device_ca.certificate)
    assert not list((tmp_path / "pki").glob("*.pkcs11"))


async def test_a_server_starts_without_its_module_and_signs_when_that_is_back(
    tmp_path: Path, hsm: Module, token: str
) -> None:
    brought(tmp_path, hsm, token)
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    opened(tmp_path)
    for _ in range(2):
        with hsm.away():
            library_of(str(hsm.library))._tokens.clear()  # as in a process that is started now
            authority = opened(tmp_path)
            with pytest.raises(AuthorityAway, match="there is no such token"):
                await authority.issue_device_for(key, "lamp", ACCOUNT, DEVICE)
        assert await authority.issue_device_for(key, "lamp", ACCOUNT, DEVICE)
    with hsm.away(), pytest.raises(AuthorityUnusable, match="there is no such token"):
        authority.files.is_sealed("device-ca")  # who looks for faults finds it


async def test_a_session_that_the_module_has_ended_is_made_anew(tmp_path: Path, hsm: Module, token: str) -> None:
    devices = brought(tmp_path, hsm, token)
    authority = opened(tmp_path)
    import pkcs11

    pkcs11.lib(str(hsm.library.resolve())).reinitialize()
    assert verifies(authority.issue_device("lamp", ACCOUNT, DEVICE).certificate, devices.certificate)


def test_a_key_that_is_not_the_certificates_is_refused(tmp_path: Path, hsm: Module, token: str) -> None:
    hsm.import_key(token, "device-ca", root("Others").key)
    bring(tmp_path, "device-ca", root("Devices"), hsm.uri(token, "device-ca"))
    with pytest.raises(
        AuthorityUnusable, match=r"device-ca.pkcs11: the key in the module is not that of the certificate"
    ):
        opened(tmp_path)


def test_after_a_pin_was_refused_none_is_tried_before_somebody_has_logged_in_by_hand(
    tmp_path: Path, hsm: Module, token: str
) -> None:
    devices = brought(tmp_path, hsm, token)
    hsm.pin_file.write_text("wrong-sesame\n")
    with pytest.raises(AuthorityUnusable, match="the token refuses the PIN"):
        opened(tmp_path)
    hsm.pin_file.write_text(f"{PIN}\n")
    with pytest.raises(AuthorityUnusable, match="then log in once by hand"):
        opened(tmp_path)  # nobody here knows whose attempt it was, and how many are left
    hsm.import_key(token, "anything", root("Another").key, "07")  # by hand
    assert verifies(opened(tmp_path).lwm2m.certificate, devices.certificate)


async def test_two_tokens_of_one_library_do_not_sign_for_each_other(tmp_path: Path, hsm: Module, token: str) -> None:
    authorities = {"device-ca": root("Devices"), "bootstrap-ca": root("Bootstrap")}
    with hsm.away():
        hsm.make_token("second")
        hsm.import_key("second", "bootstrap-ca", authorities["bootstrap-ca"].key)
        bring(tmp_path, "bootstrap-ca", authorities["bootstrap-ca"], hsm.uri("second", "bootstrap-ca"))
        bring(tmp_path, "device-ca", authorities["device-ca"], hsm.uri(token, "device-ca"))
        with pytest.raises(AuthorityUnusable, match=r"lwm2m.pem has to be signed anew"):
            opened(tmp_path)  # the second signs from now on
        for each in hsm.tokens.iterdir():
            shutil.move(each, hsm.tokens.with_name("elsewhere"))
    hsm.import_key(token, "device-ca", authorities["device-ca"].key)
    authority = opened(tmp_path)
    for _ in range(2):
        lamp, developer = authority.issue_device("lamp", ACCOUNT, DEVICE), authority.issue_developer("lamp", ACCOUNT)
        assert verifies(lamp.certificate, authorities["device-ca"].certificate)
        assert verifies(developer.certificate, authorities["bootstrap-ca"].certificate)


async def test_a_key_that_could_not_be_tried_at_the_start_is_not_believed_later(
    tmp_path: Path, hsm: Module, token: str
) -> None:
    devices = brought(tmp_path, hsm, token)
    opened(tmp_path)
    hsm.import_key(token, "another", root("Others").key, "02")
    bring(tmp_path, "device-ca", devices, hsm.uri(token, "another"))
    with hsm.away():
        library_of(str(hsm.library))._tokens.clear()
        authority = opened(tmp_path)
    with pytest.raises(AuthorityAway, match="is not that of the certificate"):
        authority.issue_device("lamp", ACCOUNT, DEVICE)


async def test_a_module_that_hangs_is_given_up_and_holds_up_nobody_else(
    tmp_path: Path, hsm: Module, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought(tmp_path, hsm, token)
    authority = opened(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    monkeypatch.setattr(modules, "ANSWERS_WITHIN", 0.05)
    monkeypatch.setattr(module_library, "MOST_WAITING", 3)
    hangs, goes_on = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait()

    library = library_of(str(hsm.library))
    library.submit(hang)
    await asyncio.to_thread(hangs.wait)
    try:
        tried = [authority.issue_device_for(key, "lamp", ACCOUNT, DEVICE) for _ in range(5)]
        ended = await asyncio.gather(*tried, return_exceptions=True)
        reasons = [each.facts["reason"] for each in ended if isinstance(each, AuthorityAway)]
        assert reasons.count("the module does not answer within 10 seconds") == 3
        assert reasons.count("too much waits for the module already") == 2
    finally:
        goes_on.set()
    monkeypatch.undo()
    assert await authority.issue_device_for(key, "lamp", ACCOUNT, DEVICE)


async def test_a_module_that_cannot_begin_is_away_and_does_not_stop_the_start(
    tmp_path: Path, hsm: Module, token: str
) -> None:
    brought(tmp_path, hsm, token)
    opened(tmp_path)
    hsm.tokens.rename(hsm.tokens.with_name("gone"))
    library_of(str(hsm.library))._tokens.clear()
    authority = opened(tmp_path)
    with pytest.raises(AuthorityAway):
        authority.issue_device("lamp", ACCOUNT, DEVICE)
    hsm.tokens.with_name("gone").rename(hsm.tokens)
    assert authority.issue_device("lamp", ACCOUNT, DEVICE)


FAULTS = {
    "lacks ?module-path=": "pkcs11:token=a;object=b",
    "names no key": "pkcs11:token=a?module-path=/m",
    "names no token": "pkcs11:object=b?module-path=/m",
    "holds the PIN": "pkcs11:token=a;object=b?module-path=/m&pin-value=1234",
    "has slot-id=, which is not known here": "pkcs11:slot-id=1;object=b?module-path=/m",
    "has token= twice": "pkcs11:token=a;token=b;object=b?module-path=/m",
    "must have type=private": "pkcs11:token=a;object=b;type=cert?module-path=/m",
    "has something else than name=value": "pkcs11:token=a;;object=b?module-path=/m",
    "not UTF-8": "pkcs11:token=%ff;object=b?module-path=/m",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_uri_that_cannot_be_followed_is_told(tmp_path: Path, fault: str) -> None:
    bring(tmp_path, "device-ca", root(), FAULTS[fault])
    with pytest.raises(AuthorityUnusable, match="device-ca.pkcs11: the PKCS#11 URI") as caught:
        opened(tmp_path)
    assert fault in str(caught.value) and "1234" not in str(caught.value)


def test_a_uri_as_the_tools_print_it_is_read() -> None:
    token = "model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=0f;token=lamps"
    uri = parse_uri(
        f"pkcs11:{token};id=%01%ff;object=device-ca;type=private?module-path=/usr/lib/m.so&pin-source=/run/pin"
    )
    assert dict(uri.token) == {
        "token": "lamps",
        "serial": "0f",
        "model": "SoftHSM v2",
        "manufacturer": "SoftHSM project",
    }
    assert (uri.label, uri.id, uri.pin_file, uri.library) == (
        "device-ca",
        b"\x01\xff",
        Path("/run/pin"),
        "/usr/lib/m.so",
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"module-path": "/usr/lib/nothing.so"}, "/usr/lib/nothing.so cannot be loaded as a PKCS#11 module"),
        ({"pin-source": "/nowhere/pin"}, "/nowhere/pin, which pin-source= names, cannot be read"),
    ],
)
def test_what_is_missing_beside_the_token_is_told(
    tmp_path: Path, hsm: Module, token: str, change: dict[str, str], told: str
) -> None:
    bring(tmp_path, "device-ca", root(), hsm.uri(token, "device-ca", **change))
    with pytest.raises(AuthorityUnusable, match=told):
        opened(tmp_path)


def test_a_key_that_the_token_does_not_have_is_told(tmp_path: Path, hsm: Module, token: str) -> None:
    bring(tmp_path, "device-ca", root(), hsm.uri(token, "device-ca"))
    with pytest.raises(AuthorityUnusable, match="the token has no such private key"):
        opened(tmp_path)


def test_an_installation_without_the_library_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "find_spec", lambda name: None)
    bring(tmp_path, "device-ca", root(), "pkcs11:token=a;object=b?module-path=/m")
    with pytest.raises(AuthorityUnusable, match=r"lamplighter\[pkcs11\], which is not installed"):
        opened(tmp_path)
