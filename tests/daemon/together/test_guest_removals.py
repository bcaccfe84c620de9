"""Which snapshot of a guest others may have while files are being removed."""

from __future__ import annotations

from bough_daemon.history.company import Company
from bough_daemon.history.timeline import Snapshot
from bough_daemon.together.guest_removals import REST, GuestRemovals, Resting, after

from tests.daemon.moves_support import Desk


def snapshot(name: str, *, host: str = "alice") -> Snapshot:
    """A snapshot whose name says how many files it has."""
    company = Company(guest_of=host, visit="v")
    return Snapshot(name, name, (), "base", "save", "", 0, "Bob <bob>", None, name, "base", company=company)


def fewer(old: Snapshot, new: Snapshot) -> bool:
    return len(new.oid) < len(old.oid)


def see(known: Resting, tip: Snapshot, now: float, *, gone: bool = False) -> Resting:
    return after(known, tip, now, fewer, lambda: gone)


def test_what_adds_or_edits_passes_at_once() -> None:
    known = Resting(snapshot("aaa"))
    assert see(known, snapshot("bbb"), 0.0).passed.oid == "bbb"
    assert see(known, snapshot("aaaa"), 0.0).passed.oid == "aaaa"


def test_removals_pass_once_they_rest() -> None:
    known = see(Resting(snapshot("aaa")), snapshot("aa"), 1.0)
    assert (known.passed.oid, known.waits) == ("aaa", snapshot("aa"))
    known = see(known, snapshot("a"), 1.0 + REST)  # more of them
    assert see(known, snapshot("a"), 1.0 + 1.9 * REST).passed.oid == "aaa"
    assert see(known, snapshot("a"), 1.0 + 2 * REST) == Resting(snapshot("a"))


def test_one_who_goes_on_saving_after_a_removal_is_heard_once_it_rests() -> None:
    known = see(Resting(snapshot("aaa")), snapshot("aa"), 1.0)
    for step, name in enumerate(("bb", "cc", "dd")):
        known = see(known, snapshot(name), 1.0 + step * REST / 4)
        assert known.passed.oid == "aaa"
    assert see(known, snapshot("ee"), 1.0 + REST) == Resting(snapshot("ee"))


def test_removals_in_a_tree_that_is_gone_never_pass() -> None:
    known = see(Resting(snapshot("aaa")), snapshot("aa"), 1.0)
    assert see(known, snapshot("aa"), 100.0, gone=True).passed.oid == "aaa"


def test_removals_that_are_taken_back_hold_nothing_up() -> None:
    known = see(Resting(snapshot("aaa")), snapshot("aa"), 1.0)
    assert see(known, snapshot("bbb"), 1.1) == Resting(snapshot("bbb"))


def test_who_is_no_guest_removes_at_once() -> None:
    assert see(Resting(snapshot("aaa", host="")), snapshot("aa", host=""), 0.0).passed.oid == "aa"


def test_a_renamed_file_is_no_removal(here: Desk) -> None:
    objects = here.store.objects
    removals = GuestRemovals(objects)
    first = here.snapshot()
    (here.root / "a.txt").rename(here.root / "renamed.txt")
    second = here.snapshot()
    (here.root / "renamed.txt").unlink()
    assert not removals._removes(first, second) and removals._removes(second, here.snapshot())
