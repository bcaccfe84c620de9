"""A git child that hangs is ended with all that it started; what is at work is left alone."""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bough_daemon.errors import GitHangs, Stopping
from bough_daemon.git.command import GitCommand, LineProtocol
from bough_daemon.recording import file_entries, recorder
from bough_daemon.system import children
from bough_daemon.system.children import ChildPatience, GitChildren, usage_of

from tests.daemon.recording.test_recorder import live, until
from tests.daemon.support import git, make_repository, write_files

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="this needs /proc")

LEADER, INNER = 10, 11


@pytest.mark.parametrize(
    ("looks", "hangs"),
    [
        ([(0.0, {LEADER: (1, 1)}), (59.0, {LEADER: (1, 1)})], None),
        ([(0.0, {LEADER: (1, 1)}), (61.0, {LEADER: (1, 1)})], 61.0),
        ([(0.0, {LEADER: (1, 1)}), (50.0, {LEADER: (1, 2)}), (100.0, {LEADER: (1, 2)})], None),
        ([(0.0, {LEADER: (1, 1)}), (50.0, {LEADER: (2, 1)}), (111.0, {LEADER: (2, 1)})], 61.0),
        ([(float(at), {LEADER: (1, 1), INNER: (at, 0)}) for at in range(0, 599, 10)], None),
        ([(float(at), {LEADER: (1, 1), INNER: (at, 0)}) for at in range(0, 601, 10)], 600.0),
        ([(float(at), {LEADER: (1, at), INNER: (at, 0)}) for at in range(0, 7000, 10)], None),
        ([(0.0, {}), (599.0, {})], None),  # a system that does not say
        ([(0.0, {}), (600.0, {})], 600.0),
    ],
)
def test_a_child_hangs_where_nothing_happens_in_it(
    looks: list[tuple[float, dict[int, tuple[int, int]]]], hangs: float | None
) -> None:
    patience = ChildPatience(LEADER, 0.0)
    said = [patience.look(used, now) for now, used in looks]
    assert said[-1] == hangs and not any(said[:-1])


@pytest.mark.parametrize(
    ("looks", "over"),
    [
        ([(2.9, 2.9)], [False]),
        ([(3.0, 1.5)], [True]),
        ([(3.0, 1.4), (20.0, 1.4), (20.1, 1.5)], [False, False, True]),
        ([(3.0, 0.0), (29.9, 0.0), (30.0, 0.0)], [False, False, True]),
    ],
)
def test_of_the_time_that_a_child_may_take_what_others_take_from_it_does_not_count(
    monkeypatch: pytest.MonkeyPatch, looks: list[tuple[float, float]], over: list[bool]
) -> None:
    patience, computed = ChildPatience(LEADER, 0.0, longest=3.0), 0.0
    monkeypatch.setattr(children, "computed_by", lambda leader: computed if leader == LEADER else 0.0)
    found = list[bool]()
    for now, computed in looks:  # noqa: B007, the name is read by the function above
        found.append(patience.is_over(now))
        assert found[-1] or 0.0 < patience.wait(now) <= children.LOOK_SECONDS
    assert found == over


def test_what_a_process_has_computed_is_counted() -> None:
    before, end = children.computed_by(os.getpid()), time.process_time() + 0.1
    while time.process_time() < end:
        pass
    assert children.computed_by(os.getpid()) - before >= 0.05
    assert children.computed_by(2**30) == float("inf")


def gone(process: int) -> bool:
    """Return whether a process is over."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def soon(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        time.sleep(0.01)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a child as hanging after half a second."""
    monkeypatch.setattr(children, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(children, "AGAIN_SECONDS", 0.3)
    monkeypatch.setattr(children, "LOOK_SECONDS", 0.1)


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A filter's command that never ends and has a child of its own, and the file in which that tells its number."""
    told = tmp_path / "told"
    yield f"sh -c 'echo $$ >{told}; sleep 1000 & wait'", told
    if told.exists() and told.read_text().strip():
        assert gone(int(told.read_text()))


def test_a_child_that_hangs_is_ended_with_what_it_started(
    folder: Path, impatient: None, hanging: tuple[str, Path]
) -> None:
    make_repository(folder, {".gitattributes": b"*.up filter=up\n"})
    git(folder, "config", "filter.up.clean", hanging[0])
    (folder / "x.up").write_bytes(b"x")
    started: list[int] = []

    def look(process: int) -> dict[int, tuple[int, int]]:
        used = usage_of(process)
        started.extend(used)
        return used

    with pytest.MonkeyPatch.context() as watched, pytest.raises(GitHangs, match=r"hash-object did nothing.*sleep 1000"):
        watched.setattr(children, "usage_of", look)
        GitCommand(str(folder / ".git"), str(folder)).run("hash-object", "x.up")
    assert len(set(started)) >= 4  # git, the shells, and what they wait for
    soon(lambda: all(map(gone, started)))


def test_a_child_that_works_is_left_alone(folder: Path, impatient: None) -> None:
    make_repository(folder, {".gitattributes": b"*.up filter=up\n"})
    words = "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass\nprint('done')"
    git(folder, "config", "filter.up.clean", f'{sys.executable} -c "{words}"')
    (folder / "x.up").write_bytes(b"x")
    oid = GitCommand(str(folder / ".git"), str(folder)).line("hash-object", "-w", "x.up")
    assert git(folder, "cat-file", "-p", oid) == "done"


def test_a_dialogue_that_hung_answers_again(folder: Path, impatient: None, hanging: tuple[str, Path]) -> None:
    make_repository(folder, {".gitattributes": b"*.up filter=up\n", "plain": b"x"})
    git(folder, "config", "filter.up.clean", hanging[0])
    (folder / "x.up").write_bytes(b"x")
    dialogue = LineProtocol(lambda: GitCommand(str(folder / ".git"), str(folder)), "hash-object", "--stdin-paths")
    for _ in range(2):
        with pytest.raises(GitHangs):
            dialogue.ask(b"x.up\n", 1, b"\n")
        assert len(dialogue.ask(b"plain\n", 1, b"\n")[0]) == 40
    dialogue.close()


def test_a_child_is_waited_for_however_many_files_are_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, (soft, hard) = os.pidfd_open, resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, hard))

    def far_out(process: int) -> int:
        near = opened(process)
        try:
            return fcntl.fcntl(near, fcntl.F_DUPFD_CLOEXEC, 1100)
        finally:
            os.close(near)

    monkeypatch.setattr(os, "pidfd_open", far_out)
    script = "import os, time; os.close(1); os.close(2); time.sleep(0.2)"
    code, out, _ = GitChildren().run("child", [sys.executable, "-c", script], b"", dict(os.environ), None)
    assert (code, out) == (0, b"")


def test_after_the_end_no_child_is_left_and_none_is_started() -> None:
    some = GitChildren()
    child = some.start(["sleep", "1000"])
    waiting = threading.Timer(0.2, some.end)
    waiting.start()
    with pytest.raises(Stopping):
        some.run("status", ["sleep", "1000"], b"", os.environ, None)
    assert child.wait() == -signal.SIGKILL
    with pytest.raises(Stopping):
        some.start(["true"])
    waiting.join()


def test_a_filter_that_hangs_keeps_back_its_files_alone(
    folder: Path, impatient: None, hanging: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {".gitattributes": b"*.up filter=up\n", "a.txt": b"1", "x.up": b"x"})

    async def scene() -> None:
        async with live(folder) as (recorded, told):
            git(folder, "config", "filter.up.clean", hanging[0])
            write_files(folder, {"a.txt": b"2", "x.up": b"y", "z.up": b"z", ".gitignore": b"*.log\n"})
            await recorded.save()
            withheld = recorded.snapshots.withheld()
            assert withheld.keys() == {"x.up", "z.up"}
            assert all("its filter `up` has hung since " in why and "sleep 1000" in why for why in withheld.values())
            objects, tree = recorded.store.objects, told[-1].tree
            assert [objects.blob(entry.oid) for path, entry in objects.walk(tree) if path in ("a.txt", "x.up")] == [
                b"2",
                b"x",
            ]
            began = time.monotonic()
            (folder / "z.up").write_bytes(b"zz")
            (folder / "a.txt").write_bytes(b"3")
            await until(lambda: objects.entry(told[-1].tree, "a.txt") != objects.entry(tree, "a.txt"))
            assert time.monotonic() - began < file_entries.HUNG_PAUSE / 2  # the filter is not run for each save
            git(folder, "config", "filter.up.clean", "cat")
            await recorded.save()
            await until(lambda: not recorded.snapshots.withheld())
            found = {path: objects.blob(entry.oid) for path, entry in objects.walk(told[-1].tree)}
            assert (found["x.up"], found["z.up"]) == (b"y", b"zz")

    asyncio.run(scene())


def test_stopping_does_not_wait_for_a_filter_that_hangs(
    folder: Path, hanging: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "STOP_PATIENCE", 0.2)
    make_repository(folder, {".gitattributes": b"*.up filter=up\n"})
    git(folder, "config", "filter.up.clean", hanging[0])

    async def scene() -> float:
        async with live(folder) as (recorded, _):
            (folder / "x.up").write_bytes(b"x")
            await until(hanging[1].exists)
            await until(lambda: "which runs" in recorded.held_up() and "sleep 1000" in recorded.held_up())
            began = time.monotonic()
        return time.monotonic() - began

    assert asyncio.run(scene()) < 5.0
    process = int(hanging[1].read_text())
    soon(lambda: gone(process))
