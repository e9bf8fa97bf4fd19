"""``lamplighter pki``: one authority towards devices after another."""

from __future__ import annotations

import json as jsons
from pathlib import Path
from typing import Literal

from cryptography import x509

from lamplighter.cli.installation import run_here, settings_of

Kind = Literal["device", "bootstrap"]


def list_(data: Path, config: Path | None, json: bool) -> int:
    from lamplighter.roles import installation

    async def find() -> list[installation.Signing]:
        return installation.authorities(data, settings_of(config))

    found: list[installation.Signing] = run_here(find())
    if json:
        print(jsons.dumps([{**each._asdict(), "certificate": str(each.certificate)} for each in found], indent=2))
        return 0
    for each in found:
        print(f"{each.kind:<10} {each.standing:<7} until {each.not_after}  {each.fingerprint}  {each.subject}")
        print(f"{'':<10} {each.certificate}")
    return 0


def rotate(kind: Kind, certificate: Path | None, key: str | None, data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    made: x509.Certificate = run_here(installation.rotate_authority(data, settings_of(config), kind, certificate, key))
    print(f"{made.subject.rfc4514_string()} signs from now on; the one before stays trusted.")
    print("Running processes take it up within a second. Copy pki/ to other machines that serve devices.")
    print(f"When the devices have what they need of it: lamplighter pki retire {kind}")
    return 0


def retire(kind: Kind, data: Path, config: Path | None) -> int:
    from lamplighter.roles import installation

    gone: x509.Certificate = run_here(installation.retire_authority(data, settings_of(config), kind))
    print(
        f"{gone.subject.rfc4514_string()} is trusted no more, and its key is removed; one in a hardware module stays in it."
    )
    return 0
