"""Two insertions at one place are a conflict wherever their order means something, whatever else a side changed."""

from __future__ import annotations

import subprocess
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from bough_merge import merge_file
from bough_merge.structure.matching import _heaviest_in_order
from bough_merge.text.sequences import changes
from hypothesis import given, settings
from hypothesis import strategies as st

# (path, what stands before, what both insert behind, the two insertions, what stands after, a far change: old and new)
SLIDERS = [
    (
        "ci.yml",
        "name: ci\nsteps:\n  - run: test\n    shell: sh\n",
        "  - run: upload\n    if: ok\n    shell: sh\n",
        "  - run: clean\n    shell: sh\n",
        "",
        ("name: ci", "name: cd"),
    ),
    (
        "a.go",
        "package a\n\nvar a = 1\n\nfunc f() {\n\tx := g()\n\tif x {\n\t\treturn\n\t}\n",
        "\ty := h()\n\tif y {\n\t\treturn\n\t}\n",
        "\tz := i()\n\tif z {\n\t\treturn\n\t}\n",
        "}\n",
        ("var a = 1", "var a = 2"),
    ),
    (
        "a.py",
        "import os\n\n\ndef f():\n    with a:\n        one()\n        done()\n",
        "    with b:\n        two()\n        done()\n",
        "    with c:\n        three()\n        done()\n",
        "",
        ("import os", "import os\nimport re"),
    ),
    ("a.txt", "title\n\n* one\n  end\n", "* two\n  end\n", "* three\n  end\n", "\nlast\n", ("title", "Title")),
    (
        "Dockerfile",
        "FROM a\nRUN b && \\\n    c\n",
        "RUN d && \\\n    c\n",
        "RUN e && \\\n    c\n",
        "",
        ("FROM a", "FROM z"),
    ),
    ("a.sql", "-- a\nselect 1;\ngo\n", "insert 1;\ngo\n", "insert 2;\ngo\n", "", ("-- a", "-- b")),
    ("a.sh", "#!/bin/sh\nset -e\na\nstop\n", "b\nstop\n", "c\nstop\n", "", ("set -e", "set -eu")),
    ("a.md", "# A\n\nhello\n\n- one\n  end\n", "- two\n  end\n", "- three\n  end\n", "", ("hello", "hello there")),
]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("far", [0, 1, 2], ids=["no far change", "ours", "theirs"])
@pytest.mark.parametrize(
    ("path", "before", "one", "other", "after", "change"), SLIDERS, ids=lambda value: str(value)[:9]
)
def test_two_insertions_at_one_place_are_in_dispute(
    path: str, before: str, one: str, other: str, after: str, change: tuple[str, str], far: int, swapped: bool
) -> None:
    heads = [before.replace(*change) if far == side else before for side in (1, 2)]
    new = (other, one) if swapped else (one, other)
    ours, theirs = (head + text + after for head, text in zip(heads, new, strict=True))
    merged = merge_file((before + after).encode(), ours.encode(), theirs.encode(), path)
    assert not merged.clean
    assert new[0].strip().splitlines()[0] in merged.content.decode()


OLD = "Changes\n=======\n\nVersion 2\n---------\n\nUnreleased\n\n-   a\n\n\nVersion 1\n---------\n\nReleased\n\n-   c\n"
NEW = "Version 3\n---------\n\nUnreleased\n\n-   n\n\n\n"


def test_a_word_under_another_title_is_not_the_one_that_stays() -> None:
    ours = OLD.replace(
        "Version 2\n---------\n\nUnreleased\n\n-   a", NEW + "Version 2\n---------\n\nReleased 1\n\n-   b"
    )
    other = NEW.replace("3", "2.5").replace("n\n\n", "m\n\n")
    theirs = OLD.replace("Version 2\n", other + "Version 2\n")
    merged = merge_file(OLD.encode(), ours.encode(), theirs.encode(), "CHANGES.rst")
    assert not merged.clean


@pytest.mark.parametrize(
    ("path", "base", "where", "added"),
    [
        ("a.py", "one()\n\nx = 1\n\ntwo()\n", ("one()", "two()"), "tables.add(Shop)\n"),
        ("a.js", "one();\n\nlet x = 1;\n\ntwo();\n", ("one();", "two();"), "app.use(cors());\n"),
        ("a.rst", "A\n=\n\nx\n\nB\n=\n\ny\n", ("A\n", "B\n"), "C\n=\n\n"),
        ("a.sh", "one\n\nx=1\n\ntwo\n", ("one", "two"), "mount /dev/sda /mnt\n"),
    ],
)
def test_a_call_or_title_that_both_added_does_not_stand_twice(
    path: str, base: str, where: tuple[str, str], added: str
) -> None:
    ours, theirs = (base.replace(at, added + at).encode() for at in where)
    merged = merge_file(base.encode(), ours, theirs, path)
    assert [conflict.reason[-19:] for conflict in merged.conflicts] == ["added by both sides"]


@pytest.mark.parametrize(
    ("path", "base", "where", "added"),
    [
        (
            "a.go",
            "package a\n\nfunc f() error {\n\ta()\n\n\tb()\n\n\tc()\n}\n",
            ("\tb()", "\tc()"),
            "\tif err != nil {\n\t\treturn nil, err\n\t}\n",
        ),
        ("a.py", "def f():\n    a()\n\n    b()\n\n    c()\n", ("    b()", "    c()"), "    x += 1\n"),
        ("a.c", "void f(void)\n{\n\ta();\n\n\tb();\n\n\tc();\n}\n", ("\tb()", "\tc()"), "\tif (x)\n\t\treturn;\n"),
    ],
)
def test_short_code_that_both_added_may_stand_twice(path: str, base: str, where: tuple[str, str], added: str) -> None:
    ours, theirs = (base.replace(at, added + at).encode() for at in where)
    merged = merge_file(base.encode(), ours, theirs, path)
    assert merged.clean
    assert merged.content.decode().count(added) == 2


letters = st.lists(st.sampled_from("abc"), max_size=9)


@settings(deadline=None, max_examples=30)
@given(old=letters, new=letters)
def test_what_changed_is_what_git_says(
    old: list[str], new: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    for name, lines in (("old", old), ("new", new)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    assert [tuple(change) for change in changes(old, new)] == _by_git(folder)


def _by_git(folder: Path) -> list[tuple[int, int, int, int]]:
    command = ["git", "diff", "--no-index", "--no-indent-heuristic", "-U0", "old", "new"]
    lines = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout.splitlines()
    found = []
    for line in lines:
        if line.startswith("@@"):
            old, new = ((*map(int, part[1:].split(",")), 1)[:2] for part in line.split()[1:3])
            start, start_new = (at if count == 0 else at - 1 for at, count in (old, new))
            found.append((start, start + old[1], start_new, start_new + new[1]))
    return found


@given(st.permutations(range(6)), st.lists(st.integers(1, 9), min_size=6, max_size=6))
def test_the_heaviest_that_keeps_its_order_is_found(order: list[int], weights: list[int]) -> None:
    found = _heaviest_in_order(list(enumerate(order)), weights)
    chosen = [
        sum(weights[i] for i in some)
        for count in range(7)
        for some in combinations(range(6), count)
        if all(order[one] < order[other] for one, other in pairwise(some))
    ]
    assert sum(weights[i] for i, _ in found) == max(chosen)
    assert all(one[1] < other[1] for one, other in pairwise(found))
