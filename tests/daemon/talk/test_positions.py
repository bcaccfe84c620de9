"""Where the code of a comment is now: at the very lines, or with a word about it, never silently elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_daemon.git.objects import Objects
from bough_daemon.talk.line_ranges import LineRange, bare_lines, block_of, range_in
from bough_daemon.talk.positions import CodePosition, PositionFinder, PositionMemory, anchor_at
from bough_merge.text.sequences import changes
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.daemon.support import git, make_repository, write_files

LINES = [
    b"def first(items):",
    b"    total = sum(items)",
    b"    return total",
    b"}",
    b"",
    b"    pass",
    b"value = read()",
]
lines = st.lists(
    st.sampled_from(LINES) | st.integers(0, 50).map(lambda number: b"call_number(%d)" % number), max_size=25
)


def joined(*parts: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for part in parts for line in part)


def looked_for(old: bytes, first: int, last: int, new: bytes) -> LineRange | None:
    cut = old.split(b"\n")
    code, above, below = cut[first - 1 : last], cut[max(0, first - 4) : first - 1], cut[last : last + 3]
    block = block_of(*(b"".join(line + b"\n" for line in part) for part in (code, above, below)))
    before, after = bare_lines(old), bare_lines(new)
    return range_in(before, after, changes(before, after), first, block)


@given(above=lines, code=lines, below=lines, before=lines, after=lines)
def test_lines_put_in_or_taken_out_elsewhere_never_move_a_comment_to_other_code(
    above: list[bytes], code: list[bytes], below: list[bytes], before: list[bytes], after: list[bytes]
) -> None:
    assume(code)
    old, new = joined(above, code, below), joined(before, code, after)
    found = looked_for(old, len(above) + 1, len(above) + len(code), new)
    if found is not None and not found.edited:
        assert new.split(b"\n")[found.first - 1 : found.last] == code


@given(above=lines, below=lines, before=lines, after=lines)
def test_code_that_is_there_once_is_found_exactly(
    above: list[bytes], below: list[bytes], before: list[bytes], after: list[bytes]
) -> None:
    code = [b"def the_one_that_is_meant():", b"    pass"]
    found = looked_for(joined(above, code, below), len(above) + 1, len(above) + 2, joined(before, code, after))
    assert found == LineRange(len(before) + 1, len(before) + 2)


@given(above=lines, code=lines, below=lines)
def test_in_the_same_text_a_comment_is_where_it_was(above: list[bytes], code: list[bytes], below: list[bytes]) -> None:
    assume(code)
    old = joined(above, code, below)
    found = looked_for(old, len(above) + 1, len(above) + len(code), old)
    assert found is None or found[:2] == (len(above) + 1, len(above) + len(code))


OLD = b"""import os

def area(width, height):
    return width * height

def volume(width, height, depth):
    return width * height * depth

def close():
    done()
}
"""


@pytest.mark.parametrize(
    ("what", "first", "last", "new", "found"),
    [
        ("nothing", 4, 4, OLD, LineRange(4, 4)),
        ("lines above", 4, 4, b"import sys\n" + OLD, LineRange(5, 5)),
        (
            "edited",
            4,
            4,
            OLD.replace(b"return width * height\n", b"return abs(width * height)\n"),
            LineRange(4, 4, True),
        ),
        ("gone", 3, 4, OLD.replace(OLD[OLD.index(b"def area") : OLD.index(b"def volume")], b""), None),
        (
            "moved to the end",
            3,
            4,
            OLD.replace(OLD[OLD.index(b"def area") : OLD.index(b"def volume")], b"")
            + b"\ndef area(width, height):\n    return width * height\n",
            LineRange(10, 11),
        ),
        (
            "another indentation",
            7,
            7,
            OLD.replace(b"    return width * height * depth", b"  return width * height * depth"),
            LineRange(7, 7, True),
        ),
        ("a lone bracket whose function is gone", 11, 11, b"other()\n{\n}\nmore()\n}\n", None),
        ("a line put into it", 6, 7, OLD.replace(b"depth):\n", b"depth):\n    check(depth)\n"), LineRange(6, 8, True)),
    ],
)
def test_a_comment_follows_its_code(what: str, first: int, last: int, new: bytes, found: LineRange | None) -> None:
    assert looked_for(OLD, first, last, new) == found


def found_after(
    folder: Path,
    files: dict[str, bytes],
    change: dict[str, bytes | None],
    place: tuple[str, int, int],
    here: bool = True,
) -> CodePosition | None:
    """Return where lines are after files were written and (None) removed. `here`: the anchor's own commit still is."""
    make_repository(folder, files)
    objects = Objects(str(folder / ".git" / "objects"))
    anchor = anchor_at(objects, git(folder, "rev-parse", "HEAD"), *place)
    assert anchor is not None
    write_files(folder, {name: data for name, data in change.items() if data is not None})
    for name in (name for name, data in change.items() if data is None):
        (folder / name).unlink()
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "second")
    if not here:
        git(folder, "checkout", "-q", "--orphan", "alone")
        git(folder, "commit", "-q", "-m", "alone")
        git(folder, "for-each-ref")
        for branch in git(folder, "for-each-ref", "--format=%(refname)").split():
            if branch != "refs/heads/alone":
                git(folder, "update-ref", "-d", branch)
        git(folder, "reflog", "expire", "--expire=now", "--all")
        git(folder, "gc", "-q", "--prune=now")
    objects.refresh()
    finder, memory = PositionFinder(objects, PositionMemory()), PositionMemory()
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    answer = finder.position(anchor, tree, b"1")
    assert finder.position(anchor, tree, b"1") == answer  # from memory
    assert PositionFinder(objects, memory).position(anchor, tree, b"1") == answer
    return answer


MANY = {f"other{number}.py": b"x = %d\n" % number for number in range(5)}


def test_a_comment_goes_along_when_its_file_is_renamed_and_edited(tmp_path: Path) -> None:
    change = {"a.py": None, "src/ü b.py": b"# new\n" + OLD}
    found = found_after(tmp_path, {"a.py": OLD} | MANY, change, ("a.py", 6, 7))
    assert found == CodePosition("src/ü b.py", LineRange(7, 8))


def test_a_comment_goes_along_when_its_code_moves_to_another_file(tmp_path: Path) -> None:
    at = OLD.index(b"def volume")
    volume = OLD[at : OLD.index(b"def close")]
    change: dict[str, bytes | None] = {"a.py": OLD.replace(volume, b""), "other1.py": b"x = 1\n\n" + volume}
    found = found_after(tmp_path, {"a.py": OLD} | MANY, change, ("a.py", 6, 7))
    assert found == CodePosition("other1.py", LineRange(3, 4))


def test_code_that_was_in_another_file_all_along_is_not_taken_for_the_code_that_is_gone(tmp_path: Path) -> None:
    at = OLD.index(b"def volume")
    volume = OLD[at : OLD.index(b"def close")]
    files = {"a.py": OLD, "copy.py": b"# copy\n" + volume}
    assert found_after(tmp_path, files, {"a.py": OLD.replace(volume, b"")}, ("a.py", 6, 7)) is None
    both: dict[str, bytes | None] = {"a.py": OLD.replace(volume, b""), "b.py": volume, "c.py": volume}
    assert found_after(tmp_path / "two", {"a.py": OLD}, both, ("a.py", 6, 7)) is None


def test_a_comment_finds_its_code_when_its_own_snapshot_is_gone(tmp_path: Path) -> None:
    change: dict[str, bytes | None] = {"a.py": b"# new\n# lines\n" + OLD}
    found = found_after(tmp_path, {"a.py": OLD} | MANY, change, ("a.py", 6, 7), here=False)
    assert found == CodePosition("a.py", LineRange(8, 9))
    moved: dict[str, bytes | None] = {"a.py": None, "src/a.py": b"# new\n" + OLD}
    assert found_after(tmp_path / "moved", {"a.py": OLD}, moved, ("a.py", 6, 7), here=False) == CodePosition(
        "src/a.py", LineRange(7, 8)
    )


def test_an_answer_for_one_tree_is_not_given_for_another_one(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a.py": OLD})
    objects, memory = Objects(str(tmp_path / ".git" / "objects")), PositionMemory()
    anchor = anchor_at(objects, git(tmp_path, "rev-parse", "HEAD"), "a.py", 4, 4)
    assert anchor is not None
    for added in (0, 1, 0, 3):
        (tmp_path / "a.py").write_bytes(b"# line\n" * added + OLD)
        git(tmp_path, "add", "-A")
        tree = git(tmp_path, "write-tree")
        found = PositionFinder(objects, memory).position(anchor, tree, b"1")
        assert found == CodePosition("a.py", LineRange(4 + added, 4 + added))


def test_there_is_no_anchor_where_there_are_no_such_lines(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a.py": OLD, "binary": b"\0" * 10, "empty": b""})
    objects, head = Objects(str(tmp_path / ".git" / "objects")), git(tmp_path, "rev-parse", "HEAD")
    for place in (("a.py", 0, 1), ("a.py", 3, 2), ("a.py", 11, 12), ("binary", 1, 1), ("empty", 1, 1), ("no", 1, 1)):
        assert anchor_at(objects, head, *place) is None


def test_an_anchor_that_lies_about_its_lines_is_not_believed(tmp_path: Path) -> None:
    make_repository(tmp_path, {"a.py": OLD})
    objects = Objects(str(tmp_path / ".git" / "objects"))
    anchor = anchor_at(objects, git(tmp_path, "rev-parse", "HEAD"), "a.py", 4, 4)
    assert anchor is not None
    tree = git(tmp_path, "rev-parse", "HEAD^{tree}")
    for lie in ({"code": b"something_else()\n"}, {"first": 900}, {"blob": tree}, {"commit": tree}, {"path": b"b.py"}):
        values = {name: getattr(anchor, name) for name in anchor.__struct_fields__} | lie
        found = PositionFinder(objects, PositionMemory()).position(type(anchor)(**values), tree, b"1")
        assert found is None or found == CodePosition("a.py", LineRange(4, 4))
