"""``openssl s_client`` as the vendor's client: its framing in bytes, its only cipher suite, mutual certificates, tickets."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.dtls.pki import device
from tests.dtls.service import PATIENCE, run
from tests.transport.stream_service import Service, serving

#: CON GET /3, message ID 7, token deadbeef: one write, so one record.
GET = bytes.fromhex("44010007deadbeefb133")
ANSWER = bytes.fromhex("64450007deadbeefff") + b"a certificate of 1: 3"


def arguments(service: Service, folder: Path) -> list[str]:
    chain, key = device(service.authority).write(folder, "lamp")
    trusted, _ = service.authority.write(folder, "ca")
    return [
        *("openssl", "s_client", "-connect", f"127.0.0.1:{service.port}", "-tls1_2", "-CAfile", str(trusted)),
        *("-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "-cert", str(chain), "-key", str(key)),
    ]


async def test_the_vendors_framing_is_understood_and_answered_byte_for_byte(tmp_path: Path) -> None:
    async with serving() as service:
        process = await asyncio.create_subprocess_exec(
            *arguments(service, tmp_path),
            "-quiet",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(GET)
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readexactly(len(ANSWER)) == ANSWER
        process.kill()
        process.stdin.close()
        await process.communicate()
        assert service.established[0].cipher == "ECDHE-ECDSA-AES128-CCM8"


async def test_openssl_believes_the_server_and_resumes_by_ticket(tmp_path: Path) -> None:
    async with serving() as service:
        kept = str(tmp_path / "session")
        first = await run(*arguments(service, tmp_path), "-sess_out", kept, say="Q")
        assert "Verify return code: 0 (ok)" in first and "TLS session ticket:" in first
        assert "Secure Renegotiation IS supported" in first and "Extended master secret: yes" in first
        again = await run(*arguments(service, tmp_path), "-sess_in", kept, say="Q")
        assert "Reused, TLSv1.2" in again, again
        assert [session.credential for session in service.established] == ["a certificate of 1"] * 2


async def test_other_versions_and_suites_are_refused(tmp_path: Path) -> None:
    async with serving() as service:
        common = ("openssl", "s_client", "-connect", f"127.0.0.1:{service.port}")
        for options in (("-tls1_3",), ("-tls1_1",), ("-cipher", "ECDHE-ECDSA-AES128-SHA", "-tls1_2")):
            printed = await run(*common, *options, say="Q")
            assert "Cipher is (NONE)" in printed, (options, printed)
        assert not service.established
