"""What ignore rules that somebody else wrote cover stays in the snapshots: nobody has removed it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.errors import DiskFull, StoreDamaged
from bough_daemon.git import filters
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.recording import covered
from bough_daemon.recording.covered import CoveredFiles
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.settling import SettlePatience

from tests.daemon.recording.test_recorder import live, until
from tests.daemon.support import git, make_repository, write_files

QUICK = SettlePatience(name=0.02, temporary=0.02, rules=0.2, aged=0.0)
MINE = {"two.log": b"1\n", "wörk/new\nline/run.sh": b"2\n"}


@pytest.fixture
def root(folder: Path) -> Path:
    """A repository with untracked files, and with the commit `strict` after HEAD, whose rules cover them."""
    make_repository(folder, {"a": b"1", ".gitignore": b"# nothing\n"})
    git(folder, "switch", "-qc", "strict")
    write_files(folder, {".gitignore": "*.log\nwörk/\n".encode()})
    git(folder, "commit", "-qam", "stricter")
    git(folder, "switch", "-q", "main")
    write_files(folder, MINE)
    return folder


async def recorded(session: Recorder) -> dict[str, bytes]:
    """Return my files as they are recorded."""
    objects, tree = session.store.objects, (await session.save()).tree
    found = {path: objects.blob(entry.oid) for path, entry in objects.walk(tree)}
    return {path: content for path, content in found.items() if path not in ("a", ".gitignore")}


def place(session: Recorder, files: dict[str, bytes], event: str = "merge alice") -> None:
    """Do what a command does: write files, and record them as its result."""
    objects, tip = session.store.objects, session.branch.tip
    assert tip is not None
    changes = {path: TreeEntry(FILE, objects.write_blob(content)) for path, content in files.items()}
    write_files(Path(session.worktree.root), files)
    session.branch.record(objects.splice(tip.tree, changes), tip.base, event)


def by_pull(root: Path) -> None:
    git(root, "pull", "-q", ".", "strict")


def by_checkout_of_a_file(root: Path) -> None:
    git(root, "checkout", "-q", "strict", "--", ".gitignore")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("bring", [by_pull, by_checkout_of_a_file, None])
def test_rules_that_somebody_else_wrote_stop_no_recording(
    root: Path, bring: Callable[[Path], None] | None, restarted: bool
) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            assert await recorded(session) == MINE
            if bring is None:
                await session.owner.run(place, session, {".gitignore": "*.log\nwörk/\n".encode()})
            else:
                bring(root)
            assert await recorded(session) == MINE
            if not restarted:
                await edited(session)
        async with live(root, QUICK) as (session, _):
            await edited(session)

    async def edited(session: Recorder) -> None:
        """Edit and remove covered files; one that nobody has recorded is ignored."""
        write_files(root, {path: content + b"more\n" for path, content in MINE.items()} | {"other.log": b"x"})
        assert await recorded(session) == {path: content + b"more\n" for path, content in MINE.items()}
        (root / "two.log").unlink()
        assert (await recorded(session)).keys() == MINE.keys() - {"two.log"}
        write_files(root, {"two.log": b"again\n"})
        assert (await recorded(session)).keys() == MINE.keys()

    asyncio.run(scene())


def rules_of_my_own(root: Path, session: Recorder) -> None:
    write_files(root, {".gitignore": "*.log\nwörk/\n# mine\n/two.log\n".encode()})


def rules_outside_of_the_files(root: Path, session: Recorder) -> None:
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/exclude").write_text("two.log\n")


@pytest.mark.parametrize("write", [rules_of_my_own, rules_outside_of_the_files])
def test_rules_that_the_user_writes_leave_files_out(root: Path, write: Callable[[Path, Recorder], None]) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            by_pull(root)
            assert await recorded(session) == MINE
            write(root, session)
            write_files(root, {"two.log": b"a password"})
            assert (await recorded(session)).keys() == MINE.keys() - {"two.log"}
            write_files(root, {"wörk/new\nline/run.sh": b"goes on"})
            assert (await recorded(session))["wörk/new\nline/run.sh"] == b"goes on"

    asyncio.run(scene())


def test_rules_that_the_user_wrote_before_leave_files_out(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            assert await recorded(session) == MINE
            write_files(root, {".gitignore": "*.log\nwörk/\n".encode()})
            assert await recorded(session) == {}
            # Nor does a command that brings such a file change that: it is the user who ignores it.
            await session.owner.run(place, session, {"notes.log": b"of a snapshot"}, "restore")
            write_files(root, {"notes.log": b"a password"})
            assert b"a password" not in (await recorded(session)).values()
            assert not session.snapshots.covered.paths

    asyncio.run(scene())


def test_what_git_tracks_is_covered_no_longer(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            by_pull(root)
            await session.save()
            git(root, "add", "-f", "two.log")
            git(root, "commit", "-qm", "tracked")
            assert await recorded(session) == MINE
            git(root, "rm", "-q", "--cached", "two.log")
            git(root, "commit", "-qm", "not any more")
            write_files(root, {"two.log": b"a password"})
            assert (await recorded(session)).keys() == MINE.keys() - {"two.log"}

    asyncio.run(scene())


def test_a_file_with_another_name_takes_no_other_along(root: Path, tmp_path: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            await session.save()
            (tmp_path / "other name").hardlink_to(root / "two.log")
            by_pull(root)
            assert await recorded(session) == MINE

    asyncio.run(scene())


def test_a_file_that_is_being_written_when_the_rule_comes_stays(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            await session.save()
            with (root / "two.log").open("ab", buffering=0) as log:
                log.write(b"half a li")
                await until(lambda: "two.log" in session._watch.written())
                by_pull(root)
                await until(lambda: session.snapshots.covered.paths == MINE.keys())
                log.write(b"ne\n")
            assert (await recorded(session))["two.log"] == b"1\nhalf a line\n"

    asyncio.run(scene())


def test_a_pull_that_takes_long_is_no_edit_of_the_users(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            await session.save()
            (root / ".git/index.lock").touch()
            os.utime(root / ".git/index.lock", (time.time() - 5, time.time() - 5))
            write_files(root, {".gitignore": "*.log\nwörk/\n".encode()})
            assert await recorded(session) == MINE
            (root / ".git/index.lock").unlink()
            assert await recorded(session) == MINE

    asyncio.run(scene())


def test_a_snapshot_that_fails_changes_nobody_s_rules(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            await session.save()
            real, failed = filters.ignored_by, []

            def fails(*words: Any) -> frozenset[str]:
                failed.append(words)
                if len(failed) == 1:
                    raise DiskFull("no space")
                return real(*words)

            monkeypatch.setattr(covered, "ignored_by", fails)
            by_pull(root)
            await until(lambda: bool(failed))
            assert await recorded(session) == MINE

    asyncio.run(scene())


def test_the_list_stays_while_the_files_are_another_branch_s(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            await session.owner.run(place, session, {".gitignore": "*.log\nwörk/\n".encode()})
            tip = await session.save()
            hopped = session.store.objects.splice(tip.tree, dict.fromkeys(MINE))
            for path in MINE:
                (root / path).unlink()
            await session.owner.run(session.branch.record, hopped, tip.base, "hop alice")
            assert await recorded(session) == {}
            write_files(root, MINE)
            await session.owner.run(session.branch.record, tip.tree, tip.base, "back")
            write_files(root, {"two.log": b"goes on"})
            assert (await recorded(session))["two.log"] == b"goes on"

    asyncio.run(scene())


def test_a_working_tree_of_the_same_name_begins_without_a_list(root: Path, tmp_path: Path) -> None:
    rule = {".gitignore": "*.log\nwörk/\n".encode()}
    covers = []

    async def scene() -> None:
        async with live(tmp_path / "linked", QUICK) as (session, _):
            write_files(tmp_path / "linked", MINE)
            await session.save()
            await session.owner.run(place, session, rule)
            covers.append(CoveredFiles(session.worktree, session.store).paths)

    git(root, "worktree", "add", "-q", "-b", "linked", str(tmp_path / "linked"))
    asyncio.run(scene())
    git(root, "worktree", "remove", "--force", str(tmp_path / "linked"))
    git(root, "worktree", "add", "-q", str(tmp_path / "linked"), "linked")
    write_files(tmp_path / "linked", rule)

    async def begins() -> None:
        async with live(tmp_path / "linked", QUICK) as (session, _):
            covers.append(session.snapshots.covered.paths)

    asyncio.run(begins())
    assert covers == [MINE.keys(), frozenset()]


def test_a_damaged_list_is_named(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            await session.owner.run(place, session, {".gitignore": b"*.log\n"})
            (path,) = (root / ".git/bough/covered").iterdir()
            path.write_bytes(b"\0")
            with pytest.raises(StoreDamaged, match="is damaged; remove it"):
                CoveredFiles(session.worktree, session.store)

    asyncio.run(scene())
