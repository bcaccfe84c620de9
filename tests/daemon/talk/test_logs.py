"""The logs of members: whatever way they come, all who have heard the same have the same."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from bough_daemon.errors import TooMuchTalk
from bough_daemon.talk.entries import (
    MOST_ENTRY_BYTES,
    MOST_TEXT,
    Anchor,
    Closing,
    Reaction,
    Remark,
    RemarkReply,
    Said,
    SolidMark,
    TalkEntry,
    content_of,
    said_in,
)
from bough_daemon.talk.log_file import LogFile
from bough_daemon.talk.logs import MINUTE_MS, MOST_A_MINUTE, MOST_ENDS, Logs
from bough_daemon.talk.threads import solid_tips, threads_of
from bough_daemon.team.roster import Roster
from hypothesis import given
from hypothesis import strategies as st

from tests.daemon.team.test_roster import NOW, admit, copy_of, someone

OID = "1" * 40
REMARK = Remark("alice", Anchor(b"a.py", OID, OID, 1, b"x = 1\n"), "why?")


@cache
def team() -> Roster:
    founded = Roster.found(someone("alice"), "alice", NOW)
    admit(founded, "alice", "bob")
    return founded


def logs() -> Logs:
    return Logs(copy_of(team()))


def say(here: Logs, who: str, *said: Said, now: int = NOW) -> list[TalkEntry]:
    """Have a member say things, one after the other; return the entries."""
    made = []
    for one in said:
        entry = here.next(one, someone(who), now)
        assert here.merge([entry]) == [entry]
        made.append(entry)
    return made


def known(here: Logs) -> dict[bytes, TalkEntry]:
    return dict(here.entries())


def spoken() -> list[TalkEntry]:
    """Return what two members say who do not hear each other, one of whom goes on from a backup."""
    here, there = logs(), logs()
    first = say(here, "alice", REMARK)[0]
    there.merge([first])
    theirs = say(there, "bob", RemarkReply(first.digest, "no"), Closing(first.digest), REMARK)
    backup = logs()
    backup.merge([first])
    lost = say(backup, "alice", Reaction(first.digest, "👍"), now=NOW + 5)
    mine = say(here, "alice", RemarkReply(first.digest, "yes"), Closing(first.digest, again=True), now=NOW + 9)
    return [first, *mine, *theirs, *lost]


SPOKEN = spoken()


def take_in_any_order(here: Logs, entries: Iterable[TalkEntry]) -> None:
    """Have entries said again until nothing of them is new, as peers do who lack what is before some."""
    waiting = list(entries)
    while here.merge(waiting):
        pass


@given(order=st.permutations(SPOKEN), again=st.lists(st.sampled_from(SPOKEN)))
def test_logs_come_to_the_same_in_any_order_and_said_any_number_of_times(
    order: list[TalkEntry], again: list[TalkEntry]
) -> None:
    here, there = logs(), logs()
    take_in_any_order(here, SPOKEN)
    take_in_any_order(there, [*again, *order])
    assert known(here) == known(there) and len(here) == len(SPOKEN)
    assert threads_of(here.entries()) == threads_of(there.entries())
    assert here.lacking(there.positions()) == [] and set(here.forks()) == set(there.forks())


@given(mine=st.sets(st.sampled_from(range(len(SPOKEN)))), theirs=st.sets(st.sampled_from(range(len(SPOKEN)))))
def test_two_who_tell_each_other_what_the_other_lacks_have_the_same(mine: set[int], theirs: set[int]) -> None:
    here, there = logs(), logs()
    take_in_any_order(here, [SPOKEN[one] for one in mine])
    take_in_any_order(there, [SPOKEN[one] for one in theirs])
    for_them, for_me = here.lacking(there.positions()), there.lacking(here.positions())
    there.merge(for_them)
    here.merge(for_me)
    assert known(here) == known(there)


def test_two_who_answer_offline_are_both_in_the_thread() -> None:
    here = logs()
    take_in_any_order(here, SPOKEN)
    thread = next(one for one in threads_of(here.entries()) if one.digest == SPOKEN[0].digest)
    assert sorted(reply.text for reply in thread.replies) == ["no", "yes"]
    assert thread.is_open and thread.marks == {thread.digest: {"👍": [someone("alice").key]}}


def test_a_long_log_is_told_of_in_few_words_and_little_of_it_goes_twice() -> None:
    here, there = logs(), logs()
    for number in range(5):
        say(here, "alice", *[REMARK] * 100, now=NOW + 2 * number * MINUTE_MS)
    there.merge(entry for _, entry in list(here.entries())[:400])
    assert len(here.positions()) < 15
    assert len(here.lacking(there.positions())) == 100
    assert len(there.lacking(here.positions())) < 200


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 2},
        {"before": b"x" * 32},
        {"time": NOW - 1},
        {"content": content_of(Closing(bytes(32)))},
        {"signature": bytes(64)},
        {"by": someone("bob").key},
        {"sequence": 2**63},
    ],
)
def test_an_entry_counts_only_as_its_member_signed_it(change: dict[str, object]) -> None:
    entry = logs().next(REMARK, someone("alice"), NOW)
    assert logs().merge([replace(entry, **change)]) == []  # type: ignore[arg-type]
    assert logs().merge([entry]) == [entry]


def test_an_entry_counts_in_its_own_team_alone() -> None:
    other = Logs(Roster.found(someone("alice"), "alice", NOW))
    assert other.merge([logs().next(REMARK, someone("alice"), NOW)]) == []


def test_nothing_comes_between_two_entries_or_before_what_is_not_here() -> None:
    here, there = logs(), logs()
    first, second = say(here, "alice", REMARK, REMARK)
    assert there.merge([second]) == []
    assert there.merge([first]) == [first]
    forged = TalkEntry(first.by, 3, first.digest, NOW, second.content).signed(team().team, someone("alice"))
    earlier = TalkEntry(first.by, 2, first.digest, NOW - 1, second.content).signed(team().team, someone("alice"))
    assert there.merge([forged, earlier]) == [] and there.merge([second]) == [second]


def test_what_a_removed_member_says_later_does_not_count_and_what_they_said_before_does() -> None:
    roster = copy_of(team())
    here = Logs(roster)
    first = say(here, "bob", REMARK)[0]
    later = here.next(REMARK, someone("bob"), NOW)
    roster.remove(someone("alice"), "bob", NOW + 1)
    assert here.merge([later]) == [] and len(threads_of(here.entries())) == 1
    assert roster.name_of(first.by) == "bob"


def test_who_comes_later_gets_what_a_former_member_had_said_and_nothing_that_they_say_since() -> None:
    roster = copy_of(team())
    here = Logs(roster)
    first, second = say(here, "bob", REMARK, RemarkReply(bytes(32), "x"))
    aside = TalkEntry(first.by, 2, first.digest, NOW + 9, first.content).signed(roster.team, someone("bob"))
    later = here.next(REMARK, someone("bob"), NOW)
    roster.remove(someone("alice"), "bob", NOW + 1)
    keep = here.to_keep()
    assert keep is not None
    say(here, "alice", keep)
    assert here.to_keep() is None
    newcomer = Logs(roster)
    assert newcomer.merge([first, second]) == [], "nobody says yet that it was before"
    assert newcomer.merge(here.lacking(newcomer.positions())) == here.lacking([])
    assert known(newcomer) == known(here) and newcomer.merge([aside, later]) == []
    assert [thread.by for thread in threads_of(newcomer.entries())] == [first.by]


def test_who_removes_someone_and_is_removed_still_counts_for_nobody() -> None:
    roster = copy_of(team())
    admit(roster, "alice", "carol")
    here = Logs(roster)
    say(here, "bob", REMARK)
    roster.remove(someone("carol"), "bob", NOW + 1)
    keep = here.to_keep()
    assert keep is not None
    say(here, "carol", keep)
    roster.remove(someone("alice"), "carol", NOW + 2)
    again = here.to_keep()
    assert again is not None and {end.by for end in again.ends} == {someone("bob").key, someone("carol").key}
    say(here, "alice", again)
    newcomer = Logs(roster)
    take_in_any_order(newcomer, here.lacking([]))
    assert known(newcomer) == known(here)


def test_a_stranger_says_nothing() -> None:
    assert logs().merge([logs().next(REMARK, someone("mallory"), NOW)]) == []


def test_who_says_more_than_the_others_take_is_told_and_others_refuse_it() -> None:
    here, there = logs(), logs()
    say(here, "alice", *[REMARK] * MOST_A_MINUTE)
    with pytest.raises(TooMuchTalk):
        here.next(REMARK, someone("alice"), NOW + 1)
    last = [entry for _, entry in here.entries()][-1]
    pushed = TalkEntry(last.by, last.sequence + 1, last.digest, NOW + 1, last.content)
    there.merge(entry for _, entry in here.entries())
    assert there.merge([pushed.signed(team().team, someone("alice"))]) == []
    assert say(here, "alice", REMARK, now=NOW + MINUTE_MS)


def test_a_clock_that_was_ahead_does_not_close_a_log() -> None:
    here = logs()
    say(here, "alice", *[REMARK] * MOST_A_MINUTE, now=NOW + 10**12)
    assert say(here, "alice", *[REMARK] * 3, now=NOW)


def test_one_log_has_so_many_ends_and_no_more() -> None:
    here = logs()
    first = say(here, "alice", REMARK)[0]
    ends = [
        TalkEntry(first.by, 2, first.digest, NOW + number, first.content).signed(team().team, someone("alice"))
        for number in range(MOST_ENDS + 5)
    ]
    assert len(here.merge(ends)) == MOST_ENDS and here.forks() == [first.by]


def test_no_entry_is_larger_than_it_may_be() -> None:
    large = TalkEntry(someone("alice").key, 1, b"", NOW, b"x" * (MOST_ENTRY_BYTES + 1))
    assert logs().merge([large.signed(team().team, someone("alice"))]) == []


HOSTILE = [
    b"",
    b"null",
    b"[" * 100_000,
    b'{"type":"comment"}',
    b'{"type":"later","text":"x"}',
    content_of(Remark("alice", REMARK.anchor, "x" * (MOST_TEXT + 1))),
    content_of(Remark("alice", Anchor(b"../../etc/passwd", OID, OID, 1, b"x\n"), "x")),
    content_of(Remark("alice", Anchor(b".git/config", OID, OID, 1, b"x\n"), "x")),
    content_of(Remark("alice", Anchor(b"a\0b", OID, OID, 1, b"x\n"), "x")),
    content_of(Remark("alice", Anchor(b"a.py", "--all", OID, 1, b"x\n"), "x")),
    content_of(Remark("alice", Anchor(b"a.py", OID, OID, 0, b"x\n"), "x")),
    content_of(Remark("alice", Anchor(b"a.py", OID, OID, 10**18, b"x\n"), "x")),
    content_of(Remark("alice", Anchor(b"a.py", OID, OID, 1, b""), "x")),
    content_of(Reaction(bytes(32), "\x1b[2J")),
    content_of(Reaction(bytes(3), "+1")),
    content_of(SolidMark("alice", "HEAD", "")),
]


@pytest.mark.parametrize("content", HOSTILE)
def test_what_is_out_of_bounds_or_not_understood_is_kept_and_says_nothing(content: bytes) -> None:
    here = logs()
    entry = TalkEntry(someone("alice").key, 1, b"", NOW, content).signed(team().team, someone("alice"))
    assert said_in(content) is None
    here.merge([entry])
    assert threads_of(here.entries()) == [] and solid_tips(here.entries()) == {}


def test_what_is_about_something_that_is_no_comment_is_left_out() -> None:
    here = logs()
    reply = say(here, "alice", RemarkReply(bytes(32), "lost"), Closing(bytes(32)), Reaction(bytes(32), "+1"))[0]
    say(here, "bob", RemarkReply(reply.digest, "to a reply"))
    assert threads_of(here.entries()) == []


def test_the_newest_solid_mark_of_a_member_counts() -> None:
    here = logs()
    say(here, "alice", SolidMark("alice", OID, "first"), SolidMark("alice", "2" * 40, "second"), now=NOW)
    say(here, "bob", SolidMark("bob", OID))
    told = {one.branch: (one.tip, one.text) for one in solid_tips(here.entries()).values()}
    assert told == {"alice": ("2" * 40, "second"), "bob": (OID, "")}


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = LogFile(str(tmp_path))
    assert kept.load() == []
    kept.append(SPOKEN[:2])
    kept.append(SPOKEN[2:])
    kept.note_seen(2)
    again = LogFile(str(tmp_path))
    assert again.load() == SPOKEN and again.seen == 2
    assert (tmp_path / "talk.jsonl").stat().st_mode & 0o777 == 0o600
    restored = logs()
    assert restored.restore(again.load()) == SPOKEN


@pytest.mark.parametrize("left", range(0, 400, 37))
def test_a_write_that_was_cut_short_leaves_the_entries_before_it(tmp_path: Path, left: int) -> None:
    kept = LogFile(str(tmp_path))
    kept.append(SPOKEN[:2])
    size = os.path.getsize(kept.path)
    kept.append(SPOKEN[2:])
    os.truncate(kept.path, size + left)
    again = LogFile(str(tmp_path))
    found = again.load()
    assert found == SPOKEN[: len(found)] and len(found) >= 2
    again.append(SPOKEN[len(found) :])
    assert LogFile(str(tmp_path)).load() == SPOKEN


def test_a_damaged_line_is_left_out_and_a_copy_is_kept(tmp_path: Path) -> None:
    kept = LogFile(str(tmp_path))
    kept.append(SPOKEN)
    lines = Path(kept.path).read_bytes().splitlines(keepends=True)
    Path(kept.path).write_bytes(b"".join([*lines[:2], b"\xff{}\n", *lines[3:]]))
    assert LogFile(str(tmp_path)).load() == [*SPOKEN[:2], *SPOKEN[3:]]
    assert b"\xff{}" in (tmp_path / "talk.jsonl.damaged").read_bytes()


def test_a_full_disk_leaves_nothing_of_what_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = LogFile(str(tmp_path))
    kept.append(SPOKEN[:1])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            kept.append(SPOKEN[1:])
    assert LogFile(str(tmp_path)).load() == SPOKEN[:1]
