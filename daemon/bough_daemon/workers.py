"""Merge in processes of their own, so that a hostile or huge file holds up nothing and can be stopped.

A worker is a fresh process (never forked) that holds no socket, lock or key. It gets a file's three sides on its
standard input, answers on its standard output, and ends when that input closes, however the daemon ended.
"""

from __future__ import annotations

import os
import pickle
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import IO, Any

TIME_LIMIT = 10.0  # seconds for one file; the engine's own limits count work and are reached long before
Answer = tuple[bytes, Sequence[Any], str, Sequence[Any]]
Job = tuple[bytes | None, bytes, bytes, str]
LABELS = ("ours", "base", "theirs")


class MergeWorkers:
    """A handful of workers, started at the first merge. `merge` may be called from several threads."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or min(4, os.cpu_count() or 1)
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(self._count):
            self._idle.put(None)

    @property
    def count(self) -> int:
        """How many files can be merged at once."""
        return self._count

    def merge(self, base: bytes | None, ours: bytes, theirs: bytes, path: str) -> Answer:
        """Merge one file: (content, conflicts, method, findings). A worker that had to be killed is a conflict."""
        worker = self._idle.get() or _Worker()
        answer = worker.ask((base, ours, theirs, path))
        self._idle.put(worker if answer is not None else None)
        return answer if answer is not None else whole_conflict(base, ours, theirs)

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
            [sys.executable, "-P", "-m", "bough_daemon.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SSH_", "GPG_"))},
            bufsize=0,
        )

    def ask(self, job: Job) -> Answer | None:
        """Return the worker's answer, or None when it died or had to be killed."""
        assert self._child.stdin is not None and self._child.stdout is not None
        timer = threading.Timer(TIME_LIMIT, self._child.kill)
        timer.start()
        try:
            _write(self._child.stdin, job)
            answer: Answer = _read(self._child.stdout)
            return answer
        except (OSError, EOFError):
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


def whole_conflict(base: bytes | None, ours: bytes, theirs: bytes) -> Answer:
    """Return a conflict about a whole file, the sides as they are."""
    ours, theirs, between = (_ended(side) for side in (ours, theirs, base or b""))
    parts = [b"<<<<<<< ours\n", ours, b"||||||| base\n", between, b"=======\n", theirs, b">>>>>>> theirs\n"]
    return b"".join(parts), ("the merge of this file took too long",), "stopped", ()


def _ended(side: bytes) -> bytes:
    return side if not side or side.endswith(b"\n") else side + b"\n"


def _write(stream: IO[bytes], value: object) -> None:
    data = memoryview(pickle.dumps(value))
    stream.write(struct.pack(">Q", len(data)))
    while data:
        data = data[stream.write(data) :]


def _read(stream: IO[bytes]) -> Any:
    (size,) = struct.unpack(">Q", _exactly(stream, 8))
    return pickle.loads(_exactly(stream, size))


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        more = stream.read(size - len(found))
        if not more:
            raise EOFError
        found += more
    return bytes(found)


def main() -> None:
    """Answer jobs until the input ends."""
    from bough_merge import merge_file

    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb", buffering=0)
    while True:
        try:
            base, ours, theirs, path = _read(source)
        except EOFError:
            return
        made = merge_file(base, ours, theirs, path, labels=LABELS)
        _write(answers, (made.content, made.conflicts, str(made.method), made.findings))


if __name__ == "__main__":
    main()
