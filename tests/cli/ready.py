"""Processes that are ready to be `bough`: what takes a command most of its time, importing its libraries, is done once.

Each command is a process of its own, forked from one that has imported what all commands share and nothing else. From
then on it runs and ends as `python -m bough_cli` does. As a program this file is the process that is forked.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

PATIENCE = 60.0  # seconds that a command may take


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: bytes) -> tuple[int, bytes, bytes]:
    """Run `bough` with these words; return its exit code (negative: the signal that ended it), output and errors."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(PATIENCE)
            asked.connect(_address())
            request = {"words": list(words), "folder": os.fspath(folder), "environment": dict(environment)}
            socket.send_fds(asked, [b"."], [given.fileno(), out.fileno(), err.fileno()])
            asked.sendall(json.dumps(request).encode())
            asked.shutdown(socket.SHUT_WR)
            pid, code = _answer(asked)
        assert code is not None, f"bough {words} (process {pid}) has not ended"
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def _answer(asked: socket.socket) -> tuple[int, int | None]:
    """Return the process of a command, and its exit code; None where it had to be killed."""
    said = asked.makefile("r")
    pid = int(said.readline())
    try:
        return pid, int(said.readline())
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        return pid, None


@functools.cache
def _address() -> str:
    """Start the process that commands are forked from, which ends with this one; return its socket."""
    folder = tempfile.TemporaryDirectory(prefix="ready-")
    address = os.path.join(folder.name, "socket")
    started = subprocess.Popen(
        [sys.executable, "-P", __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
    )
    assert started.stdin is not None and started.stdout is not None
    assert started.stdout.readline() == b"ready\n"

    def end() -> None:
        started.communicate()
        folder.cleanup()

    atexit.register(end)
    return address


# The process that commands are forked from.


def serve(address: str) -> None:
    """Run commands until standard input is closed."""
    import selectors

    import bough_cli.connection
    import bough_cli.output  # noqa: F401

    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait for a command
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as events:
        listening.bind(address)
        listening.listen()
        events.register(listening, selectors.EVENT_READ)
        events.register(0, selectors.EVENT_READ)
        os.write(1, b"ready\n")
        while not any(key.fd == 0 for key, _ in events.select()):
            asked, _ = listening.accept()
            with asked:
                if os.fork() == 0:
                    events.close()
                    listening.close()
                    _answer_to(asked)


def _answer_to(asked: socket.socket) -> NoReturn:
    """Run the command that a connection asks for, and say how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, descriptors, _, _ = socket.recv_fds(asked, 1, 3)
    request = json.loads(asked.makefile("rb").read())
    pid = os.fork()
    if pid == 0:
        asked.close()
        _become(request["words"], request["folder"], request["environment"], descriptors)
    asked.sendall(b"%d\n" % pid)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    asked.sendall(b"%d\n" % code)
    os._exit(0)


def _become(words: list[str], folder: str, environment: dict[str, str], descriptors: list[int]) -> NoReturn:
    """Be `python -m bough_cli` with these words."""
    from bough_cli.main import main

    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["bough", *words]
    main()
    sys.exit(0)


if __name__ == "__main__":
    serve(sys.argv[1])
