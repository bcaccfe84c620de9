"""What may be inserted."""

from __future__ import annotations

import pytest
from bough_completion.text.finish import fitting
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "prefix", "suffix", "max_lines", "fits"),
    [
        ("a, b)", "f(", ")\n", 1, "a, b"),
        ("a, g(b))", "f(", ")\n", 1, "a, g(b)"),
        ("a)\nb = 2", "f(", "\n", 1, "a)"),
        ("a) {", "f(", ") {\n", 1, "a"),
        ("x + 1", "y = ", "", 1, "x + 1"),
        ("x + 1   ", "y = ", "", 1, "x + 1"),
        ("x<|fim_middle|>y", "y = ", "", 1, "x"),
        ("x</s>", "y = ", "", 1, "x"),
        ("vec![1]", "y: Vec<s> = ", "", 1, "vec![1]"),
        ("turn total", "    re", "\n    return total\n", 1, ""),
        ("}", "", "\n}\n", 1, "}"),
        ("f(x):\n    return x\n    y = 1", "def ", "\n    y = 1\n", 9, "f(x):\n    return x"),
        ("a\nb\nc", "", "", 2, "a\nb"),
        ("f() {\n  a;\n  if (b) {\n    c;", "", "", 9, "f() {\n  a;"),
        ("f() {\n  a;\n}", "", "", 9, "f() {\n  a;\n}"),
    ],
)
def test_only_what_fits_is_left(text: str, prefix: str, suffix: str, max_lines: int, fits: str) -> None:
    assert fitting(text, prefix, suffix, max_lines) == fits


@given(st.text("ab()[]{} \n", max_size=30), st.text("ab()[] \n", max_size=10), st.text("ab()[] \n", max_size=10))
def test_what_is_left_is_a_beginning_and_fits_again(text: str, prefix: str, suffix: str) -> None:
    once = fitting(text, prefix, suffix, 3)
    assert text.startswith(once)
    assert once.count("\n") < 3


@given(st.text("ab()[] ", max_size=12), st.text("ab)]", min_size=1, max_size=4), st.text("ab()\n", max_size=10))
def test_no_bracket_is_closed_that_the_rest_of_the_line_closes(text: str, tail: str, below: str) -> None:
    fits = fitting(text, "f(", f"{tail}\n{below}")
    closers = [character for character in tail if character in ")]"]
    depth = 0
    for character in fits:
        depth += (character in "([") - (character in ")]")
        if depth < 0:
            assert not closers or character != closers[0]
            break
