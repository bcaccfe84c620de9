"""An answer is the rest of a line, and the block where one begins."""

from __future__ import annotations

import pytest
from bough_completion.text.extent import extent
from hypothesis import given
from hypothesis import strategies as st

lines = st.lists(st.sampled_from(["", "x", "    y", "        z", "}", "    )", "\tt"]), max_size=8).map("\n".join)


@pytest.mark.parametrize(
    ("text", "prefix", "max_lines", "expected"),
    [
        ("rn 1", "def f():\n    retu", 9, ("rn 1", False)),
        ("rn 1\nx", "def f():\n    retu", 9, ("rn 1", True)),
        ("rn 1\n", "def f():\n    retu", 1, ("rn 1", True)),
        ("\n    return 1\n    y\nz", "def f():", 9, ("\n    return 1\n    y", True)),
        ("\n    return 1\nz", "def f():", 1, ("", True)),
        ("x = 1\n    y = 2\n\n    z\n\nq", "def f():\n    ", 9, ("x = 1\n    y = 2\n\n    z", True)),
        ("a {\n  b\n}\nc", "if ", 9, ("a {\n  b\n}", True)),
        ("a {\n  b\n}", "if ", 9, ("a {\n  b\n}", False)),
        ("a {\n  b\n} else", "if ", 9, ("a {\n  b", True)),
        ("a\nb", "x = 1\n", 9, ("a", True)),
        ("a\n  b\n\n\n", "x = 1\n", 9, ("a\n  b", True)),
        ("a\n  b\n  c\n  d", "", 2, ("a\n  b", True)),
        ("a\n\tb\nc", "", 9, ("a\n\tb", True)),
    ],
)
def test_where_an_answer_ends(text: str, prefix: str, max_lines: int, expected: tuple[str, bool]) -> None:
    assert extent(text, prefix, max_lines) == expected


@given(lines, lines, st.integers(1, 5))
def test_what_belongs_is_a_start_of_the_text_and_never_too_long(text: str, prefix: str, max_lines: int) -> None:
    kept, _ = extent(text, prefix, max_lines)
    assert text.startswith(kept)
    assert kept.count("\n") < max_lines


@given(lines, lines, lines, st.integers(1, 5))
def test_what_is_over_stays_as_it_is_whatever_is_written_next(
    text: str, more: str, prefix: str, max_lines: int
) -> None:
    kept, is_over = extent(text, prefix, max_lines)
    if is_over:
        assert extent(text + more, prefix, max_lines) == (kept, True)
