"""What Git says of histories is asked once, and a walk that takes too long is ended."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bough_daemon.errors import GitFailed, GitHangs, GitTooSlow
from bough_daemon.git.command import GitCommand
from bough_daemon.history.merge_base import MOST_BASES, merge_base
from bough_daemon.store.walks import BRIEF_SECONDS, MOST_QUICK, QUICK_SECONDS, ThreadPatience, Walks, comparing
from bough_daemon.system.threads import StoreThread

from tests.attack.bombs import entangled
from tests.daemon.support import git, make_repository

COMMITS = 2048  # it takes git two seconds to find where two of them parted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "r", {"a": b"1"})


def commit_on(root: Path, message: str, *parents: str) -> str:
    named = [word for parent in parents for word in ("-p", parent)]
    return git(root, "commit-tree", "HEAD^{tree}", *named, "-m", message, stdin=b"")


class Counted(GitCommand):
    """Git, with how often it was asked."""

    asked: ClassVar[list[str]] = []

    def result(self, *arguments: str, **how: Any) -> tuple[int, bytes, str]:
        self.asked.append(arguments[0])
        return super().result(*arguments, **how)


def test_histories_are_compared_once_and_again_after_they_have_changed(root: Path) -> None:
    head, missing = git(root, "rev-parse", "HEAD"), "1" * 40
    ours, lone = commit_on(root, "ours", head), commit_on(root, "lone")
    theirs = commit_on(root, "theirs", commit_on(root, "before", head))
    counted = Counted(str(root / ".git"))
    walks, counted.asked[:] = Walks(counted), []

    def answers() -> list[object]:
        return [
            *(walks.is_ancestor(head, ours), walks.is_ancestor(ours, head), walks.is_ancestor(ours, ours)),
            *(walks.merge_base(ours, theirs), walks.merge_base(ours, lone)),
            *(walks.apart(ours, theirs), walks.apart(ours, ours), walks.apart(head, theirs)),
        ]

    expected = [True, False, True, head, None, (1, 2), (0, 0), (0, 2)]
    assert answers() == answers() == expected
    assert sorted(counted.asked) == ["merge-base"] * 4 + ["rev-list"] * 2
    walks.note_apart(head, theirs)
    assert not walks.is_ancestor(head, theirs)
    walks.forget()
    assert walks.is_ancestor(head, theirs) and answers() == expected
    assert not walks.is_ancestor(missing, head) and walks.apart(missing, head) is None
    with pytest.raises(GitFailed):
        walks.merge_base(missing, head)


def test_a_walk_that_takes_too_long_is_ended_and_may_be_asked_for_again(root: Path) -> None:
    head = git(root, "rev-parse", "HEAD")
    bomb, other = entangled(head, git(root, "rev-parse", "HEAD^{tree}"), COMMITS)
    git(root, "unpack-objects", "-q", stdin=bomb.pack())
    walks, began = Walks(GitCommand(str(root / ".git"))), time.monotonic()
    for ask in (walks.merge_base, walks.apart, walks.is_ancestor):
        with pytest.raises(GitHangs):
            ask(bomb.tip, other, 0.001)
    assert time.monotonic() - began < 10
    with pytest.raises(GitHangs, match="before"), walks.patient():
        walks.merge_base(bomb.tip, other, 0.001)  # git is not even asked
    assert walks.apart(bomb.tip, other) == (COMMITS - 1, COMMITS - 1)
    assert not walks.is_ancestor(bomb.tip, other)


def test_a_walk_may_take_longer_where_no_save_waits_for_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git(root, "rev-parse", "HEAD")
    bomb, other = entangled(head, git(root, "rev-parse", "HEAD^{tree}"), COMMITS)
    git(root, "unpack-objects", "-q", stdin=bomb.pack())
    monkeypatch.setattr("bough_daemon.store.walks.BRIEF_SECONDS", 0.001)
    walks = Walks(GitCommand(str(root / ".git")))
    for _ in range(2):
        with pytest.raises(GitTooSlow):
            walks.merge_base(bomb.tip, other)
    with walks.patient():
        assert walks.merge_base(bomb.tip, other) is not None
    assert walks.merge_base(bomb.tip, other) is not None


def test_all_walks_of_one_piece_of_work_share_what_one_may_take() -> None:
    patience = ThreadPatience()

    def piece(*took: float) -> list[float]:
        left = [patience.patience()]
        for one in took:
            patience.note(one)
            left.append(round(patience.patience(), 3))
        return left

    owner = StoreThread("store")
    try:
        slow = [BRIEF_SECONDS, BRIEF_SECONDS, BRIEF_SECONDS - 2, 0.0]
        quick = [BRIEF_SECONDS] * (MOST_QUICK + 1) + [BRIEF_SECONDS - QUICK_SECONDS]
        for _ in range(2):  # what one piece of work has used, the next one has again
            assert asyncio.run(owner.run(piece, QUICK_SECONDS, 2 + QUICK_SECONDS, 9.0)) == slow
            assert asyncio.run(owner.run(piece, *[QUICK_SECONDS] * (MOST_QUICK + 1))) == quick
    finally:
        owner.close()
    assert piece(9.0, 9.0) == [BRIEF_SECONDS] * 3, "other threads are nobody's to wait for"


def test_git_is_not_even_asked_when_a_piece_of_work_has_used_its_time(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.store.walks.BRIEF_SECONDS", 0.0)
    head, counted = git(root, "rev-parse", "HEAD"), Counted(str(root / ".git"))
    walks, ours = Walks(counted), commit_on(root, "ours", head)
    counted.asked[:] = []
    with pytest.raises(GitTooSlow):
        walks.is_ancestor(head, ours)
    assert not walks.is_surely_ancestor(head, ours) and not counted.asked
    with walks.patient():
        assert walks.is_surely_ancestor(head, ours)
    assert walks.is_surely_ancestor(head, ours), "it is known now"


def test_histories_with_too_many_common_origins_are_not_merged_into_one(root: Path) -> None:
    head = git(root, "rev-parse", "HEAD")
    bomb, other = entangled(head, git(root, "rev-parse", "HEAD^{tree}"), 2 * MOST_BASES)
    git(root, "unpack-objects", "-q", stdin=bomb.pack())
    with (
        pytest.raises(GitTooSlow, match="the history of mallory's branch takes Git too long"),
        comparing("mallory's branch"),
    ):
        merge_base(GitCommand(str(root / ".git")), bomb.tip, other)
