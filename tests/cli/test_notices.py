"""The words for what a user should know without having asked, for each record that may come from the daemon."""

from __future__ import annotations

from typing import get_args

import pytest
from bough_cli import output
from bough_cli.notices import MERGE_NOTES, WORDS, note_of, words_of
from bough_daemon.api import notices
from bough_daemon.api.records import BroughtFiles, MergeOutcome
from bough_daemon.api.settings import KEYS
from bough_daemon.api.wire import fill, from_choice
from bough_proto.v1 import control_pb2 as pb

GB = 1_000_000_000
COMMITS = ["1 one", "2 two", "3 three", "4 four"]

TOLD: list[tuple[notices.Notice, str]] = [
    (notices.KeptAside("a@1", "a", mine=True), "a@1 has snapshots of yours that only teammates had"),
    (notices.KeptAside("a@1", "a", mine=False), "a@1 has snapshots that are not in a's branch (a restored backup, or"),
    (notices.OtherVersion("bob"), "bob runs an incompatible version of Bough"),
    (notices.OwnedElsewhere("/r\x1b", "/h"), "/r\\033 is not recorded: this repository is live under another home, /h"),
    (notices.PurgeAsked("bob", 1, committed=False), "bob asks to purge 1 content that you have recorded too"),
    (notices.PurgeAsked("bob", 2, committed=True), "bob asks to purge 2 contents that is in your Git history too"),
    (notices.TicketOverused("7f", 1, ["a", "b"]), "a, b joined with ticket 7f, which was for 1: two members"),
    (notices.NewKeyVouched("al-2", "al", ["bob"], "ABC"), "bob says that al-2 (key ABC) is al, who lost their key"),
    (notices.AddressGone("10.0.0.7"), "10.0.0.7 is not an address of this machine now"),
    (notices.PortInUse("h:1", "h:2", only_here=True), "so teammates call h:2, which only this machine can reach"),
    (notices.PortInUse("h:1", "h:2", only_here=False), "h:1 is used by another program, so teammates call h:2"),
    (notices.AdmissionsDropped(1), "1 recorded admission to this team no longer counts"),
    (notices.AdmissionsDropped(2), "2 recorded admissions to this team no longer count"),
    (notices.NoConnection("bob", "because"), "there is no connection to bob: because"),
    (notices.StoreNearLimit(81 * GB, 100 * GB), "the snapshots here take 81.0 GB, nearly all of the limit of 100.0 GB"),
    (notices.StoreNearLimit(GB // 20, GB // 30), "the snapshots here take 50 MB, more than the limit of 33 MB"),
    (notices.MemberOverLimit("bob", 2 * GB, GB), "bob has sent 2.0 GB: newer data from them is refused"),
    (notices.StateContradicted("bob", "bob", "a" * 40, "b" * 40), "which is bbbbbbbbbb here"),
    (notices.NameTakenAlready("", "al", "bob"), "a former member chose the name al, which does not count because bob"),
    (notices.AdmittedTwice("eve", "bob", "rob"), "eve also admitted bob as rob, which does not count"),
    (notices.NameAdmittedTwice("eve", "al", "", "bob"), "ask a former member, who admitted bob"),
    (notices.MuchRemoved("a" * 40, 0.0, 1, 0, ["a b"]), "removed 1 file: a b"),
    (notices.MuchRemoved("a" * 40, 0.0, 5, 120, list("abcde")), "removed 5 files and 120 lines: a, b"),
]
NOTES: list[tuple[notices.MergeNote, str]] = [
    (notices.StateBeforeOperation("bob", "rebase"), "bob has a rebase in progress: merged the state before it"),
    (notices.RemoteUnreachable("origin"), "origin cannot be reached: merged the state fetched last"),
    (notices.CommitsLeftOut("main", COMMITS[:1]), "left out 1 commit that main no longer has: 1 one"),
    (
        notices.CommitsLeftOut("main", COMMITS),
        "left out 4 commits that main no longer has: 1 one, 2 two, 3 three and 1 more",
    ),
    (
        notices.LocalCommitsNotMerged("main", "main of origin"),
        "your main has commits that main of origin lacks; they were not merged",
    ),
]


@pytest.mark.parametrize(("told", "words"), TOLD)
def test_a_notice_crosses_the_socket_and_has_words_and_a_remedy(told: notices.Notice, words: str) -> None:
    sent = pb.Notice()
    fill(sent, told)
    came = from_choice(pb.Notice.FromString(sent.SerializeToString()), notices.Notice)
    assert came == told and words in words_of(came).text
    assert words_of(came).about and words_of(came).remedy.endswith(".")


@pytest.mark.parametrize(("told", "words"), NOTES)
def test_a_note_on_a_merge_crosses_the_socket_and_has_words(told: notices.MergeNote, words: str) -> None:
    sent = pb.MergeNote()
    fill(sent, told)
    came = from_choice(pb.MergeNote.FromString(sent.SerializeToString()), notices.MergeNote)
    assert came == told and note_of(came) == words


def test_nothing_that_may_be_told_is_without_words_or_a_message() -> None:
    for kinds, message, words, tried in (
        (notices.Notice, pb.Notice, set(WORDS), {type(told) for told, _ in TOLD}),
        (notices.MergeNote, pb.MergeNote, set(MERGE_NOTES), {type(told) for told, _ in NOTES}),
    ):
        assert set(get_args(kinds)) == words == tried
        assert {kind.__name__ for kind in words} == {
            field.message_type.name for field in message.DESCRIPTOR.fields if field.message_type
        }


def test_a_limit_is_raised_with_a_setting_that_exists() -> None:
    for told in (notices.StoreNearLimit(81 * GB, 100 * GB), notices.MemberOverLimit("bob", 1, 100 * GB)):
        assert "bough config set store.limit_gb 200" in words_of(told).remedy
    assert "store.limit_gb" in KEYS


def test_in_json_a_record_of_several_kinds_says_which_it_is() -> None:
    made = MergeOutcome("clean", "T", "main", [], BroughtFiles(), [], notices.RemoteUnreachable("origin"))
    told = output.plain(made)
    assert told["note"] == {"kind": "RemoteUnreachable", "remote": "origin"}
    assert "kind" not in told and told["brought"] == {"added": [], "changed": [], "removed": []}
