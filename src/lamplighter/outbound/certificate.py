"""A certificate shown to a server, from memory: the standard library reads certificates from files only."""

from __future__ import annotations

import os
import ssl


def show(context: ssl.SSLContext, certificate: str, private_key: str) -> None:
    """Show that certificate, with its chain, from now on; both in PEM, the key without a password. Raises ssl.SSLError."""
    file = os.memfd_create("certificate")
    try:
        os.write(file, f"{certificate}\n{private_key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{file}", password=lambda: b"")
    finally:
        os.close(file)
