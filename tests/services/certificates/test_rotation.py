"""One authority after another: who verifies whom before, during and after, as OpenSSL sees it, and what a crash leaves."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from lamplighter.clock import EPOCH, MICROSECONDS, ManualClock
from lamplighter.dtls import TrustAnchor, verify_chain
from lamplighter.dtls.certificates import CertificateError, Purpose
from lamplighter.services.certificates.issuing import make_root, year_from
from lamplighter.services.certificates.rotation import State, read_state
from lamplighter.services.certificates.service import Authority, AuthorityUnusable, Credential, retire, rotate
from lamplighter.storage.seal import MasterKey
from tests.services.certificates.openssl import verifies

NOW = 1_790_000_000 * 10**6
MASTER = MasterKey(b"k" * 32)
ACCOUNT, DEVICE = "a" * 32, "d" * 32
KINDS = ["device", "bootstrap"]


def opened(folder: Path) -> Authority:
    return Authority(folder / "pki", NOW, ["lamps.example.com"], master_key=MASTER)


def shown(authority: Authority, kind: str) -> Credential:
    return authority.lwm2m if kind == "device" else authority.bootstrap


def root(authority: Authority, kind: str) -> x509.Certificate:
    return authority.device_root if kind == "device" else authority.bootstrap_root


def anchors(authority: Authority, kind: str) -> tuple[x509.Certificate, ...]:
    return authority.device_anchors if kind == "device" else authority.bootstrap_anchors


def issued(authority: Authority, kind: str) -> Credential:
    if kind == "device":
        return authority.issue_device("lamp", ACCOUNT, DEVICE)
    return authority.issue_developer("lamp", ACCOUNT)


def knows_the_server(trusted: x509.Certificate, server: Credential) -> bool:
    """Whether a device that trusts that one believes what the server shows: OpenSSL's opinion and ours, which must agree."""
    theirs = verifies(server.certificate, trusted, server.path[1:], "sslserver", partial=True)
    try:
        anchor = TrustAnchor.from_der(trusted.public_bytes(Encoding.DER))
        verify_chain(server.sent_der, [anchor], NOW / 10**6, purpose=Purpose.SERVER)
    except CertificateError:
        assert not theirs
        return False
    assert theirs
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_verifies_everything_before_while_and_after_an_authority_gives_way(tmp_path: Path, kind: str) -> None:
    first = opened(tmp_path)
    old_root, old_device = root(first, kind), issued(first, kind)
    assert knows_the_server(old_root, shown(first, kind))
    assert verifies(old_device.certificate, old_root, (), "sslclient")

    rotate(first, kind)
    second = opened(tmp_path)
    new_root, new_device = root(second, kind), issued(second, kind)
    assert new_root != old_root
    # Devices of before and devices of now believe the same server, which believes them.
    assert shown(second, kind).certificate == shown(first, kind).certificate
    for trusted in (old_root, new_root):
        assert knows_the_server(trusted, shown(second, kind))
    assert verifies(new_device.certificate, new_root, (), "sslclient")
    assert not verifies(new_device.certificate, old_root, (), "sslclient")
    assert anchors(second, kind) == (new_root, old_root)

    assert retire(second, kind) == old_root
    third = opened(tmp_path)
    assert root(third, kind) == new_root and anchors(third, kind) == (new_root,)
    assert shown(third, kind).certificate != shown(first, kind).certificate
    assert knows_the_server(new_root, shown(third, kind))
    assert not knows_the_server(old_root, shown(third, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_server_shows_while_two_are_trusted_has_room_in_a_small_client(tmp_path: Path, kind: str) -> None:
    """Builds of the vendor's client with a small fragment length take handshake messages of 1,024 bytes."""
    rotate(opened(tmp_path), kind)
    sent = shown(opened(tmp_path), kind).sent_der
    assert len(sent) == 2
    assert len(sent[1]) <= 420  # of the 1,024, beside a certificate that has the names of this machine


def test_one_authority_is_changed_and_the_other_stays(tmp_path: Path) -> None:
    first = opened(tmp_path)
    rotate(first, "device")
    second = opened(tmp_path)
    assert second.bootstrap_anchors == first.bootstrap_anchors
    assert second.bootstrap.sent_der == first.bootstrap.sent_der
    assert second.device_ca.certificate != first.device_ca.certificate


def test_authorities_can_give_way_again_and_again_one_step_at_a_time(tmp_path: Path) -> None:
    for _ in range(3):
        rotate(opened(tmp_path), "device")
        with pytest.raises(AuthorityUnusable, match="still trusted"):
            rotate(opened(tmp_path), "device")
        retire(opened(tmp_path), "device")
        with pytest.raises(AuthorityUnusable, match="no former device authority"):
            retire(opened(tmp_path), "device")
    authority = opened(tmp_path)
    assert authority.device_ca.certificate.subject.rfc4514_string() == "CN=Lamplighter device CA 4"
    assert verifies(authority.issue_device("lamp", ACCOUNT, DEVICE).certificate, authority.device_root)


def test_the_key_of_a_retired_authority_is_gone(tmp_path: Path) -> None:
    rotate(opened(tmp_path), "device")
    retire(opened(tmp_path), "device")
    assert sorted(path.name for path in (tmp_path / "pki").glob("*device-ca*")) == [
        "device-ca-2.key.sealed",
        "device-ca-2.pem",
        "device-ca-cross.pem",
        "device-ca.pem",
    ]


def test_a_crash_after_retiring_leaves_no_key_behind_at_the_next_start(tmp_path: Path) -> None:
    rotate(opened(tmp_path), "device")
    key = (tmp_path / "pki" / "device-ca.key.sealed").read_bytes()
    retire(opened(tmp_path), "device")
    (tmp_path / "pki" / "device-ca.key.sealed").write_bytes(key)
    opened(tmp_path)
    assert not (tmp_path / "pki" / "device-ca.key.sealed").exists()


async def test_a_running_process_takes_up_what_another_one_changed(tmp_path: Path) -> None:
    running = opened(tmp_path)
    changed: asyncio.Queue[frozenset[bytes]] = asyncio.Queue()
    running.on_change(changed.put_nowait)
    watching = asyncio.create_task(running.watch(ManualClock(NOW)))
    try:
        old = running.device_ca
        rotate(opened(tmp_path), "device")
        async with asyncio.timeout(5):
            assert await changed.get() == frozenset()
        assert running.device_anchors == (running.device_ca.certificate, old.certificate)
        assert len(running.lwm2m.sent_der) == 2
        retire(opened(tmp_path), "device")
        async with asyncio.timeout(5):
            assert await changed.get() == {old.certificate.fingerprint(hashes.SHA256())}
        assert running.device_anchors == (running.device_ca.certificate,)
        assert running.lwm2m.sent_der == opened(tmp_path).lwm2m.sent_der
    finally:
        watching.cancel()


async def test_a_change_that_cannot_be_read_changes_nothing_until_it_can(tmp_path: Path) -> None:
    """On another machine, to which the files are copied one by one."""
    running = opened(tmp_path)
    changed = asyncio.Event()
    running.on_change(lambda retired: changed.set())
    rotate(opened(tmp_path), "device")
    certificate = tmp_path / "pki" / "device-ca-2.pem"
    content = certificate.read_bytes()
    certificate.unlink()
    watching = asyncio.create_task(running.watch(ManualClock(NOW)))
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await changed.wait()
        assert len(running.device_anchors) == 1
        certificate.write_bytes(content)
        async with asyncio.timeout(5):
            await changed.wait()
        assert len(running.device_anchors) == 2
    finally:
        watching.cancel()


async def test_an_own_authority_that_was_not_valid_yet_when_a_process_began_is_taken_up_by_it(tmp_path: Path) -> None:
    running = opened(tmp_path)
    clock = ManualClock(NOW + 90 * 86400 * MICROSECONDS)
    root = make_root("Made later", year_from(EPOCH + timedelta(microseconds=clock.now())))
    changed = asyncio.Event()
    running.on_change(lambda retired: changed.set())
    rotate(Authority(tmp_path / "pki", clock.now(), master_key=MASTER), "device", root)
    watching = asyncio.create_task(running.watch(clock))
    try:
        async with asyncio.timeout(5):
            await changed.wait()
        assert running.device_ca.certificate == root.certificate
    finally:
        watching.cancel()


CHILD = """
import os, shutil, signal, sys
from pathlib import Path
from lamplighter.services.certificates.service import Authority, retire, rotate
from lamplighter.storage.seal import MasterKey

before, what = Path(sys.argv[1]), {"rotate": rotate, "retire": retire}[sys.argv[2]]

def dying(function, at, count=[0]):
    def call(*arguments, **more):
        if count[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        count[0] += 1
        return function(*arguments, **more)
    return call

for step in range(100):
    folder = before.with_name(str(step))
    shutil.copytree(before, folder)
    child = os.fork()
    if not child:
        authority = Authority(folder / "pki", %d, ["lamps.example.com"], master_key=MasterKey(b"k" * 32))
        os.fsync, os.replace, os.unlink = (dying(each, step) for each in (os.fsync, os.replace, os.unlink))
        what(authority, "device")
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        print(step)
        break
"""


@pytest.mark.parametrize("what", ["rotate", "retire"])
def test_a_process_killed_at_any_step_leaves_the_old_state_or_the_new(tmp_path: Path, what: str) -> None:
    start = tmp_path / "before"
    start.mkdir()
    authority = opened(start)
    if what == "retire":
        rotate(authority, "device")
        authority = opened(start)
    before = read_state(start / "pki").device
    child = subprocess.run(
        [sys.executable, "-c", CHILD % NOW, str(start), what], check=True, capture_output=True, text=True
    )
    states = set()
    for step in range(steps := int(child.stdout)):
        folder = tmp_path / f"{step}"
        after = opened(folder)
        state = read_state(folder / "pki").device
        states.add(state)
        assert knows_the_server(after.device_root, after.lwm2m)
        assert verifies(after.issue_device("lamp", ACCOUNT, DEVICE).certificate, after.device_root)
        if state == before:
            assert after.device_anchors == authority.device_anchors
            assert after.lwm2m.sent_der == authority.lwm2m.sent_der
            {"rotate": rotate, "retire": retire}[what](after, "device")  # what was begun can be done
            after = opened(folder)
        assert knows_the_server(after.device_root, after.lwm2m)
        assert knows_the_server(authority.device_root, after.lwm2m)  # of devices that were here before
    assert len(states) == 2 and steps > 5


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    opened(tmp_path)
    State.path_in(tmp_path / "pki").write_text("{")
    with pytest.raises(AuthorityUnusable, match=r"authorities\.json cannot be read"):
        opened(tmp_path)
