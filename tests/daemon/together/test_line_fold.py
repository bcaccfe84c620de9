"""Lines that two people type into one text."""

from __future__ import annotations

from collections import Counter

import pytest
from bough_daemon.together.line_fold import fold_lines
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n", b"\n", b"d\r\n"]), max_size=8).map(b"".join)


def typed(name: bytes) -> st.SearchStrategy[list[tuple[int, bytes]]]:
    """Return places at which a person adds lines of their own."""
    return st.lists(st.integers(0, 8), max_size=5).map(
        lambda places: [(at, b"%s%d\n" % (name, number)) for number, at in enumerate(places)]
    )


def with_lines(text: bytes, added: list[tuple[int, bytes]]) -> bytes:
    """Return a text with some lines added."""
    lines = text.splitlines(keepends=True)
    for at, line in added:
        lines.insert(min(at, len(lines)), line)
    return b"".join(lines)


@given(base=TEXT, host=typed(b"host"), guest=typed(b"guest"))
def test_what_both_add_is_there_once_and_nothing_else_goes(
    base: bytes, host: list[tuple[int, bytes]], guest: list[tuple[int, bytes]]
) -> None:
    folded = fold_lines(base, with_lines(base, host), with_lines(base, guest))
    assert folded is not None
    wanted = Counter(base.splitlines()) + Counter(line.strip() for _, line in [*host, *guest])
    assert Counter(folded.splitlines()) == wanted


@given(base=TEXT, host=TEXT, guest=TEXT)
def test_folding_with_an_unchanged_side_takes_the_other(base: bytes, host: bytes, guest: bytes) -> None:
    assert fold_lines(base, host, base) == host
    assert fold_lines(base, base, guest) == guest
    assert fold_lines(base, host, host) == host


@given(base=TEXT, host=TEXT, guest=TEXT)
def test_what_was_folded_on_one_side_is_all_that_comes_to_the_other(base: bytes, host: bytes, guest: bytes) -> None:
    folded = fold_lines(base, host, guest)
    if folded is not None:
        assert fold_lines(guest, folded, guest) == folded
        assert fold_lines(host, host, folded) == folded


@pytest.mark.parametrize(
    ("base", "host", "guest", "folded"),
    [
        (b"a\n", b"a\nh\n", b"a\ng\n", b"a\nh\ng\n"),
        (b"a\nz\n", b"a\nh\nz\n", b"a\ng\nz\n", b"a\nh\ng\nz\n"),
        (b"a\nb\n", b"A\nb\n", b"a\nB\n", b"A\nB\n"),
        (b"a\nb\nc\n", b"A\nB\nc\n", b"a\nb\nC\n", b"A\nB\nC\n"),
        (b"a\nb\n", b"A\nb\n", b"a\nx\nb\n", b"A\nx\nb\n"),
        (b"a\n", b"x\n", b"y\n", None),
        (b"a\nb\n", b"b\n", b"A\nb\n", None),
        (b"a", b"a\nh", b"g\na", b"g\na\nh"),
        (b"a\n", b"a", b"a\ng\n", b"a\ng"),
        (b"", b"h\n", b"h\ng\n", b"h\ng\n"),
        (b"a\0\n", b"b\0\n", b"a\0\nx\n", None),
    ],
)
def test_the_host_comes_first_and_only_the_very_same_line_is_in_dispute(
    base: bytes, host: bytes, guest: bytes, folded: bytes | None
) -> None:
    assert fold_lines(base, host, guest) == folded
