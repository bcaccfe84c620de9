"""Files back from the timeline."""

from __future__ import annotations

import time

import pytest
from bough_daemon.commands.hop import back, hop
from bough_daemon.commands.restore import Restored, restore
from bough_daemon.commands.undo import undo
from bough_daemon.errors import HostilePath, NotPossibleNow, UnknownMember, UnknownPath, UnknownSnapshot
from bough_daemon.history.timeline import timeline
from bough_daemon.system.moments import moment_of

from tests.daemon.moves_support import FILES, Desk, check_whole, everything, files_of, git, merge_both, tree_on_disk
from tests.daemon.support import write_files


def bring_back(here: Desk, *paths: str, since: str | None = None, name: str | None = None) -> Restored:
    return here.do(restore(here.live, paths, since=since, name=name))


def test_a_staged_file_comes_back_after_reset_removal_and_a_pruning_gc(here: Desk) -> None:
    write_files(here.root, {"f": b"precious\n"})
    git(here.root, "add", "f")
    saved = here.snapshot()
    git(here.root, "reset", "-q", "f")
    (here.root / "f").unlink()
    git(here.root, "gc", "-q", "--prune=now")
    restored = bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"precious\n"
    assert restored.paths == {"f": saved.oid}
    assert restored.snapshot.event == "restore"
    check_whole(here.root)


def test_a_folder_becomes_what_it_was(here: Desk) -> None:
    then = here.snapshot()
    write_files(here.root, {"d/b.txt": b"changed\n", "d/extra.txt": b"e\n", "a.txt": b"kept\n"})
    (here.root / "d/e/c.txt").unlink()
    before = everything(here.root)
    bring_back(here, "d", since=then.oid[:8])
    assert {path for path in files_of(here.root) if path.startswith("d/")} == {"d/b.txt", "d/e/c.txt"}
    assert (here.root / "a.txt").read_bytes() == b"kept\n"
    here.do(undo(here.live))
    assert everything(here.root) == before


def test_everything_comes_back_and_index_and_head_stay(here: Desk) -> None:
    then = here.snapshot()
    write_files(here.root, {"a.txt": b"changed\n", "new/x.txt": b"x\n"})
    git(here.root, "add", "--all")
    before = everything(here.root)
    bring_back(here, since=then.oid)
    after = everything(here.root)
    assert tree_on_disk(here.root) == then.tree
    assert not (here.root / "new").exists()
    assert (after["index"], after["HEAD"]) == (before["index"], before["HEAD"])


def test_the_top_folder_is_everything(here: Desk) -> None:
    then = here.snapshot()
    write_files(here.root, {"a.txt": b"changed\n", "new/x.txt": b"x\n"})
    bring_back(here, "", since=then.oid)
    assert tree_on_disk(here.root) == then.tree


def test_a_file_where_a_folder_was_and_the_other_way_round(here: Desk) -> None:
    then = here.snapshot()
    (here.root / "d/b.txt").unlink()
    (here.root / "d/e/c.txt").unlink()
    (here.root / "d/e").rmdir()
    (here.root / "d").rmdir()
    write_files(here.root, {"d": b"a file\n"})
    now = here.snapshot()
    bring_back(here, "d/e/c.txt", since=then.oid)
    assert (here.root / "d/e/c.txt").read_bytes() == b"c\n"
    bring_back(here, "d", since=now.oid)
    assert (here.root / "d").read_bytes() == b"a file\n"


def test_a_time_names_the_newest_snapshot_that_was_there_then(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"changed\n"})
    with pytest.raises(UnknownSnapshot):
        bring_back(here, "a.txt", since="2001-01-01")
    with pytest.raises(NotPossibleNow, match="nothing to restore"):
        bring_back(here, "a.txt", since="0s")


def test_a_file_comes_from_a_teammate(here: Desk) -> None:
    here.teammate_at("alice", {"hers.txt": b"hers\n"})
    bring_back(here, "hers.txt", name="alice")
    assert (here.root / "hers.txt").read_bytes() == b"hers\n"
    with pytest.raises(UnknownMember):
        bring_back(here, "hers.txt", name="nobody")


def contents(here: Desk, path: str, *all_of: bytes) -> None:
    """Save each of these contents of a file as a snapshot."""
    for content in all_of:
        write_files(here.root, {path: content})
        here.snapshot()


def test_restore_goes_one_further_back_each_time_and_undo_forward(here: Desk) -> None:
    contents(here, "f", b"1", b"2", b"3")
    write_files(here.root, {"f": b"4"})
    seen = [everything(here.root)]
    for expected in (b"3", b"2", b"1"):
        bring_back(here, "f")
        assert (here.root / "f").read_bytes() == expected
        seen.append(everything(here.root))
        contents(here, "beside", b"saved meanwhile")
        (here.root / "beside").unlink()
    with pytest.raises(NotPossibleNow, match="no other version of f"):
        bring_back(here, "f")
    for before in reversed(seen[:-1]):
        here.do(undo(here.live))
        assert everything(here.root) == before
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"3"


def test_what_was_undone_is_passed_over(here: Desk) -> None:
    contents(here, "f", b"1", b"2", b"3")
    bring_back(here, "f")
    bring_back(here, "f")
    here.do(undo(here.live))
    assert (here.root / "f").read_bytes() == b"2"
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"1"


def test_an_edit_after_a_restore_is_the_newest_again(here: Desk) -> None:
    contents(here, "f", b"1", b"2", b"3")
    bring_back(here, "f")
    contents(here, "f", b"edited", b"2")
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"edited"


def test_a_removed_file_comes_back_as_it_was_last(here: Desk) -> None:
    contents(here, "f", b"1", b"2")
    (here.root / "f").unlink()
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"2"
    (here.root / "f").unlink()
    here.snapshot()
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"2"
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"1"


def test_what_was_committed_before_the_first_snapshot_comes_back(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"edited before\n"})
    first = here.snapshot()
    restored = bring_back(here, "a.txt")
    assert (here.root / "a.txt").read_bytes() == FILES["a.txt"]
    assert restored.paths == {"a.txt": first.base}
    with pytest.raises(NotPossibleNow):
        bring_back(here, "a.txt")


def test_folders_and_several_paths_each_go_back_by_themselves(here: Desk) -> None:
    here.snapshot()
    contents(here, "d/b.txt", b"b2\n", b"b3\n")
    contents(here, "f", b"1", b"2")
    restored = bring_back(here, "d", "f", "d/e/c.txt")
    assert restored.unchanged == ["d/e/c.txt"]
    assert ((here.root / "d/b.txt").read_bytes(), (here.root / "f").read_bytes()) == (b"b2\n", b"1")
    bring_back(here, "d")
    assert (here.root / "d/b.txt").read_bytes() == b"b\n"
    assert all(moment <= time.time() for moment in restored.times.values())


def test_it_goes_on_from_a_snapshot_that_was_named(here: Desk) -> None:
    contents(here, "f", b"1", b"2", b"3", b"4")
    snapshots = [one.oid for one in timeline(here.store.objects, here.snapshot().oid)]
    bring_back(here, "f", since=snapshots[2])
    assert (here.root / "f").read_bytes() == b"2"
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"1"


def test_what_a_hop_showed_is_no_version_of_mine_and_what_i_did_there_is(here: Desk) -> None:
    contents(here, "f", b"1", b"2")
    here.teammate_at("alice", {"f": b"hers", "g": b"hers"})
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"2"
    here.do(undo(here.live))
    contents(here, "g", b"as a guest", b"as a guest, again")
    bring_back(here, "g")
    assert (here.root / "g").read_bytes() == b"as a guest"
    here.do(back(here.live, here.terminal))
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"1"
    bring_back(here, "g")
    assert (here.root / "g").read_bytes() == b"as a guest"


def test_a_teammates_versions_come_one_by_one(here: Desk) -> None:
    for content in (b"h1", b"h2", b"h3"):
        here.teammate_at("alice", {"f": content})
    contents(here, "f", b"mine")
    for expected in (b"h3", b"h2", b"h1"):
        restored = bring_back(here, "f", name="alice")
        assert (here.root / "f").read_bytes() == expected
        assert restored.snapshot.event == "restore alice"
    bring_back(here, "f")
    assert (here.root / "f").read_bytes() == b"h2"


def test_an_ignored_file_in_the_way_can_be_had_back(here: Desk) -> None:
    write_files(here.root, {"x": b"tracked\n"})
    then = here.snapshot()
    (here.root / "x").unlink()
    write_files(here.root, {".gitignore": b"x\n", "x": b"ignored\n"})
    before = everything(here.root)
    bring_back(here, "x", since=then.oid)
    assert (here.root / "x").read_bytes() == b"tracked\n"
    here.do(undo(here.live))
    assert everything(here.root) == before


def test_what_cannot_be_is_refused(here: Desk) -> None:
    before = everything(here.root)
    for paths, since, failure in [
        (["nowhere"], None, UnknownPath),
        (["../x"], None, HostilePath),
        ([".git/config"], None, HostilePath),
        (["a.txt"], "feedbeef", UnknownSnapshot),
        (["a.txt"], "what", UnknownSnapshot),
        (["a.txt"], None, NotPossibleNow),
        ([], None, NotPossibleNow),
    ]:
        with pytest.raises(failure):
            bring_back(here, *paths, since=since)
    assert everything(here.root) == before


NOON = 1_750_000_000.0


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("10s", NOON - 10),
        ("5m", NOON - 300),
        ("5 minutes ago", NOON - 300),
        ("2h", NOON - 7200),
        ("3d", NOON - 3 * 86400),
        ("2025-06-15T15:06:40+00:00", 1_750_000_000.0),
        ("soon", None),
        ("abcdef12", None),
        ("21106464dd", None),
        ("4 days", NOON - 4 * 86400),
        ("2 hrs ago", NOON - 7200),
    ],
)
def test_times_are_read_as_people_write_them(words: str, moment: float | None) -> None:
    assert moment_of(words, NOON) == moment


def test_an_hour_means_today() -> None:
    local = time.localtime(NOON)
    assert moment_of(f"{local.tm_hour:02}:{local.tm_min:02}", NOON) == NOON - local.tm_sec


def test_a_snapshot_whose_name_looks_like_a_time_is_that_snapshot(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first = here.snapshot()
    (here.root / "a.txt").write_bytes(b"changed")
    here.snapshot()
    # Whatever it is called, it is a time.
    monkeypatch.setattr("bough_daemon.commands.restore.moment_of", lambda words, now: now)
    bring_back(here, "a.txt", since=first.oid[:8])
    assert here.snapshot().tree == first.tree
