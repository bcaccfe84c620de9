"""What rules keep at home stays there while Git cannot read them, and nothing waits for a pipe in their place."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.git.rule_files import NO_FILE, RuleFiles
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.recorder import Recorder
from bough_daemon.system import children

from tests.daemon.recording.test_recorder import live, until
from tests.daemon.recording.test_tree_builder import TreeBench
from tests.daemon.support import git, make_repository, write_files

FILES = {
    ".gitignore": b"*.log\nbuild/\n",
    "a.txt": b"1",
    "sub/.gitignore": b"*.tmp\n",
    "sub/b.txt": b"1",
    "sub/deep/c.txt": b"1",
    "other/d.txt": b"1",
}


@pytest.fixture
def bench(folder: Path) -> Iterator[TreeBench]:
    made = TreeBench(folder, FILES)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what waits for a pipe fail soon."""
    monkeypatch.setattr(children, "IDLE_SECONDS", 8.0)


def read_again(bench: TreeBench) -> None:
    """Read rules and index again, as after an event, when the watcher has looked at every folder."""
    bench.snapshots.forget_rules()
    bench.snapshots.ignores.ignored(["sub", "sub/deep", "sub/new", "other", "build"])


def as_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)


def changed(bench: TreeBench, tree: str) -> dict[str, bytes | None]:
    """Return what differs from the first tree, by path."""
    objects = bench.store.objects
    return {
        path: objects.blob(entry.oid) if entry is not None else None
        for path, _, entry in objects.difference(bench.tree, tree)
    }


@pytest.mark.parametrize("place", [".gitignore", "sub/.gitignore", "sub/deep/.gitignore", ".git/info/exclude", "outer"])
def test_a_pipe_in_the_place_of_ignore_rules_keeps_what_is_new_at_home(bench: TreeBench, place: str) -> None:
    root = bench.root
    rules = root / place if place != "outer" else root.parent / "my ignores"
    if place == "outer":
        git(root, "config", "core.excludesFile", str(rules))
    as_pipe(rules)
    new = {
        "x.log": b"x",
        "sub/x.tmp": b"x",
        "sub/deep/new": b"x",
        "sub/new/er": b"x",
        "other/new": b"x",
        "build/y": b"x",
    }
    write_files(root, new)
    write_files(root, {"a.txt": b"2", "sub/b.txt": b"2", "sub/deep/c.txt": b"2", "other/d.txt": b"2"})
    (root / "sub/deep/c.txt").unlink()
    read_again(bench)
    everywhere = place in (".gitignore", ".git/info/exclude", "outer")
    below = {"sub/.gitignore": "sub/", "sub/deep/.gitignore": "sub/deep/"}.get(place, "")
    covered = {"x.log", "sub/x.tmp", "build/y"}  # by the rules that are open still, or were closed just now
    taken = {path for path in new if not path.startswith(below)} - covered if not everywhere else set()
    expected = dict.fromkeys(taken, b"x") | {"a.txt": b"2", "sub/b.txt": b"2", "other/d.txt": b"2"}
    whole = bench.snapshots.everything(bench.base, bench.tree)
    assert changed(bench, whole) == expected | {"sub/deep/c.txt": None}
    spliced = bench.snapshots.after(bench.tree, {entry.name for entry in root.iterdir()} - {".git"})
    assert spliced == whole
    (name, why), *others = bench.snapshots.withheld().items()
    assert not others and why.startswith(NO_FILE)
    assert name == (place if not place.startswith(".git/") and place != "outer" else str(rules))


@pytest.mark.parametrize("place", [".gitattributes", "sub/.gitattributes", ".git/info/attributes"])
def test_a_pipe_in_the_place_of_attributes_keeps_what_changes_at_home(bench: TreeBench, place: str) -> None:
    root = bench.root
    write_files(root, {"sub/b.txt": b"recorded"})
    last = bench.snapshots.everything(bench.base, bench.tree)
    as_pipe(root / place)
    write_files(root, {"sub/b.txt": b"3", "sub/new": b"x", "other/d.txt": b"3"})
    (root / "sub/deep/c.txt").unlink()
    read_again(bench)
    whole = bench.snapshots.everything(bench.base, last)
    other = {"other/d.txt": b"3"} if place.startswith("sub/") else {}
    assert changed(bench, whole) == {"sub/b.txt": b"recorded", "sub/deep/c.txt": None} | other
    assert bench.snapshots.withheld()[place if place.startswith((".gitattr", "sub")) else str(root / place)]
    spliced = bench.snapshots.after(last, {"sub", "other"})
    assert spliced == whole


def test_rules_that_are_open_again_count_at_once(folder: Path) -> None:
    make_repository(folder, FILES)

    async def scene() -> None:
        async with live(folder) as (session, told):
            as_pipe(folder / ".gitignore")
            write_files(folder, {"a.txt": b"2", "x.log": b"secret", "new.txt": b"n"})
            await until(lambda: ".gitignore" in session.snapshots.withheld())
            await session.save()
            assert names(session) == FILES.keys()
            (folder / ".gitignore").unlink()
            write_files(folder, {".gitignore": FILES[".gitignore"]})
            await until(lambda: "new.txt" in names(session, told[-1].tree))
            assert "x.log" not in names(session) and not session.snapshots.withheld()

    asyncio.run(scene())


def names(session: Recorder, tree: str = "") -> set[str]:
    tip = session.branch.tip
    assert tip is not None
    return {path for path, _ in session.store.objects.walk(tree or tip.tree)}


def test_recording_begins_though_rules_are_pipes(folder: Path) -> None:
    make_repository(folder, FILES)
    for name in (".gitignore", "sub/.gitignore", "new/.gitignore", "other/.gitattributes", ".gitmodules"):
        as_pipe(folder / name)
    write_files(folder, {"a.txt": b"2"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            entry = session.store.objects.entry(told[-1].tree, "a.txt")
            assert entry is not None and session.store.objects.blob(entry.oid) == b"2"
            withheld = session.snapshots.withheld().keys()
            assert {".gitignore", "sub/.gitignore", "other/.gitattributes"} <= withheld
            assert names(session) >= FILES.keys()

    asyncio.run(scene())


def test_what_is_no_file_and_never_waited_for_counts_as_no_rules(folder: Path) -> None:
    make_repository(folder, {"a/b.txt": b"1"})
    git(folder, "config", "core.excludesFile", "/dev/null")
    (folder / ".gitignore").mkdir()
    (folder / "a/.gitignore").symlink_to("/nowhere")
    rules = RuleFiles(Worktree.find(str(folder)))
    rules.look_in(["", "a"])
    assert rules.closed() == {} and rules.above("a/b.txt", ".gitignore") is None


def test_the_words_tell_where_rules_are_closed(folder: Path) -> None:
    make_repository(folder, {"a/b.txt": b"1"})
    as_pipe(folder / "a/.gitignore")
    as_pipe(folder / ".gitattributes")
    rules = RuleFiles(Worktree.find(str(folder)))
    rules.look_in(["", "a"])
    assert rules.withheld() == {
        "a/.gitignore": f"{NO_FILE}; until Git can read it, new files in a are neither recorded nor shared",
        ".gitattributes": f"{NO_FILE}; until Git can read it, changed files are neither recorded nor shared",
    }
    assert rules.folders(".gitattributes") == [""] and rules.folders(".gitignore") == ["a"]


def test_git_itself_is_not_asked_where_it_would_wait(bench: TreeBench) -> None:
    as_pipe(bench.root / "sub/.gitignore")
    bench.snapshots.forget_rules()
    closed, open_, folder = bench.snapshots.ignores.answers(["sub/x", "x.log", "sub"])
    assert (str(closed), open_, folder) == ("sub/.gitignore cannot be read", True, False)
    assert bench.snapshots.ignores.ignored(["sub/x.tmp", "y.log"]) == [False, True]
