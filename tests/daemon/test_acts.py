"""How commands tell how they ended."""

from __future__ import annotations

from bough_daemon.acts import _lines, _told
from bough_daemon.merging import File
from bough_merge import merge_file


def test_a_conflict_says_what_each_side_did() -> None:
    base, ours, theirs = (b"def a():\n    return %d\n" % number for number in (1, 2, 3))
    made = merge_file(base, ours, theirs, "m.py")
    file = File("m.py", "conflict", str(made.method), made.findings, made.conflicts)
    assert _lines([file]) == [
        "  m.py: conflict",
        "    line 2 in a: ours changed `1` to `2`; theirs changed `1` to `3`",
    ]
    assert _told(file)["conflicts"][0]["where"] == "a"


def test_names_from_elsewhere_cannot_move_the_cursor() -> None:
    assert _lines([File("a\x1b[31m\n", "clean", "lines")]) == ["  a\\033[31m\\n: merged by lines"]
