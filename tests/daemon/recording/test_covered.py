"""What ignore rules that somebody else wrote cover stays in the snapshots: nobody has removed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.errors import StoreDamaged
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.recording.covered import CoveredFiles
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.settling import SettlePatience

from tests.daemon.recording.test_recorder import live
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


def test_rules_that_the_user_writes_leave_files_out(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            assert await recorded(session) == MINE
            write_files(root, {".gitignore": "*.log\nwörk/\n".encode()})
            assert await recorded(session) == {}

    asyncio.run(scene())


def test_a_file_that_my_own_rules_cover_stays_as_it_was_brought(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            (root / ".git/info").mkdir(exist_ok=True)
            (root / ".git/info/exclude").write_text("notes.txt\n")
            await session.save()
            await session.owner.run(place, session, {"notes.txt": b"bob's\n"}, "fold bob")
            assert (await recorded(session))["notes.txt"] == b"bob's\n"
            write_files(root, {"notes.txt": b"my password\n"})
            assert (await recorded(session))["notes.txt"] == b"bob's\n"
        async with live(root, QUICK) as (session, _):
            assert (await recorded(session))["notes.txt"] == b"bob's\n", "also after a restart"
            (root / "notes.txt").unlink()
            assert "notes.txt" not in await recorded(session)
            write_files(root, {"notes.txt": b"my password\n"})
            assert "notes.txt" not in await recorded(session)

    asyncio.run(scene())


def test_what_a_command_takes_away_is_covered_no_longer(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            before = session.branch.tip
            assert before is not None
            await session.owner.run(place, session, {".gitignore": "*.log\nwörk/\n".encode()})
            assert session.snapshots.covered.paths == MINE.keys()
            gone = session.store.objects.splice((await session.save()).tree, {"two.log": None})
            (root / "two.log").unlink()
            await session.owner.run(session.branch.record, gone, before.base, "undo")
            assert session.snapshots.covered.paths == MINE.keys() - {"two.log"}
            write_files(root, {"two.log": b"a secret of mine"})
            assert "two.log" not in await recorded(session)

    asyncio.run(scene())


def test_a_damaged_list_is_named(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            await session.owner.run(place, session, {".gitignore": b"*.log\n"})
            (path,) = (root / ".git/bough/covered").iterdir()
            path.write_bytes(b"\0")
            with pytest.raises(StoreDamaged, match="is damaged"):
                CoveredFiles(session.worktree, session.store)

    asyncio.run(scene())
