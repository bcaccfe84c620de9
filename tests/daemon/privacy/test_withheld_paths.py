"""What Git refuses is left out with Git's own words; the rest goes on, by either way of hashing."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from bough_daemon.errors import GitFailed
from bough_daemon.git.filters import ignored_under
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.tree_builder import TreeBuilder
from bough_daemon.store.store import Store

from tests.daemon.recording.test_tree_builder import TreeBench
from tests.daemon.support import git, make_repository, write_files

FILES = {
    ".gitattributes": b"*.reg working-tree-encoding=UTF-16\n*.up filter=up\n",
    "kept.reg": "first".encode("utf-16"),
    "plain.txt": b"one\n",
    "dir/inner.txt": b"two\n",
}


def wrong_encoding(root: Path) -> None:
    write_files(root, {"bad ü.reg": b"ASCII\n", "kept.reg": b"ASCII, too\n"})


def many_failing_filters(root: Path) -> None:
    git(root, "config", "filter.up.clean", "echo no tool for %f >&2; false")
    git(root, "config", "filter.up.required", "true")
    write_files(root, {f"many/{number}.up": b"x" for number in range(60)})


def unborn_repository(root: Path) -> None:
    git(root, "init", "-q", "unborn")


def lost_submodule(root: Path) -> None:
    make_repository(root / "sub", {"x": b"1"})
    git(root, "add", "sub")
    git(root, "commit", "-qm", "sub")
    (root / "sub/.git").rename(root / ".git/moved")
    (root / "sub/.git").write_text(f"gitdir: {root}/.git/gone")


def disguised_git_folder(root: Path) -> None:
    write_files(root, {"git~1": b"x", "dir/.git\u200c/config": b"y"})


def unknown_encoding(root: Path) -> None:
    write_files(
        root,
        {
            ".gitattributes": FILES[".gitattributes"] + b"*.txt working-tree-encoding=nonsense\n",
            "plain.txt": b"changed\n",
        },
    )


def too_long(root: Path) -> None:
    at = os.open(root, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("n" * 200, dir_fd=at)
        at, above = os.open("n" * 200, os.O_RDONLY, dir_fd=at), at
        os.close(above)
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)


def unmerged_and_wrong(root: Path) -> None:
    git(root, "switch", "-qc", "other")
    write_files(root, {"plain.txt": b"theirs\n"})
    git(root, "commit", "-qam", "theirs")
    git(root, "switch", "-q", "main")
    write_files(root, {"plain.txt": b"ours\n"})
    git(root, "commit", "-qam", "ours")
    subprocess.run(["git", "-C", str(root), "merge", "-q", "other"], capture_output=True, check=False)
    wrong_encoding(root)


def lost_content(root: Path) -> None:
    write_files(root, {"staged.txt": b"staged and lost\n"})
    git(root, "add", "staged.txt")
    oid = git(root, "hash-object", "staged.txt")
    (root / ".git/objects" / oid[:2] / oid[2:]).unlink()


TROUBLE: dict[str, tuple[Callable[[Path], None], dict[str, str]]] = {
    "wrong encoding": (
        wrong_encoding,
        {"bad ü.reg": "BOM is required in 'bad ü.reg' if encoded as UTF-16", "kept.reg": "BOM is required"},
    ),
    "many failing filters": (
        many_failing_filters,
        {f"many/{n}.up": f"no tool for many/{n}.up; external filter" for n in range(60)},
    ),
    "a repository without a commit": (unborn_repository, {"unborn": "a repository without a commit"}),
    "a submodule without its git dir": (lost_submodule, {"sub": "not a git repository: "}),
    "a git folder in disguise": (
        disguised_git_folder,
        {"git~1": "invalid path 'git~1'", "dir/.git\u200c/config": "invalid path 'dir/.git\u200c/config'"},
    ),
    "an unknown encoding": (
        unknown_encoding,
        {"plain.txt": "failed to encode 'plain.txt' from nonsense to UTF-8"},
    ),
    "a conflict beside it": (unmerged_and_wrong, {"bad ü.reg": "BOM is required", "kept.reg": "BOM is required"}),
    "content that is lost": (lost_content, {}),
}


def names_in(bench: TreeBench, tree: str) -> set[str]:
    return {path for path, _ in bench.store.objects.walk(tree)}


@pytest.fixture
def bench(folder: Path) -> Iterator[TreeBench]:
    made = TreeBench(folder, FILES)
    yield made
    made.close()
    subprocess.run(["rm", "-rf", str(folder)], check=True)  # pytest's own gives up at paths that are too long


@pytest.mark.parametrize("name", TROUBLE)
def test_what_git_refuses_is_left_out_in_its_words_and_the_rest_goes_on(bench: TreeBench, name: str) -> None:
    make, expected = TROUBLE[name]
    before = bench.tree
    make(bench.root)
    write_files(bench.root, {"new.md": b"new\n"})
    bench.snapshots.forget_rules()
    spliced = bench.snapshots.after(before, {entry.name for entry in bench.root.iterdir()} - {".git"})
    by_splice, reasons = spliced, bench.snapshots.unreadable.copy()
    for last in (before, by_splice):
        whole = bench.snapshots.everything(bench.base, last)
        assert bench.snapshots.unreadable.keys() == expected.keys()
        assert all(bench.snapshots.unreadable[path].startswith(words) for path, words in expected.items())
        assert bench.store.objects.entry(whole, "new.md") is not None
        assert bench.store.objects.entry(whole, "kept.reg") == bench.store.objects.entry(before, "kept.reg")
        assert names_in(bench, whole).isdisjoint(expected.keys() - names_in(bench, before) - {"sub"})
        if by_splice is not None:
            assert (whole, bench.snapshots.unreadable) == (by_splice, reasons)
    start = bench.snapshots.everything(bench.base)
    assert bench.store.objects.entry(start, "new.md") is not None


def test_one_path_that_git_cannot_tell_of_keeps_no_other_from_being_asked_about(bench: TreeBench) -> None:
    (bench.root / "link").symlink_to("dir")
    asked = ["plain.txt", "link/x", ":!d", "link/y", "dir/inner.txt"]
    plain, link_x, magic, link_y, inner = bench.snapshots.ignores.answers(asked)
    assert (plain, magic, inner) == (False, False, False)
    assert all("is beyond a symbolic link" in str(words) for words in (link_x, link_y))
    assert bench.snapshots.ignores.ignored(asked) == [False] * 5


def test_a_path_whose_question_git_stops_at_is_withheld_and_the_rest_is_recorded(
    bench: TreeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = bench.snapshots.ignores.answers

    def stopping(paths: Sequence[str]) -> list[bool | str]:
        return [said if path not in ("dir/inner.txt", "odd") else "it stopped" for path, said in said_of(paths)]

    def said_of(paths: Sequence[str]) -> list[tuple[str, bool | str]]:
        return list(zip(paths, answers(paths), strict=True))

    before = bench.tree
    write_files(bench.root, {"dir/inner.txt": b"changed", "dir/new": b"new", "odd/x": b"x"})
    with monkeypatch.context() as broken:
        broken.setattr(bench.snapshots.ignores, "answers", stopping)
        tree = bench.look("dir", "odd")
        assert bench.snapshots.unreadable["dir/inner.txt"] == "it stopped"
    assert bench.store.objects.entry(tree, "dir/new") is not None
    assert bench.store.objects.entry(tree, "dir/inner.txt") == bench.store.objects.entry(before, "dir/inner.txt")
    assert bench.look(*bench.snapshots.to_retry()) == bench.by_git()
    assert bench.snapshots.unreadable == {}


def test_a_git_that_can_tell_of_no_path_is_a_failure_of_the_whole(bench: TreeBench) -> None:
    (bench.root / ".git/config").write_text("[core\n")
    bench.snapshots.ignores.forget()
    with pytest.raises(GitFailed, match="bad config"):
        bench.snapshots.ignores.answers(["plain.txt"])


def test_names_that_could_be_pathspec_magic_are_ignored_by_the_rules_of_a_tree(bench: TreeBench) -> None:
    write_files(bench.root, {".gitignore": b"*.log\n", ":!d/.gitignore": b"own\n"})
    tree = bench.look(".gitignore", ":!d")
    asked = [":!d/x.log", ":!d/own", ":!d/new", ":(glob)x", "plain.log"]
    ignored = ignored_under(bench.worktree, bench.store.objects, tree, asked, str(bench.root.parent))
    assert ignored == {":!d/x.log", ":!d/own", "plain.log"}


def test_a_part_that_lies_too_deep_is_left_out_and_the_rest_goes_on(bench: TreeBench) -> None:
    too_long(bench.root)
    write_files(bench.root, {"new.md": b"new\n"})
    spliced = bench.snapshots.after(bench.tree, ["n" * 200, "new.md"])
    reasons = bench.snapshots.unreadable
    assert bench.snapshots.everything(bench.base, bench.tree) == spliced != bench.tree
    assert bench.snapshots.unreadable == reasons
    ((path, reason),) = reasons.items()
    assert set(path.split("/")) == {"n" * 200} and 4000 < len(str(bench.root / path)) < 4400
    assert reason == "File name too long"


def test_what_was_recorded_stays_for_a_file_that_cannot_be_taken_any_more(bench: TreeBench) -> None:
    write_files(bench.root, {"kept.reg": "second".encode("utf-16")})
    before = bench.look("kept.reg")
    write_files(bench.root, {"kept.reg": b"ASCII\n", "plain.txt": b"two\n"})
    whole = bench.snapshots.everything(bench.base, before)
    assert bench.store.objects.entry(whole, "kept.reg") == bench.store.objects.entry(before, "kept.reg")
    assert bench.snapshots.after(before, ["kept.reg", "plain.txt"]) == whole
    bench.tree = whole
    write_files(bench.root, {"kept.reg": "third".encode("utf-16")})
    assert bench.look(*bench.snapshots.to_retry()) == bench.by_git()
    assert bench.snapshots.unreadable == {}


def test_a_file_that_a_pull_brought_is_not_reverted_because_its_filter_fails(bench: TreeBench) -> None:
    git(bench.root, "config", "filter.up.clean", "cat")
    write_files(bench.root, {"theirs.up": b"old\n"})
    git(bench.root, "add", "-A")
    git(bench.root, "commit", "-qm", "old")
    before = bench.look("theirs.up")
    write_files(bench.root, {"theirs.up": b"newer\n"})
    git(bench.root, "commit", "-qam", "newer")
    os.utime(bench.root / ".git/index", (2e9, 2e9))  # no longer as young as the file
    git(bench.root, "config", "filter.up.clean", "false")
    git(bench.root, "config", "filter.up.required", "true")
    bench.snapshots.forget_rules()
    assert bench.snapshots.after(before, ["theirs.up"]) == git(bench.root, "rev-parse", "HEAD^{tree}")
    assert bench.snapshots.unreadable == {}


def test_files_that_come_and_go_are_no_failure(bench: TreeBench) -> None:
    stop = threading.Event()

    def build() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            folder = bench.root / f"tmp_{number}"
            write_files(folder, {"a": b"x", "b.up": b"y"})
            shutil.rmtree(folder)

    builder = threading.Thread(target=build)
    builder.start()
    try:
        for _ in range(15):
            bench.tree = bench.snapshots.everything(bench.base, bench.tree)
            bench.look(*{entry.name for entry in bench.root.iterdir()} - {".git"})
    finally:
        stop.set()
        builder.join()
    assert bench.snapshots.everything(bench.base, bench.tree) == bench.by_git()
    assert bench.snapshots.unreadable == {}


@pytest.mark.parametrize(
    "data", [b"garbage", b"", b"DIRC\0\0\0\x02\0\0\0\x09", None], ids=["bytes", "empty", "cut", "gone"]
)
def test_an_index_that_git_cannot_read_stops_nothing(folder: Path, data: bytes | None) -> None:
    bench = TreeBench(folder, FILES)
    try:
        git(bench.root, "update-index", "--skip-worktree", "plain.txt")
        bench.tree = bench.snapshots.everything(bench.base, bench.tree)
        write_files(bench.root, {"plain.txt": b"a local secret\n", "new.md": b"new\n"})
        index = bench.root / ".git/index"
        index.unlink()
        if data is not None:
            index.write_bytes(data)
        spliced = bench.snapshots.after(bench.tree, ["plain.txt", "new.md"])
        whole = bench.snapshots.everything(bench.base, bench.tree)
        assert bench.store.objects.entry(whole, "new.md") is not None
        if data:
            assert spliced == whole and bench.snapshots.index.failure
            assert bench.store.objects.entry(whole, "plain.txt") == bench.store.objects.entry(bench.tree, "plain.txt")
        git(bench.root, "read-tree", "HEAD")
        assert bench.snapshots.everything(bench.base, bench.tree) == bench.by_git()
        assert not bench.snapshots.index.failure
    finally:
        bench.close()


def test_a_working_tree_whose_index_git_cannot_read_becomes_live(folder: Path) -> None:
    make_repository(folder, FILES)
    (folder / ".git/index").write_bytes(b"garbage")
    worktree = Worktree.find(str(folder))
    store = Store(worktree.common_dir, "test")
    snapshots = TreeBuilder(worktree, store)
    try:
        write_files(folder, {"new.md": b"new\n"})
        base = store.objects.commit(worktree.head().commit).tree
        tree = snapshots.everything(base)
        assert {path for path, _ in store.objects.walk(tree)} == {*FILES, "new.md"}
        assert snapshots.after(tree, ["new.md", "plain.txt"]) == tree
    finally:
        snapshots.close()
        store.close()


def test_a_new_file_outside_a_sparse_checkout_stays_out_also_when_git_stops(bench: TreeBench) -> None:
    git(bench.root, "sparse-checkout", "set", "dir")
    wrong_encoding(bench.root / "dir")
    write_files(bench.root, {"away/new.txt": b"no\n", "dir/new.txt": b"yes\n"})
    bench.snapshots.forget_rules()
    tree = bench.snapshots.everything(bench.base, bench.tree)
    assert {"dir/new.txt", "plain.txt"} <= names_in(bench, tree)
    assert "away/new.txt" not in names_in(bench, tree)
    assert bench.snapshots.unreadable.keys() == {"dir/bad ü.reg", "dir/kept.reg"}
