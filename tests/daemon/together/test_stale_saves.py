"""Saves by somebody who had not read what a fold brought."""

from __future__ import annotations

import pytest
from bough_daemon.together.stale_saves import REMEMBERED, WINDOW, RecentFolds

BEFORE, AFTER = b"one\ntwo\n", b"one\nbob\ntwo\n"


@pytest.fixture
def recent() -> RecentFolds:
    """Return a fold that has just come in."""
    found = RecentFolds()
    found.note("a.txt", BEFORE, AFTER, 10.0)
    return found


def test_a_save_without_what_was_just_folded_was_made_before_it(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", b"one\ntwo\nalice\n", 10.5) == (BEFORE, AFTER)


def test_a_save_that_has_it_has_seen_it(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", AFTER + b"alice\n", 10.5) is None
    assert recent.unseen("a.txt", b"one\nbob, too\n" + b"bob\n", 10.5) is None


def test_a_save_that_puts_the_file_back_is_an_undo(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", BEFORE, 10.5) is None


def test_only_the_folds_that_were_not_seen_count(recent: RecentFolds) -> None:
    recent.note("a.txt", AFTER, AFTER + b"bob again\n", 10.1)
    assert recent.unseen("a.txt", AFTER + b"alice\n", 10.5) == (AFTER, AFTER + b"bob again\n")
    assert recent.unseen("a.txt", BEFORE + b"alice\n", 10.5) == (BEFORE, AFTER + b"bob again\n")


def test_after_a_moment_whoever_saves_has_seen_it(recent: RecentFolds) -> None:
    assert recent.unseen("a.txt", BEFORE + b"alice\n", 10.0 + WINDOW) is None
    assert recent.paths(10.0 + REMEMBERED / 2) == ["a.txt"]
    assert recent.paths(10.0 + REMEMBERED) == []
    assert not recent
