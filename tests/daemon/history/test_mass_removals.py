"""Saves that removed much at once are found; what is not gone, or came back, is not reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.history.branches import Branch
from bough_daemon.history.mass_removals import LEAST_FILES, LEAST_LINES, SHOWN_SECONDS, MassRemoval, MassRemovals
from bough_daemon.store.store import Store

from tests.daemon.support import git, make_repository

LONG = "".join(f"line {number}\n" for number in range(2 * LEAST_LINES))
MANY = {f"new/{number}": f"file {number}\n" for number in range(LEAST_FILES)}
START = 1_700_000_000


class Saves:
    """A branch to which trees are saved, at times of the test's choice."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = make_repository(root, {"long": LONG.encode(), "short": b"1\n"})
        self.store = Store(str(self.root / ".git"), "test")
        self.branch = Branch(self.store, "alice", "Alice <a@example.org>")
        self.removals = MassRemovals()
        self.now = START
        monkeypatch.setattr("bough_daemon.history.branches.time.time", lambda: self.now)

    def save(self, files: Mapping[str, str | None], *, after: int = 60, base: str = "") -> str:
        """Save files on top of the newest ones (None: absent), some seconds later."""
        self.now += after
        objects, tip = self.store.objects, self.branch.tip
        head = base or git(self.root, "rev-parse", "HEAD")
        before = tip.tree if tip is not None else objects.commit(head).tree
        entries = {
            name: TreeEntry(FILE, objects.write_blob(text.encode())) if text is not None else None
            for name, text in files.items()
        }
        return self.branch.save(objects.splice(before, entries), head).oid

    def commit(self, message: str) -> str:
        """Commit the files of the newest snapshot in Git, as its user would, and return the commit."""
        tip = self.branch.tip
        assert tip is not None
        self.store.give([tip.tree])
        made = git(self.root, "commit-tree", tip.tree, "-p", "HEAD", "-m", message, stdin=b"")
        git(self.root, "update-ref", "HEAD", made)
        return made

    def latest(self, later: int = 1) -> MassRemoval | None:
        assert self.branch.tip is not None
        return self.removals.latest(self.store.objects, self.branch.tip, self.now + later)


@pytest.fixture
def saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Saves]:
    made = Saves(tmp_path / "r", monkeypatch)
    yield made
    made.store.close()


def test_many_files_or_lines_that_go_at_once_are_found_with_the_snapshot_before(saves: Saves) -> None:
    full = saves.save(MANY)
    assert saves.latest() is None
    saves.save(dict.fromkeys(MANY))
    found = saves.latest()
    assert found is not None and (found.before, found.files, found.at) == (full, LEAST_FILES, saves.now)
    assert found.had.keys() == MANY.keys() and found.lines == LEAST_FILES
    short = saves.save({"short": "2\n"})
    assert saves.latest() == found  # a later save does not hide it
    saves.save({"long": LONG[: len(LONG) // 3]})
    found = saves.latest()
    assert found is not None and (found.before, found.files) == (short, 0) and found.lines > LEAST_LINES


def test_a_removal_that_took_several_saves_is_one(saves: Saves) -> None:
    full = saves.save(MANY)
    for path in MANY:
        saves.save({path: None}, after=1)
    found = saves.latest()
    assert found is not None and (found.before, found.files) == (full, LEAST_FILES)


@pytest.mark.parametrize(
    "files",
    [
        {"long": LONG.replace("line", "row")},  # edited
        {"long": None, "moved": LONG},
        {"long": LONG[: len(LONG) // 4], "part": LONG[len(LONG) // 4 :]},
        {"short": None},
    ],
)
def test_what_was_edited_or_moved_is_not_gone(saves: Saves, files: dict[str, str | None]) -> None:
    saves.save({"short": "more\n"})
    saves.save(files)
    assert saves.latest() is None


def test_what_a_commit_has_is_not_gone_when_head_goes_elsewhere(saves: Saves) -> None:
    first = git(saves.root, "rev-parse", "HEAD")
    saves.save(MANY)
    saves.save({"short": "2\n"}, base=saves.commit("many"))
    saves.save({**dict.fromkeys(MANY), "short": "1\n"}, base=first)
    assert saves.latest() is None
    saves.save(MANY)
    saves.save(dict.fromkeys(MANY))  # but here HEAD stayed
    assert saves.latest() is not None


def test_what_came_back_or_is_long_ago_is_not_reported(saves: Saves) -> None:
    saves.save(MANY)
    saves.save(dict.fromkeys(MANY))
    assert saves.latest(SHOWN_SECONDS) is not None
    saves.save(MANY)
    assert saves.latest() is None
    saves.save(dict.fromkeys(MANY))
    assert saves.latest(SHOWN_SECONDS + 1) is None
    saves.save({"short": "3\n"}, after=SHOWN_SECONDS + 1)
    saves.removals = MassRemovals()
    assert saves.latest() is None
