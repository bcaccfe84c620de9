"""Saves by somebody who had not read what a fold brought."""

from __future__ import annotations

import pytest
from bough_daemon.together.stale_saves import REMEMBERED, WINDOW, FoldedIn, RecentFolds

BEFORE, AFTER = b"one\ntwo\n", b"one\nbob\ntwo\n"
FOLD = FoldedIn(BEFORE, AFTER, 10.0)


@pytest.fixture
def recent() -> RecentFolds:
    """Return a fold that has just come in."""
    found = RecentFolds()
    found.note("a.txt", BEFORE, AFTER, 10.0)
    return found


def test_a_save_without_what_was_just_folded_was_made_before_it(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", b"one\ntwo\nalice\n", 10.5) == [FOLD]


def test_a_save_that_has_it_has_seen_it(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", AFTER + b"alice\n", 10.5) == []
    assert recent.unseen("a.txt", b"one\nbob, too\n" + b"bob\n", 10.5) == []


def test_a_save_that_puts_the_file_back_is_an_undo(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", BEFORE, 10.5) == []


def test_only_the_folds_that_were_not_seen_count(recent: RecentFolds) -> None:
    second = FoldedIn(AFTER, AFTER + b"bob again\n", 10.1)
    recent.note("a.txt", second.before, second.after, second.at)
    assert recent.unseen("a.txt", AFTER + b"alice\n", 10.5) == [second]
    assert recent.unseen("a.txt", BEFORE + b"alice\n", 10.5) == [FOLD, second]


def test_a_line_that_one_fold_took_out_and_the_next_brought_back_tells_nothing() -> None:
    folds = [
        FoldedIn(b"one\ntwo\n", b"one\nbob\n", 10.0),
        FoldedIn(b"one\nbob\n", b"one\nbob\nbob again\ntwo\n", 10.1),
    ]
    recent = RecentFolds()
    for fold in folds:
        recent.note("a.txt", fold.before, fold.after, fold.at)
    assert recent.unseen("a.txt", b"one\ntwo\nalice\n", 10.5) == folds


def test_what_was_saved_between_two_folds_is_not_one_of_them(recent: RecentFolds) -> None:
    second = FoldedIn(AFTER + b"alice\n", AFTER + b"bob again\nalice\n", 10.2)
    recent.note("a.txt", second.before, second.after, second.at)
    assert recent.unseen("a.txt", BEFORE + b"alice\nalice again\n", 10.5) == [FOLD, second]


def test_after_a_moment_whoever_saves_has_seen_it(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", BEFORE + b"alice\n", 10.0 + WINDOW) == []
    assert recent.paths(10.0 + REMEMBERED / 2) == ["a.txt"]
    assert recent.paths(10.0 + REMEMBERED) == []
    assert not recent
