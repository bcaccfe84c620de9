"""A desk whose live branch guests may fold into, without a daemon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.reflog import HeadReader
from bough_daemon.git.worktree import Head
from bough_daemon.history.branches import Branch
from bough_daemon.history.company import Company
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.store import LIVE
from bough_daemon.together.crossings import Crossings
from bough_daemon.together.folder import Attempt, Other, WorktreeFolder

from tests.daemon.moves_support import Desk


class DeskSession:
    """What a recorder offers to a fold."""

    def __init__(self, here: Desk) -> None:
        self.branch = here.branch
        self._head_reader = HeadReader(here.worktree)

    def head_now(self) -> Head:
        return self._head_reader.read()

    def is_git_at_work(self) -> bool:
        return False

    def unconverted(self, contents: Mapping[str, object]) -> frozenset[str]:
        return frozenset(contents)


def guest_at(here: Desk, name: str, changes: Mapping[str, TreeEntry | None]) -> str:
    """Let a teammate be a guest here who has changed some files; return their tip."""
    mine = here.branch.tip
    assert mine is not None
    theirs = Branch(here.store, name, f"{name.title()} <{name}@example.org>")
    company = theirs.tip.company if theirs.tip is not None else Company()
    company = company.entered(here.branch.name, mine.shared, mine.oid)
    start = theirs.tip.tree if theirs.tip is not None else here.store.objects.commit(mine.shared).tree
    tree = here.store.objects.splice(start, changes)
    return theirs.record(tree, mine.base, "save", contains=[mine.shared], company=company).shared


def fold_guest(here: Desk, name: str) -> Attempt:
    """Fold a guest's tip into the files here."""
    folder = WorktreeFolder(cast(Recorder, DeskSession(here)), here.live, Crossings(here.store))
    tip = here.store.ref(LIVE + name)
    assert tip is not None
    return folder.fold(Other(name, tip, "guest"), {name})
