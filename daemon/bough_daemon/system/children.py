"""The daemon's git children: each in its own process group, killed with everything it started when it hangs.

A named pipe in the place of a file, or a filter of the user's, can block git forever, and with it everything that waits
for git. A child's running time says nothing: `git add` of a large tree takes minutes. What counts is whether it makes
any progress.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import subprocess
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from bough_daemon.errors import GitHangs, GitTooSlow, Stopping
from bough_daemon.system.at_work import seconds_since
from bough_daemon.system.descriptors import is_readable
from bough_daemon.system.text import shown

# Filters that ask a server (git-crypt with a vault, Git LFS behind a slow proxy) pause for seconds, not longer.
IDLE_SECONDS = 60.0  # in which neither git nor anything that it runs computes, reads or writes
BUSY_SECONDS = 600.0  # in which only its children do: a filter that polls or loops forever is not idle
AGAIN_SECONDS = 5.0  # instead of IDLE_SECONDS for one that hung last time
LOOK_SECONDS = 1.0  # between checks of a child's progress
END_SECONDS = 2.0  # for a killed child to end
# A busy machine or a slow disk is not the child's fault: its time is over once it has computed for this share of it, or
# has taken so many times as long.
COMPUTED, SLOWED = 0.5, 10.0
PIECE_BYTES = 64 << 10  # read from or written to a pipe at a time
PROCESSES = "/proc"

Usage = dict[int, tuple[int, int]]  # the use of each process: processor time and page faults; bytes


class ChildPatience:
    """Decide when a child hangs. `idle`: seconds without any progress; `longest`: seconds that it may take."""

    def __init__(self, leader: int, now: float, idle: float | None = None, longest: float = math.inf) -> None:
        self._leader = leader
        self._longest = longest
        self._end, self._latest = now + longest, now + SLOWED * longest
        self._idle = IDLE_SECONDS if idle is None else idle
        self._seen: Usage = {}
        self._moved = self._own = now

    def look(self, used: Usage, now: float) -> float | None:
        """Return for how many seconds the child has hung, or None while it does not; `used`: by its group so far."""
        if used.get(self._leader) != self._seen.get(self._leader):
            self._own = now
        if used != self._seen:
            self._moved = now
        self._seen = used
        if used and now - self._moved >= self._idle:
            return now - self._moved
        return now - self._own if now - self._own >= BUSY_SECONDS else None

    def is_over(self, now: float) -> bool:
        """Return whether the child has taken longer than it may, whatever happens in it."""
        if now < self._end:
            return False
        return now >= self._latest or computed_by(self._leader) >= COMPUTED * self._longest

    def wait(self, now: float) -> float:
        """Return how long to wait before the next look."""
        return min(LOOK_SECONDS, max(0.0, (self._end if now < self._end else self._latest) - now))


@dataclass(frozen=True)
class Waited:
    """A child that is waited for: its process, git's command, and since when (seconds since the epoch)."""

    process: int
    command: str
    since: float

    def running(self) -> str:
        """Return the command line that the child itself runs and waits for; empty: none."""
        return _running_in(self.process)

    def in_words(self) -> str:
        """Return what is being waited for, and for how long, for messages."""
        running = self.running()
        inner = f", which runs `{running}`" if running else ""
        return f"`git {self.command}` (process {self.process}{inner}), for {seconds_since(self.since)} s now"


_every: weakref.WeakSet[GitChildren] = weakref.WeakSet()


class GitChildren:
    """The children of one working tree, or of the whole process. May be used from any thread."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._waited: dict[int, Waited] = {}
        self._ended = False
        _every.add(self)

    def start(self, command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        """Start a child in its own process group; raise Stopping after `end`.

        Not in a session: each of those gets its own share of a busy machine (autogroup), which a short child waits for.
        """
        self.check()
        child = subprocess.Popen(command, process_group=0, **how)
        self._running.add(child)
        if self._ended:  # at this very moment
            kill(child)
        return child

    def check(self) -> None:
        """Raise Stopping after `end`."""
        if self._ended:
            raise Stopping("recording is being stopped here")

    def let_go(self, child: subprocess.Popen[bytes]) -> None:
        """Forget a child that has ended."""
        self._running.discard(child)

    def end(self) -> None:
        """Kill every child with everything it started; from now on none is started."""
        self._ended = True
        for child in self._running.copy():
            kill(child)

    def waited(self) -> Waited | None:
        """Return the child that has been waited for longest."""
        return min(self._waited.copy().values(), key=lambda one: one.since, default=None)

    @contextmanager
    def waiting(self, child: subprocess.Popen[bytes], command: str) -> Iterator[None]:
        """Record, in this block, that `child` is waited for."""
        self._waited[child.pid] = Waited(child.pid, command, time.time())
        try:
            yield
        finally:
            del self._waited[child.pid]

    def run(
        self,
        name: str,
        command: Sequence[str],
        stdin: bytes,
        environment: Mapping[str, str],
        folder: str | None,
        seconds: float = math.inf,
    ) -> tuple[int, bytes, bytes]:
        """Run a child to completion and return (exit code, standard output, standard error); raise GitHangs.

        `name`: git's own command, for messages. `seconds`: how long it may take.
        """
        pipe = subprocess.PIPE
        child = self.start(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=folder)
        try:
            with self.waiting(child, name):
                out, err = _communicate(child, name, stdin, seconds)
        except BaseException:
            kill(child)
            _collect(child)
            raise
        finally:
            self.let_go(child)
        self.check()
        return child.returncode, out, err


PROCESS = GitChildren()


def end_every_child() -> None:
    """Kill every child of this process with everything it started, and prevent new ones."""
    for children in list(_every):
        children.end()


def _communicate(child: subprocess.Popen[bytes], name: str, stdin: bytes, seconds: float) -> tuple[bytes, bytes]:
    """Give a child its input and return (standard output, standard error) when it has ended; raise GitHangs.

    Like `Popen.communicate`, which with a timeout polls whether a child has ended, a millisecond late.
    """
    patience = ChildPatience(child.pid, time.monotonic(), longest=seconds)
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    found: dict[IO[bytes], list[bytes]] = {child.stdout: [], child.stderr: []}
    left = memoryview(stdin)
    with selectors.PollSelector() as open_ends:
        for output in found:
            open_ends.register(output, selectors.EVENT_READ, output)
        if left:
            os.set_blocking(child.stdin.fileno(), False)
            open_ends.register(child.stdin, selectors.EVENT_WRITE, child.stdin)
        else:
            close(child.stdin)
        while open_ends.get_map():
            ready = open_ends.select(patience.wait(time.monotonic()))
            if not ready or patience.is_over(time.monotonic()):
                check_alive(child, name, patience)
            for key, _ in ready:
                pipe: IO[bytes] = key.data
                if pipe is child.stdin:
                    left = _written(pipe, left)
                    ended = not left
                else:
                    piece = os.read(key.fd, PIECE_BYTES)
                    found[pipe].append(piece)
                    ended = not piece
                if ended:
                    open_ends.unregister(pipe)
                    close(pipe)
    _wait(child, name, patience)
    return b"".join(found[child.stdout]), b"".join(found[child.stderr])


def _written(pipe: IO[bytes], data: memoryview) -> memoryview:
    """Write as much as a pipe takes and return the rest: nothing if nobody reads it any longer."""
    try:
        return data[os.write(pipe.fileno(), data[:PIECE_BYTES]) :]
    except BlockingIOError:
        return data
    except BrokenPipeError:
        return data[:0]


def _wait(child: subprocess.Popen[bytes], name: str, patience: ChildPatience) -> None:
    """Wait until a child that has closed its output has ended; raise GitHangs."""
    if child.poll() is not None:
        return
    with _told_of_its_end(child.pid) as told:
        while child.returncode is None:
            if told is None:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(patience.wait(time.monotonic()))
            elif is_readable(told, patience.wait(time.monotonic())):
                child.wait()
            if child.returncode is None:
                check_alive(child, name, patience)


@contextmanager
def _told_of_its_end(process: int) -> Iterator[int | None]:
    """Yield a descriptor that becomes readable when a child ends; None if the system has none."""
    try:
        told = os.pidfd_open(process)
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield told
    finally:
        os.close(told)


def check_alive(child: subprocess.Popen[bytes], name: str, patience: ChildPatience) -> None:
    """Raise GitHangs if a child hangs or takes longer than it may."""
    if patience.is_over(time.monotonic()):
        raise GitTooSlow(f"git {name} took too long and was ended", output="", running="")
    seconds = patience.look(usage_of(child.pid), time.monotonic())
    if seconds is None:
        return
    running = _running_in(child.pid)
    what = f"while it ran `{running}`" if running else "and was killed"
    raise GitHangs(f"git {name} did nothing for {round(seconds)} s {what}", output="", running=running)


def kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that was not waited for yet, and everything in its process group."""
    if child.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)


def _collect(child: subprocess.Popen[bytes]) -> None:
    """Wait a moment for a killed child, and close its pipes: someone else may hold their other ends."""
    with suppress(subprocess.TimeoutExpired):
        child.wait(END_SECONDS)
    for pipe in (child.stdin, child.stdout, child.stderr):
        close(pipe)


def close(pipe: IO[bytes] | None) -> None:
    """Close a pipe, discarding what is left in it."""
    if pipe is not None:
        with suppress(OSError):
            pipe.close()


def usage_of(group: int) -> Usage:
    """Return the use of a group's processes; nothing if the system does not say."""
    found: Usage = {}
    for process, fields in _processes(group):
        computed = sum(int(fields[number]) for number in (9, 11, 13, 14))  # majflt, utime, stime, cutime
        found[process] = (computed, _bytes_moved(process))
    return found


def computed_by(process: int) -> float:
    """Return for how many seconds a process has computed; infinity if the system does not say."""
    with suppress(OSError, IndexError), open(f"{PROCESSES}/{process}/stat", "rb") as source:
        fields = source.read().rpartition(b") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime
    return math.inf


def _processes(group: int) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (process, its `stat` after the name) for each process of a group (proc(5))."""
    try:
        names = os.listdir(PROCESSES)
    except OSError:
        return
    for name in names:
        if not name.isdecimal():
            continue
        with suppress(OSError, IndexError), open(f"{PROCESSES}/{name}/stat", "rb") as source:
            fields = source.read().rpartition(b") ")[2].split()
            if int(fields[2]) == group and fields[0] != b"Z":
                yield int(name), fields


def _bytes_moved(process: int) -> int:
    with suppress(OSError, IndexError, ValueError), open(f"{PROCESSES}/{process}/io", "rb") as source:
        return sum(int(line.split()[1]) for line in source.readlines()[:2])  # rchar and wchar
    return 0


def _running_in(group: int) -> str:
    """Return the command line of the child's newest process; empty if it has none."""
    inner = max((process for process, _ in _processes(group) if process != group), default=None)
    if inner is None:
        return ""
    with suppress(OSError), open(f"{PROCESSES}/{inner}/cmdline", "rb") as source:
        words = source.read().rstrip(b"\0").split(b"\0")
        return shown([os.fsdecode(word) for word in words])
    return ""
