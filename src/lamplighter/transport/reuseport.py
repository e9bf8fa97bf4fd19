"""One UDP port for several processes: a socket for each, and a program in the kernel that reads a connection ID's shard.

A device whose address changes would else reach another process, one time in n. The program gives a slot of the group of sockets,
not a process, and closing one socket moves the others to other slots: so whoever binds the group keeps it whole for as long as
the port is open, and hands the sockets on (gateway rule 3).
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from typing import Any

from lamplighter.transport.datagram_socket import BUFFER, CannotBind

SHARDS = 256
"""Values of the first byte of a connection ID. A shard belongs to the slot that is its remainder by the number of slots."""

_ATTACH_REUSEPORT_CBPF = 51  # SO_ATTACH_REUSEPORT_CBPF of Linux
_CID_RECORD = 25
"""Content type of a DTLS record with a connection ID (RFC 9146 section 4)."""
_CID_OFFSET = 11
"""Bytes before it: type, version, epoch and sequence number."""
_BY_ADDRESS = 0xFFFFFFFF
"""No slot: the kernel chooses by the addresses, always the same for the same ones."""


def slot_of(shard: int, slots: int) -> int:
    """The slot that records with that shard come to."""
    return shard % slots


def shards_of(slot: int, slots: int) -> list[int]:
    """The shards whose records come to that slot."""
    return list(range(slot, SHARDS, slots))


def bind_group(host: str, port: int, slots: int) -> list[socket.socket]:
    """A socket for each slot, all on the same port, in the order of the slots. Raises CannotBind, naming the port."""
    sockets: list[socket.socket] = []
    try:
        for _ in range(slots):
            sockets.append(_bind(host, port))
            port = sockets[0].getsockname()[1]
        _attach(sockets[0], slots)
    except OSError as error:
        for each in sockets:
            each.close()
        where = f"{host or '*'} port {port}/udp"
        raise CannotBind(error.errno, f"cannot listen on {where}: {error.strerror or error}") from error
    return sockets


def _bind(host: str, port: int) -> socket.socket:
    if host:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
        return _open(family, address)
    try:
        return _open(socket.AF_INET6, ("::", port))
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise
        return _open(socket.AF_INET, ("0.0.0.0", port))


def _open(family: int, address: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _attach(sock: socket.socket, slots: int) -> None:
    """Let the kernel choose by the shard: classic BPF over the datagram's payload."""
    instructions = (
        (0x30, 0, 0, 0),  # A = byte 0
        (0x15, 0, 3, _CID_RECORD),  # unless it is a record with a connection ID: go to the end
        (0x30, 0, 0, _CID_OFFSET),  # A = the shard
        (0x94, 0, 0, slots),  # A %= slots
        (0x16, 0, 0, 0),  # return A
        (0x06, 0, 0, _BY_ADDRESS),
    )
    code = b"".join(struct.pack("HBBI", *each) for each in instructions)
    buffer = ctypes.create_string_buffer(code)
    sock.setsockopt(
        socket.SOL_SOCKET, _ATTACH_REUSEPORT_CBPF, struct.pack("HL", len(instructions), ctypes.addressof(buffer))
    )
