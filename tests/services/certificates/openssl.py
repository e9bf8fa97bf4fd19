"""OpenSSL's opinion of certificates, by its command line."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

PROGRAM = shutil.which("openssl")


def verifies(
    certificate: x509.Certificate,
    trusted: x509.Certificate,
    sent: Iterable[x509.Certificate] = (),
    purpose: Literal["sslserver", "sslclient", "any"] = "any",
    *,
    partial: bool = False,
) -> bool:
    """Whether ``openssl verify`` finds a path from the certificate over those sent along to the one trusted.

    :param partial: the trusted one need not have signed itself
    """
    assert PROGRAM is not None, "the tests need the program openssl"
    with tempfile.TemporaryDirectory() as folder:
        files = {"leaf": [certificate], "trusted": [trusted], "sent": list(sent)}
        for name, certificates in files.items():
            _write(Path(folder, name), certificates)
        untrusted = ["-untrusted", f"{folder}/sent"] if files["sent"] else []
        more = ["-partial_chain"] if partial else []
        command = [PROGRAM, "verify", "-purpose", purpose, "-no-CApath", "-no-CAstore", *more]
        answer = subprocess.run(
            [*command, "-CAfile", f"{folder}/trusted", *untrusted, f"{folder}/leaf"], capture_output=True, check=False
        )
    return answer.returncode == 0


def _write(path: Path, certificates: Sequence[x509.Certificate]) -> None:
    path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
