"""Inputs that nobody writes: a result, in time, and never a crash."""

from __future__ import annotations

import time

import pytest
from bough_merge import Method, merge_file

DEEP = 100_000
LONG = b"x = '" + b"a " * 500_000 + b"'\n"
STEPS = b"".join(b" " * level + b"a:\n" for level in range(1500))

CASES = {
    "nested brackets": (b"[" * DEEP + b"1" + b"]" * DEEP, b"1", b"2", "a.json"),
    "nested parentheses": (b"x = " + b"(" * DEEP + b"1" + b")" * DEEP, b"1", b"2", "a.py"),
    "a long sum": (b"x = " + b"1+" * DEEP + b"7", b"7", b"8", "a.py"),
    "open braces": (b"{" * DEEP + b"1", b"1", b"2", "a.js"),
    "nested tags": (b"<a>" * 20_000 + b"1" + b"</a>" * 20_000, b"1", b"2", "a.xml"),
    "open tags": (b"<div>" * 20_000 + b"1", b"1", b"2", "a.html"),
    "a long union": (b"type X = " + b"a|" * 20_000 + b"b1", b"b1", b"b2", "a.ts"),
    "a chain of else": (b"int f(){" + b"if(a){}else " * 20_000 + b"{b1;}}", b"b1", b"b2", "a.c"),
    "steps of indentation": (STEPS + b"1", b"1", b"2", "a.yml"),
    "a list in lists": (b"- " * 5_000 + b"1", b"1", b"2", "a.yml"),
    "a line of 1 MB": (LONG, b"x", b"y", "a.py"),
    "cut UTF-8": ("x = 'é'\n".encode()[:-3] + b"1", b"1", b"2", "a.py"),
}


@pytest.mark.parametrize("name", CASES)
def test_hostile_nesting_ends_in_a_result(name: str) -> None:
    base, old, new, path = CASES[name]
    start = time.monotonic()
    at = base.rfind(old)
    ours = base[:at] + new + base[at + len(old) :]
    theirs = b"\n" + base[:at] + new + new + base[at + len(old) :]
    merged = merge_file(base, ours, theirs, path)
    assert merged.content
    assert time.monotonic() - start < 10


def test_a_file_with_nul_bytes_is_one_side_or_a_conflict() -> None:
    merged = merge_file(b"a\0b", b"a\0c", b"a\0d", "a.py")
    assert (merged.content, merged.method, len(merged.conflicts)) == (b"a\0c", Method.BINARY, 1)
    assert merge_file(b"a\0b", b"a\0b", b"a\0d", "a.py").content == b"a\0d"


def test_markers_in_an_input_do_no_harm() -> None:
    base = b"a = 1\n<<<<<<< ours\nb = 2\n=======\nb = 3\n>>>>>>> theirs\nc = 4\n"
    merged = merge_file(base, base.replace(b"a = 1", b"a = 2"), base.replace(b"c = 4", b"c = 5"), "a.py")
    assert merged.content == base.replace(b"a = 1", b"a = 2").replace(b"c = 4", b"c = 5")
    assert merged.clean


def test_broken_syntax_on_one_side_keeps_its_text() -> None:
    base = b"def f():\n    return 1\n\n\ndef g():\n    return 2\n"
    ours = base.replace(b"return 1", b"return (1")
    merged = merge_file(base, ours, base.replace(b"return 2", b"return 3"), "a.py")
    assert merged.content == ours.replace(b"return 2", b"return 3")


def test_over_a_limit_the_result_says_so() -> None:
    base = b"a = 1\n\nb = 1\n" * 40_000
    merged = merge_file(base, b"c = 1\n" + base, base + b"d = 1\n", "a.py")
    assert merged.clean
    assert merged.method is Method.TEXT
    assert [finding.kind for finding in merged.findings] == ["limit"]
