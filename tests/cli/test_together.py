"""Members who work in one branch together, each with a daemon of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join
from tests.daemon.moves_support import files_of

LINES = b"".join(b"line %d\n" % number for number in range(20))
FILES = {"a.txt": LINES, "b.txt": LINES, "src/b.py": b"def b():\n    return 1\n", ".gitignore": b"*.log\n"}


STAYS_ON_ALICE = {"name": "alice", "held": "", "solid": False, "waits": ""}


def team_of(members: Callable[..., Member], *names: str) -> list[Member]:
    """Return members of one team, all connected with the first."""
    first, *others = [members(name, FILES) for name in names]
    first.bough("up")
    for other in others:
        join(first, other)
    first.bough("save", "--wait", *names[1:])
    return [first, *others]


@pytest.fixture
def pair(members: Callable[..., Member]) -> tuple[Member, Member]:
    """Return alice, and bob, who is her guest."""
    alice, bob = team_of(members, "alice", "bob")
    bob.bough("hop", "alice")
    return alice, bob


def text(member: Member, path: str = "a.txt") -> str:
    """Return what a file has."""
    return (member.tree / path).read_text()


def add(member: Member, line: str, path: str = "a.txt", at: int | None = None) -> None:
    """Write a line into a file, as an editor would: by a temporary file and a rename."""
    lines = text(member, path).splitlines(keepends=True)
    lines.insert(len(lines) if at is None else at, line + "\n")
    beside = member.tree / f".{Path(path).name}.swp"
    beside.write_text("".join(lines))
    beside.rename(member.tree / path)


def are_alike(*members: Member) -> bool:
    """Return whether all have the same files."""
    try:
        first, *others = [files_of(member.tree) for member in members]
    except FileNotFoundError:  # one was there a moment ago
        return False
    return all(one == first for one in others)


def teammate(member: Member, name: str) -> dict[str, Any]:
    """Return what the status says of a teammate."""
    return next(one for one in member.told("status")["teammates"] if one["branch"] == name)


def test_what_either_saves_is_in_the_files_of_both(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    add(bob, "bob was here", at=0)
    until(lambda: "bob was here" in text(alice))
    add(alice, "so was alice")
    until(lambda: "so was alice" in text(bob))
    for number in range(3):
        add(alice, f"alice {number}")
        add(bob, f"bob {number}")
    (bob.tree / "new.txt").write_text("a new file\n")
    (alice.tree / "b.txt").unlink()
    until(lambda: are_alike(alice, bob) and not (bob.tree / "b.txt").exists())
    words = text(alice).splitlines()
    assert sorted(words[-6:]) == sorted(f"{name} {number}" for name in ("alice", "bob") for number in range(3))
    assert alice.git("status", "--porcelain").splitlines() == ["M a.txt", " D b.txt", "?? new.txt"]


def test_status_says_who_is_with_whom(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    until(lambda: alice.told("status")["guests"] == ["bob"])
    told = bob.told("status")
    assert (told["hopped_to"], told["hop_kind"], told["guests"], told["paused"]) == ("alice", "together", [], [])
    assert "your saves go into alice's files, and theirs into yours" in bob.bough("status")
    said = alice.bough("status")
    assert "guests in your files: bob" in said and "in alice's branch" in said
    alice.git("commit", "-qam", "nothing much", "--allow-empty")
    until(lambda: bool(teammate(bob, "alice")["has_moved"]))
    assert "`bough hop alice` moves your HEAD along" in bob.bough("status")
    bob.bough("hop", "alice")
    assert not teammate(bob, "alice")["has_moved"]
    assert bob.git("rev-parse", "HEAD") == alice.git("rev-parse", "HEAD")


def test_a_file_of_which_both_change_a_line_waits_for_them_and_nothing_else_does(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    bob.is_killed()
    for member, word in ((alice, "hers"), (bob, "his")):
        (member.tree / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"line 7 is %s\n" % word.encode()))
    alice.bough("save")
    bob.bough("save")
    for member in (alice, bob):
        until(lambda: [one["path"] for one in member.told("status")["paused"]] == ["a.txt"])
        assert "a.txt is paused with" in member.bough("status") and "`bough merge`" in member.bough("status")
    add(bob, "bob goes on", "b.txt")
    add(alice, "alice goes on", "b.txt", at=0)
    until(lambda: text(alice, "b.txt") == text(bob, "b.txt") and "goes on" in text(bob, "b.txt").splitlines()[-1])
    assert "hers" in text(alice) and "his" not in text(alice)
    assert "his" in text(bob) and "hers" not in text(bob)
    (bob.tree / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"line 7 is hers\n"))
    until(lambda: alice.told("status")["paused"] == [] == bob.told("status")["paused"])
    add(bob, "and on")
    until(lambda: "and on" in text(alice))


def test_a_save_that_replaces_a_line_before_its_author_could_read_it_is_named(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    (bob.tree / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"line 7 is his\n"))
    until(lambda: "his" in text(alice))
    (alice.tree / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"line 7 is hers\n"))  # an editor's old buffer
    for member, other in ((alice, "bob"), (bob, "alice")):
        until(lambda: [one["path"] for one in member.told("status")["paused"]] == ["a.txt"])
        assert f"a.txt is paused with {other}" in member.bough("status")
    assert "hers" in text(alice) and "his" in text(bob)
    add(bob, "bob goes on", "b.txt")
    until(lambda: "bob goes on" in text(alice, "b.txt"))
    assert bob.types("merge", "alice").code == 3 and "hers" in text(bob) and "his" in text(bob)
    (bob.tree / "a.txt").write_bytes(LINES.replace(b"line 7\n", b"line 7 is theirs\n"))
    bob.git("add", "a.txt")
    until(lambda: "theirs" in text(alice) and alice.told("status")["paused"] == [] == bob.told("status")["paused"])


def test_coming_back_is_exact_and_what_was_done_stays_with_the_host(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    add(bob, "for alice")
    (bob.tree / "new.txt").write_text("for alice, too\n")
    said = bob.bough("back")
    assert "kept in the timeline" not in said
    assert bob.git("status", "--porcelain") == "" and text(bob) == LINES.decode()
    assert not (bob.tree / "new.txt").exists()
    until(lambda: "for alice" in text(alice) and alice.told("status")["guests"] == [])
    assert text(alice, "new.txt") == "for alice, too\n"
    add(bob, "for bob alone")
    bob.bough("save", "--wait", "alice")
    assert "for bob alone" not in text(alice)


def test_going_elsewhere_with_git_takes_nothing_along(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    add(alice, "hers, uncommitted")
    until(lambda: "hers" in text(bob))
    bob.git("reset", "-q", "--hard")
    bob.bough("save", "--wait", "alice")
    assert bob.told("status")["hop_kind"] == "ended"
    assert "`bough hop alice` joins alice again" in bob.bough("status")
    bob.bough("hop", "alice")
    until(lambda: "hers" in text(bob))
    bob.git("switch", "-qf", "main")
    bob.bough("save", "--wait", "alice")
    assert "hers" in text(alice) and alice.told("status")["guests"] == []


def test_one_who_follows_gets_everything_and_gives_nothing(members: Callable[..., Member]) -> None:
    alice, bob = team_of(members, "alice", "bob")
    assert "alice's changes come into your files" in bob.bough("hop", "alice", "--follow")
    add(alice, "first")
    until(lambda: "first" in text(bob))
    add(bob, "mine", "b.txt")
    bob.bough("save", "--wait", "alice")
    add(alice, "hers", "b.txt", at=0)
    add(alice, "second")
    until(lambda: "second" in text(bob))
    told = bob.told("status")
    assert (told["hop_kind"], told["detached"]) == ("follow", ["b.txt"])
    assert "b.txt: edited here, so alice's changes to it stay out" in bob.bough("status")
    assert "hers" not in text(bob, "b.txt") and "mine" in text(bob, "b.txt")
    assert "mine" not in text(alice, "b.txt") and alice.told("status")["guests"] == []
    assert "b.txt" in bob.bough("back") and bob.git("status", "--porcelain") == ""
    moved = bob.told("hop", "alice", "--at", "0s")
    assert moved["kind"] == "still"
    add(alice, "third")
    alice.bough("save", "--wait", "bob")
    assert "third" not in text(bob) and teammate(bob, "alice")["ahead"] == 1


def test_one_who_stays_on_a_branch_gets_whole_states_of_it_while_they_are_clean(members: Callable[..., Member]) -> None:
    alice, bob = team_of(members, "alice", "bob")
    assert bob.bough("stay") == "Staying on no branch; `bough stay NAME` keeps one merged into your files"
    add(alice, "before")
    alice.bough("save", "--wait", "bob")
    assert bob.bough("stay", "alice") == "Staying on alice: all of it is in your files"
    assert "before" in text(bob)
    add(bob, "his own", "b.txt")
    add(alice, "hers", at=0)
    until(lambda: "hers" in text(bob))
    assert "his own" not in text(alice, "b.txt")
    (bob.tree / "a.txt").write_text(text(bob).replace("line 7\n", "line 7 is his\n"))
    bob.bough("save")
    (alice.tree / "a.txt").write_text(text(alice).replace("line 7\n", "line 7 is hers\n"))
    add(alice, "whole or not at all", "b.txt", at=0)
    until(lambda: "conflicts in a.txt" in bob.bough("stay"))
    assert "`bough merge alice` resolves it" in bob.bough("status")
    assert "whole or not" not in text(bob, "b.txt") and "line 7 is his" in text(bob)
    bob.ends()
    (alice.tree / "a.txt").write_text(text(alice).replace("line 7 is hers\n", "line 7\n"))
    alice.bough("save")
    until(lambda: bob.told("status")["stays"] == [STAYS_ON_ALICE] and "whole" in text(bob, "b.txt"))
    assert (
        bob.git("status", "--porcelain").split() == ["M", "a.txt", "M", "b.txt"] and bob.git("diff", "--cached") == ""
    )
    assert bob.types("stay", "nobody").code != 0
    bob.git("branch", "other", "HEAD")
    bob.bough("stay", "other")
    assert [one["name"] for one in bob.told("status")["stays"]] == ["alice", "other"]
    bob.bough("stay", "--stop", "alice")
    add(alice, "too late")
    alice.bough("save", "--wait", "bob")
    assert "too late" not in text(bob)
    assert bob.bough("stay", "--stop") == "Stopped"


def test_only_what_is_marked_as_solid_is_taken_by_those_who_want_that(members: Callable[..., Member]) -> None:
    alice, bob, carol = team_of(members, "alice", "bob", "carol")
    typed = carol.types("hop", "alice", "--follow", "--solid")
    assert typed.code == 1 and "alice has not marked a state as solid" in typed.err
    assert bob.bough("stay", "alice", "--solid").endswith("solid states: alice has not marked a state as solid")
    assert bob.types("stay", "main", "--solid").code == 2 and bob.types("hop", "alice", "--solid").code == 2
    add(alice, "first")
    alice.bough("save", "--wait", "bob", "carol")
    assert "first" not in text(bob)
    alice.bough("solid", "fit to be taken")
    until(lambda: "first" in text(bob))
    add(alice, "not yet")
    alice.bough("save", "--wait", "bob", "carol")
    until(lambda: teammate(carol, "alice").get("solid") is not None)
    assert "What alice marks as solid comes into your files" in carol.bough("hop", "alice", "--follow", "--solid")
    assert carol.told("status")["hop_kind"] == "solid"
    for member in (bob, carol):
        assert "first" in text(member) and "not yet" not in text(member)
    add(carol, "carol's own", "b.txt")
    carol.bough("save")
    carol.ends()  # what is followed is remembered
    add(alice, "second", at=0)
    alice.bough("solid")
    add(alice, "third")
    alice.bough("save", "--wait", "bob")
    carol.bough("status")
    until(lambda: all("second" in text(member) and "not yet" in text(member) for member in (bob, carol)))
    assert "third" not in text(bob) and "third" not in text(carol)
    assert "carol's own" in text(carol, "b.txt") and "carol's own" not in text(alice, "b.txt")
    carol.bough("back")
    assert text(carol) == LINES.decode()


def test_a_host_may_keep_guests_out_and_they_are_told(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    alice.bough("config", "set", "together.guests", "off")
    until(lambda: teammate(bob, "alice")["guest_rule"] == "off")
    assert "alice takes no edits of yours" in bob.bough("status")
    assert "stay out of your files: bob" in alice.bough("status")
    add(bob, "kept out")
    bob.bough("save", "--wait", "alice")
    add(alice, "still comes", at=0)
    until(lambda: "still comes" in text(bob))
    assert "kept out" not in text(alice) and "kept out" in text(bob)
    alice.bough("config", "unset", "together.guests")
    until(lambda: "kept out" in text(alice))


def test_a_host_who_wants_to_be_asked_decides_about_each_guest_once(members: Callable[..., Member]) -> None:
    alice, bob, carol = team_of(members, "alice", "bob", "carol")
    alice.bough("config", "set", "together.guests", "ask")
    until(lambda: teammate(bob, "alice")["guest_rule"] == "ask" == teammate(carol, "alice")["guest_rule"])
    assert "Your edits wait here until alice lets them in" in bob.bough("hop", "alice")
    carol.bough("hop", "alice")
    until(lambda: alice.told("status")["waiting_guests"] == ["bob", "carol"])
    assert "`bough guests bob fold` lets their edits in" in alice.bough("status")
    assert "your edits wait here until alice" in bob.bough("status")
    add(bob, "bob was here", at=3)
    add(carol, "carol was here", at=9)
    for guest in (bob, carol):
        guest.bough("save", "--wait", "alice")
    add(alice, "alice's come at once", at=0)
    until(lambda: all("at once" in text(guest) for guest in (bob, carol)))
    assert "was here" not in text(alice) and alice.told("status")["guests"] == []
    alice.bough("guests", "bob", "fold")
    assert "carol: edits stay out" in alice.bough("guests", "carol", "off")
    until(lambda: "bob was here" in text(alice))
    until(lambda: teammate(bob, "alice")["guest_rule"] == "fold")
    until(lambda: "alice takes no edits of yours" in carol.bough("status"))
    bob.bough("back")
    alice.is_killed()
    assert alice.told("guests")["guests"][0]["rule"] == "fold"  # what was decided lasts
    assert "Your saves go into alice's files" in bob.bough("hop", "alice")
    add(bob, "bob again", at=5)
    until(lambda: "bob again" in text(alice))
    assert "carol" not in text(alice)
    assert alice.told("guests", "bob", "ask")["guests"][0] == {"branch": "bob", "rule": "ask", "is_here": True}
    until(lambda: alice.told("status")["waiting_guests"] == ["bob"])
    assert alice.types("guests", "nobody", "fold").code == 1 and alice.types("guests", "bob").code == 2
    assert alice.types("guests", "bob", "maybe").code == 2


def test_daemons_that_are_killed_while_both_type_lose_and_double_nothing(pair: tuple[Member, Member]) -> None:
    alice, bob = pair
    wanted = set()
    for number, killed in enumerate([alice, bob, alice, bob]):
        for member, at in ((alice, 3), (bob, 12)):
            for again in range(3):
                add(member, f"{member.name} {number} {again}", at=at)
                wanted.add(f"{member.name} {number} {again}")
        killed.is_killed()
        add(killed, f"{killed.name} {number} alone", at=0)
        wanted.add(f"{killed.name} {number} alone")
        killed.bough("save")
    until(lambda: are_alike(alice, bob) and wanted <= set(text(alice).splitlines()))
    assert len(text(alice).splitlines()) == 20 + len(wanted)
    assert alice.told("status")["paused"] == [] == bob.told("status")["paused"]


def test_an_offline_host_is_entered_as_they_were_and_meets_the_guest_later(members: Callable[..., Member]) -> None:
    alice, bob = team_of(members, "alice", "bob")
    add(alice, "the last she saved")
    alice.bough("save", "--wait", "bob")
    alice.ends()
    until(lambda: not teammate(bob, "alice")["connected"])
    assert "alice is offline: this is their last state" in bob.bough("hop", "alice")
    assert "the last she saved" in text(bob) and "alice is offline: their last state" in bob.bough("status")
    add(bob, "meanwhile", at=0)
    add(alice, "offline too")
    alice.bough("status")
    until(lambda: are_alike(alice, bob) and {"meanwhile", "offline too"} <= set(text(bob).splitlines()))


def test_line_ends_and_attributes_of_either_side_stay(members: Callable[..., Member]) -> None:
    first, *_ = alice, bob = team_of(members, "alice", "bob")
    for member in (alice, bob):
        (member.tree / ".gitattributes").write_text("* text=auto\n*.win eol=crlf\n")
    (alice.tree / "x.win").write_bytes(b"one\r\ntwo\r\n")
    first.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    assert (bob.tree / "x.win").read_bytes() == b"one\r\ntwo\r\n"
    (bob.tree / "x.win").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    add(bob, "plain")
    until(lambda: (alice.tree / "x.win").read_bytes() == b"one\r\ntwo\r\nthree\r\n" and "plain" in text(alice))
    until(lambda: are_alike(alice, bob))


def test_three_guests_type_into_one_file(members: Callable[..., Member]) -> None:
    alice, bob, carol, dave = everyone = team_of(members, "alice", "bob", "carol", "dave")
    for guest in (bob, carol, dave):
        guest.bough("hop", "alice")
    wanted = set()
    for number in range(3):
        for place, member in enumerate(everyone):
            add(member, f"{member.name} {number}", at=5 * place)
            wanted.add(f"{member.name} {number}")
    until(lambda: are_alike(*everyone) and wanted <= set(text(alice).splitlines()))
    assert len(text(alice).splitlines()) == 20 + len(wanted)


def test_who_typed_as_a_guest_is_named_when_it_lands_and_who_only_looked_is_not(members: Callable[..., Member]) -> None:
    alice, bob, carol = team_of(members, "alice", "bob", "carol")
    for guest in (bob, carol):
        guest.bough("hop", "alice")
    until(lambda: set(alice.told("status")["guests"]) == {"bob", "carol"})
    add(bob, "by bob", at=0)
    add(alice, "by alice", "b.txt")
    until(lambda: "by bob" in text(alice) and "by alice" in text(carol, "b.txt"))
    alice.bough("land", "-m", "both of us")
    message = alice.git("log", "-1", "--format=%B")
    assert "Co-authored-by: Bob <bob@example.org>" in message and "Carol" not in message


def test_a_guest_with_a_sparse_checkout_takes_nothing_away(members: Callable[..., Member]) -> None:
    alice, bob = team_of(members, "alice", "bob")
    add(alice, "before", "src/b.py")
    (alice.tree / "src/new.py").write_text("new\n")
    alice.bough("save", "--wait", "bob")
    bob.git("sparse-checkout", "set", "nothing")
    bob.bough("save", "--wait", "alice")
    bob.bough("hop", "alice")
    add(bob, "bob's")
    until(lambda: "bob's" in text(alice))
    add(alice, "since", "src/b.py")
    (alice.tree / "src/late.py").write_text("late\n")
    alice.bough("save", "--wait", "bob")
    until(lambda: "src/late.py" in bob.bough("status"))
    assert "it is outside your sparse checkout" in bob.bough("status")
    add(bob, "bob's second")
    until(lambda: "bob's second" in text(alice))
    assert not (bob.tree / "src").exists()
    bob.bough("back")
    alice.bough("save")
    assert text(alice, "src/b.py").splitlines()[-2:] == ["before", "since"]
    assert text(alice, "src/new.py") == "new\n" and text(alice, "src/late.py") == "late\n"
