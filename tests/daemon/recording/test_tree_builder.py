"""A snapshot's tree is the tree that `git add -A && git write-tree` would give."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.git.command import LineProtocol
from bough_daemon.git.worktree import Worktree
from bough_daemon.recording.tree_builder import TreeBuilder
from bough_daemon.store.store import Store
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.support import git, make_repository, tree_by_git, write_files

FILES = {
    "a.txt": b"one\n",
    "dir/b.txt": b"two\n",
    "dir/deep/c.bin": bytes(range(256)),
    ".gitignore": b"*.log\nbuild/\n!keep.log\n",
    "\xfcml \xe4ut.txt": b"uml\n",
}


class TreeBench:
    """A repository, its store, and the tree that the last look gave."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self.root = make_repository(folder, files)
        self.worktree = Worktree.find(str(self.root))
        self.store = Store(self.worktree.common_dir, "test")
        self.store.arrive(self.worktree.head().commit)
        self.snapshots = TreeBuilder(self.worktree, self.store)
        self.base = self.store.objects.commit(self.worktree.head().commit).tree
        self.tree = self.snapshots.everything(self.base)

    def look(self, *paths: str) -> str:
        """Splice what changed at `paths`."""
        self.tree = self.snapshots.after(self.tree, paths) or self.snapshots.everything(self.base)
        return self.tree

    def by_git(self) -> str:
        """Return git's own answer."""
        with tempfile.TemporaryDirectory() as scratch:
            return tree_by_git(self.root, Path(scratch))

    def close(self) -> None:
        self.snapshots.close()
        self.store.close()


@pytest.fixture
def bench(folder: Path) -> Iterator[TreeBench]:
    made = TreeBench(folder, FILES)
    yield made
    made.close()


def test_the_first_tree_is_gits(bench: TreeBench) -> None:
    write_files(bench.root, {"new/file": b"x", "a.txt": b"changed\n", "x.log": b"ignored", "keep.log": b"kept"})
    assert bench.snapshots.everything(bench.base) == bench.by_git()


CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "edit": (lambda root: (root / "a.txt").write_bytes(b"new\n"), ["a.txt"]),
    "new file in a new folder": (lambda root: write_files(root, {"n/m/o": b"1", "n/p.log": b"2"}), ["n"]),
    "delete": (lambda root: (root / "a.txt").unlink(), ["a.txt"]),
    "delete a folder": (lambda root: shutil.rmtree(root / "dir"), ["dir"]),
    "file becomes folder": (lambda root: ((root / "a.txt").unlink(), write_files(root, {"a.txt/x": b"y"})), ["a.txt"]),
    "folder becomes file": (lambda root: (shutil.rmtree(root / "dir"), write_files(root, {"dir": b"f"})), ["dir"]),
    "executable": (lambda root: (root / "a.txt").chmod(0o755), ["a.txt"]),
    "symlink": (lambda root: ((root / "a.txt").unlink(), (root / "a.txt").symlink_to("dir/b.txt")), ["a.txt"]),
    "folder becomes symlink": (
        lambda root: ((root / "dir").rename(root / "moved"), (root / "dir").symlink_to("moved")),
        ["dir", "moved", "dir/b.txt", "dir/deep/c.bin"],
    ),
    "rename": (lambda root: (root / "dir").rename(root / "other dir"), ["dir", "other dir"]),
    "ignored": (
        lambda root: write_files(root, {"x.log": b"1", "build/out": b"2", "keep.log": b"3"}),
        ["x.log", "build", "build/out", "keep.log"],
    ),
    "crlf": (lambda root: (root / "a.txt").write_bytes(b"one\r\ntwo\r\n"), ["a.txt"]),
    "empty folder": (lambda root: (root / "empty").mkdir(), ["empty"]),
    "name with a newline": (lambda root: write_files(root, {"a\nb": b"x"}), ["a\nb"]),
    "name that is no text": (
        lambda root: write_files(root, {os.fsdecode(b"\xff\xfe"): b"x"}),
        [os.fsdecode(b"\xff\xfe")],
    ),
    "names that could be pathspec magic": (
        lambda root: write_files(root, {":!d/new": b"1", ":!d/x.log": b"2", ":(glob)x": b"3", ":": b"4", "*": b"5"}),
        [":!d", ":(glob)x", "*", ":"],
    ),
    "fifo": (lambda root: os.mkfifo(root / "pipe"), ["pipe"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_splice_is_what_git_would_add(bench: TreeBench, name: str) -> None:
    change, paths = CHANGES[name]
    change(bench.root)
    assert bench.look(*paths) == bench.by_git()


@pytest.mark.parametrize(
    ("attributes", "config"),
    [
        (b"* text=auto\n", {}),
        (b"*.txt text eol=crlf\n", {}),
        (b"*.txt -text\n", {"core.autocrlf": "true"}),
        (b"", {"core.autocrlf": "input"}),
        (b"*.txt ident\n", {}),
        (b"*.txt working-tree-encoding=UTF-16LE\n", {}),
        (b"*.txt filter=rot\n", {"filter.rot.clean": "tr a-z n-za-m", "filter.rot.smudge": "tr a-z n-za-m"}),
    ],
)
def test_what_converts_a_file_for_git_converts_it_here(folder: Path, attributes: bytes, config: dict[str, str]) -> None:
    make_repository(folder, {})
    for name, value in config.items():
        git(folder, "config", name, value)
    text = "eins\r\nzwei $Id$\r\n".encode("utf-16-le" if b"UTF-16" in attributes else "ascii")
    bench = TreeBench(folder, {".gitattributes": attributes, "a.txt": text, "sub/b.txt": text})
    try:
        (folder / "a.txt").write_bytes(text + text)
        write_files(folder, {"new.txt": text, "sub/c.md": b"x\r\ny\r\n"})
        assert bench.look("a.txt", "new.txt", "sub/c.md") == bench.by_git()
    finally:
        bench.close()


@pytest.mark.parametrize("name", ['"quoted', 'in "the" middle', '"both"', "line\nend", "end\r", "back\\slash", '"\\\n'])
def test_a_converted_file_may_have_any_name(folder: Path, name: str) -> None:
    bench = TreeBench(folder, {".gitattributes": b"* text\n"})
    try:
        write_files(folder, {name: b"one\r\n", f'"in/{name}': b"two\r\n"})
        assert bench.look(name, '"in') == bench.by_git()
        assert bench.snapshots.unreadable == {}
    finally:
        bench.close()


def test_crlf_that_the_index_has_stays_under_text_auto(folder: Path) -> None:
    make_repository(folder, {"old.txt": b"a\r\nb\r\n"})
    bench = TreeBench(folder, {".gitattributes": b"* text=auto\n"})
    try:
        (folder / "old.txt").write_bytes(b"a\r\nb\r\nc\r\n")
        assert bench.look("old.txt") == bench.by_git()
        (folder / "old.txt").write_bytes(b"a\nb\n")
        assert bench.look("old.txt") == bench.by_git()
        (folder / "old.txt").write_bytes(b"a\r\n")
        assert bench.look("old.txt") == bench.by_git()
    finally:
        bench.close()


@pytest.mark.parametrize("odd", [b"", b"\0", b"\r", b"\x01", b"\x1a", b"\x7f", b"\x01" + b"x" * 128, b"\xff", b"\x0c"])
def test_only_text_keeps_the_line_ends_that_the_index_has(folder: Path, odd: bytes) -> None:
    make_repository(folder, {"old.txt": b"a\r\nb\r\n" + odd})
    bench = TreeBench(folder, {".gitattributes": b"* text=auto\n"})
    try:
        (folder / "old.txt").write_bytes(b"a\r\nb\r\nc\r\n")
        assert bench.look("old.txt") == bench.by_git()
    finally:
        bench.close()


def test_tracked_files_count_although_they_are_ignored(bench: TreeBench) -> None:
    write_files(bench.root, {"build/tracked.txt": b"1", "build/not.txt": b"2", "t.log": b"3"})
    git(bench.root, "add", "-f", "build/tracked.txt", "t.log")
    assert bench.look() == bench.by_git()
    (bench.root / "t.log").write_bytes(b"changed")
    shutil.rmtree(bench.root / "build")
    write_files(bench.root, {"build/tracked.txt": b"new", "build/not.txt": b"2"})
    assert bench.look("t.log", "build") == bench.by_git()
    git(bench.root, "rm", "-q", "-f", "--cached", "t.log")
    write_files(bench.root, {"t.log": b"ignored from now on"})
    assert bench.look() == bench.by_git()


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_flagged_files_keep_what_the_index_has(bench: TreeBench, flag: str) -> None:
    git(bench.root, "update-index", flag, "dir/b.txt")
    (bench.root / "dir/b.txt").write_bytes(b"local secret\n")
    (bench.root / "a.txt").write_bytes(b"edit\n")
    assert bench.look("a.txt", "dir/b.txt", "dir") == bench.by_git()
    shutil.rmtree(bench.root / "dir")
    assert bench.look("dir") == bench.by_git()


def test_a_repository_inside_is_its_commit(bench: TreeBench) -> None:
    make_repository(bench.root / "inner", {"x": b"1"})
    assert bench.look("inner") == bench.by_git()
    write_files(bench.root / "inner", {"y": b"2"})
    git(bench.root / "inner", "add", "-A")
    git(bench.root / "inner", "commit", "-qm", "second")
    assert bench.look(*bench.snapshots.linked()) == bench.by_git()
    shutil.rmtree(bench.root / "inner")
    assert bench.look("inner") == bench.by_git()


def test_a_plain_save_starts_no_git(bench: TreeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.look("a.txt")
    monkeypatch.setattr(subprocess, "Popen", lambda *command, **_: pytest.fail(f"started {command}"))
    (bench.root / "a.txt").write_bytes(b"edit\n")
    before = bench.tree
    assert bench.look("a.txt") != before
    monkeypatch.undo()
    assert bench.tree == bench.by_git()


def test_of_many_files_git_is_asked_at_once_which_it_ignores(bench: TreeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = list[bytes](), LineProtocol._exchange

    def counted(self: LineProtocol, question: bytes, *more: Any) -> list[bytes]:
        if self._name == "check-ignore":
            asked.append(question)
        return real(self, question, *more)

    monkeypatch.setattr(LineProtocol, "_exchange", counted)
    (bench.root / ".gitignore").write_bytes(b"*.log\n")
    bench.snapshots.forget_rules()
    names = [f"many/{number:03}-{'x' * 40}.{end}" for number in range(150) for end in ("txt", "log")]
    write_files(bench.root, dict.fromkeys(names, b""))
    bench.look(".gitignore", *names)
    assert len(asked) < 10
    assert bench.tree == bench.by_git()


def test_a_path_at_which_git_stops_is_known_among_many(bench: TreeBench) -> None:
    (bench.root / "link").symlink_to("many")
    (bench.root / ".gitignore").write_bytes(b"*.log\n")
    paths = [f"many/{number}.{end}" for number in range(30) for end in ("txt", "log")]
    answers = bench.snapshots.ignores.answers([*paths, "link/inside", "last.log", "last.txt"])
    assert [answer is True for answer in answers[:-3]] == [path.endswith(".log") for path in paths]
    assert isinstance(answers[-3], str) and answers[-2:] == [True, False]


def test_a_file_in_a_repository_inside_is_not_ours(bench: TreeBench) -> None:
    make_repository(bench.root / "inner", {"x": b"1", "d/y": b"2"})
    assert bench.look("inner", "inner/x", "inner/d", "inner/d/y") == bench.by_git()
    assert bench.look("inner/x") == bench.by_git()


def test_a_folder_that_becomes_a_repository_and_one_that_is_none_any_more(bench: TreeBench) -> None:
    write_files(bench.root, {"g/h/1": b"1"})
    assert bench.look("g") == bench.by_git()
    git(bench.root, "init", "-q", "g")
    git(bench.root / "g", "add", ".")
    git(bench.root / "g", "commit", "-qm", "x")
    assert bench.look("g") == bench.by_git()
    shutil.rmtree(bench.root / "g/.git")
    assert bench.look("g") == bench.by_git()
    git(bench.root, "init", "-q", "dir")
    git(bench.root / "dir", "commit", "-q", "--allow-empty", "-m", "x")
    assert bench.look("dir") == bench.by_git()


def test_a_folder_with_tracked_files_that_becomes_a_repository_stays_ours_while_they_are_tracked(
    bench: TreeBench,
) -> None:
    git(bench.root, "init", "-q", "dir")
    git(bench.root / "dir", "commit", "-q", "--allow-empty", "-m", "x")
    write_files(bench.root, {"dir/new.txt": b"ours\n"})
    assert bench.look("dir/new.txt") == bench.by_git()
    git(bench.root, "rm", "-rq", "--cached", "dir")
    assert bench.look() == bench.by_git()
    git(bench.root, "reset", "-q", "dir")
    assert bench.look() == bench.by_git()


def test_a_submodule_that_is_not_checked_out_stays(bench: TreeBench, tmp_path: Path) -> None:
    make_repository(tmp_path / "lib", {"x": b"1"})
    git(bench.root, "submodule", "--quiet", "add", str(tmp_path / "lib"), "lib")
    git(bench.root, "commit", "-qm", "lib")
    assert bench.look("lib", ".gitmodules") == bench.by_git()
    git(bench.root, "submodule", "--quiet", "deinit", "-f", "lib")
    assert bench.look("lib") == bench.by_git()
    git(bench.root, "update-index", "--cacheinfo", f"160000,{'1' * 40},lib")
    assert bench.look() == bench.by_git()
    git(bench.root, "rm", "-q", "--cached", "lib")
    assert bench.look() == bench.by_git()
    git(bench.root, "reset", "-q", "lib")
    assert bench.look() == bench.by_git()


def test_another_name_of_the_same_file_changes_with_it(bench: TreeBench) -> None:
    os.link(bench.root / "a.txt", bench.root / "other.txt")
    assert bench.look("other.txt") == bench.by_git()
    with (bench.root / "other.txt").open("ab") as file:
        file.write(b"more")
    assert bench.look("other.txt") == bench.by_git()


def test_file_modes_count_as_the_configuration_says_now(bench: TreeBench) -> None:
    git(bench.root, "config", "core.fileMode", "false")
    bench.snapshots.forget_rules()
    (bench.root / "a.txt").chmod(0o755)
    assert bench.look("a.txt") == bench.by_git()


@pytest.mark.parametrize("flag", ["assume-unchanged", "skip-worktree"])
def test_what_is_hidden_after_an_edit_is_hidden_from_then_on(bench: TreeBench, flag: str) -> None:
    (bench.root / "a.txt").write_bytes(b"hidden\n")
    assert bench.look("a.txt") == bench.by_git()
    git(bench.root, "update-index", f"--{flag}", "a.txt")
    assert bench.look() == bench.by_git()
    git(bench.root, "update-index", f"--no-{flag}", "a.txt")
    assert bench.look() == bench.by_git()


def test_a_new_file_outside_a_sparse_checkout_is_refused_as_git_refuses_it(bench: TreeBench) -> None:
    git(bench.root, "sparse-checkout", "set", "dir")
    write_files(bench.root, {"g/new": b"1", "dir/new": b"2"})
    make_repository(bench.root / "h", {"inside": b"3"})
    index = (bench.root / ".git/index").read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "index").write_bytes(index)
        environment = {"GIT_INDEX_FILE": f"{scratch}/index"}
        subprocess.run(
            ["git", "add", "-A"], cwd=bench.root, env=dict(os.environ) | environment, capture_output=True, check=False
        )
        wanted = git(bench.root, "write-tree", stdin=b"", **environment)
    assert bench.look("g", "h", "dir", "dir/deep") == wanted


def test_edits_and_removals_outside_of_a_sparse_checkout_are_refused_as_git_refuses_them(bench: TreeBench) -> None:
    write_files(bench.root, {"a/x": b"1", "b/x": b"2"})
    git(bench.root, "add", "-A")
    git(bench.root, "commit", "-qm", "more")
    git(bench.root, "sparse-checkout", "set", "dir")
    write_files(bench.root, {"a/x": b"edited", "b/x": b"2", "dir/b.txt": b"edited"})
    git(bench.root, "status")
    assert bench.look("a", "b", "dir/b.txt") == bench.by_git()
    (bench.root / "b/x").unlink()
    assert bench.look("b/x") == bench.by_git()


def test_a_filter_that_fails_keeps_only_its_own_file_out(bench: TreeBench) -> None:
    git(bench.root, "config", "filter.absent.clean", "no-such-program-anywhere")
    git(bench.root, "config", "filter.absent.required", "true")
    write_files(bench.root, {".gitattributes": b"*.fil filter=absent\n", "x y.fil": b"1", "z.fil": b"2", "plain": b"3"})
    bench.snapshots.forget_rules()
    tree = bench.snapshots.everything(bench.base)
    names = {path for path, _ in bench.store.objects.walk(tree)}
    assert "plain" in names and "x y.fil" not in names
    assert set(bench.snapshots.unreadable) == {"x y.fil", "z.fil"}


def test_a_repository_without_a_commit_is_named_and_left_out(bench: TreeBench) -> None:
    git(bench.root, "init", "-q", "unborn")
    write_files(bench.root, {"unborn/x": b"1"})
    before = bench.tree
    assert bench.look("unborn") == before
    assert bench.snapshots.unreadable == {"unborn": "a repository without a commit"}


def test_a_snapshot_outlives_what_gc_takes_from_the_user(bench: TreeBench) -> None:
    write_files(bench.root, {"f": b"precious\n"})
    git(bench.root, "add", "f")
    tree = bench.look("f")
    git(bench.root, "reset", "-q", "f")
    (bench.root / "f").unlink()
    git(bench.root, "gc", "-q", "--prune=now")
    entry = bench.store.objects.entry(tree, "f")
    assert entry is not None
    bench.store.objects.refresh()
    assert bench.store.objects.blob(entry.oid) == b"precious\n"


def test_what_is_staged_at_the_start_outlives_gc(folder: Path) -> None:
    make_repository(folder, {"a": b"1"})
    write_files(folder, {"staged/f": b"precious\n"})
    git(folder, "add", "-A")
    bench = TreeBench(folder, {})
    try:
        write_files(folder, {"staged/g": b"also\n"})
        git(folder, "add", "-A")
        tree = bench.snapshots.everything(bench.base)
        git(folder, "reset", "-q", "--hard", "HEAD~1")
        git(folder, "reflog", "expire", "--expire=now", "--all")
        git(folder, "gc", "-q", "--prune=now")
        bench.store.objects.refresh()
        assert {bench.store.objects.blob(entry.oid) for _, entry in bench.store.objects.walk(tree)} >= {b"also\n"}
    finally:
        bench.close()


NAMES = st.sampled_from(["a", "b.txt", "c.log", "sub/d", "sub/e.log", "sub/deep/f", "build/g", "keep.log", "sub"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "delete", "move", "link", "mode", "stage"]), NAMES, NAMES, st.binary(max_size=8)
    ),
    max_size=12,
)


def _do(root: Path, kind: str, name: str, other: str, data: bytes) -> set[str]:
    """Make one change if it is possible; return the paths that an observer of the folder would name."""
    path, target = root / name, root / other
    try:
        if kind == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif kind == "delete":
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        elif kind == "move":
            path.rename(target)
        elif kind == "link":
            path.symlink_to(other)
        elif kind == "mode":
            path.chmod(0o755 if path.stat().st_mode & 0o100 == 0 else 0o644)
        else:
            git(root, "add", "-f", "--", name)
    except (OSError, AssertionError):
        pass
    parts = {name, other}
    return parts | {part.rpartition("/")[0] for part in parts if "/" in part} | {"sub/deep"}


@given(st.lists(STEPS, min_size=1, max_size=3))
def test_any_sequence_of_changes_gives_the_tree_that_git_gives(rounds: list[list[tuple[str, str, str, bytes]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bench = TreeBench(
            Path(folder) / "r", {".gitignore": b"*.log\nbuild/\n!keep.log\n", "b.txt": b"1", "sub/d": b"2"}
        )
        try:
            for steps in rounds:
                touched: set[str] = set()
                for kind, name, other, data in steps:
                    touched |= _do(bench.root, kind, name, other, data)
                assert bench.look(*touched) == bench.by_git()
            assert bench.snapshots.everything(bench.base) == bench.by_git()
        finally:
            bench.close()
