"""What a weaker `.gitignore` brings to light stays at home, unless the user has weakened it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.errors import StoreDamaged
from bough_daemon.git.objects import Objects
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.timeline import Snapshot
from bough_daemon.privacy.former_rules import FormerRules
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.settling import SettlePatience

from tests.daemon.recording.test_recorder import live, until
from tests.daemon.support import git, make_repository, write_files

QUICK = SettlePatience(name=0.02, temporary=0.02, rules=0.2, aged=0.0)
RULES = b"private/\n*.log\n"


@pytest.fixture
def root(folder: Path) -> Path:
    """A repository with ignored files, and with the branch `weak`, whose rules ignore nothing."""
    make_repository(folder, {"a": b"1", ".gitignore": RULES})
    git(folder, "switch", "-qc", "weak")
    write_files(folder, {".gitignore": b"# nothing\n"})
    git(folder, "commit", "-qam", "weaker")
    git(folder, "switch", "-q", "main")
    write_files(folder, {"private/x.csv": b"1", "private/deep/y.csv": b"2", "söme.log": b"3"})
    return folder


def paths_in(session: Recorder, tip: Snapshot) -> set[str]:
    return {path for path, _ in session.store.objects.walk(tip.tree)}


async def settled(session: Recorder) -> set[str]:
    """Return the paths of a snapshot after all that waits has waited."""
    await session.save()
    await until(lambda: not session.unsettled.paths())
    return paths_in(session, await session.save())


def by_switch(root: Path) -> None:
    git(root, "switch", "-q", "weak")


def by_pull(root: Path) -> None:
    git(root, "pull", "-q", ".", "weak")


def by_checkout_of_a_file(root: Path) -> None:
    git(root, "checkout", "-q", "weak", "--", ".gitignore")


def by_removal(root: Path) -> None:
    git(root, "rm", "-q", ".gitignore")


@pytest.mark.parametrize("weaken", [by_switch, by_pull, by_checkout_of_a_file, by_removal])
def test_rules_that_git_weakened_count_still(root: Path, weaken: Callable[[Path], None]) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            weaken(root)
            assert not {path for path in await settled(session) if path.startswith("private") or path.endswith(".log")}
            told = session.withheld()
            assert told.keys() == {"private", "söme.log"}
            by = "ignored until a Git command weakened .gitignore; `git add` or `bough allow"
            assert told["private"] == f"2 files, {by} private` shares it"
            assert told["söme.log"] == f"{by} 'söme.log'` shares it"
            write_files(root, {"private/new.csv": b"4", "free": b"5"})
            assert {"free"} == {path for path in await settled(session) if path in ("free", "private/new.csv")}
        async with live(root, QUICK) as (session, _):
            assert session.withheld().keys() == {"private", "söme.log"}, "also after a restart"
            assert "private/x.csv" not in await settled(session)
            git(root, "add", "private/x.csv")
            assert {"private/x.csv"} == {path for path in await settled(session) if path.startswith("private")}
            assert session.withheld().keys() == {"private/deep", "private/new.csv", "söme.log"}

    asyncio.run(scene())


def test_rules_that_the_user_weakened_let_files_go(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            write_files(root, {".gitignore": b"*.log\n"})
            assert {"private/x.csv", "private/deep/y.csv"} <= await settled(session)
            git(root, "commit", "-qam", "mine")
            assert "söme.log" not in await settled(session) and session.withheld() == {}
            write_files(root, {".gitignore": b""})
            git(root, "commit", "-qam", "at once")
            assert "söme.log" in await settled(session)

    asyncio.run(scene())


def test_ones_own_edit_lets_go_what_it_names_and_no_more(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            git(root, "switch", "-q", "weak")
            await settled(session)
            write_files(root, {".gitignore": b"# nothing\nprivate/\n"})
            assert "söme.log" not in await settled(session)
            write_files(root, {".gitignore": b"# nothing at all\n"})
            assert {"private/x.csv"} <= await settled(session)
            assert session.withheld().keys() == {"söme.log"}

    asyncio.run(scene())


def test_the_old_rules_end_former_ones(root: Path) -> None:
    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            git(root, "switch", "-q", "weak")
            await settled(session)
            git(root, "switch", "-q", "main")
            assert {"a", ".gitignore"} == await settled(session)
            assert session.withheld() == {}

    asyncio.run(scene())


def test_what_was_recorded_and_what_git_brings_stays(root: Path) -> None:
    git(root, "switch", "-q", "weak")
    write_files(root, {"private/shared.csv": b"in it"})
    git(root, "add", "private/shared.csv")
    git(root, "commit", "-qm", "shared")
    git(root, "switch", "-q", "main")
    write_files(root, {"private/x.csv": b"1"})

    async def scene() -> None:
        async with live(root, QUICK) as (session, _):
            git(root, "pull", "-q", ".", "weak")
            found = await settled(session)
            assert "private/shared.csv" in found and "private/x.csv" not in found
            (root / "private/shared.csv").write_bytes(b"edited")
            assert "private/shared.csv" in await settled(session)
            (root / "private/x.csv").unlink()
            (root / "private/deep/y.csv").unlink()
            await settled(session)
            assert session.withheld().keys() == {"söme.log"}

    asyncio.run(scene())


def test_damaged_former_rules_let_nothing_out(root: Path, tmp_path: Path) -> None:
    worktree, path = Worktree.find(str(root)), tmp_path / "former"
    for damage in (b"{", b"[]", b'{"x": {}}', b'{"x": 1}'):
        path.write_bytes(damage)
        with pytest.raises(StoreDamaged, match=r"add the paths that must stay private to \.gitignore"):
            FormerRules(worktree, Objects(str(root / ".git/objects")), str(path), str(tmp_path))
