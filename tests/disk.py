"""A disk that loses power, made from a trace (strace) of the system calls of whoever writes to it.

At a moment of the trace its files are rebuilt from what had been synced by then, plus an arbitrary part of what had only
been written, sector by sector, as a disk may keep it. Names are as POSIX has them: a file that was made, renamed or
removed has its new name for certain when its folder was synced; of later changes of names the disk keeps the first few.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

SECTOR = 512
"""Bytes that a disk writes wholly or not at all."""
WRITES = ("write", "pwrite64", "pwritev", "ftruncate", "fallocate")
SYNCS = ("fsync", "fdatasync")
NAMES = ("openat", "open", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat")


def traced(trace: Path, command: Sequence[str]) -> list[str]:
    """The command with what writes the system calls of it and its children, in their order, to that file."""
    wanted = ",".join(f"?{name}" for name in (*WRITES, *SYNCS, *NAMES))  # ?: not every processor has each of them
    options = f"-f --seccomp-bpf -y -xx -s 10000000 -e trace={wanted} -e signal=none"
    return ["strace", *options.split(), "-o", str(trace), *command]


class Call(NamedTuple):
    """A system call, or one end of it where another process came between."""

    process: str
    function: str
    begins: bool
    ends: bool
    descriptor: int
    file: str
    """The path of the descriptor; empty where there is none."""
    strings: tuple[bytes, ...]
    """Data, or names."""
    numbers: tuple[int, ...]
    """What follows the data."""
    rest: str
    """Flags, and the result if it ends here."""


_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_DESCRIPTOR = re.compile(r"(\d+)<((?:\\x[0-9a-f]{2})*)>(?!\(deleted\))")
_NUMBER = re.compile(r", (\d+)\b")
_UNFINISHED = "<unfinished ...>"


def calls(trace: Path) -> Iterator[Call]:
    """What the trace says, in order."""
    with trace.open() as lines:
        for line in lines:
            if found := _LINE.match(line):
                process, resumed, function, body = found.groups()
                descriptor = _DESCRIPTOR.match(body)
                # Every string is hexadecimal (-xx): a quotation mark is never inside one.
                parts = body.split('"')
                yield Call(
                    process,
                    resumed or function,
                    function is not None,
                    not body.endswith(_UNFINISHED),
                    int(descriptor[1]) if descriptor else -1,
                    os.fsdecode(_bytes(descriptor[2])) if descriptor else "",
                    tuple(_bytes(each) for each in parts[1::2]),
                    tuple(int(number) for number in _NUMBER.findall(parts[-1])),
                    parts[-1],
                )


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


class Change(NamedTuple):
    """``data`` at that place. None: the file ends there; empty: it goes at least to there."""

    offset: int
    data: bytes | None


class File:
    """What a disk has of a file, and what it may have."""

    def __init__(self, synced: bytes = b"") -> None:
        self.synced = bytearray(synced)
        self.pending: list[Change] = []
        self.under_way: dict[str, Change] = {}
        """Changes that have not returned yet, by process."""
        self.position = 0
        """Where a plain write goes, after an open."""

    def returned(self) -> list[Change]:
        """What a sync that begins now covers."""
        under_way = [id(each) for each in self.under_way.values()]
        return [each for each in self.pending if id(each) not in under_way]

    def keep(self, changes: list[Change]) -> None:
        """These are on the disk."""
        covered = {id(each) for each in changes}
        for each in self.pending:
            if id(each) in covered:
                _apply(self.synced, each)
        self.pending = [each for each in self.pending if id(each) not in covered]

    def after_a_cut(self, kept: float, chance: Random) -> bytes:
        content = bytearray(self.synced)
        for offset, data in self.pending:
            if data is None:
                if chance.random() < kept:
                    _apply(content, Change(offset, None))
                continue
            for start in range(0, len(data) or 1, SECTOR):
                if chance.random() < kept:
                    _apply(content, Change(offset + start, data[start : start + SECTOR]))
        return bytes(content)


def _apply(content: bytearray, change: Change) -> None:
    content.extend(bytes(max(0, change.offset - len(content))))
    if change.data is None:
        del content[change.offset :]
    else:
        content[change.offset : change.offset + len(change.data)] = change.data


Naming = dict[str, File | None]
"""Names that from now on stand for that file, or for none: all of them or none of them."""


class Disk:
    """The files of one folder.

    :param folder: as the trace names it
    :param before: a copy of it from before the trace, on the disk for certain
    :param honest: whether a sync makes what was written before it durable
    """

    def __init__(self, folder: Path, before: Path, *, honest: bool = True) -> None:
        self.said: list[bytes] = []
        """What was written to a standard output."""
        self.written: Counter[str] = Counter()
        """How many writes each file had."""
        self._folder = str(folder)
        self._before = before
        self._honest = honest
        self._files: Naming = {}
        self._durable: Naming = {}
        self._pending_names: list[Naming] = []
        self._under_way: dict[str, File] = {}
        self._syncing: dict[str, Callable[[], None]] = {}

    def do(self, call: Call) -> None:
        """Do what the call did. A sync counts when it has returned, for what had returned before it began."""
        if call.function in WRITES:
            if call.begins:
                self._write(call)
            if call.ends and call.process in self._under_way:
                self._under_way.pop(call.process).under_way.pop(call.process)
        elif call.function in SYNCS:
            if call.begins:
                self._begin_sync(call)
            if call.ends:
                self._end_sync(call)
        elif call.begins and " = -1 " not in call.rest:
            self._name(call)

    def _write(self, call: Call) -> None:
        data = b"".join(call.strings)
        if call.function == "write" and call.descriptor == 1:
            self.said.append(data)
        name = self._name_of(call.file)
        if name is None:
            return
        file = self._file(name)
        match call.function:
            case "write":
                change = Change(file.position, data)
                file.position += len(data)
            case "ftruncate":
                change = Change(call.numbers[0], None)
            case "fallocate":
                change = Change(sum(call.numbers[-2:]), b"")
            case _:
                change = Change(call.numbers[-1], data)
        self.written[name] += 1
        file.pending.append(change)
        if not call.ends:
            file.under_way[call.process] = change
            self._under_way[call.process] = file

    def _begin_sync(self, call: Call) -> None:
        name = self._name_of(call.file)
        if name is None:
            return
        if (self._before / name).is_dir():
            changed = [each for each in self._pending_names if any(os.path.dirname(entry) == name for entry in each)]
            self._syncing[call.process] = partial(self._keep_names, changed)
        else:
            file = self._file(name)
            self._syncing[call.process] = partial(file.keep, file.returned())

    def _end_sync(self, call: Call) -> None:
        keep = self._syncing.pop(call.process, None)
        if keep is not None and self._honest:
            keep()

    def _keep_names(self, changed: list[Naming]) -> None:
        for each in changed:
            self._durable.update(each)
        self._pending_names = [each for each in self._pending_names if not any(each is done for done in changed)]

    def _name(self, call: Call) -> None:
        """Names come and go, as far as other processes see, when the call begins."""
        names = [self._name_of(os.fsdecode(each)) for each in call.strings]
        match call.function, names:
            case "open" | "openat", [str(name)]:
                self._open(name, call.rest)
            case "unlink" | "unlinkat", [str(name)] if "AT_REMOVEDIR" not in call.rest:
                self._rename({name: None})
            case "link" | "linkat", [str(old), str(new)]:
                self._rename({new: self._file(old)})
            case "rename" | "renameat" | "renameat2", [str(old), str(new)]:
                self._rename({old: None, new: self._file(old)})

    def _open(self, name: str, flags: str) -> None:
        file = self._known(name)
        if file is None:
            if "O_CREAT" in flags:
                self._rename({name: File()})
            return
        file.position = 0
        if "O_TRUNC" in flags:
            file.pending.append(Change(0, None))

    def _rename(self, naming: Naming) -> None:
        self._files.update(naming)
        self._pending_names.append(naming)

    def _name_of(self, path: str) -> str | None:
        """The path inside the folder; None: it lies outside. PostgreSQL works inside, and names files from there."""
        if path.startswith(("pipe:", "socket:", "anon_inode:")) or not path:
            return None
        path = os.path.normpath(os.path.join(self._folder, path))
        if path == self._folder:
            return ""
        return os.path.relpath(path, self._folder) if path.startswith(self._folder + os.sep) else None

    def _known(self, name: str) -> File | None:
        """The file of that name, if there is one."""
        if name not in self._files and (self._before / name).is_file():
            self._files[name] = self._durable[name] = File((self._before / name).read_bytes())
        return self._files.get(name)

    def _file(self, name: str) -> File:
        found = self._known(name)
        assert found is not None, f"the trace does not say where {name} comes from"
        return found

    def after_a_cut(self, folder: Path, chance: Random) -> None:
        """Write the files there as they may be found when the power is back."""
        subprocess.run(["cp", "-a", self._before, folder], check=True)  # of thousands of files: faster than shutil
        names = dict(self._durable)
        for each in self._pending_names[: chance.randint(0, len(self._pending_names))]:
            names.update(each)
        kept = chance.random()
        for name, file in names.items():
            if file is None:
                (folder / name).unlink(missing_ok=True)
            else:
                (folder / name).write_bytes(file.after_a_cut(kept, chance))
