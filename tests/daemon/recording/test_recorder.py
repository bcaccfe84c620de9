"""A session records what happens to the files, and touches nothing of the user's."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from bough_daemon.errors import DiskFull, StoreGone
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import Snapshot, timeline
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.settling import SettlePatience
from bough_daemon.store.own_commits import FEW, OwnCommits
from bough_daemon.store.store import Store
from bough_daemon.system.threads import StoreThread

from tests.daemon.gate import Gate
from tests.daemon.support import git, make_repository, remove_tree, tree_by_git, write_files

AT_ONCE = SettlePatience(name=0.02, temporary=0.02)


@asynccontextmanager
async def live(root: Path, patience: SettlePatience = AT_ONCE) -> AsyncIterator[tuple[Recorder, list[Snapshot]]]:
    """A session on a repository, and the snapshots that it told of."""
    worktree = Worktree.find(str(root))
    owner = StoreThread("test")
    store = await owner.run(Store, worktree.common_dir, "test")
    branch = await owner.run(Branch, store, "alice", "Alice <a@example.org>")
    told: list[Snapshot] = []
    recording = Recorder.open(
        worktree, store, owner, branch, lambda _, snapshot: told.append(snapshot), lambda: None, patience
    )
    try:
        async with recording as session:
            yield session, told
    finally:
        await owner.run(store.close)
        owner.close()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition, or fail when it has not come about in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        await asyncio.sleep(0.005)


async def recorded(told: list[Snapshot], root: Path, scratch: Path) -> None:
    """Wait until the newest snapshot has the files as they are, which nobody changes meanwhile."""
    wanted = tree_by_git(root, scratch)
    await until(lambda: bool(told) and told[-1].tree == wanted)


def users_own(root: Path) -> dict[str, bytes]:
    """Return every file of the user's git directory but Bough's folder."""
    top = root / ".git"
    found = {}
    for folder, folders, files in os.walk(top):
        if Path(folder) == top and "bough" in folders:
            folders.remove("bough")
        for name in files:
            path = Path(folder) / name
            found[str(path.relative_to(top))] = path.read_bytes()
    return found


def test_a_save_is_on_the_branch_by_itself(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            (folder / "a").write_bytes(b"2")
            await recorded(told, folder, tmp_path)
            assert told[-1].title == "a"
            assert [s.event for s in timeline(session.store.objects, told[-1].oid)] == ["save", "save"]

    asyncio.run(scene())


def test_save_holds_whatever_was_on_disk_when_it_was_called(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1", ".gitignore": b"skip/\n"})

    async def scene() -> None:
        async with live(folder) as (session, _):
            for round_ in range(30):
                text = str(round_).encode()
                write_files(folder, {"a": text, f"new{round_}/deep/er/f": text, "skip/x": text, f"d/{round_}": text})
                if round_ % 5 == 4:
                    shutil.rmtree(folder / f"new{round_ - 1}")
                    (folder / f"new{round_ - 2}").rename(folder / f"moved{round_}")
                    (folder / f"moved{round_}" / "deep" / "late").write_bytes(text)
                saved = await session.save()
                assert saved.tree == tree_by_git(folder, tmp_path), round_

    asyncio.run(scene())


def test_a_flood_of_files_is_one_exact_snapshot_in_the_end(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            write_files(folder, {f"n{i % 50}/m{i % 7}/{i}": b"%d" % i for i in range(3000)})
            saved = await session.save()
            assert saved.tree == tree_by_git(folder, tmp_path)
            assert len(told) < 30

    asyncio.run(scene())


def test_commits_switches_and_new_rules_are_followed(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1", "x.log": b"tracked"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            git(folder, "switch", "-qc", "topic")
            (folder / "a").write_bytes(b"2")
            git(folder, "commit", "-qam", "second")
            head = git(folder, "rev-parse", "HEAD")
            await until(lambda: told[-1].base == head)
            write_files(folder, {".gitignore": b"*.log\nout/\n", "y.log": b"1", "out/z": b"2"})
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)
            write_files(folder, {".gitignore": b"", "out/new": b"3"})
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)
            (folder / "out" / "z").write_bytes(b"now watched")
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)
            git(folder, "switch", "-qf", "main")
            saved = await session.save()
            assert (saved.tree, saved.base) == (tree_by_git(folder, tmp_path), git(folder, "rev-parse", "main"))

    asyncio.run(scene())


def test_a_repository_inside_is_followed_and_watched_once_it_is_none(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            make_repository(folder / "in ner", {"x": b"1"})
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)
            git(folder / "in ner", "commit", "-q", "--allow-empty", "-m", "more")
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)
            shutil.rmtree(folder / "in ner/.git")
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)
            (folder / "in ner/x").write_bytes(b"2")
            await recorded(told, folder, tmp_path)

    asyncio.run(scene())


def test_tracked_files_are_watched_also_in_a_folder_that_is_a_repository(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a.txt": b"1", "dir/b.txt": b"2"})
    git(folder, "init", "-q", "dir")
    git(folder / "dir", "commit", "-q", "--allow-empty", "-m", "inside")

    async def scene() -> None:
        async with live(folder) as (session, _):
            write_files(folder, {"dir/new.txt": b"ours"})
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)

    asyncio.run(scene())


def test_a_store_that_is_moved_away_is_missed_and_taken_up_again(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, _):
            (folder / ".git/bough").rename(tmp_path / "away")
            (folder / "a").write_bytes(b"2")
            with pytest.raises(StoreGone):
                await session.save()
            git(folder, "add", "a")
            await asyncio.sleep(0)
            assert not (folder / ".git/bough").exists()
            (tmp_path / "away").rename(folder / ".git/bough")
            assert (await session.save()).tree == tree_by_git(folder, tmp_path)

    asyncio.run(scene())


def test_a_save_during_which_the_repository_is_removed_says_so(folder: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, _):
            (folder / "a").write_bytes(b"2")
            held = threading.Event()
            holding = asyncio.create_task(session.owner.run(held.wait))
            saving = asyncio.create_task(session.save())
            await asyncio.sleep(0)  # it has begun, and waits for its turn
            await asyncio.to_thread(remove_tree, folder)
            held.set()
            with pytest.raises(StoreGone):
                await saving
            await holding

    asyncio.run(scene())
    assert not folder.exists()


def test_nothing_of_the_users_own_changes(folder: Path) -> None:
    make_repository(folder, {"a": b"1", "d/b": b"2"})
    before = users_own(folder)

    async def scene() -> None:
        async with live(folder) as (session, _):
            write_files(folder, {"a": b"2", "n/f": b"3"})
            await session.save()
            shutil.rmtree(folder / "d")
            await session.save()

    asyncio.run(scene())
    assert users_own(folder) == before


def test_a_session_goes_on_where_the_last_one_ended(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene(text: bytes) -> str:
        async with live(folder) as (session, _):
            (folder / "a").write_bytes(text)
            saved = await session.save()
            assert saved.tree == tree_by_git(folder, tmp_path)
            return saved.oid

    first = asyncio.run(scene(b"2"))
    (folder / "a").write_bytes(b"while nobody looked")
    second = asyncio.run(scene(b"3"))
    store = Store(str(folder / ".git"), "test")
    assert first in {s.oid for s in timeline(store.objects, second)}
    assert len(list(timeline(store.objects, second))) == 4
    store.close()


def test_lost_events_are_made_up_for_by_a_look_at_everything(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            session._watch.on_event = lambda event: None  # type: ignore[method-assign]
            (folder / "a").write_bytes(b"unseen")
            session._watch.on_queue_overflow()
            await recorded(told, folder, tmp_path)

    asyncio.run(scene())


def test_commits_that_head_brought_are_checked_where_no_other_save_waits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(folder, {"a.txt": b"one\n"})

    async def scene() -> None:
        async with live(root) as (session, _):
            for number in range(FEW + 2):
                git(root, "commit", "-q", "--allow-empty", "-m", f"{number}")
            gate = Gate(session.owner)
            monkeypatch.setattr(OwnCommits, "_judge", gate.before(OwnCommits._judge))
            tip, _ = await asyncio.gather(session.save(), gate.opens())
            assert tip.base == tip.shared_base == git(root, "rev-parse", "HEAD")

    asyncio.run(scene())


def test_secrets_stay_out_of_the_shared_tip(folder: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, _):
            write_files(folder, {".env": b"PASSWORD=1\n", "k/server.pem": b"key", "b": b"2", "big": b"x" * 10_000_001})
            saved = await session.save()
            objects = session.store.objects
            shared = objects.commit(saved.shared)
            assert {path for path, _ in objects.walk(saved.tree)} == {"a", ".env", "k/server.pem", "b", "big"}
            assert {path for path, _ in objects.walk(shared.tree)} == {"a", "b"}
            assert set(session.branch.withheld) == {".env", "k/server.pem", "big"}
            reached = session.store.git.run("rev-list", "--objects", saved.shared).decode()
            assert ".env" not in reached and "pem" not in reached and "big" not in reached
            (folder / ".env").unlink()
            (folder / "b").write_bytes(b"3")
            again = await session.save()
            reached = session.store.git.run("rev-list", "--objects", again.shared).decode()
            assert ".env" not in reached and "b" in reached

    asyncio.run(scene())


def test_after_a_full_disk_the_next_try_is_never_far_and_is_told_of(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repository(folder, {"a": b"1"})

    def full(*_: object, **__: object) -> None:
        raise DiskFull("the disk is full")

    async def scene() -> None:
        async with live(folder) as (session, _):
            with monkeypatch.context() as broken:
                broken.setattr(session, "_take", full)
                for _ in range(10):
                    with pytest.raises(DiskFull):
                        await session._snapshot()
                state = await asyncio.to_thread(session.state)  # as a status asks for it
                said = re.fullmatch(r"not recording: the disk is full; next try in (\d+) s", state)
                assert said is not None and 1 <= int(said[1]) <= 5, state
            await until(lambda: session.state() == "live")

    asyncio.run(scene())


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_files_are_watched_again_after_the_thread_that_does_was_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers.inotify_c import InotifyFD

    make_repository(folder / "r", {"a": b"1"})
    killed, real = list[int](), InotifyFD.read_events

    def killed_once(source: InotifyFD) -> object:
        if not killed:
            killed.append(1)
            raise OSError(5, "Input/output error")
        return real(source)

    async def test() -> None:
        async with live(folder / "r") as (session, told):
            monkeypatch.setattr(InotifyFD, "read_events", killed_once)
            (folder / "r" / "one").write_bytes(b"1")  # wakes the thread, which then reads again
            await until(lambda: bool(session.failing()) and session._watch.failure is None)
            assert [(one.work, one.reason) for one in session.failing()] == [("watching files", "Input/output error")]
            await until(lambda: not session._pending and session._watch.seen()[1] == 0)
            before = len(told)
            (folder / "r" / "two").write_bytes(b"2")
            await until(lambda: len(told) > before)

    asyncio.run(test())
