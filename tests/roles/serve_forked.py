"""``lamplighter serve`` again and again, imported once: each line of standard input names a data folder and starts one.

It prints the process ID of each, and its exit code when it has ended. A start is then the program's own work and not
Python's, which a test that starts it fifty times is not about.
"""

from __future__ import annotations

import os
import sys

import uvicorn.protocols.http.httptools_impl
import uvicorn.protocols.websockets.websockets_sansio_impl  # noqa: F401

import lamplighter.cli
import lamplighter.roles.log
import lamplighter.roles.process  # noqa: F401


def main() -> None:
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            sys.argv = ["lamplighter", "serve", "--data", line.strip()]
            lamplighter.cli.main()
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
