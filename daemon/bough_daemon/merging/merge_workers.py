"""Merge in separate processes, so that a hostile or huge file blocks nothing and can be stopped.

A worker is a fresh process (never forked) that holds no socket, lock or key. It reads the sides of a merge from its
standard input, answers on its standard output, and ends when that input closes, however the daemon ended.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bough_daemon.errors import BadRepositorySettings, DaemonFailed, Stopping
from bough_daemon.git.repository_settings import NAME as SETTINGS
from bough_daemon.merging.merge_input import MergeInput, both_changed
from bough_daemon.merging.worker_wire import READY, BadAnswer, Decided, Job, read_answer, write_job

TIME_LIMIT = 10.0  # seconds for one file; the engine's own limits count work and are reached much earlier
FILE_TIME = 0.1  # seconds that each additional file of a merge may add
START_LIMIT = 60.0  # seconds to load the engine, on a machine that is very busy
KEPT_BACK = ("GIT_", "SSH_", "GPG_")  # prefixes of variables that a worker does not get
LAST_WORDS_BYTES = 4096  # of the output of a worker that did not start


class MergeWorkers:
    """A few workers, started at the first merge, until `close`. Any thread may call."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or min(4, os.cpu_count() or 1)
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(self._count):
            self._idle.put(None)
        self._lock = threading.Lock()
        self._running: set[_Worker] = set()
        self._closed = False

    def warm(self) -> None:
        """Load the engine in a worker, unless one is idle; raise DaemonFailed if it cannot be loaded.

        A merge that starts meanwhile uses that worker.
        """
        worker = self._idle.get()
        try:
            worker = worker or self._started()
        finally:
            self._idle.put(worker)
        worker.until_ready()

    def merge(self, sides: MergeInput) -> Mapping[str, Decided]:
        """Merge what both sides changed, and check each side's changes against the other's.

        If that takes too long, each file that both changed is merged separately; one for which a worker had to be
        killed is a conflict as a whole. Raise DaemonFailed if no worker can load the engine.
        """
        job = Job(sides.base, sides.ours, sides.theirs, sides.settings)
        answer = self._ask(job, TIME_LIMIT + FILE_TIME * len(sides.entries))
        if answer is not None:
            return answer
        decided: dict[str, Decided] = {}
        for path in (path for path, three in sides.entries.items() if both_changed(three)):
            one = [{path: side[path]} if path in side else {} for side in (sides.base, sides.ours, sides.theirs)]
            alone = self._ask(Job(one[0], one[1], one[2], sides.settings), TIME_LIMIT)
            decided |= alone if alone is not None else {path: whole_conflict(sides, path)}
        return decided

    def _ask(self, job: Job, limit: float) -> dict[str, Decided] | None:
        worker, answer = self._idle.get(), None
        try:
            if worker is not None and worker.failure:
                self._end(worker)
                worker = None
            worker = worker or self._started()
            answer = worker.ask(job, limit)
        finally:
            if worker is not None and answer is None:
                self._end(worker)
            self._idle.put(worker if answer is not None else None)
        if isinstance(answer, str):
            raise BadRepositorySettings(f"{SETTINGS}: {answer}")
        return answer

    def _started(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise Stopping("the daemon is ending")
            worker = _Worker()
            self._running.add(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        with self._lock:
            self._running.discard(worker)
        worker.close()

    def close(self) -> None:
        """End the workers; a running merge fails, and none starts."""
        with self._lock:
            self._closed = True
            for worker in self._running:
                worker.kill()
        for _ in range(self._count):  # each returns from its running merge
            idle = self._idle.get()
            if idle is not None:
                self._end(idle)
        for _ in range(self._count):
            self._idle.put(None)


class _Worker:
    def __init__(self) -> None:
        self._ready = threading.Lock()
        self._is_ready = False
        self.failure = ""  # why it will never be ready
        # Until the worker is ready: it has read nothing hostile by then.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `until_ready`, or `close`
        passed_on = {name: value for name, value in os.environ.items() if not name.startswith(KEPT_BACK)}
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "bough_daemon.merging.merge_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=passed_on,
                bufsize=0,
            )
        except BaseException:
            self._errors.close()
            raise

    def until_ready(self) -> None:
        """Wait until the engine is loaded; raise DaemonFailed if the worker ended instead, or takes START_LIMIT."""
        with self._ready:
            if self._is_ready:
                return
            if self.failure:
                raise DaemonFailed(self.failure)
            assert self._child.stdout is not None
            with _killed_after(START_LIMIT, self._child):
                said = self._child.stdout.read(len(READY))
            if said != READY:
                self.failure = f"the merge engine did not start: {self._last_words()}"
                raise DaemonFailed(self.failure)
            self._is_ready = True
            self._errors.close()

    def _last_words(self) -> str:
        end = os.fstat(self._errors.fileno()).st_size
        lines = os.pread(self._errors.fileno(), LAST_WORDS_BYTES, max(0, end - LAST_WORDS_BYTES)).splitlines()
        if lines:
            return lines[-1].decode(errors="replace")
        return f"its process ended with code {self._child.wait()}"

    def ask(self, job: Job, limit: float) -> dict[str, Decided] | str | None:
        """Return the worker's answer, or None if it died or was killed after `limit` seconds."""
        self.until_ready()
        assert self._child.stdin is not None and self._child.stdout is not None
        try:
            with _killed_after(limit, self._child):
                write_job(self._child.stdin, job)
                return read_answer(self._child.stdout)
        except (OSError, BadAnswer):
            return None

    def kill(self) -> None:
        """Kill the process; anyone waiting for its answer gets none."""
        self._child.kill()

    def close(self) -> None:
        """End the process and release its resources. Only while nobody asks it."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.kill()
        self._child.wait()
        with self._ready:
            self.failure = self.failure or "the merge engine was ended before it had started"
            self._child.stdin.close()
            self._child.stdout.close()
            self._errors.close()


@contextmanager
def _killed_after(limit: float, child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Kill a child if the block takes longer than `limit` seconds."""
    timer = threading.Timer(limit, child.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def whole_conflict(sides: MergeInput, path: str) -> Decided:
    """Return a conflict about a whole file, the sides unchanged."""
    base, ours, theirs = (_ended(side.get(path, b"")) for side in (sides.base, sides.ours, sides.theirs))
    parts = [b"<<<<<<< ours\n", ours, b"||||||| base\n", base, b"=======\n", theirs, b">>>>>>> theirs\n"]
    return Decided(b"".join(parts), ("merging this file took too long",), "stopped")


def _ended(side: bytes) -> bytes:
    return side if not side or side.endswith(b"\n") else side + b"\n"
