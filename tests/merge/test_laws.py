"""Laws of every merge, whatever the bytes."""

from __future__ import annotations

import re

import pytest
from bough_merge import merge_file
from bough_merge.syntax.languages import language_of
from bough_merge.syntax.parsing import parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PATHS = ["a.py", "a.js", "a.c", "a.json", "a.yml", "a.toml", "a.md", "go.mod", "requirements.txt", "a.csv", "a.unknown"]
BOM = b"\xef\xbb\xbf"
LINES = [
    b"def f(a):\n",
    b"    return a\n",
    b"import os\n",
    b"from a import b, c\n",
    b"x = f(1)\n",
    b"\n",
    b"# said\n",
    b"class A:\n",
    b"    x = 1\n",
    b"int f(int a) { return a; }\n",
    b'{"a": 1,\n',
    b' "b": [1, 2]}\n',
    b"a: 1\n",
    b"- b\n",
    b"[t]\n",
    b"k = 'v'\n",
    b"<<<<<<< ours\n",
    b"=======\n",
    b">>>>>>> theirs\n",
    b"||||||| base\n",
    b"\xff\xfe\n",
    b"\ttab\r\n",
    b"let y = {a: 1, b};\n",
    b"a,b,c\n",
    b"require a v1\n",
    b"last",
]

texts = st.lists(st.sampled_from(LINES), max_size=12).map(b"".join)
anything = st.one_of(st.binary(max_size=200), texts)
paths = st.sampled_from(PATHS)
law = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@law
@given(base=anything, side=anything, path=paths)
def test_merging_with_an_unchanged_side_takes_the_other(base: bytes, side: bytes, path: str) -> None:
    assert merge_file(base, side, base, path).content == side
    assert merge_file(base, base, side, path).content == side


@law
@given(base=anything, side=anything, path=paths)
def test_equal_sides_give_that_side(base: bytes, side: bytes, path: str) -> None:
    merged = merge_file(base, side, side, path)
    assert merged.content == side
    assert merged.clean


@law
@given(base=anything, ours=anything, theirs=anything, path=paths)
def test_any_bytes_give_a_result_twice_the_same(base: bytes, ours: bytes, theirs: bytes, path: str) -> None:
    first = merge_file(base, ours, theirs, path)
    assert first == merge_file(base, ours, theirs, path)


@law
@given(base=texts, ours=texts, theirs=texts, path=paths)
def test_a_conflict_has_a_marker_at_the_line_that_it_names(base: bytes, ours: bytes, theirs: bytes, path: str) -> None:
    merged = merge_file(base, ours, theirs, path, labels=("o", "b", "t"))
    lines = merged.content.split(b"\n")
    for conflict in merged.conflicts:
        if conflict.line:
            assert lines[conflict.line - 1].startswith(b"<<<<<<< o")
            assert conflict.ours and conflict.theirs


@law
@given(base=texts, ours=texts, theirs=texts, path=paths)
def test_no_line_is_invented(base: bytes, ours: bytes, theirs: bytes, path: str) -> None:
    merged = merge_file(base, ours, theirs, path)
    known = b"".join(b"".join((base, ours, theirs)).split())
    if merged.clean:
        assert set(merged.content) - set(b" \t\r\n,;") <= set(known)


FUNCTIONS = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=6)


# How a file of named things is written: (path, opening, one thing, what stands between two, closing).
FILES = [
    ("a.py", "", "def %s():\n    return '%s'", "\n\n\n", "\n"),
    ("a.js", "", "function %s() {\n  return '%s';\n}", "\n\n", "\n"),
    ("A.java", "class A {\n", '    String %s() {\n        return "%s";\n    }', "\n\n", "\n}\n"),
    ("a.go", "package main\n\n", 'func %s() string {\n\treturn "%s"\n}', "\n\n", "\n"),
    ("a.rs", "", 'fn %s() -> i32 {\n    say("%s")\n}', "\n\n", "\n"),
    ("a.c", "", 'int %s(void)\n{\n\treturn say("%s");\n}', "\n\n", "\n"),
    ("a.rb", "class A\n", "  def %s\n    '%s'\n  end", "\n\n", "\nend\n"),
    ("a.kt", "class A {\n", '    fun %s(): String {\n        return "%s"\n    }', "\n\n", "\n}\n"),
    ("a.php", "<?php\n", "function %s() {\n    return '%s';\n}", "\n\n", "\n"),
    ("a.json", "{\n", '  "%s": "%s"', ",\n", "\n}\n"),
    ("a.toml", "[t]\n", '%s = "%s"', "\n", "\n"),
    ("a.yml", "", "%s:\n  - %s", "\n", "\n"),
    ("a.properties", "", "%s = %s", "\n", "\n"),
]
styles = st.sampled_from(FILES)


def _file(style: tuple[str, str, str, str, str], names: list[str]) -> bytes:
    _, opening, thing, between, closing = style
    return (opening + between.join(thing % (name, name) for name in names) + closing).encode()


def _named(content: bytes) -> list[bytes]:
    """Return the lines that name a thing: those with a name of one letter, without what separates them."""
    found = (re.search(rb"\b[a-h]\b", line) for line in content.split(b"\n"))
    return sorted(name[0] for name in found if name is not None)


@law
@given(style=styles, base=FUNCTIONS, ours=FUNCTIONS, theirs=FUNCTIONS)
def test_swapped_sides_give_the_same_entities(
    style: tuple[str, str, str, str, str], base: list[str], ours: list[str], theirs: list[str]
) -> None:
    three = [_file(style, ["start", *names]) for names in (base, ours, theirs)]
    one = merge_file(three[0], three[1], three[2], style[0])
    two = merge_file(three[0], three[2], three[1], style[0])
    assert one.clean == two.clean
    if one.clean:
        assert _named(one.content) == _named(two.content)


@law
@given(style=styles, base=FUNCTIONS, ours=FUNCTIONS, theirs=FUNCTIONS)
def test_a_clean_merge_of_named_things_is_the_merge_of_sets(
    style: tuple[str, str, str, str, str], base: list[str], ours: list[str], theirs: list[str]
) -> None:
    three = [_file(style, ["start", *names]) for names in (base, ours, theirs)]
    merged = merge_file(three[0], three[1], three[2], style[0])
    kept = {name for name in base if name in ours and name in theirs}
    added = (set(ours) | set(theirs)) - set(base)
    if merged.clean:
        lang = language_of(style[0])
        assert lang is not None
        assert not parse(merged.content, lang).raw.has_error  # type: ignore[union-attr]
        assert set(_named(merged.content)) == {name.encode() for name in kept | added}
        assert len(merged.content.split(b"start")) == len(_file(style, ["start"]).split(b"start"))


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "wanted"),
    [
        (b"a = 1\r\nb = 2\r\n", b"a = 2\r\nb = 2\r\n", b"a = 1\r\nb = 3\r\n", b"a = 2\r\nb = 3\r\n"),
        (BOM + b"a = 1\nb = 2\n", BOM + b"a = 2\nb = 2\n", BOM + b"a = 1\nb = 3\n", BOM + b"a = 2\nb = 3\n"),
        (b"a = 1\nb = 2", b"a = 2\nb = 2", b"a = 1\nb = 3", b"a = 2\nb = 3"),
        (b"s = '\xe9'\nb = 2\n", b"s = '\xe8'\nb = 2\n", b"s = '\xe9'\nb = 3\n", b"s = '\xe8'\nb = 3\n"),
        (b"a = 1\r\nb = 2\n", b"a = 2\r\nb = 2\n", b"a = 1\r\nb = 3\n", b"a = 2\r\nb = 3\n"),
        (b"if a:\n\tb\n\tc\n", b"if a:\n\td\n\tc\n", b"if a:\n\tb\n\te\n", b"if a:\n\td\n\te\n"),
    ],
    ids=["crlf", "bom", "no final newline", "latin-1", "mixed line ends", "tabs"],
)  # fmt: skip
def test_bytes_survive(base: bytes, ours: bytes, theirs: bytes, wanted: bytes) -> None:
    merged = merge_file(base, ours, theirs, "a.py")
    assert merged.content == wanted
    assert merged.clean


def test_two_files_without_an_ancestor_dispute_only_what_differs() -> None:
    merged = merge_file(None, b"a = 1\nb = 2\nc = 3\n", b"a = 1\nb = 4\nc = 3\n", "a.py")
    assert merged.content == b"a = 1\n<<<<<<< ours\nb = 2\n||||||| base\n=======\nb = 4\n>>>>>>> theirs\nc = 3\n"
    assert len(merged.conflicts) == 1
