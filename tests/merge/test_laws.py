"""Laws of every merge, whatever the bytes."""

from __future__ import annotations

import pytest
from bough_merge import merge_file
from bough_merge.languages import language_of
from bough_merge.syntax import parse
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


@law
@given(base=FUNCTIONS, ours=FUNCTIONS, theirs=FUNCTIONS)
def test_swapped_sides_give_the_same_entities(base: list[str], ours: list[str], theirs: list[str]) -> None:
    def file(names: list[str]) -> bytes:
        return "\n\n".join(f"def {name}():\n    return '{name}'" for name in ("start", *names)).encode() + b"\n"

    one = merge_file(file(base), file(ours), file(theirs), "a.py")
    two = merge_file(file(base), file(theirs), file(ours), "a.py")
    assert one.clean == two.clean
    if one.clean:
        assert _names(one.content) == _names(two.content)


@law
@given(base=FUNCTIONS, ours=FUNCTIONS, theirs=FUNCTIONS)
def test_a_clean_merge_of_keys_is_the_merge_of_sets(base: list[str], ours: list[str], theirs: list[str]) -> None:
    def file(names: list[str]) -> bytes:
        return ("{\n" + ",\n".join(f'  "{name}": "{name}"' for name in names) + "\n}\n").encode()

    merged = merge_file(file(base), file(ours), file(theirs), "a.json")
    kept = {name for name in base if name in ours and name in theirs}
    added = (set(ours) | set(theirs)) - set(base)
    if merged.clean:
        lang = language_of("a.json")
        assert lang is not None
        assert not parse(merged.content, lang).raw.has_error  # type: ignore[union-attr]
        assert sorted(merged.content.decode().split('"')[1::4]) == sorted(kept | added)


def _names(content: bytes) -> list[bytes]:
    return sorted(line for line in content.split(b"\n") if line.startswith(b"def "))


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
