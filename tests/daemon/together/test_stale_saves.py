"""Saves by somebody who had not read what a fold brought."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bough_daemon.git.root_dir import blob_id
from bough_daemon.together.stale_saves import REMEMBERED, WINDOW, FoldedIn, RecentFolds

BEFORE, AFTER = b"one\ntwo\n", b"one\nbob\ntwo\n"
FOLDS = 400


class Texts(dict[str, bytes]):
    """Texts by the id of their blob, and recent folds of them. `reads`: how many lines of them were read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self.recent = RecentFolds(self.read)

    def read(self, blob: str) -> bytes:
        """Return a text."""
        self.reads += self[blob].count(b"\n")
        return self[blob]

    def blob(self, text: bytes) -> str:
        """Return the id of a text that can be read from now on."""
        self[blob_id(text)] = text
        return blob_id(text)

    def fold(self, before: bytes, after: bytes, at: float) -> FoldedIn:
        """Note a fold of `a.txt`, and return it."""
        fold = FoldedIn(self.blob(before), self.blob(after), at, self.read)
        self.recent.note("a.txt", fold)
        return fold

    def unseen(self, saved: bytes, at: float = 10.5) -> list[FoldedIn]:
        """Return the folds that a save of `a.txt` is missing."""
        return self.recent.unseen("a.txt", self.blob(saved), at)


@pytest.fixture
def texts() -> Texts:
    """Return texts of which none was folded."""
    return Texts()


@pytest.fixture
def fold(texts: Texts) -> FoldedIn:
    """Return a fold that has just come in."""
    return texts.fold(BEFORE, AFTER, 10.0)


def test_a_save_without_what_was_just_folded_was_made_before_it(texts: Texts, fold: FoldedIn) -> None:
    assert texts.unseen(b"one\ntwo\nalice\n") == [fold]


@pytest.mark.usefixtures("fold")
def test_a_save_that_has_it_has_seen_it(texts: Texts) -> None:
    assert texts.unseen(AFTER) == []
    assert texts.unseen(AFTER + b"alice\n") == []
    assert texts.unseen(b"one\nbob, too\n" + b"bob\n") == []


@pytest.mark.usefixtures("fold")
def test_a_save_that_puts_the_file_back_is_an_undo(texts: Texts) -> None:
    assert texts.unseen(BEFORE) == []


def test_only_the_folds_that_were_not_seen_count(texts: Texts, fold: FoldedIn) -> None:
    second = texts.fold(AFTER, AFTER + b"bob again\n", 10.1)
    assert texts.unseen(AFTER + b"alice\n") == [second]
    assert texts.unseen(BEFORE + b"alice\n") == [fold, second]


def test_a_line_that_one_fold_took_out_and_the_next_brought_back_tells_nothing(texts: Texts) -> None:
    folds = [
        texts.fold(b"one\ntwo\n", b"one\nbob\n", 10.0),
        texts.fold(b"one\nbob\n", b"one\nbob\nbob again\ntwo\n", 10.1),
    ]
    assert texts.unseen(b"one\ntwo\nalice\n") == folds


def test_what_was_saved_between_two_folds_is_not_one_of_them(texts: Texts, fold: FoldedIn) -> None:
    second = texts.fold(AFTER + b"alice\n", AFTER + b"bob again\nalice\n", 10.2)
    assert texts.unseen(BEFORE + b"alice\nalice again\n") == [fold, second]


@pytest.mark.usefixtures("fold")
def test_after_a_moment_a_save_has_seen_it(texts: Texts) -> None:
    assert texts.unseen(BEFORE + b"alice\n", 10.0 + WINDOW) == []
    assert texts.recent.paths(10.0 + REMEMBERED / 2) == ["a.txt"]
    assert texts.recent.paths(10.0 + REMEMBERED) == []
    assert not texts.recent


def test_the_hundredth_fold_of_a_minute_costs_as_much_as_the_first(texts: Texts) -> None:
    """Two who type for a minute had each save compared with the whole text of every fold of that minute."""

    def cost(act: Callable[[], object]) -> int:
        before = texts.reads
        act()
        return texts.reads - before

    text, costs = b"".join(b"line %d\n" % number for number in range(50)), list[int]()
    for number in range(FOLDS):
        texts.fold(text, text + b"bob %d\n" % number, 10.0 + number / 10)
        text += b"bob %d\nalice %d\n" % (number, number)
        costs.append(cost(lambda: texts.unseen(text, 0.0)))
    sizes = 50 + 2 * FOLDS
    assert max(costs) <= 4 * sizes
