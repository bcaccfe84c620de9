"""Work beside the store's thread: with databases of its own, in several threads at once, while saves are recorded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from bough_daemon.git.command import GitCommand
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.store.store import COPIED, KEPT, Store

from tests.daemon.support import git, make_repository

AT_ONCE = 4


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    root = make_repository(tmp_path / "r", {"a": b"1"})
    for number in range(AT_ONCE):
        git(root, "commit", "-q", "--allow-empty", "-m", f"{number}")
    made = Store(str(root / ".git"), "test")
    yield made
    made.close()


def test_what_is_written_beside_is_there_afterwards(store: Store) -> None:
    with store.beside() as there:
        blobs = [there.objects.write_blob(b"%d" % number) for number in range(100)]
        tree = there.objects.write_tree({f"{number}": TreeEntry(FILE, oid) for number, oid in enumerate(blobs)})
        there.keep("made", tree)
    assert store.ref(f"{KEPT}made") == tree
    assert [store.objects.blob(entry.oid) for entry in store.objects.tree(tree).values()]
    assert all(map(store.objects.owns, blobs))


class NotedGit(GitCommand):
    """Git, with what it was asked."""

    asked: ClassVar[list[str]] = []

    def run(self, *arguments: str, **how: Any) -> bytes:
        self.asked.append(arguments[0])
        return super().run(*arguments, **how)


def test_what_was_given_ahead_is_not_looked_through_again_unless_the_user_has_pruned_it(store: Store) -> None:
    root = Path(store.common_dir).parent
    blob = store.objects.write_blob(b"theirs")
    tree = store.objects.write_tree({"t": TreeEntry(FILE, blob)})
    commit = store.objects.write_commit(tree, [git(root, "rev-parse", "HEAD")], "A <a@b>", 1, "theirs\n")
    store.git = NotedGit(store.path)
    asked = NotedGit.asked
    with store.beside() as there:
        there.give_ahead(commit)
    assert git(root, "cat-file", "-p", f"{commit}:t") == "theirs" and "rev-list" in asked
    asked.clear()
    store.give([commit])
    assert asked == []
    store.give([commit, store.objects.write_blob(b"mine")])
    assert asked, "what else is named is copied"
    git(root, "prune", "--expire=now")
    store.give([commit])
    assert git(root, "cat-file", "-p", f"{commit}:t") == "theirs"


def test_several_threads_move_references_at_once(store: Store) -> None:
    root = Path(store.common_dir).parent
    commits = git(root, "log", "--format=%H").split()

    def work(turn: int) -> None:
        with store.beside() as there:
            for commit in commits:
                there.name(f"{KEPT}same", commit)
                there.keep(f"mine-{turn}", commit)
            there.arrive(commits[turn % 2])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(work, range(AT_ONCE)))
    assert store.refs(KEPT) == {"same": commits[-1]} | {f"mine-{turn}": commits[-1] for turn in range(AT_ONCE)}
    assert commits[0] in store.refs(COPIED)
