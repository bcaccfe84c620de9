"""Run git: short-lived children, and long-running ones that answer one question per line.

Every child that the daemon starts on its own runs without the user's hooks, without optional locks, and without any
`GIT_*` variable that Bough did not set, except those that name the user's configuration.
"""

from __future__ import annotations

import math
import os
import re
import select
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import IO

from bough_daemon.errors import BoughError, DiskFull, GitFailed, GitHangs, GitTooOld
from bough_daemon.system import children
from bough_daemon.system.children import PROCESS, ChildPatience, GitChildren
from bough_daemon.system.environment import UserEnvironment, in_plain_words

FLOOR = (2, 39)
WORDS_BYTES = 16 * 1024  # of a child's stderr, kept for its error
LINE_LIMIT = 400  # characters of a reason
PIECE_BYTES = 4096  # of questions that are asked at once: the smallest pipe holds them, so writing them never blocks
QUIET_CONFIG = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
)

# `git rev-parse --local-env-vars`, without the settings of `git -c` and GIT_CONFIG_COUNT, which git itself passes on to
# other repositories. A namespace and the quarantine of a push belong to one repository too.
BINDING = frozenset(
    """
    GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_CONFIG GIT_DIR GIT_GRAFT_FILE GIT_IMPLICIT_WORK_TREE
    GIT_INDEX_FILE GIT_INTERNAL_SUPER_PREFIX GIT_NAMESPACE GIT_NO_REPLACE_OBJECTS GIT_OBJECT_DIRECTORY GIT_PREFIX
    GIT_QUARANTINE_PATH GIT_REPLACE_REF_BASE GIT_SHALLOW_FILE GIT_WORK_TREE
    """.split()
)


def unbound(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables by which a surrounding hook or alias binds git to its repository.

    The user's own settings stay: identity, ssh, askpass.
    """
    return {name: value for name, value in environment.items() if name not in BINDING}


def quiet_environment(extra: Mapping[str, str] | None = None, user: UserEnvironment | None = None) -> dict[str, str]:
    """Return the environment for a background child: the process's own, without any `GIT_*`, plus `extra`.

    `user`: variables of the user's terminal that replace the process's.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = in_plain_words(user.over(own) if user is not None else own)
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
    return environment | dict(extra or {})


def git_version(path: str | None = None) -> tuple[int, int]:
    """Return the version of the git on `path` (default: PATH); raise GitTooOld when it is missing or too old."""
    found_at = shutil.which("git", path=path)
    if found_at is None:
        raise GitTooOld("git is not on the PATH; Bough needs git 2.39 or newer")
    now = os.stat(found_at)
    return _version_said(found_at, now.st_ino, now.st_mtime_ns)


@lru_cache(maxsize=8)
def _version_said(program: str, *_: int) -> tuple[int, int]:
    """Return what a program says of its version: once for each state of its file, as each `bough up` asks.

    One that is too old raises GitTooOld, which is not remembered: it may start another git, which is updated meanwhile.
    """
    words = PROCESS.run("--version", [program, "--version"], b"", os.environ, None)[1].decode(errors="replace")
    found = re.search(r"(\d+)\.(\d+)", words)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < FLOOR:
        raise GitTooOld(f"{words.strip() or 'the git on the PATH'} is too old; Bough needs git 2.39 or newer")
    return version


def quoted(path: str, special: str = "") -> bytes:
    """Return a path in C quotes if Git could misread it: a leading quote, a line end, a `special` character."""
    raw = os.fsencode(path)
    if not raw.startswith(b'"') and not any(letter in path for letter in "\n\r" + special):
        return raw
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


@dataclass(frozen=True)
class GitCommand:
    """Git for one repository: its git directory and working tree, and the environment of its children.

    `environment` is added to the quiet environment of every child. `user`: the user's terminal environment. `children`:
    where the children are registered.
    """

    git_dir: str
    work_tree: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    user: UserEnvironment | None = None
    children: GitChildren = field(default=PROCESS, compare=False, repr=False)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line for `arguments`."""
        where = [f"--git-dir={self.git_dir}"] + ([f"--work-tree={self.work_tree}"] if self.work_tree else [])
        return ["git", *QUIET_CONFIG, *where, *arguments]

    def child_environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment that a child of this repository gets."""
        return quiet_environment(dict(self.environment) | dict(extra or {}), self.user)

    def with_environment(self, **extra: str) -> GitCommand:
        """Return the same repository with more variables for its children."""
        return replace(self, environment=dict(self.environment) | extra)

    def with_work_tree(self, folder: str) -> GitCommand:
        """Return the same repository with another working tree."""
        return replace(self, work_tree=folder)

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        allowed: Sequence[int] = (0,),
        extra: Mapping[str, str] | None = None,
        seconds: float = math.inf,
    ) -> bytes:
        """Run git and return its standard output.

        Raise GitFailed if the exit code is not in `allowed`, GitHangs if it makes no progress or takes longer than
        `seconds`.
        """
        return self.result(*arguments, stdin=stdin, allowed=allowed, extra=extra, seconds=seconds)[1]

    def result(
        self,
        *arguments: str,
        stdin: bytes = b"",
        allowed: Sequence[int] = (0,),
        extra: Mapping[str, str] | None = None,
        seconds: float = math.inf,
    ) -> tuple[int, bytes, str]:
        """Run git and return (exit code, standard output, standard error); raise GitFailed as `run` does."""
        name, folder = _command_in(arguments), self.work_tree or self.git_dir
        command, environment = self.command(*arguments), self.child_environment(extra)
        code, output, errors = self.children.run(name, command, stdin, environment, folder, seconds)
        words = errors.decode(errors="replace").strip()
        if code not in allowed:
            raise failure_of(name, words or f"exit code {code}")
        return code, output, words

    def line(self, *arguments: str, allowed: Sequence[int] = (0,)) -> str:
        """Run git and return its output as one line of text."""
        return os.fsdecode(self.run(*arguments, allowed=allowed)).strip()


def _pieces(questions: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the questions in groups of up to PIECE_BYTES, or of one."""
    piece, size = list[bytes](), 0
    for question in questions:
        if piece and size + len(question) > PIECE_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(question)
        size += len(question)
    if piece:
        yield piece


def failure_of(command: str, words: str) -> BoughError:
    """Return the error for a git command that failed with the message `words`."""
    if "No space left on device" in words or "Disk quota exceeded" in words:
        return DiskFull("the disk is full")
    return GitFailed(f"git {command} failed: {words}", output=words)


def in_one_line(words: str) -> str:
    """Return git's message on one line, without its advice and line prefixes."""
    lines = (line.strip().replace("\t", " ") for line in words.splitlines() if not line.startswith("hint: "))
    plain = (re.sub(r"^(fatal|error|warning): ", "", line) for line in lines)
    return "; ".join(dict.fromkeys(line for line in plain if line))[-LINE_LIMIT:]


def _command_in(arguments: Sequence[str]) -> str:
    """Return git's own command in a command line: the first argument that is not an option or a setting."""
    return next((word for word in arguments if word[:1] != "-" and "=" not in word), arguments[0])


class LineProtocol:
    """A long-running git child that answers questions, one at a time, from any thread.

    It is started at the first question and again after `restart`, so that what it read once (attributes, ignores) is
    read again. A child that died is restarted for the next question. `git_now` is called at each start. The child's
    stderr goes into a file, which cannot fill up as a pipe would, and which holds what was written since the latest
    question.
    """

    def __init__(self, git_now: Callable[[], GitCommand], *arguments: str) -> None:
        self._git_now = git_now
        self._arguments = arguments
        self._name = _command_in(arguments)
        self._children = PROCESS
        self._hung = False  # at the latest question
        self._child: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self, question: bytes, fields: int, terminator: bytes) -> list[bytes]:
        """Write `question` and return the `fields` answers that follow, each ended by `terminator` (one byte)."""
        return self.ask_many([question], fields, terminator)[0]

    def ask_many(self, questions: Iterable[bytes], fields: int, terminator: bytes) -> list[list[bytes]]:
        """Ask each question in turn; return one list of answers per question, in order.

        Raise GitFailed with the child's message if it ends instead of answering, GitHangs if it does neither.
        """
        with self._lock:
            return [self._exchange(question, fields, terminator) for question in questions]

    def ask_each(
        self, questions: Iterable[bytes], fields: int, terminator: bytes, harmless: bytes
    ) -> list[list[bytes] | GitFailed]:
        """Ask each question; one at which git stops twice has the failure as its answer.

        Many are asked at once, in pieces that a pipe holds; where git stops, each of a piece is asked again by itself.
        `harmless`: a question that git always answers. Raise GitFailed if it stops at that too.
        """
        answers: list[list[bytes] | GitFailed] = []
        with self._lock:
            for piece in _pieces(questions):
                answers += self._exchange_all(piece, fields, terminator, harmless)
        return answers

    def _exchange_all(
        self, questions: Sequence[bytes], fields: int, terminator: bytes, harmless: bytes
    ) -> list[list[bytes] | GitFailed]:
        if len(questions) > 1:
            with suppress(GitFailed):
                said = self._exchange(b"".join(questions), fields * len(questions), terminator)
                return [said[at : at + fields] for at in range(0, len(said), fields)]
        return [self._exchange_one(question, fields, terminator, harmless) for question in questions]

    def _exchange_one(
        self, question: bytes, fields: int, terminator: bytes, harmless: bytes
    ) -> list[bytes] | GitFailed:
        try:
            return self._exchange(question, fields, terminator)
        except GitHangs as hang:
            return hang
        except GitFailed:
            self._exchange(harmless, fields, terminator)
            return self._answer_or_failure(question, fields, terminator)

    def _answer_or_failure(self, question: bytes, fields: int, terminator: bytes) -> list[bytes] | GitFailed:
        try:
            return self._exchange(question, fields, terminator)
        except GitFailed as failure:
            return failure

    def suspect(self) -> None:
        """Use a shorter timeout for the next answer, as after a question that hung."""
        with self._lock:
            self._hung = True

    def restart(self) -> None:
        """End the child; the next question starts a new one."""
        with self._lock:
            self._end()

    close = restart

    def _exchange(self, question: bytes, fields: int, terminator: bytes) -> list[bytes]:
        started, child = self._child is None, self._child or self._start()
        assert child.stdin is not None and child.stdout is not None and self._said is not None
        if not started and os.fstat(self._said.fileno()).st_size:  # one that ends at once may have said why
            os.ftruncate(self._said.fileno(), 0)
        try:
            with self._children.waiting(child, self._name):
                child.stdin.write(question)
                child.stdin.flush()
                patience = ChildPatience(child.pid, time.monotonic(), children.AGAIN_SECONDS if self._hung else None)
                answer = [self._field(child, terminator, patience) for _ in range(fields)]
            self._hung = False
            return answer
        except GitHangs:
            self._hung = True
            self._end()
            raise
        except (OSError, EOFError, ValueError) as failure:
            words = self._end()
            self._children.check()
            raise GitFailed(f"git {self._name} stopped: {words or failure}", output=words) from failure

    def _field(self, child: subprocess.Popen[bytes], terminator: bytes, patience: ChildPatience) -> bytes:
        assert child.stdout is not None
        while True:
            end = self._buffer.find(terminator)
            if end >= 0:
                answer = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return answer
            while not self._ready.poll(children.LOOK_SECONDS * 1000):
                children.check_alive(child, self._name, patience)
            more = os.read(child.stdout.fileno(), 65536)
            if not more:
                raise EOFError("end of output")
            self._buffer += more

    def _start(self) -> subprocess.Popen[bytes]:
        git = self._git_now()
        self._children = git.children
        self._children.check()
        self._buffer = bytearray()
        self._said = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115  (appending: see `_exchange`)
        try:
            self._child = git.children.start(
                git.command(*self._arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env=git.child_environment(),
                cwd=git.work_tree or git.git_dir,
                bufsize=0,
            )
        except BaseException:
            self._said.close()
            raise
        assert self._child.stdout is not None
        self._ready = select.poll()
        self._ready.register(self._child.stdout.fileno(), select.POLLIN)
        return self._child

    def _end(self) -> str:
        """End the child and return its last message, or its exit code if it has none."""
        child, self._child = self._child, None
        if child is None:
            return ""
        assert child.stdin is not None and child.stdout is not None and self._said is not None
        code = self._over(child)
        with self._said as said:
            words = os.pread(said.fileno(), WORDS_BYTES, max(0, os.fstat(said.fileno()).st_size - WORDS_BYTES))
        return words.decode(errors="replace").strip() or (f"exit code {code}" if code else "")

    def _over(self, child: subprocess.Popen[bytes]) -> int | None:
        """Let a child end by itself unless it hung; return its exit code, None if it cannot be killed."""
        children.close(child.stdin)
        children.close(child.stdout)
        try:
            if self._hung:
                children.kill(child)
            return child.wait(children.END_SECONDS)
        except subprocess.TimeoutExpired:
            children.kill(child)
            with suppress(subprocess.TimeoutExpired):
                child.wait(children.END_SECONDS)
            return child.returncode
        finally:
            self._children.let_go(child)
