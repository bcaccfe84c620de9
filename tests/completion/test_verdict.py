"""What a model wrote is shown only where it fits, parses and is sure."""

from __future__ import annotations

import pytest
from bough_completion.answering.verdict import judged
from bough_completion.prompt.writers import Written
from bough_completion.query import Query, Suggestion
from bough_completion.text.syntax import breaks

QUERY = Query("a.py", "def f(x):\n    y = g(", ")\n    return y\n", max_lines=9, limit=3)
KNOWN = Suggestion("x", 0.7, shown=True)


def texts(written: Written, query: Query = QUERY, known: tuple[Suggestion, ...] = ()) -> list[str]:
    return [one.text for one in judged(written, query, "a model", known)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x, 1)\n    return y\n", ["x, 1"]),
        ("x, 1<|endoftext|>", ["x, 1"]),
        ("x y z", []),
        ("", []),
        ("x\x1b[2J", []),
        ("x\u202e", []),
    ],
)
def test_what_does_not_fit_is_cut_or_dropped(text: str, expected: list[str]) -> None:
    assert texts(Written(text, 0.9, 0.9, ended=True)) == expected


def test_of_what_did_not_come_to_its_end_whole_lines_count() -> None:
    query = Query("a.py", "def f():\n    ", "\n", max_lines=9)
    assert texts(Written("x = 1\n    y = 2\n    retu", 0.9, 0.9), query) == ["x = 1\n    y = 2"]
    assert texts(Written("x = 1 +", 0.9, 0.9), query) == []


def test_the_sure_one_goes_first_and_the_models_before_others() -> None:
    sure, unsure = Written("z", 0.8, 0.8, ended=True), Written("z", 0.01, 0.01, ended=True)
    assert texts(sure, known=(KNOWN,)) == ["z", "x"]
    assert texts(unsure, known=(KNOWN,)) == ["x", "z"]
    assert not judged(unsure, QUERY, "a model", ())[0].shown


def test_where_both_say_the_same_it_keeps_where_it_was_learned() -> None:
    live = Suggestion("x", 0.7, "live:alice", shown=True)
    (one,) = judged(Written("x", 0.01, 0.01, ended=True), QUERY, "a model", (live,))
    assert (one.source, one.engine, one.confidence, one.shown) == ("live:alice", "a model", 0.7, True)


@pytest.mark.parametrize(
    ("path", "text", "is_broken"),
    [
        ("a.py", "x", False),
        ("a.py", "x)", True),
        ("a.py", "x y", True),
        ("a.py", "x, {", False),
        ("a.unknown", "x y )))", False),
        ("a.c", "x", False),
    ],
)
def test_a_new_parse_error_is_seen(path: str, text: str, is_broken: bool) -> None:
    assert breaks(Query(path, QUERY.prefix, QUERY.suffix), text) is is_broken


def test_an_error_that_is_there_already_is_nobodys_fault() -> None:
    query = Query("a.py", "def f(:\n    x = ", "\n")
    assert not breaks(query, "1")
    assert breaks(query, "1 2 3)")


def test_a_huge_file_is_judged_by_what_is_near() -> None:
    lines = "value = compute(value)\n" * 400_000
    assert not breaks(Query("a.py", lines + "x = ", "\n" + lines), "f(1)")
    assert breaks(Query("a.py", lines + "x = ", "\n" + lines), "f 1")
