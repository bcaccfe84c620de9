"""The merge engine in workers, on whole merges."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from bough_daemon.budgets import WORKER_MEMORY_BYTES
from bough_daemon.errors import BadUsage, DaemonFailed, Stopping
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.merging import merge_workers
from bough_daemon.merging.merge_input import MergeInput
from bough_daemon.merging.merge_workers import MergeWorkers
from bough_daemon.merging.worker_wire import Job, write_job


@pytest.fixture
def pool() -> Iterator[MergeWorkers]:
    made = MergeWorkers(1)
    yield made
    made.close()


def sides(**files: tuple[str, str, str]) -> MergeInput:
    """Return the sides of files named with `_` for `.`, each given as (base, ours, theirs)."""
    made = MergeInput()
    for name, versions in files.items():
        path = name.replace("_", ".")
        made.entries[path] = tuple(TreeEntry(FILE, text) for text in versions)  # type: ignore[assignment]
        for text, target in zip(versions, (made.base, made.ours, made.theirs), strict=True):
            target[path] = text.encode()
    return made


BASE = "def a():\n    return 1\n"


def test_a_file_that_both_changed_is_merged_by_meaning(pool: MergeWorkers) -> None:
    ours, theirs = BASE + "\n\ndef b():\n    return 2\n", BASE + "\n\ndef c():\n    return 3\n"
    made = pool.merge(sides(m_py=(BASE, ours, theirs)))["m.py"]
    assert not made.conflicts and b"def b" in made.content and b"def c" in made.content


def test_a_rename_is_carried_into_another_files_new_use(pool: MergeWorkers) -> None:
    renamed = BASE.replace("def a", "def renamed")
    user = ("from m import a\n", "from m import a\n", "from m import a\n\nprint(a())\n")
    made = pool.merge(sides(m_py=(BASE, renamed, BASE), user_py=user))
    assert b"renamed()" in made["user.py"].content or made["user.py"].findings


def test_a_worker_that_dies_is_replaced(pool: MergeWorkers) -> None:
    job = sides(x_txt=("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n"))
    assert pool.merge(job)["x.txt"].content == b"one\n2\nthree\n"
    worker = pool._idle.get()
    assert worker is not None
    os.kill(worker._child.pid, signal.SIGKILL)
    pool._idle.put(worker)
    assert pool.merge(job)["x.txt"].content == b"one\n2\nthree\n"


def test_a_merge_that_takes_too_long_is_a_conflict(pool: MergeWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_workers, "TIME_LIMIT", 0.0)
    monkeypatch.setattr(merge_workers, "FILE_TIME", 0.0)
    made = pool.merge(sides(x_txt=("1\n", "one", "eins\n")))["x.txt"]
    assert made.conflicts and made.content == b"<<<<<<< ours\none\n||||||| base\n1\n=======\neins\n>>>>>>> theirs\n"


def test_settings_that_mean_nothing_are_said_to(pool: MergeWorkers) -> None:
    job = MergeInput(settings={"nonsense": 1}, entries={"x": (None, None, None)})
    with pytest.raises(BadUsage, match="nonsense"):
        pool.merge(job)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of a process are read in /proc")
def test_a_worker_gets_so_much_memory_and_one_that_wants_more_is_replaced(pool: MergeWorkers) -> None:
    job = sides(x_txt=("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n"))
    pool.merge(job)
    worker = pool._idle.get()
    assert worker is not None
    limits = Path(f"/proc/{worker._child.pid}/limits").read_text()
    assert f"Max data size             {WORKER_MEMORY_BYTES}" in limits
    used = int(Path(f"/proc/{worker._child.pid}/statm").read_text().split()[5]) * resource.getpagesize()
    resource.prlimit(worker._child.pid, resource.RLIMIT_DATA, (used, used))
    pool._idle.put(worker)
    middle = "x\n" * 500_000
    made = pool.merge(sides(y_txt=(f"1\n{middle}3\n", f"one\n{middle}3\n", f"1\n{middle}three\n")))["y.txt"]
    assert made.content == f"one\n{middle}three\n".encode()  # by the worker that took the place of the one that died
    assert worker._child.returncode is not None


@pytest.fixture
def broken_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine that cannot be imported, as after an update that was cut short; remove the folder to repair it."""
    broken = tmp_path / "broken"
    (broken / "bough_merge").mkdir(parents=True)
    (broken / "bough_merge" / "__init__.py").write_text("raise ImportError('half of it is missing')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken))
    return broken


def test_an_engine_that_cannot_be_loaded_is_told_as_that_and_tried_again(
    pool: MergeWorkers, broken_engine: Path
) -> None:
    job = sides(x_txt=("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n"))
    for attempt in (pool.warm, lambda: pool.merge(job), pool.warm, lambda: pool.merge(job)):
        with pytest.raises(DaemonFailed, match="the merge engine did not start: ImportError: half of it is missing"):
            attempt()
    shutil.rmtree(broken_engine)
    assert pool.merge(job)["x.txt"].content == b"one\n2\nthree\n"


def test_a_worker_imports_the_engine_and_nothing_of_git_or_the_network() -> None:
    code = "import sys, bough_daemon.merging.merge_process; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "bough_merge.engine" in imported
    assert not imported & {"asyncio", "subprocess", "grpc", "cryptography", "bough_daemon.git.command"}


def test_a_worker_that_ends_without_a_word_is_told_with_its_code(
    pool: MergeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(DaemonFailed, match="its process ended with code 0"):
        pool.warm()


def test_no_slot_is_lost_whatever_a_merge_fails_with(pool: MergeWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    job = sides(x_txt=("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n"))
    for failing in ("write_job", "read_answer"):
        with monkeypatch.context() as patch:
            patch.setattr(merge_workers, failing, lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                pool.merge(job)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/no/such/program")
        with pytest.raises(FileNotFoundError):
            pool.merge(job)
    assert pool.merge(job)["x.txt"].content == b"one\n2\nthree\n"


def test_closing_ends_a_merge_that_is_at_work_and_lets_none_begin(
    pool: MergeWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, begun, ended = sides(x_txt=("1\n", "one\n", "eins\n")), threading.Event(), list[BaseException]()
    real = write_job

    def stopped(stream: IO[bytes], written: Job) -> None:
        os.kill(next(iter(pool._running))._child.pid, signal.SIGSTOP)  # as if the file took for ever
        real(stream, written)
        begun.set()

    monkeypatch.setattr(merge_workers, "write_job", stopped)

    def merge() -> None:
        try:
            pool.merge(job)
        except Stopping as failure:
            ended.append(failure)

    merging = threading.Thread(target=merge)
    merging.start()
    assert begun.wait(30)
    began = time.monotonic()
    pool.close()
    merging.join(30)
    assert len(ended) == 1 and not pool._running and time.monotonic() - began < merge_workers.TIME_LIMIT / 2
    with pytest.raises(Stopping):
        pool.warm()
