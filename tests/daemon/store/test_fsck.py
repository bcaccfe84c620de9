"""One entry that Git's fsck refuses is withheld; whatever is shared, a receiver's git takes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bough_daemon.errors import GitFailed
from bough_daemon.git.objects import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, TreeEntry, format_tree
from bough_daemon.privacy.withheld import shared_tree
from bough_daemon.store.fsck import Fsck
from bough_daemon.store.packs import STRICT
from bough_daemon.store.store import Store
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon.support import git, make_repository

HOSTILE = b'[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n'
ODD_PATH = b'[submodule "x"]\n\tpath = -x\n\turl = https://example.org/x\n'
HARMLESS = b'[submodule "x"]\n\tpath = x\n\turl = https://example.org/x\n'
ZERO_WIDTH = "\u200c"

Node = bytes | TreeEntry | Mapping[str, "Node"]


class FsckBench:
    """A store, and what a receiver would say."""

    def __init__(self, root: Path) -> None:
        self.store = Store(str(root / ".git"), "test")
        self.fsck = Fsck(self.store)
        self.children = 0

    def tree(self, nodes: Mapping[str, Node]) -> str:
        """Write a tree of nested names, whatever Git thinks of them."""
        return self.store.objects.write("tree", format_tree({name: self.entry(node) for name, node in nodes.items()}))

    def entry(self, node: Node) -> TreeEntry:
        """Write what a name stands for."""
        if isinstance(node, TreeEntry):
            return node
        return (
            TreeEntry(FILE, self.store.objects.write_blob(node))
            if isinstance(node, bytes)
            else TreeEntry(FOLDER, self.tree(node))
        )

    def link(self, target: bytes = b"a") -> TreeEntry:
        """Return a symlink."""
        return TreeEntry(LINK, self.store.objects.write_blob(target))

    def receiver_takes(self, base: str, tree: str) -> bool:
        """Return whether a receiver that has `base` takes a snapshot of `tree`."""
        objects = self.store.objects
        known = objects.write_commit(base, [], "A <a@b>", 1, "base\n")
        tip = objects.write_commit(tree, [known], "A <a@b>", 2, "tip\n")
        lines = f"{tip}\n^{known}\n".encode()
        pack = self.store.git.run("pack-objects", "--revs", "--thin", "--stdout", "-q", stdin=lines)
        with self.store.quarantine() as quarantine:
            try:
                quarantine.run("index-pack", STRICT, "--fix-thin", "--stdin", stdin=pack)
            except GitFailed:
                return False
        return True

    def shared(self, base: str, tree: str) -> tuple[dict[str, str], str]:
        """Return what is withheld, and the tree that is shared."""
        refused = self.fsck.refused(base, tree)
        return refused, shared_tree(self.store.objects, base, tree, refused)

    def paths(self, tree: str) -> set[str]:
        """Return every path of a tree."""
        return {path for path, _ in self.store.objects.walk(tree)}


@pytest.fixture
def bench(folder: Path) -> Iterator[FsckBench]:
    made = FsckBench(make_repository(folder, {"a": b"1"}))
    yield made
    made.store.close()


@pytest.fixture
def children(bench: FsckBench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the git children that the check starts."""
    started, real = list[str](), bench.store.quarantine
    monkeypatch.setattr(bench.store, "quarantine", lambda: started.append("git") or real())
    return started


REFUSED = [
    "git~1",
    "GIT~1",
    ".git",
    ".GIT",
    ".git.",
    ".git ",
    ".git . .",
    f".g{ZERO_WIDTH}it",
    f"{ZERO_WIDTH}.git",
    f".git{ZERO_WIDTH}",
    ".git::$INDEX_ALLOCATION",
    ".git\udcff",
    ".git\ufffe",
    "x\\.git",
    "..\\git~1",
    "..",
    ".",
]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("node", [b"x", {"inner": {"deep": b"x"}}], ids=["file", "folder"])
def test_a_name_that_fsck_refuses_is_withheld_and_the_rest_is_shared(bench: FsckBench, name: str, node: Node) -> None:
    base = bench.tree({"a": b"1"})
    tree = bench.tree({"a": b"2", "sub": {"fine": b"x", name: node}})
    assert not bench.receiver_takes(base, tree)
    refused, shared = bench.shared(base, tree)
    assert set(refused) == {f"sub/{name}" if isinstance(node, bytes) else f"sub/{name}/inner/deep"}
    assert all("fsck says has" in reason and reason.isprintable() for reason in refused.values())
    assert bench.paths(shared) == {"a", "sub/fine"} and bench.receiver_takes(base, shared)


def modules(content: bytes) -> Mapping[str, Node]:
    return {".gitmodules": content}


@pytest.mark.parametrize(
    ("nodes", "word"),
    [
        (modules(HOSTILE), "gitmodulesUrl"),
        (modules(ODD_PATH), "gitmodulesPath"),
        ({".GitModules": HOSTILE}, "gitmodulesUrl"),
        ({"gitmod~1": HOSTILE}, "gitmodulesUrl"),
        ({"gi7eba~1": HOSTILE}, "gitmodulesUrl"),
        ({"~1000000": HOSTILE}, "gitmodulesUrl"),
        ({f".git{ZERO_WIDTH}modules": HOSTILE}, "gitmodulesUrl"),
        ({"x\\.gitmodules": HOSTILE}, "gitmodulesUrl"),
        ({".gitmodules": {"a": b"x"}}, "gitmodulesBlob"),
        ({".gitattributes": b"* " + b"x" * 3000 + b"\n"}, "gitattributesLineLength"),
        ({"deep": {".gitattributes": b"* " + b"x" * 3000 + b"\n"}}, "gitattributesLineLength"),
        ({"sub": TreeEntry(SUBMODULE, "0" * 40)}, "nullSha1"),
    ],
)
def test_what_fsck_refuses_for_its_content_is_withheld(bench: FsckBench, nodes: Mapping[str, Node], word: str) -> None:
    base = bench.tree({"a": b"1"})
    tree = bench.tree({"a": b"2", **nodes})
    assert not bench.receiver_takes(base, tree)
    refused, shared = bench.shared(base, tree)
    assert refused and all(word in reason for reason in refused.values())
    assert bench.paths(shared) == {"a"} and bench.receiver_takes(base, shared)


def test_a_symlink_named_gitmodules_is_withheld(bench: FsckBench) -> None:
    base = bench.tree({"a": b"1"})
    refused, shared = bench.shared(base, bench.tree({"a": b"2", ".gitmodules": bench.link()}))
    assert "gitmodulesSymlink" in refused[".gitmodules"] and bench.paths(shared) == {"a"}


@pytest.mark.parametrize(
    "nodes",
    [
        modules(HARMLESS),
        {".gitmodules": TreeEntry(SUBMODULE, "1" * 40)},
        {".gitattributes": b"* text=auto\n"},
        {".github": {"workflows": b"x"}, ".gitignore": b"x", ".gitkeep": b"", ".git-blame-ignore-revs": b""},
        {"git~2": b"x", "a~1": b"x", "git": b"x", "x.git": {"y": b""}, "back\\slash": b"x", "...": b"x"},
        {"überall": b"x", "\udcff\udcfe": b"x", "new\nline": b"x"},
    ],
)
def test_what_git_takes_is_shared(bench: FsckBench, nodes: Mapping[str, Node]) -> None:
    base = bench.tree({"a": b"1"})
    tree = bench.tree({"a": b"2", **nodes})
    assert bench.shared(base, tree) == ({}, tree) and bench.receiver_takes(base, tree)


def test_a_path_that_gets_worse_stays_as_the_base_has_it(bench: FsckBench) -> None:
    base = bench.tree({".gitmodules": HARMLESS, "a": b"1"})
    refused, shared = bench.shared(base, bench.tree({".gitmodules": HOSTILE, "a": b"2"}))
    assert set(refused) == {".gitmodules"}
    assert bench.store.objects.entry(shared, ".gitmodules") == bench.entry(HARMLESS)


def test_a_folder_that_the_base_has_with_a_refused_entry_stays_as_it_is(bench: FsckBench) -> None:
    old: dict[str, Node] = {
        "old": {"git~1": b"x", "b": b"1", "in": {"c": b"1"}},
        "gone": {"git~1": b"x", "d": b"1"},
        "a": b"1",
    }
    base = bench.tree(old)
    tree = bench.tree({"old": {"git~1": b"x", "b": b"2", "in": {"c": b"2"}}, "gone": {"git~1": b"x"}, "a": b"2"})
    refused, shared = bench.shared(base, tree)
    assert set(refused) == {"old/b", "old/in/c", "gone/d"}
    assert all("in a folder with git~1, of which Git's fsck says hasDotgit" in reason for reason in refused.values())
    assert shared == bench.tree(old | {"a": b"2"}) and bench.receiver_takes(base, shared)
    healed = bench.tree({"old": {"b": b"2", "in": {"c": b"2"}}, "gone": {"d": b"1"}, "a": b"2"})
    assert bench.shared(base, healed) == ({}, healed)


def test_with_a_refused_entry_at_the_top_of_the_base_nothing_is_shared(bench: FsckBench) -> None:
    base = bench.tree({"git~1": b"x", "a": b"1", "sub": {"b": b"1"}})
    refused, shared = bench.shared(base, bench.tree({"git~1": b"x", "a": b"2", "sub": {"b": b"2"}, "new": b"n"}))
    assert set(refused) == {"a", "sub/b", "new"} and shared == base


def test_a_name_of_the_base_that_is_no_path_keeps_everything_at_home(bench: FsckBench) -> None:
    base = bench.tree({"x/y": b"1", "a": b"1"})
    refused, shared = bench.shared(base, bench.tree({"x/y": b"1", "a": b"2"}))
    assert set(refused) == {"a"} and shared == base


def test_a_saved_file_costs_no_child_whatever_lies_beside_it(bench: FsckBench, children: list[str]) -> None:
    nodes: dict[str, Node] = {
        ".gitattributes": b"* text\n",
        ".gitmodules": HARMLESS,
        "git~1": b"x",
        ".github": {"w": b""},
    }
    base = bench.tree({"a": b"0"})
    bench.shared(base, bench.tree({**nodes, "a": b"1"}))
    first = len(children)
    assert first > 0
    for number in range(5):
        refused, _ = bench.shared(
            base, bench.tree({**nodes, "a": b"%d" % number, f"new{number}": b"", ".github": {"w": b"2"}})
        )
        assert set(refused) == {"git~1"}
    assert len(children) == first


def test_many_special_entries_at_once_are_judged_together(bench: FsckBench, children: list[str]) -> None:
    nodes = {f"d{number}": {".gitattributes": b"* a%d\n" % number} for number in range(300)}
    base = bench.tree({"a": b"0"})
    assert bench.shared(base, bench.tree(nodes))[0] == {}
    assert len(children) == 1
    refused, _ = bench.shared(base, bench.tree({**nodes, "d7": {"git~1": b"x"}, "e": {".gitattributes": b"* e\n"}}))
    assert set(refused) == {"d7/git~1"} and len(children) < 8


def test_what_git_cannot_look_at_now_is_withheld_and_looked_at_again(
    bench: FsckBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, tree = bench.tree({"a": b"1"}), bench.tree({"a": b"2", ".gitattributes": b"* text\n"})

    def full() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "quarantine", full)
        refused, shared = bench.shared(base, tree)
    assert "could not check it: [Errno 28] No space left" in refused[".gitattributes"] and bench.paths(shared) == {"a"}
    assert bench.shared(base, tree) == ({}, tree)


names = st.one_of(
    st.sampled_from(
        ["a", "b", "..", ".gitmodules", ".gitattributes", ".gitignore", ".mailmap", "gitmod~4", "gi7d29~2"]
    ),
    st.lists(
        st.sampled_from([*".gGiItT~1: \\", ZERO_WIDTH, "\ufeff", "\udcc3", "modules", "attributes", ".git", "git~1"]),
        min_size=1,
        max_size=5,
    ).map("".join),
).filter(lambda name: len(os.fsencode(name)) < 200)
contents = st.sampled_from([b"x", HOSTILE, ODD_PATH, HARMLESS, b"* " + b"x" * 3000])
leaves = st.one_of(
    contents,
    st.builds(lambda target: ("link", target), contents),
    st.just(("executable", b"x")),
    st.sampled_from([TreeEntry(SUBMODULE, "1" * 40), TreeEntry(SUBMODULE, "0" * 40)]),
)
trees = st.recursive(
    st.dictionaries(names, leaves, max_size=3),
    lambda below: st.dictionaries(names, st.one_of(leaves, below), max_size=3),
    max_leaves=8,
)


def plain(bench: FsckBench, nodes: Mapping[str, object]) -> dict[str, Node]:
    """Return nodes in which every link is an entry, and every folder has something in it."""
    made: dict[str, Node] = {}
    for name, node in nodes.items():
        if isinstance(node, Mapping):
            below = plain(bench, node)
            if below:
                made[name] = below
        elif isinstance(node, tuple) and not isinstance(node, TreeEntry):
            kind, data = node
            made[name] = TreeEntry(LINK if kind == "link" else EXECUTABLE, bench.store.objects.write_blob(data))
        else:
            assert isinstance(node, (bytes, TreeEntry))
            made[name] = node
    return made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(old=trees, new=trees, newer=trees)
def test_whatever_is_shared_a_receiver_takes_and_nothing_is_withheld_needlessly(
    bench: FsckBench, old: dict[str, object], new: dict[str, object], newer: dict[str, object]
) -> None:
    base = bench.tree(plain(bench, old))
    first = bench.tree(plain(bench, old | new))
    for tree in (first, bench.tree(plain(bench, new | newer)), bench.tree(plain(bench, old | newer)), first):
        refused, shared = bench.shared(base, tree)
        assert bench.receiver_takes(base, shared), refused
        assert bool(refused) != (shared == tree)
        if refused:
            assert not bench.receiver_takes(base, tree), refused


def test_the_store_is_not_written_to_by_the_check(bench: FsckBench) -> None:
    base, tree = bench.tree({"a": b"1"}), bench.tree({"a": b"2", ".gitattributes": b"* text\n", "git~1": b"x"})
    shared_tree(bench.store.objects, base, tree, {"git~1": ""})
    before = git(Path(bench.store.path), "count-objects", "-v")
    bench.fsck.refused(base, tree)
    assert git(Path(bench.store.path), "count-objects", "-v") == before
    assert not [name for name in os.listdir(bench.store.folder) if name.startswith("quarantine")]
