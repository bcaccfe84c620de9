"""Merge in processes of their own, so that a hostile or huge file holds up nothing and can be stopped.

A worker is a fresh process (never forked) that holds no socket, lock or key. It gets the sides of a merge on its
standard input, answers on its standard output, and ends when that input closes, however the daemon ended.
"""

from __future__ import annotations

import os
import queue
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping

from bough_daemon.budgets import WORKER_MEMORY_BYTES
from bough_daemon.errors import BadRepositorySettings
from bough_daemon.git.repository_settings import NAME as SETTINGS
from bough_daemon.merging.merge_input import Decided, MergeInput, both_changed
from bough_daemon.merging.worker_wire import BadAnswer, Job, read_answer, read_job, write_answer, write_job

TIME_LIMIT = 10.0  # seconds for one file; the engine's own limits count work and are reached long before
FILE_TIME = 0.1  # seconds that each further file of a merge may add
LABELS = ("ours", "base", "theirs")


class MergeWorkers:
    """A handful of workers, started at the first merge. `merge` may be called from several threads."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or min(4, os.cpu_count() or 1)
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(self._count):
            self._idle.put(None)

    def warm(self) -> None:
        """Start a worker where none is idle, so that it has loaded the engine by the time that there is a merge."""
        worker = self._idle.get()
        self._idle.put(worker or _Worker())

    def merge(self, sides: MergeInput) -> Mapping[str, Decided]:
        """Merge what both sides changed, and hold each side's changes against the other's.

        When that takes too long, each file that both changed is merged by itself; one for which a worker had to be
        killed is a conflict as a whole.
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
        worker = self._idle.get() or _Worker()
        answer = worker.ask(job, limit)
        self._idle.put(worker if answer is not None else None)
        if isinstance(answer, str):
            raise BadRepositorySettings(f"{SETTINGS}: {answer}")
        return answer

    def close(self) -> None:
        """End the workers."""
        for _ in range(self._count):
            worker = self._idle.get()
            if worker is not None:
                worker.close()
            self._idle.put(None)


class _Worker:
    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "bough_daemon.merging.merge_workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SSH_", "GPG_"))},
            bufsize=0,
        )

    def ask(self, job: Job, limit: float) -> dict[str, Decided] | str | None:
        """Return the worker's answer, or None when it died or had to be killed after `limit` seconds."""
        assert self._child.stdin is not None and self._child.stdout is not None
        timer = threading.Timer(limit, self._child.kill)
        timer.start()
        try:
            write_job(self._child.stdin, job)
            return read_answer(self._child.stdout)
        except (OSError, BadAnswer):
            self.close()
            return None
        finally:
            timer.cancel()
            timer.join()

    def close(self) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()
        self._child.kill()
        self._child.wait()
        self._child.stdout.close()


def whole_conflict(sides: MergeInput, path: str) -> Decided:
    """Return a conflict about a whole file, the sides as they are."""
    base, ours, theirs = (_ended(side.get(path, b"")) for side in (sides.base, sides.ours, sides.theirs))
    parts = [b"<<<<<<< ours\n", ours, b"||||||| base\n", base, b"=======\n", theirs, b">>>>>>> theirs\n"]
    return Decided(b"".join(parts), ("merging this file took too long",), "stopped")


def _ended(side: bytes) -> bytes:
    return side if not side or side.endswith(b"\n") else side + b"\n"


def main() -> None:
    """Answer jobs until the input ends."""
    from bough_merge import merge_tree  # noqa: F401  # loaded while the daemon is still gathering the job

    if sys.platform == "linux":
        # Elsewhere the time limit bounds what a worker allocates.
        resource.setrlimit(resource.RLIMIT_DATA, (WORKER_MEMORY_BYTES, WORKER_MEMORY_BYTES))
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    while True:
        try:
            job = read_job(source)
        except BadAnswer:
            return
        write_answer(answers, _merged(job))


def _merged(job: Job) -> dict[str, Decided] | str:
    """Return what the engine decided, or what is wrong with the settings."""
    from bough_merge import MergeSettings, SettingsError, merge_tree  # only a worker needs the engine

    try:
        settings = MergeSettings.parsed(job.settings)
    except SettingsError as wrong:
        return str(wrong)
    files = merge_tree(job.base, job.ours, job.theirs, labels=LABELS, settings=settings).files
    return {path: Decided(one.content, one.conflicts, str(one.method), one.findings) for path, one in files.items()}


if __name__ == "__main__":
    main()
