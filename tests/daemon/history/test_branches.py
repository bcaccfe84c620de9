"""Live branches: what a chain of snapshots says of what it contains, and of what came before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import read_snapshot, timeline
from bough_daemon.store.store import KEPT, LIVE, SHARED, Store

from tests.daemon.support import git, make_repository, tidied


class Grove:
    """A store with alice's branch, and ways to make trees."""

    def __init__(self, root: Path) -> None:
        self.root = make_repository(root, {"a": b"1"})
        self.store = Store(str(self.root / ".git"), "test")
        self.base = git(self.root, "rev-parse", "HEAD")
        self.alice = Branch(self.store, "alice", "Alice <a@example.org>")
        self.bob = Branch(self.store, "bob", "Bob <b@example.org>")

    def tree(self, **files: str) -> str:
        """Return the tree of some files."""
        objects = self.store.objects
        entries = {
            name.replace("_", "."): TreeEntry(FILE, objects.write_blob(text.encode())) for name, text in files.items()
        }
        return objects.splice(None, entries)


@pytest.fixture
def grove(tmp_path: Path) -> Iterator[Grove]:
    made = Grove(tmp_path / "r")
    yield made
    made.store.close()


def test_nothing_new_makes_no_snapshot(grove: Grove) -> None:
    first = grove.alice.save(grove.tree(a="1"), grove.base)
    assert grove.alice.save(grove.tree(a="1"), grove.base) is first


def test_a_merge_contains_what_was_merged_and_an_undo_no_longer_does(grove: Grove) -> None:
    mine = grove.alice.save(grove.tree(a="1", m="mine"), grove.base)
    theirs = grove.bob.save(grove.tree(a="1", t="theirs"), grove.base)
    merged = grove.alice.record(grove.tree(a="1", m="mine", t="theirs"), grove.base, "merge bob", contains=[theirs.oid])
    assert grove.store.merge_base(merged.oid, theirs.oid) == theirs.oid
    undone = grove.alice.record(mine.tree, grove.base, "undo", onto=mine.oid)
    assert grove.store.merge_base(undone.oid, theirs.oid) == grove.base
    assert [s.oid for s in timeline(grove.store.objects, undone.oid)] == [undone.oid, merged.oid, mine.oid]
    assert grove.store.refs(KEPT) == {f"alice/{merged.oid}": merged.oid}


def test_a_branch_whose_history_is_long_to_compare_is_recorded_and_goes_back(
    grove: Grove, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = grove.alice.save(grove.tree(a="1", m="mine"), grove.base)
    theirs = grove.bob.save(grove.tree(a="1", t="theirs"), grove.base)
    merged = grove.alice.record(grove.tree(a="1", m="mine", t="theirs"), grove.base, "merge bob", contains=[theirs.oid])
    grove.store.walks.forget()
    monkeypatch.setattr("bough_daemon.store.walks.BRIEF_SECONDS", 0.0)  # as if each walk took too long
    opened = Branch(grove.store, "alice", "Alice <a@example.org>")
    saved = opened.save(grove.tree(a="2", m="mine", t="theirs"), grove.base)
    assert saved.oid == opened.tip.oid != merged.oid  # type: ignore[union-attr]
    undone = opened.record(mine.tree, grove.base, "undo", onto=mine.oid)
    assert undone.parents[0] == mine.oid


def test_what_was_saved_while_a_command_worked_stays_on_the_branch(grove: Grove) -> None:
    mine = grove.alice.save(grove.tree(a="1", m="mine"), grove.base)
    grove.alice.save(grove.tree(a="1", m="mine", late="saved meanwhile"), grove.base)
    merged = grove.alice.record(grove.tree(a="2", m="mine"), grove.base, "merge bob", since=mine.tree)
    assert merged.tree == grove.tree(a="2", m="mine", late="saved meanwhile")


def test_a_hop_stands_on_the_teammates_tip_alone(grove: Grove) -> None:
    mine = grove.alice.save(grove.tree(a="1", m="mine"), grove.base)
    theirs = grove.bob.save(grove.tree(a="1", t="theirs"), grove.base)
    there = grove.alice.record(theirs.tree, grove.base, "hop bob", onto=theirs.oid)
    assert not grove.store.is_ancestor(mine.oid, there.oid)
    back = grove.alice.record(mine.tree, grove.base, "back", onto=mine.oid)
    assert not grove.store.is_ancestor(theirs.oid, back.oid)
    assert [s.event for s in timeline(grove.store.objects, back.oid)] == ["back", "hop bob", "save"]


def test_the_shared_chain_never_reaches_a_secret(grove: Grove) -> None:
    tips = [grove.alice.save(grove.tree(a="1", _env=f"KEY={n}"), grove.base) for n in range(3)]
    tips.append(grove.alice.save(grove.tree(a="2"), grove.base))
    assert grove.store.ref(LIVE + "alice") == tips[-1].oid
    shared = grove.store.ref(SHARED + "alice")
    assert shared == tips[-1].shared != tips[-1].oid
    assert ".env" not in grove.store.git.run("rev-list", "--objects", shared).decode()
    assert len(list(timeline(grove.store.objects, shared))) == 4


def test_a_branch_opened_again_knows_its_tip_and_what_it_withholds(grove: Grove) -> None:
    tip = grove.alice.save(grove.tree(a="1", _env="KEY=1"), grove.base)
    again = Branch(grove.store, "alice", "Alice <a@example.org>")
    assert again.tip == tip and again.withheld == {".env": "named like a secret"}


def test_an_old_commit_that_the_user_lost_to_gc_does_not_take_the_branch_with_it(grove: Grove) -> None:
    (grove.root / "a").write_bytes(b"2")
    git(grove.root, "commit", "-qam", "second")
    second = git(grove.root, "rev-parse", "HEAD")
    grove.store.arrive(second)
    tip = grove.alice.save(grove.tree(a="2", n="new"), second)
    git(grove.root, "reset", "-q", "--hard", "HEAD~1")
    git(grove.root, "reflog", "expire", "--expire=now", "--all")
    git(grove.root, "gc", "-q", "--prune=now")
    assert "new" not in git(grove.root, "log", "--format=%s", "--all")
    grove.store.git.run("fsck", "--connectivity-only", "--no-dangling")
    assert grove.store.is_ancestor(second, tip.oid)


def test_packing_keeps_what_only_the_user_has_packed_too(grove: Grove, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = grove.store.objects.write_blob(b"both have it")
    git(grove.root, "hash-object", "-w", "--stdin", stdin=b"both have it")
    git(grove.root, "gc", "-q")
    tip = grove.alice.save(grove.tree(x="1"), grove.base)
    monkeypatch.setattr("bough_daemon.store.gathering.LOOSE_LIMIT", 1)
    assert tidied(grove.store) and not grove.store.objects.loose()
    git(grove.root, "gc", "-q", "--prune=now")
    grove.store.objects.refresh()
    assert grove.store.objects.owns(blob) and grove.store.objects.owns(tip.oid)


def test_what_a_teammates_trailers_say_is_not_believed_as_it_stands(grove: Grove) -> None:
    trailers = {
        "Bough-Base": grove.base,
        "Bough-Operation": "\x1b[31m" * 9,
        "Bough-Previous": "--all",
        "Bough-Shared": "../../x",
        "Bough-Brought": f"{'1' * 40} --output=x",
    }
    said = "t\n\n" + "".join(f"{name}: {value}\n" for name, value in trailers.items())
    oid = grove.store.objects.write_commit(grove.tree(a="1"), [grove.base], "M <m@e>", 1, said)
    read = read_snapshot(grove.store.objects, oid)
    assert read is not None
    assert (read.operation, read.previous, read.shared) == ("git operation", grove.base, oid)
    assert read.brought == ("1" * 40,)
    other = grove.store.objects.write_commit(read.tree, [], "M <m@e>", 1, "t\n\nBough-Base: --all\n")
    assert read_snapshot(grove.store.objects, other) is None


def test_what_was_merged_is_not_claimed_to_the_team_once_a_beginning_with_it_was_refused(grove: Grove) -> None:
    is_ancestor = grove.store.is_ancestor
    theirs = grove.bob.save(grove.tree(a="1", t="theirs"), grove.base)
    held = grove.alice.save(grove.tree(a="1", m="mine"), grove.base)
    merged = grove.alice.record(grove.tree(a="1", m="mine", t="theirs"), grove.base, "merge bob", contains=[theirs.oid])
    assert grove.alice.refused(merged.shared, held.shared)
    again = grove.alice.save(merged.tree, grove.base)
    assert is_ancestor(theirs.oid, again.shared) and is_ancestor(held.shared, again.shared)
    assert not is_ancestor(merged.shared, again.shared)
    assert grove.alice.refused(again.shared, held.shared)
    sound = grove.alice.save(merged.tree, grove.base)
    assert not is_ancestor(theirs.oid, sound.shared) and is_ancestor(held.shared, sound.shared)
    assert is_ancestor(theirs.oid, sound.oid), "for oneself it is still merged"
    newer = grove.alice.save(grove.tree(a="2", m="mine", t="theirs"), grove.base)
    assert is_ancestor(sound.shared, newer.shared) and not is_ancestor(theirs.oid, newer.shared)


def test_a_beginning_from_the_base_alone_is_the_last(grove: Grove) -> None:
    first = grove.alice.save(grove.tree(a="1", m="mine"), grove.base)
    assert grove.alice.refused(first.shared, None)
    begun = grove.alice.save(first.tree, grove.base)
    assert not grove.store.is_ancestor(first.shared, begun.shared)
    assert not grove.alice.refused(begun.shared, None)
