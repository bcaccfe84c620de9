"""What a snapshot claims to contain after HEAD moved, and after what was merged was given up: what its tree has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bough_daemon.commands.merge import merge
from bough_daemon.history import ancestry
from bough_daemon.history import timeline as timeline_module
from bough_daemon.history.containment import Contained, contained
from bough_daemon.history.replacements import TRAILER
from bough_daemon.history.timeline import Snapshot, timeline

from tests.daemon.moves_support import Desk, desk, git, merge_both
from tests.daemon.support import write_files


@pytest.fixture
def here(folder: Path) -> Iterator[Desk]:
    """A desk on main at its third commit, with a branch `old` and a tag `v1` at the first."""
    with desk(folder) as opened:
        git(folder, "branch", "old")
        git(folder, "tag", "v1")
        for name in ("second", "third"):
            write_files(folder, {f"{name}.txt": b"x\n", "a.txt": f"one\ntwo\nthree\nfour\n{name}\n".encode()})
            git(folder, "add", "--all")
            git(folder, "commit", "-qm", name)
        yield opened


def commit(here: Desk, files: dict[str, bytes], message: str = "more") -> str:
    write_files(here.root, files)
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", message)
    return git(here.root, "rev-parse", "HEAD")


def elsewhere(*words: str) -> Callable[[Desk], None]:
    return lambda here: (git(here.root, *words), None)[1]


@pytest.mark.parametrize(
    "go",
    [
        elsewhere("switch", "-q", "old"),
        elsewhere("switch", "-q", "--detach", "v1"),
        elsewhere("reset", "-q", "--hard", "v1"),
        elsewhere("checkout", "-q", "-B", "main", "v1"),
    ],
)
def test_what_head_left_is_no_longer_claimed(here: Desk, go: Callable[[Desk], None]) -> None:
    left = here.snapshot().base
    go(here)
    write_files(here.root, {"work.txt": b"w\n"})
    there = here.snapshot()
    assert here.store.merge_base(there.oid, left) == git(here.root, "rev-parse", "v1")
    assert [s.event for s in timeline(here.store.objects, there.oid)] == ["save", "save"]


def test_coming_back_goes_on_from_where_one_was(here: Desk) -> None:
    write_files(here.root, {"work.txt": b"w\n"})
    git(here.root, "add", "--all")
    before = here.snapshot()
    git(here.root, "commit", "-qm", "work")
    git(here.root, "switch", "-q", "old")
    there = here.snapshot()
    assert not here.store.is_ancestor(before.oid, there.oid)
    git(here.root, "switch", "-q", "main")
    assert here.store.is_ancestor(before.oid, here.snapshot().oid)


def test_an_orphan_branch_contains_nothing(here: Desk) -> None:
    left = here.snapshot()
    git(here.root, "switch", "-q", "--orphan", "pages")
    head = git(here.root, "symbolic-ref", "HEAD")
    write_files(here.root, {"index.html": b"<p>\n"})
    first = commit(here, {}, "pages")
    assert head == "refs/heads/pages"
    there = here.snapshot()
    assert there.base == first
    assert here.store.merge_base(there.oid, left.oid) is None


def test_soft_and_mixed_resets_keep_what_the_files_have(here: Desk) -> None:
    before = here.snapshot()
    git(here.root, "reset", "-q", "--soft", "HEAD~1")
    after = here.snapshot()
    assert here.store.is_ancestor(before.oid, after.oid)
    git(here.root, "checkout", "-q", "HEAD", "--", "a.txt")  # the commit that HEAD left has another
    assert not here.store.is_ancestor(before.base, here.snapshot().oid)


def test_amending_and_rebasing_continue_the_branch(here: Desk) -> None:
    commit(here, {"a.txt": b"one\ntwo\nthree\nfour\nmine\n"})
    first = here.snapshot()
    write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\nmine, better\n"})
    git(here.root, "commit", "-qa", "--amend", "-m", "amended")
    amended = here.snapshot()
    assert here.store.is_ancestor(first.oid, amended.oid)
    git(here.root, "switch", "-qc", "topic")
    git(here.root, "switch", "-q", "main")
    git(here.root, "reset", "-q", "--hard", "HEAD~1")
    commit(here, {"a.txt": b"one\ntwo\nthree\nfour\nupstream\n", "up.txt": b"u\n"}, "upstream")
    git(here.root, "switch", "-q", "topic")
    here.snapshot()
    conflicting_rebase(here, b"one\ntwo\nthree\nfour\nupstream and mine\n")
    assert here.store.is_ancestor(amended.oid, here.snapshot().oid)


def conflicting_rebase(here: Desk, resolved: bytes) -> None:
    """Rebase onto main, saving in the middle of it, as a daemon would."""
    with pytest.raises(AssertionError):
        git(here.root, "rebase", "-q", "main")
    in_between = here.snapshot()
    assert in_between.operation == "rebase"
    write_files(here.root, {"a.txt": resolved})
    git(here.root, "add", "a.txt")
    git(here.root, "-c", "core.editor=true", "rebase", "--continue")
    assert here.snapshot().operation == ""


def test_another_branch_that_changes_the_same_lines_is_no_rewriting(here: Desk) -> None:
    git(here.root, "switch", "-qc", "one")
    commit(here, {"a.txt": b"one\ntwo\nthree\nfour\none\n"})
    left = here.snapshot()
    git(here.root, "switch", "-qc", "other", "main")
    commit(here, {"a.txt": b"one\ntwo\nthree\nfour\nother\n"})
    there = here.snapshot()
    assert not here.store.is_ancestor(left.base, there.oid)


def test_an_aborted_rebase_claims_nothing_of_where_it_went(here: Desk) -> None:
    upstream = git(here.root, "rev-parse", "HEAD")
    git(here.root, "switch", "-q", "old")
    commit(here, {"a.txt": b"one\ntwo\nthree\nfour\nold\n"})
    before = here.snapshot()
    with pytest.raises(AssertionError):
        git(here.root, "rebase", "-q", "main")
    here.snapshot()
    git(here.root, "rebase", "--abort")
    after = here.snapshot()
    assert here.store.is_ancestor(before.oid, after.oid)
    assert not here.store.is_ancestor(upstream, after.oid)


GIVING_UP: list[tuple[str, ...]] = [
    ("stash", "-qu"),
    ("stash", "-q"),
    ("checkout", "-q", "--", "a.txt"),
    ("reset", "-q", "--hard"),
    ("clean", "-qfd"),
]


@pytest.mark.parametrize("words", GIVING_UP, ids=" ".join)
def test_a_merge_that_was_given_up_is_no_longer_claimed(here: Desk, words: tuple[str, ...]) -> None:
    tip = here.teammate_at("alice", {"a.txt": b"ALICE\ntwo\nthree\nfour\nthird\n", "new.txt": b"n\n"})
    before = here.snapshot()
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    merged = here.snapshot()
    assert here.store.is_ancestor(tip, merged.oid)
    git(here.root, *words)
    after = here.snapshot()
    assert not here.store.is_ancestor(tip, after.oid)
    assert here.store.is_ancestor(before.oid, after.oid)
    assert previous(here, after) == merged
    again = here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert again.result == "clean"
    assert (here.root / "new.txt").read_bytes() == b"n\n"
    assert (here.root / "a.txt").read_bytes() == b"ALICE\ntwo\nthree\nfour\nthird\n"


def test_giving_one_merge_up_keeps_the_others(here: Desk) -> None:
    kept = here.teammate_at("carol", {"c.txt": b"c\n"})
    gone = here.teammate_at("alice", {"new.txt": b"n\n"})
    last = here.teammate_at("dave", {"d.txt": b"d\n"})
    for name in ("carol", "alice", "dave"):
        here.do(merge(here.live, here.terminal, name, merge_both))
    (here.root / "new.txt").unlink()
    after = here.snapshot()
    claimed = [here.store.is_ancestor(tip, after.oid) for tip in (kept, gone, last)]
    assert claimed == [True, False, True]
    assert after.tree == here.snapshot().tree


@pytest.mark.parametrize("since", ["the first", "the last", "giving up"])
def test_of_too_many_merges_none_is_contained_that_could_not_be_given_up(
    here: Desk, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    monkeypatch.setattr(ancestry, "MOST_NAMED_AGAIN", 1)
    tips = [here.teammate_at(name, {f"{name}.txt": b"n\n"}) for name in ("alice", "carol", "dave")]
    for name, when in (("alice", "the first"), ("carol", ""), ("dave", "the last")):
        if when == since:
            monkeypatch.setattr(timeline_module, "MOST_BROUGHT", 1)
        here.do(merge(here.live, here.terminal, name, merge_both))
    monkeypatch.setattr(timeline_module, "MOST_BROUGHT", 1)
    (here.root / "alice.txt").unlink()
    after = here.snapshot()
    is_contained = [here.store.is_ancestor(tip, after.oid) for tip in tips]
    assert is_contained == [tip in after.brought for tip in tips] and is_contained[::2] == [False, True]
    again = here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert again.result == "clean" and (here.root / "alice.txt").read_bytes() == b"n\n"
    assert (here.root / "carol.txt").exists() and (here.root / "dave.txt").exists()


def test_what_landed_and_was_given_up_is_no_longer_claimed_by_way_of_what_landed(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"one\nmine\ntwo\nthree\nfour\nthird\n"})
    mine = here.snapshot()
    landed = commit(here, {}, f"mine\n\n{TRAILER}: {mine.shared}")
    here.snapshot()
    git(here.root, "reset", "-q", "--soft", "HEAD~1")
    assert here.store.is_ancestor(landed, here.snapshot().oid)
    git(here.root, "stash", "-q")
    after = here.snapshot()
    assert [here.store.is_ancestor(oid, after.oid) for oid in (landed, mine.oid)] == [False, False]
    assert here.store.is_ancestor(mine.base, after.oid)


def test_edits_of_merged_lines_keep_the_claim(here: Desk) -> None:
    tip = here.teammate_at("alice", {"new.txt": b"one\ntwo\n"})
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    write_files(here.root, {"new.txt": b"two\n"})
    assert here.store.is_ancestor(tip, here.snapshot().oid)
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", "merged")
    assert here.store.is_ancestor(tip, here.snapshot().oid)
    git(here.root, "commit", "-q", "--amend", "-m", "amended")
    assert here.store.is_ancestor(tip, here.snapshot().oid)


def test_a_file_that_is_edited_in_the_moment_of_a_reset_claims_nothing_that_was_merged(here: Desk) -> None:
    tip = here.teammate_at("alice", {"a.txt": b"ALICE\ntwo\nthree\nfour\nthird\n"})
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    here.snapshot()
    git(here.root, "reset", "-q", "--hard")
    write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour, mine\nthird\n"})
    assert not here.store.is_ancestor(tip, here.snapshot().oid)


def test_editing_away_what_was_merged_keeps_the_claim(here: Desk) -> None:
    tip = here.teammate_at("alice", {"a.txt": b"ALICE\none\ntwo\nthree\nfour\nthird\n"})
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    here.snapshot()
    write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour, mine\nthird\n"})
    assert here.store.is_ancestor(tip, here.snapshot().oid)


def previous(here: Desk, snapshot: Snapshot) -> Snapshot:
    return list(timeline(here.store.objects, snapshot.oid))[1]


def test_a_tree_contains_a_commit_where_merging_it_again_changes_nothing(here: Desk) -> None:
    base = git(here.root, "rev-parse", "v1")
    head = git(here.root, "rev-parse", "HEAD")
    objects = here.store.objects

    def verdict(**files: bytes | None) -> Contained:
        write_files(here.root, {})
        here.teammate_at("x", {name.replace("_", "."): data for name, data in files.items()}, base="v1")
        tip = here.teammate("x")
        assert tip is not None
        found = contained(here.store, objects.commit(tip.tip).tree, base, head)
        here.store.delete_ref("refs/heads/x")
        return found

    whole = {"second_txt": b"x\n", "third_txt": b"x\n"}
    assert verdict(**whole, a_txt=b"one\ntwo\nthree\nfour\nthird\n") is Contained.WHOLE
    assert verdict(**whole, a_txt=b"ONE\ntwo\nthree\nfour\nthird\n") is Contained.WHOLE
    assert verdict(**whole, a_txt=b"one\ntwo\nthree\nfour\nFIVE\n") is Contained.DISPUTED
    assert verdict(**whole) is Contained.PARTLY
    assert verdict(**whole, a_txt=b"ONE\ntwo\nthree\nfour\nfive\n") is Contained.PARTLY
    assert verdict(second_txt=b"x\n", a_txt=b"one\ntwo\nthree\nfour\nthird\n") is Contained.PARTLY


def test_a_commit_that_is_not_here_is_contained_in_nothing(here: Desk) -> None:
    tip = here.snapshot()
    assert contained(here.store, tip.tree, tip.base, "1" * 40) is Contained.PARTLY
