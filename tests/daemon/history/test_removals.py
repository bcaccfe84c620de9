"""The second net: what a merge would take away although its author never touched it."""

from __future__ import annotations

import pytest
from bough_daemon.commands.land import land
from bough_daemon.commands.merge import Merged, merge
from bough_daemon.errors import WouldRemove
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.history.merge_base import MergeBase
from bough_daemon.history.taken_away import Side
from bough_daemon.history.timeline import read_snapshot
from bough_daemon.store.store import LIVE, SHARED, Store

from tests.daemon.crew import Mate
from tests.daemon.moves_support import Desk, everything, git, merge_both
from tests.daemon.support import write_files


def bring(here: Desk, *, preview: bool = False, yes: bool = False) -> Merged:
    return here.do(merge(here.live, here.terminal, "alice", merge_both, preview=preview, yes=yes))


def false_claim(here: Desk, files: dict[str, bytes]) -> None:
    """Let alice's branch claim all that main has, though her tree is the first commit's, with `files` changed."""
    objects = here.store.objects
    first, last = git(here.root, "rev-parse", "HEAD~1"), git(here.root, "rev-parse", "HEAD")
    here.store.arrive(last)
    start = objects.commit(first).tree
    entries = {
        path: TreeEntry(FILE, objects.write_blob(data)) if data is not None else None for path, data in files.items()
    }
    lie = f"claim\n\nBough-Base: {first}\nBough-Event: save\n"
    claim = objects.write_commit(objects.splice(start, entries), [last], "Alice <a@e>", 1, lie)
    here.store.set_ref(f"{LIVE}alice", claim, None)


def more(here: Desk) -> None:
    write_files(
        here.root, {"newer.txt": b"newer\n", "a.txt": b"one\ntwo\nthree\nfour\nfive, newer\n", "d/b.txt": b"2\n"}
    )
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", "newer")


@pytest.fixture
def claims_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a merge begin with whatever the branches claim, so that only the second net is left."""

    def claimed(_store: Store, base: MergeBase, _ours: Side, _theirs: Side) -> str:
        return base.tree

    monkeypatch.setattr("bough_daemon.commands.merge.common_tree", claimed)


def test_a_false_claim_takes_nothing_away(here: Desk) -> None:
    more(here)
    false_claim(here, {"a.txt": b"one, alice\ntwo\nthree\nfour\nfive\n"})
    merged = bring(here)
    assert (merged.result, merged.brought.removed, merged.untouched) == ("clean", (), ())
    assert (here.root / "a.txt").read_bytes() == b"one, alice\ntwo\nthree\nfour\nfive, newer\n"
    assert (here.root / "newer.txt").read_bytes() == b"newer\n"
    assert (here.root / "d/b.txt").read_bytes() == b"2\n"
    assert bring(here).result == "same"


@pytest.mark.usefixtures("claims_are_believed")
def test_a_merge_that_takes_away_what_nobody_took_away_asks(here: Desk) -> None:
    more(here)
    false_claim(here, {"a.txt": b"one, alice\ntwo\nthree\nfour\nfive\n"})
    before = everything(here.root)
    with pytest.raises(WouldRemove) as asked:
        bring(here)
    assert asked.value.facts["paths"].split("\n") == ["a.txt", "d/b.txt", "newer.txt"]
    assert everything(here.root) == before
    assert bring(here, preview=True).untouched == ("a.txt", "d/b.txt", "newer.txt")
    merged = bring(here, yes=True)
    assert merged.brought.removed == ("newer.txt",)
    assert not (here.root / "newer.txt").exists()


def test_what_a_teammate_wrote_and_took_away_goes_without_a_question(here: Desk) -> None:
    here.teammate_at("alice", {"n.txt": b"one\ntwo\n", "gone.txt": b"g\n", "a.txt": b"ALICE\ntwo\nthree\nfour\nfive\n"})
    bring(here)
    here.teammate_at("alice", {"n.txt": b"two\n", "gone.txt": None, "a.txt": b"one\ntwo\nthree\nfour\nfive\n"})
    merged = bring(here)
    assert (merged.result, merged.untouched, merged.brought.removed) == ("clean", (), ("gone.txt",))
    assert (here.root / "n.txt").read_bytes() == b"two\n"
    assert (here.root / "a.txt").read_bytes() == b"one\ntwo\nthree\nfour\nfive\n"


def test_a_removal_of_what_a_teammate_merged_goes_without_a_question(here: Desk) -> None:
    write_files(here.root, {"mine.txt": b"one\ntwo\n"})
    mine = here.snapshot()
    here.teammate_at("alice", {"mine.txt": b"one\ntwo\n"}, contains=[mine.shared])
    here.teammate_at("alice", {"mine.txt": b"two\n"})
    assert bring(here).untouched == ()
    assert (here.root / "mine.txt").read_bytes() == b"two\n"


def test_moving_a_file_is_no_removal(here: Desk) -> None:
    write_files(here.root, {"mine.txt": b"one\ntwo\nthree\nfour\n"})
    mine = here.snapshot()
    here.teammate_at("alice", {"mine.txt": b"one\ntwo\nthree\nfour\n"}, contains=[mine.shared])
    bring(here)
    here.teammate_at("alice", {"mine.txt": None, "moved.txt": b"one\ntwo\nthree\nfour\n"})
    assert bring(here).brought.removed == ("mine.txt",)


def claim_main(here: Desk) -> str:
    """Let my branch claim all that main has, though I have the first commit's files and work of mine; return main."""
    write_files(here.root, {"work.txt": b"w\n"})
    first = here.snapshot()
    git(here.root, "stash", "-qu")
    more(here)
    main = git(here.root, "rev-parse", "HEAD")
    git(here.root, "switch", "-q", "--detach", first.base)
    git(here.root, "stash", "pop", "-q")
    lie = f"claim\n\nBough-Base: {first.base}\nBough-Event: save\n"
    here.store.arrive(main)
    claim = here.store.objects.write_commit(first.tree, [main], "Me <me@e>", 1, lie)
    for name in (LIVE, SHARED):
        here.store.set_ref(f"{name}me", claim, first.oid)
    here.branch.tip = read_snapshot(here.store.objects, claim)
    return main


def test_a_false_claim_of_mine_takes_nothing_from_the_shared_branch(here: Desk) -> None:
    claim_main(here)
    landed = here.do(land(here.live, here.terminal, "work", merge_both))
    assert landed.brought.removed == () and landed.brought.added == ("work.txt",)
    assert git(here.root, "show", "main:newer.txt") == "newer"


@pytest.mark.usefixtures("claims_are_believed")
def test_a_landing_that_takes_away_what_nobody_took_away_asks(here: Desk) -> None:
    """As above, the other way round: the false claim is mine, and main is what would lose."""
    main = claim_main(here)
    with pytest.raises(WouldRemove) as asked:
        here.do(land(here.live, here.terminal, "work", merge_both))
    assert asked.value.facts["paths"].split("\n") == ["a.txt", "d/b.txt", "newer.txt"]
    assert git(here.root, "rev-parse", "main") == main
    assert here.do(land(here.live, here.terminal, "work", merge_both, yes=True)).brought.removed == ("newer.txt",)


@pytest.mark.parametrize("saved", [True, False])
def test_what_its_author_committed_and_took_back_goes_without_a_question(crew: dict[str, Mate], saved: bool) -> None:
    alice, bob = crew.values()
    write_files(alice.root, {"b.txt": b"alice1\n", "n.txt": b"alice2\n"})
    git(alice.root, "add", "--all")
    git(alice.root, "commit", "-qm", "a1")
    alice.snapshot()
    bob.merge("alice")
    git(alice.root, "rm", "-q", "n.txt")
    write_files(alice.root, {"b.txt": b"alice3\n"})
    if saved:
        alice.snapshot()
    git(alice.root, "commit", "-qam", "a2")
    alice.snapshot()
    merged = bob.merge("alice")
    assert (merged.result, merged.brought.removed) == ("clean", ("n.txt",))
    assert (bob.root / "b.txt").read_bytes() == b"alice3\n"


@pytest.mark.parametrize("by", ["merge", "land"])
def test_what_its_author_takes_back_by_a_commit_leaves_where_others_committed_it(
    crew: dict[str, Mate], by: str
) -> None:
    alice, bob = crew.values()
    write_files(alice.root, {"n.txt": b"alice1\n", "b.txt": b"alice2\n"})
    git(alice.root, "add", "--all")
    git(alice.root, "commit", "-qm", "a1")
    alice.snapshot()
    bob.merge("alice")
    bob.land()
    git(alice.root, "mv", "n.txt", "m.txt")
    write_files(alice.root, {"b.txt": b"alice3\n"})
    git(alice.root, "commit", "-qam", "a2")
    alice.snapshot()
    if by == "merge":
        assert bob.merge("alice").brought.removed == ("n.txt",)
        assert (bob.root / "b.txt").read_bytes() == b"alice3\n"
    else:
        alice.teammate("bob")  # the snapshot that the landed commit names
        landed = alice.land()
        assert git(alice.root, "ls-tree", "--name-only", landed.commit, "n.txt", "m.txt") == "m.txt"
        assert git(alice.root, "show", f"{landed.commit}:b.txt") == "alice3"


def test_an_edit_of_a_file_that_was_renamed_meanwhile_lands(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    git(alice.root, "mv", "a.txt", "s.txt")
    write_files(alice.root, {"s.txt": (alice.root / "s.txt").read_bytes().replace(b"a0\n", b"alice1\n")})
    alice.snapshot()
    alice.land()
    write_files(bob.root, {"a.txt": (bob.root / "a.txt").read_bytes().replace(b"a9\n", b"bob1\n")})
    bob.snapshot()
    assert bob.merge("main").result == "clean"
    landed = bob.land()
    text = git(bob.root, "show", f"{landed.commit}:s.txt")
    assert "bob1" in text and "alice1" in text and "a9" not in text
