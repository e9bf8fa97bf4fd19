"""The mark of a test that plays a case of a suite, and where in the tests it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
PEERS = {
    "simulator": "the simulated device of `lamplighter simulate`",
    "strict client": "a client written for the tests, on our cores, as strict as those that were seen on the wire",
    "aiocoap device": "a device made of aiocoap's client and server, with the contents that a case asks for",
    "aiocoap client": "aiocoap asks, and we answer",
    "aiocoap server": "we ask, and aiocoap answers",
    "libcoap client": "libcoap's `coap-client` asks, and we answer",
    "libcoap server": "we ask, and libcoap's `coap-server` answers",
    "libcoap client on OpenSSL": "`coap-client` over OpenSSL's DTLS asks, and we answer",
    "libcoap client on GnuTLS": "`coap-client` over GnuTLS's DTLS asks, and we answer",
    "libcoap server on OpenSSL": "we ask, and `coap-server` over OpenSSL's DTLS answers",
    "libcoap server on GnuTLS": "we ask, and `coap-server` over GnuTLS's DTLS answers",
}
"""Who may stand at the other end of a case."""


def conforms(*ids: str, peer: str) -> pytest.MarkDecorator:
    """This test proves the cases with these ids against ``peer``, one or several of PEERS with commas between.

    Write ids and peer as plain strings: they are also read from the source.
    """
    return pytest.mark.conforms(*ids, peer=peer)


class Proof(NamedTuple):
    """A marked test: its file below the checkout, its name, and what the mark says."""

    path: str
    test: str
    ids: tuple[str, ...]
    peers: tuple[str, ...]


def files() -> list[Path]:
    """The files with marked tests."""
    return sorted(path for path in (ROOT / "tests").rglob("test_*.py") if "@conforms(" in path.read_text())


def proofs() -> list[Proof]:
    """Every mark, from the source."""
    return [proof for path in files() for proof in _proofs(path)]


def peers_of(text: str) -> tuple[str, ...]:
    return tuple(peer.strip() for peer in text.split(","))


def _proofs(path: Path) -> Iterator[Proof]:
    where = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                for call in ast.walk(decorator):
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "conforms":
                        ids = tuple(str(ast.literal_eval(each)) for each in call.args)
                        peer = next(ast.literal_eval(each.value) for each in call.keywords if each.arg == "peer")
                        yield Proof(where, node.name, ids, peers_of(peer))
