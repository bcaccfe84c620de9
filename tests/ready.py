"""Processes that are ready to run: what takes a short one most of its time, importing its libraries, is done once.

Each is a process of its own, forked from one that has imported what all of its kind share and nothing else. From then
on it runs and ends as `python -m PROGRAM` does; so do the daemons that a command starts, and the merge workers that a
daemon starts. As a program this file is the process that is forked.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NoReturn

PATIENCE = 60.0  # seconds that a command may take
BOUGH, DAEMON, WORKER = "bough_cli.main", "bough_daemon.__main__", "bough_daemon.merging.merge_process"
DAEMONS, WORKERS = "READY_DAEMONS", "READY_WORKERS"  # the variables that say where these are forked
NAMESPACE = "READY_NAMESPACE"  # the variable that names the network namespace of a process and of its children
CLONE_NEWNET = 0x40000000
# What is imported besides the program: what nearly all of its kind import as they begin.
IMPORTED = {
    BOUGH: ["bough_cli.connection", "bough_cli.outcomes", "bough_cli.acting", "bough_cli.habits", "grpc._channel"],
    DAEMON: ["ifaddr", "email.parser", "encodings.idna", "cryptography.hazmat.backends.openssl"],
}
LARGE = {"key", "export"}  # commands that import what no other needs
ROOT = Path(__file__).parents[1]


def run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: bytes = b"", program: str = BOUGH
) -> tuple[int, bytes, bytes]:
    """Run a program with these words; return its exit code (negative: the signal that ended it), output and errors."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(PATIENCE)
            asked.connect(_address(program))
            more = {DAEMONS: _address(DAEMON), WORKERS: _address(WORKER)} if program == BOUGH else {}
            _ask(asked, words, folder, {**environment, **more}, [given.fileno(), out.fileno(), err.fileno()])
            pid, code = _answer(asked)
        assert code is not None, f"{program} {words} (process {pid}) has not ended"
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def _ask(
    asked: socket.socket,
    words: Sequence[str],
    folder: str | Path,
    environment: Mapping[str, str],
    descriptors: Sequence[int],
) -> None:
    """Ask for a process with these words, whose lowest descriptors are these."""
    request = {"words": list(words), "folder": os.fspath(folder), "environment": dict(environment)}
    socket.send_fds(asked, [b"."], descriptors)
    asked.sendall(json.dumps(request).encode())
    asked.shutdown(socket.SHUT_WR)


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
def _address(program: str) -> str:
    """Start the process that a program is forked from, which ends with this one; return its socket."""
    folder = tempfile.TemporaryDirectory(prefix="ready-")
    address = os.path.join(folder.name, "socket")
    started = subprocess.Popen(
        [sys.executable, "-P", __file__, address, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
    )
    assert started.stdin is not None and started.stdout is not None
    assert started.stdout.readline() == b"ready\n"

    def end() -> None:
        started.communicate()
        folder.cleanup()

    atexit.register(end)
    return address


# The process that is forked.


def serve(address: str, program: str) -> None:
    """Run a program as often as it is asked for, until standard input is closed."""
    import selectors

    if program.startswith("tests."):
        sys.path.insert(0, str(ROOT))
    for module in [program, *IMPORTED.get(program, [])]:
        importlib.import_module(module)
    if program in PREPARED:
        PREPARED[program]()
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"
    gc.freeze()  # what is collected in a fork would be copied for it
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as events:
        listening.bind(address)
        listening.listen()
        events.register(listening, selectors.EVENT_READ)
        events.register(0, selectors.EVENT_READ)
        os.write(1, b"ready\n")
        while 0 not in (happened := [key.fd for key, _ in events.select()]):
            for fd in happened:
                if fd != listening.fileno():
                    _tell_end(events.unregister(fd).data, fd)
                    continue
                asked, _ = listening.accept()
                pid = _fork(asked, program, [listening, events])
                asked.sendall(b"%d\n" % pid)
                events.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, asked))


def _build_commands() -> None:
    """Build the command line of each command, for which a short one needs a third of its own time."""
    import typer
    from bough_cli import main

    main.application = functools.cache(main.application)
    typer.main.get_command = functools.cache(typer.main.get_command)
    for command in (set(main.COMMANDS) | set(main.GROUPS)) - LARGE:
        typer.main.get_command(main.application(command))


def _prepare_daemon() -> None:
    """Do once what takes each daemon milliseconds: ask Git's version, read its own, load OpenSSL's algorithms."""
    from bough_daemon.git.command import git_version
    from bough_daemon.sync.messages import own_release
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    git_version()
    own_release()
    Ed25519PrivateKey.generate().sign(b"")


PREPARED = {BOUGH: _build_commands, DAEMON: _prepare_daemon}


def _fork(asked: socket.socket, program: str, ours: Sequence[Any]) -> int:
    """Fork what a connection asks for, without what is only `ours`; return its process."""
    _, descriptors, _, _ = socket.recv_fds(asked, 1, 4)
    request = json.loads(asked.makefile("rb").read())
    pid = os.fork()
    if pid == 0:
        _, events = ours
        for key in events.get_map().values():
            if key.data is not None:
                os.close(key.fd)
                key.data[1].close()
        for one in (asked, *ours):
            one.close()
        _become(program, request["words"], request["folder"], request["environment"], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)  # whoever reads one of them waits for its last holder
    return pid


def _tell_end(of: tuple[int, socket.socket], pidfd: int) -> None:
    """Say how a process has ended."""
    pid, asked = of
    os.close(pidfd)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with asked, suppress(OSError):  # nobody waits for a daemon
        asked.sendall(b"%d\n" % code)


def _become(
    program: str, words: list[str], folder: str, environment: dict[str, str], descriptors: list[int]
) -> NoReturn:
    """Be a program with these words."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    daemons, workers = environment.pop(DAEMONS, ""), environment.pop(WORKERS, "")
    os.environ.clear()
    os.environ.update(environment)
    if NAMESPACE in environment:
        enter(environment[NAMESPACE])
    sys.argv = ["bough" if program == BOUGH else program, *words]
    if program == BOUGH:
        from bough_daemon.api import launch

        launch.subprocess = _Daemons({DAEMONS: daemons, WORKERS: workers})  # type: ignore[attr-defined, assignment]
    if program == DAEMON:
        from bough_daemon.merging import merge_workers

        os.setsid()
        merge_workers.subprocess = _Workers(workers)  # type: ignore[attr-defined, assignment]
    if "pygit2" in sys.modules:
        _find_configuration()
    try:
        sys.exit(importlib.import_module(program).main())
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        _end(ended.code or 0)


def _end(code: int) -> NoReturn:
    """End as the interpreter does, without taking apart what was imported, all of which would be copied for that."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = 120
    os._exit(code)


def enter(namespace: str) -> None:
    """Move this thread into a network namespace (`os.setns` is there from Python 3.12 on)."""
    import ctypes

    with open(namespace, "rb") as opened:
        if ctypes.CDLL(None, use_errno=True).setns(opened.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns", namespace)


def _find_configuration() -> None:
    """Have libgit2 look for Git's configuration where this process has it: it was loaded with another home."""
    from pygit2 import settings
    from pygit2.enums import ConfigLevel

    home = os.environ["HOME"]
    settings.search_path[ConfigLevel.GLOBAL] = home
    settings.search_path[ConfigLevel.XDG] = os.path.join(os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config", "git")


class _Daemons:
    """In the place of `subprocess` for a command that starts a daemon: it is forked, too."""

    DEVNULL = subprocess.DEVNULL
    Popen = subprocess.Popen

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self.Popen = self._fork  # type: ignore[assignment]

    def _fork(self, command: Sequence[str], *, stdout: IO[bytes], env: Mapping[str, str], cwd: str, **_: object) -> Any:
        ready = int(command[command.index("--ready-fd") + 1])
        with open(os.devnull, "rb") as nothing:
            descriptors = [nothing.fileno(), stdout.fileno(), stdout.fileno(), ready]
            words, addresses = ["--ready-fd", "3"], self._addresses
            return _Forked(addresses[DAEMONS], words, cwd, {**env, WORKERS: addresses[WORKERS]}, descriptors)


class _Workers:
    """In the place of `subprocess` for a daemon that starts merge workers: they are forked, too."""

    PIPE = subprocess.PIPE
    Popen = subprocess.Popen

    def __init__(self, address: str) -> None:
        self._address = address
        self.Popen = self._fork  # type: ignore[assignment]

    def _fork(self, _: Sequence[str], *, stderr: IO[bytes], env: Mapping[str, str], **__: object) -> Any:
        given, stdin = os.pipe()
        stdout, said = os.pipe()
        forked = _Forked(self._address, [], "/", env, [given, said, stderr.fileno()])
        os.close(given)
        os.close(said)
        forked.stdin, forked.stdout = open(stdin, "wb", 0), open(stdout, "rb", 0)  # noqa: SIM115
        return forked


class _Forked:
    """A process that was forked, as far as the one that starts it needs to know it."""

    stdin: Any = None
    stdout: Any = None

    def __init__(
        self, address: str, words: Sequence[str], folder: str, environment: Mapping[str, str], descriptors: list[int]
    ) -> None:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(address)
            _ask(asked, words, folder, environment, descriptors)
            self._said = asked.makefile("r")
        self.pid = int(self._said.readline())
        self.returncode: int | None = None

    def kill(self) -> None:
        """Kill it, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Return its exit code, once it has ended."""
        if self.returncode is None:
            self.returncode = int(self._said.readline())
        return self.returncode


if __name__ == "__main__":
    serve(*sys.argv[1:])
