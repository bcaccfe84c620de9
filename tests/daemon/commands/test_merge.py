"""A teammate's branch into mine."""

from __future__ import annotations

import pytest
from bough_daemon.commands.merge import Merged, merge
from bough_daemon.commands.undo import undo
from bough_daemon.errors import BoughError, NotPossibleNow, UnknownMember
from bough_daemon.git.objects import EXECUTABLE, FILE, FOLDER, LINK, SUBMODULE, TreeEntry
from bough_daemon.history.branches import Branch

from tests.daemon.moves_support import Desk, check_whole, everything, files_of, git, merge_both, tree_on_disk
from tests.daemon.support import write_files


def bring(here: Desk, name: str = "alice", preview: bool = False) -> Merged:
    return here.do(merge(here.live, here.terminal, name, merge_both, preview=preview))


def test_a_clean_merge_changes_files_only(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\nMINE\n", "staged.txt": b"s\n"})
    git(here.root, "add", "staged.txt")
    tip = here.teammate_at("alice", {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n", "new/n.txt": b"n\n", "d/b.txt": None})
    before = everything(here.root)
    merged = bring(here)
    after = everything(here.root)
    assert (merged.result, [file.path for file in merged.files]) == ("clean", ["a.txt"])
    assert (here.root / "a.txt").read_bytes() == b"HERS\ntwo\nthree\nfour\nMINE\n"
    assert merged.tree == tree_on_disk(here.root)
    assert not (here.root / "d/b.txt").exists()
    assert (after["index"], after["HEAD"]) == (before["index"], before["HEAD"])
    assert here.branch.tip is not None and here.branch.tip.event == "merge alice"
    assert here.store.is_ancestor(tip, here.branch.tip.oid)
    check_whole(here.root)
    assert bring(here).result == "same"
    here.do(undo(here.live))
    assert everything(here.root) == before
    assert not here.store.is_ancestor(tip, here.branch.tip.oid)


def test_a_submodule_that_is_not_checked_out_here_moves_with_a_merge(here: Desk) -> None:
    for commit in ("1" * 40, "2" * 40):
        here.teammate_with("alice", {"lib": TreeEntry(SUBMODULE, commit), "d/e": TreeEntry(SUBMODULE, commit)})
        merged = bring(here)
        assert merged.tree == here.snapshot().tree
        assert git(here.root, "ls-files", "-s", "lib", "d/e").split() == [
            *("160000", commit, "0", "d/e"),
            *("160000", commit, "0", "lib"),
        ]
    assert bring(here).result == "same"
    here.do(undo(here.live))
    assert git(here.root, "ls-files", "-s", "lib").split()[1] == "1" * 40


def test_a_conflict_is_left_as_markers_and_unmerged_entries(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"one\nMINE\nthree\nfour\nfive\n", "other.txt": b"o\n", "q.txt": b"staged\n"})
    git(here.root, "add", "q.txt")
    listed = git(here.root, "ls-files", "-s", "--", ":!a.txt")
    here.teammate_at("alice", {"a.txt": b"one\nHERS\nthree\nfour\nfive\n", "n.txt": b"n\n"})
    before = everything(here.root)
    merged = bring(here)
    assert merged.result == "conflict"
    assert [(file.path, file.result) for file in merged.files] == [("a.txt", "conflict")]
    text = (here.root / "a.txt").read_text()
    assert all(mark in text for mark in ("<<<<<<<", "|||||||", "=======", ">>>>>>>", "MINE", "HERS", "two"))
    stages = git(here.root, "ls-files", "-u").splitlines()
    assert [line.split()[2] for line in stages] == ["1", "2", "3"]
    assert git(here.root, "ls-files", "-s", "--", ":!a.txt") == listed
    assert git(here.root, "diff", "--name-only", "--diff-filter=U") == "a.txt"
    check_whole(here.root)
    with pytest.raises(NotPossibleNow, match="conflicts"):
        bring(here)
    tool = ["-c", 'mergetool.mine.cmd=cat "$REMOTE" > "$MERGED"', "-c", "mergetool.mine.trustExitCode=true"]
    git(here.root, *tool, "-c", "mergetool.keepBackup=false", "mergetool", "--no-prompt", "--tool=mine")
    assert (here.root / "a.txt").read_bytes() == b"one\nHERS\nthree\nfour\nfive\n"
    here.do(undo(here.live))
    assert everything(here.root) == before


def test_a_new_file_that_rules_ignore_stays_in_the_branch(here: Desk) -> None:
    here.teammate_at("alice", {"forced.o": b"hers\n"})
    before = everything(here.root)
    merged = bring(here)
    assert tree_on_disk(here.root) == merged.tree
    git(here.root, "reset", "-q")
    here.do(undo(here.live))
    assert everything(here.root) == before


def test_preview_changes_nothing(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"mine\n"})
    here.teammate_at("alice", {"a.txt": b"hers\n", "n.txt": b"n\n"})
    before = everything(here.root)
    assert bring(here, preview=True).result == "conflict"
    assert everything(here.root) == before
    assert here.branch.tip is not None and here.branch.tip.event == "save"


def test_merging_again_after_a_commit_an_amend_and_a_squash_never_conflicts_on_what_is_shared(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n"})
    assert bring(here).result == "clean"
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", "work")
    here.teammate_at("alice", {"a.txt": b"HERS 2\ntwo\nthree\nfour\nfive\n"})
    assert bring(here).result == "clean"
    git(here.root, "commit", "-qa", "--amend", "-m", "amended")
    here.teammate_at("alice", {"a.txt": b"HERS 3\ntwo\nthree\nfour\nfive\n"})
    assert bring(here).result == "clean"
    assert (here.root / "a.txt").read_bytes() == b"HERS 3\ntwo\nthree\nfour\nfive\n"


def landed_by_alice(here: Desk, trailer: str, changes: dict[str, bytes]) -> None:
    """Let main move on to a squash of what alice has, with a trailer that says so."""
    write_files(here.root, changes)
    git(here.root, "add", "--all")
    git(here.root, "commit", "-qm", f"squash\n\nBough-Snapshot: {trailer}")


def test_a_landed_squash_is_known_to_contain_its_snapshot(here: Desk) -> None:
    first = here.teammate_at("alice", {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n"})
    landed_by_alice(here, first, {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n"})
    write_files(here.root, {"a.txt": b"HERS and mine\ntwo\nthree\nfour\nfive\n"})
    here.teammate_at("alice", {"z.txt": b"z\n"}, base="HEAD~1")
    merged = bring(here)
    assert merged.result == "clean"
    assert (here.root / "a.txt").read_bytes() == b"HERS and mine\ntwo\nthree\nfour\nfive\n"


def test_a_trailer_on_a_copy_that_has_not_all_of_it_is_not_believed(here: Desk) -> None:
    first = here.teammate_at("alice", {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n", "n.txt": b"n\n"})
    landed_by_alice(here, first, {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n"})  # without n.txt
    bring(here)
    assert (here.root / "n.txt").read_bytes() == b"n\n"


def test_withheld_paths_do_not_count_as_removed(here: Desk) -> None:
    write_files(here.root, {".env": b"SECRET=1\n"})
    here.do(here.save())
    here.teammate_at("alice", {"n.txt": b"n\n"}, contains=[here.snapshot().shared])
    assert bring(here).result == "clean"
    assert (here.root / ".env").read_bytes() == b"SECRET=1\n"


CASES: dict[str, tuple[dict[str, bytes | None], dict[str, bytes | None]]] = {
    "modify and delete": ({"a.txt": b"mine\n"}, {"a.txt": None}),
    "delete and modify": ({"a.txt": None}, {"a.txt": b"hers\n"}),
    "both add": ({"n.txt": b"mine\n"}, {"n.txt": b"hers\n"}),
    "binary": ({"a.txt": b"\0mine"}, {"a.txt": b"\0hers"}),
    "a file where she has a folder": ({"n": b"mine\n"}, {"n/x.txt": b"hers\n"}),
    "a folder where she has a file": ({"n/x.txt": b"mine\n"}, {"n": b"hers\n"}),
    "a name with a newline": ({"q\nq": b"mine\n"}, {"q\nq": b"hers\n"}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_conflict_is_named_and_taken_back(here: Desk, case: str) -> None:
    mine, hers = CASES[case]
    for path, data in mine.items():
        write_files(here.root, {path: data}) if data is not None else (here.root / path).unlink()
    here.teammate_at("alice", hers)
    before = everything(here.root)
    merged = bring(here)
    assert merged.result == "conflict"
    assert set(merged.conflicts) & {*mine, *hers} or any("~" in path for path in merged.conflicts)
    assert git(here.root, "ls-files", "-u")
    check_whole(here.root)
    here.do(undo(here.live))
    assert everything(here.root) == before


def test_modes_and_symlinks_merge(here: Desk) -> None:
    objects = here.store.objects
    was = objects.entry(objects.commit(git(here.root, "rev-parse", "HEAD")).tree, "a.txt")
    assert was is not None
    here.teammate_with(
        "alice", {"a.txt": TreeEntry(EXECUTABLE, was.oid), "l": TreeEntry(LINK, objects.write_blob(b"a.txt"))}
    )
    write_files(here.root, {"a.txt": b"mine\n"})
    assert bring(here).result == "clean"
    assert (here.root / "a.txt").stat().st_mode & 0o111
    assert (here.root / "a.txt").read_bytes() == b"mine\n"
    assert files_of(here.root)["l"] == ("link", b"a.txt")


def test_a_new_file_follows_the_rename_of_its_folder(here: Desk) -> None:
    text = b"one\ntwo\nthree\n"
    write_files(here.root, {"old/a.txt": text, "old/b.txt": text * 2})
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", "a folder")
    here.teammate_at("alice", {"old/a.txt": None, "old/b.txt": None, "new/a.txt": text, "new/b.txt": text * 2})
    write_files(here.root, {"old/c.txt": b"c\n"})
    merged = bring(here)
    assert (merged.result, [(file.path, file.result) for file in merged.files]) == ("clean", [("new/c.txt", "clean")])
    assert "moving it to new/c.txt" in merged.files[0].findings[0].message
    assert (here.root / "new/c.txt").read_bytes() == b"c\n"
    assert not (here.root / "old").exists()
    check_whole(here.root)


def test_a_save_in_the_same_moment_is_merged_too(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n"})
    saves = 0

    async def save_then_edit() -> object:
        nonlocal saves
        snapshot = await here.save()
        saves += 1
        if saves == 1:  # the user saves after the snapshot, before the files are placed
            write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\nMINE\n"})
        return snapshot

    object.__setattr__(here.live, "save", save_then_edit)
    assert bring(here).result == "clean"
    assert (here.root / "a.txt").read_bytes() == b"HERS\ntwo\nthree\nfour\nMINE\n"
    assert saves == 2


def test_files_that_never_rest_end_the_attempt_unharmed(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"HERS\ntwo\nthree\nfour\nfive\n", "n.txt": b"n\n"})
    saves = 0

    async def save_then_edit() -> object:
        nonlocal saves
        snapshot = await here.save()
        saves += 1
        write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\n%d\n" % saves})
        return snapshot

    object.__setattr__(here.live, "save", save_then_edit)
    with pytest.raises(NotPossibleNow, match=r"a\.txt changed at the same moment"):
        bring(here)
    assert (here.root / "a.txt").read_bytes() == b"one\ntwo\nthree\nfour\n%d\n" % saves
    assert not (here.root / "n.txt").exists()


def test_a_path_that_git_refuses_is_not_merged(here: Desk) -> None:
    objects = here.store.objects
    commit = git(here.root, "rev-parse", "HEAD")
    hooks = objects.write_tree(
        {"hooks": TreeEntry(FOLDER, objects.write_tree({"x": TreeEntry(FILE, objects.write_blob(b"x"))}))}
    )
    hostile = objects.write_tree({**objects.tree(objects.commit(commit).tree), ".git": TreeEntry(FOLDER, hooks)})
    Branch(here.store, "mallory", "M <m@example.org>").save(hostile, commit)
    before = everything(here.root)
    with pytest.raises(BoughError):
        bring(here, "mallory")
    assert everything(here.root) == before
    assert not (here.root / ".git/hooks/x").exists()


def test_an_unknown_teammate_is_named(here: Desk) -> None:
    with pytest.raises(UnknownMember, match="nobody"):
        bring(here, "nobody")
