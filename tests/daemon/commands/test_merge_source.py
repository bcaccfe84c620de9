"""What `bough merge NAME` brings in: a live branch as it was last settled, or any Git branch."""

from __future__ import annotations

import pytest
from bough_daemon.api.notices import CommitsLeftOut, RemoteUnreachable, StateBeforeOperation
from bough_daemon.commands.land import land
from bough_daemon.commands.merge import merge
from bough_daemon.commands.undo import undo
from bough_daemon.errors import LandConflict, NotPossibleNow, UnknownMember, WouldBringBack

from tests.daemon.crew import Mate
from tests.daemon.moves_support import check_whole, everything, git, merge_both
from tests.daemon.support import write_files


def push(mate: Mate, files: dict[str, bytes], message: str = "more") -> str:
    """Commit files and push them to the remote's main."""
    write_files(mate.root, files)
    git(mate.root, "add", "--all")
    git(mate.root, "commit", "-qm", message)
    git(mate.root, "push", "-q", "origin", "HEAD:main")
    return git(mate.root, "rev-parse", "HEAD")


def test_main_comes_into_files_with_uncommitted_work(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    pushed = push(alice, {"b.txt": b"alice1\n", "n.txt": b"alice2\n"})
    write_files(bob.root, {"a.txt": b"bob1\n", "staged.txt": b"s\n"})
    git(bob.root, "add", "staged.txt")
    before = everything(bob.root)
    merged = bob.merge("main")
    assert merged.result == "clean" and merged.source == "main of origin"
    assert (merged.brought.added, merged.brought.changed) == (("n.txt",), ("b.txt",))
    assert (bob.root / "a.txt").read_bytes() == b"bob1\n"
    assert (bob.root / "n.txt").read_bytes() == b"alice2\n"
    after = everything(bob.root)
    assert (after["index"], after["commit"]) == (before["index"], before["commit"])
    assert bob.store.is_ancestor(pushed, bob.snapshot().oid)
    assert bob.merge("main").result == "same"
    check_whole(bob.root)
    bob.do(undo(bob.live))
    assert everything(bob.root) == before
    assert not bob.store.is_ancestor(pushed, bob.snapshot().oid)


def test_a_conflict_of_a_landing_with_a_plain_push_has_a_way_out(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    pushed = push(alice, {"b.txt": b"alice1\n"})
    write_files(bob.root, {"b.txt": b"bob1\n", "mine.txt": b"bob2\n"})
    bob.snapshot()
    with pytest.raises(LandConflict):
        bob.land()
    assert bob.merge("main").conflicts == ["b.txt"]
    write_files(bob.root, {"b.txt": b"alice1\nbob1\n"})
    git(bob.root, "add", "b.txt")
    landed = bob.land()
    assert git(bob.root, "rev-parse", f"{landed.commit}^") == pushed
    assert git(bob.root, "show", f"{landed.commit}:b.txt") == "alice1\nbob1"


@pytest.mark.parametrize("name", ["old", "origin/old", "refs/heads/old", "v1"])
def test_any_branch_of_git_can_be_merged(crew: dict[str, Mate], name: str) -> None:
    alice, bob = crew.values()
    git(alice.root, "switch", "-q", "old")
    write_files(alice.root, {"old.txt": b"alice1\n"})
    git(alice.root, "add", "--all")
    git(alice.root, "commit", "-qm", "on old")
    git(alice.root, "push", "-q", "origin", "old")
    git(bob.root, "fetch", "-q")
    git(bob.root, "branch", "-q", "old", "origin/old")
    git(bob.root, "tag", "v1", "origin/old")
    assert bob.merge(name).brought.added == ("old.txt",)


@pytest.mark.parametrize("name", ["nobody", "-x", "", "a..b", "refs/heads/none"])
def test_a_name_of_nothing_is_an_error(crew: dict[str, Mate], name: str) -> None:
    with pytest.raises(UnknownMember):
        crew["bob"].merge(name)


def test_without_the_remote_what_was_fetched_last_is_merged_and_said(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    push(alice, {"n.txt": b"alice1\n"})
    git(bob.root, "fetch", "-q")
    git(bob.root, "remote", "set-url", "origin", "/nowhere")
    merged = bob.merge("main")
    assert merged.brought.added == ("n.txt",)
    assert merged.note == RemoteUnreachable("origin")


def test_a_branch_in_the_middle_of_a_rebase_is_merged_as_it_was_before(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    write_files(alice.root, {"b.txt": b"alice1\n", "n.txt": b"alice2\n"})
    git(alice.root, "add", "--all")
    git(alice.root, "commit", "-qm", "work")
    alice.snapshot()
    bob.merge("alice")
    push(bob, {"b.txt": b"bob1\n"}, "upstream")
    git(alice.root, "fetch", "-q")
    assert not alice.git("rebase", "-q", "origin/main")
    assert alice.snapshot().operation == "rebase"
    merged = bob.merge("alice")
    assert (merged.result, merged.note) == ("same", StateBeforeOperation("alice", "rebase"))
    assert (bob.root / "n.txt").read_bytes() == b"alice2\n"


def test_a_branch_that_is_only_known_from_a_rebase_is_refused(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    push(bob, {"b.txt": b"bob1\n"}, "upstream")
    write_files(alice.root, {"b.txt": b"alice1\n"})
    git(alice.root, "commit", "-qam", "work")
    git(alice.root, "fetch", "-q")
    alice.git("rebase", "-q", "origin/main")
    alice.store.delete_ref("refs/heads/alice")
    alice.branch.tip = None
    assert alice.snapshot().operation == "rebase"
    with pytest.raises(NotPossibleNow, match="has a rebase in progress"):
        bob.merge("alice")


def force(mate: Mate, secret: str) -> str:
    """Take the newest commit out of the remote's main, and put another in its place."""
    git(mate.root, "reset", "-q", "--hard", f"{secret}~1")
    write_files(mate.root, {"other.txt": b"alice9\n"})
    git(mate.root, "add", "--all")
    git(mate.root, "commit", "-qm", "instead")
    git(mate.root, "push", "-qf", "origin", "HEAD:main")
    return git(mate.root, "rev-parse", "HEAD")


@pytest.fixture
def forced(crew: dict[str, Mate]) -> tuple[Mate, Mate, str]:
    """Alice, bob at a commit with a secret, and the commit that alice forced into its place."""
    alice, bob = crew.values()
    secret = push(alice, {"secret.txt": b"alice1\n"}, "with a secret")
    git(bob.root, "pull", "-q")
    bob.snapshot()
    forced = force(alice, secret)
    write_files(bob.root, {"work.txt": b"bob1\n"})
    alice.snapshot()
    bob.snapshot()
    return alice, bob, forced


def test_what_a_forced_push_took_out_is_left_out_by_a_merge(forced: tuple[Mate, Mate, str]) -> None:
    _, bob, tip = forced
    merged = bob.merge("main")
    assert isinstance(merged.note, CommitsLeftOut)
    (commit,) = merged.note.commits
    assert commit.endswith("with a secret")
    assert not (bob.root / "secret.txt").exists()
    assert (bob.root / "work.txt").read_bytes() == b"bob1\n"
    landed = bob.land()
    assert git(bob.root, "ls-tree", "-r", "--name-only", landed.commit, "secret.txt", "other.txt") == "other.txt"
    assert git(bob.root, "rev-parse", f"{landed.commit}^") == tip
    assert landed.others == ()


def test_what_a_forced_push_took_out_comes_back_through_a_teammate_only_when_asked_for(
    forced: tuple[Mate, Mate, str],
) -> None:
    alice, bob, _ = forced
    before = everything(alice.root)
    with pytest.raises(WouldBringBack, match="with a secret"):
        alice.merge("bob")
    assert everything(alice.root) == before
    alice.do(merge(alice.live, alice.terminal, "bob", merge_both, yes=True))
    assert (alice.root / "secret.txt").exists()
    alice.do(undo(alice.live))
    bob.merge("main")
    assert alice.merge("bob").result == "clean"
    assert (alice.root / "work.txt").exists() and not (alice.root / "secret.txt").exists()


def test_what_a_forced_push_took_out_lands_only_when_asked_for(forced: tuple[Mate, Mate, str]) -> None:
    _, bob, tip = forced
    before = everything(bob.root)
    with pytest.raises(WouldBringBack, match="with a secret"):
        bob.land()
    assert everything(bob.root) == before
    assert git(bob.root, "ls-remote", "origin", "main").split()[0] == tip
    bob.do(land(bob.live, bob.terminal, "all of it", merge_both, yes=True))
    assert git(bob.root, "show", "origin/main:secret.txt") == "alice1"


def landed_from_a_branch(alice: Mate) -> None:
    """Let alice land work from a branch of hers, and clean up there as one does after a landing."""
    git(alice.root, "switch", "-qc", "topic")
    write_files(alice.root, {"b.txt": b"alice1\n", "n.txt": b"alice2\n"})
    alice.snapshot()
    alice.land()
    git(alice.root, "reset", "-q", "--hard")
    git(alice.root, "clean", "-qfd")
    alice.snapshot()


def test_what_landed_stays_on_main_when_its_author_cleans_up_and_lands_more(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    landed_from_a_branch(alice)
    write_files(alice.root, {"more.txt": b"alice3\n"})
    more = alice.land()
    assert git(alice.root, "show", f"{more.commit}:b.txt") == "alice1"
    assert git(alice.root, "diff", "--name-only", f"{more.commit}^", more.commit) == "more.txt"
    git(bob.root, "pull", "-q")
    bob.snapshot()
    assert bob.merge("alice").brought.removed == ()
    assert (bob.root / "b.txt").read_bytes() == b"alice1\n"


def test_what_landed_comes_back_with_main_to_an_author_who_cleaned_up(crew: dict[str, Mate]) -> None:
    alice = crew["alice"]
    landed_from_a_branch(alice)
    assert alice.merge("main").brought.added == ("n.txt",)
    assert (alice.root / "b.txt").read_bytes() == b"alice1\n"


def test_what_a_teammate_landed_of_mine_stays_when_i_give_it_up(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    write_files(alice.root, {"b.txt": b"alice1\n"})
    alice.snapshot()
    bob.merge("alice")
    bob.land()
    git(alice.root, "stash", "-q")
    write_files(alice.root, {"b.txt": b"alice2\n" + (alice.root / "b.txt").read_bytes()})
    with pytest.raises(LandConflict):
        alice.land()  # as git would: both put something at the top of b.txt
    assert alice.merge("main").conflicts == ["b.txt"]


def test_what_i_wrote_stays_mine_when_a_teammate_gives_it_up_piece_by_piece(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    write_files(bob.root, {"n.txt": b"bob1\n"})
    bob.snapshot()
    alice.merge("bob")
    for words in (["reset", "-q", "--soft", "HEAD~1"], ["reset", "-q", "--hard"], ["stash", "-qu"]):
        git(alice.root, *words)
        alice.snapshot()
        bob.merge("alice")
        assert (bob.root / "n.txt").read_bytes() == b"bob1\n", words
    assert not (alice.root / "n.txt").exists()


def test_what_a_forced_push_took_out_is_asked_about_after_a_merge_of_who_pushed_it(
    forced: tuple[Mate, Mate, str],
) -> None:
    _, bob, _ = forced
    bob.merge("alice")
    with pytest.raises(WouldBringBack, match="with a secret"):
        bob.land()
    assert isinstance(bob.merge("main").note, CommitsLeftOut)
    assert not (bob.root / "secret.txt").exists()
    assert bob.land().brought.added == ("work.txt",)


def test_a_commit_that_was_only_amended_and_forced_is_nothing_that_was_taken_out(crew: dict[str, Mate]) -> None:
    alice, bob = crew.values()
    push(alice, {"n.txt": b"alice1\n"})
    git(bob.root, "pull", "-q")
    bob.snapshot()
    git(alice.root, "commit", "-q", "--amend", "-m", "better said")
    git(alice.root, "push", "-qf", "origin", "HEAD:main")
    write_files(bob.root, {"work.txt": b"bob1\n"})
    bob.snapshot()
    assert bob.land().brought.added == ("work.txt",)
