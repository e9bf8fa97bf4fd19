"""Processes that a soak starts and leads: a line of JSON to each is a question, a line of JSON back its answer."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

Answer = dict[str, Any]


class ChildFailed(RuntimeError):
    """A process ended instead of answering."""


class Child:
    """A Python module that calls ``answer_questions``."""

    def __init__(self, *arguments: str, errors: Path) -> None:
        """``errors``: where its standard error goes."""
        self._errors = errors
        with errors.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,  # Ctrl-C is for the one who leads, and a session has its own share of the cores
            )

    def send(self, do: str, **more: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        self._process.stdin.flush()

    def receive(self) -> Answer:
        """The answer to the oldest open question. Raises ChildFailed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildFailed(f"a child ended with {self._process.wait()}: {self._errors.read_text()[-2000:]}")
        return dict(json.loads(line))

    def ask(self, do: str, **more: Any) -> Answer:
        self.send(do, **more)
        return self.receive()

    def end(self) -> None:
        """At once: what it simulates is gone without a word."""
        self._process.kill()
        self._process.communicate()


def ask_all(children: Sequence[Child], do: str, **more: Any) -> list[Answer]:
    """The same to all, at the same time."""
    for child in children:
        child.send(do, **more)
    return [child.receive() for child in children]


async def answer_questions(handle: Callable[[str, Answer], Awaitable[Answer]]) -> None:
    """The child's side: answer line by line, until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        question = json.loads(line)
        answer = await handle(question.pop("do"), question)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
