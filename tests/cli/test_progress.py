"""The words for what is told and asked while a command runs, for each record that may come from the daemon."""

from __future__ import annotations

import os
from typing import get_args

import pytest
from bough_cli.progress import WORDS, question, words_of
from bough_daemon.api import progress
from bough_daemon.api.records import CommitTitle, EditsOnRecord, TakenInCommits, Withheld
from bough_daemon.api.wire import fill, from_choice
from bough_proto.v1 import control_pb2 as pb

ODD = os.fsdecode(b"n\xff\xe4me\x1b[31m")

TOLD: list[tuple[progress.Progress, str]] = [
    (
        progress.TakesIn([TakenInCommits("bob", [CommitTitle("c" * 40, "fix")], [ODD])]),
        "Takes in 1 commit by bob (n\\377\\344me\\033[31m):\n  cccccccccc fix",
    ),
    (
        progress.StillStaged([Withheld(".env", "named like a secret")]),
        "not landed, still staged: .env (named like a secret)",
    ),
    (
        progress.LeftOutOfCommit([Withheld("in", "a nested repository")]),
        "left out of the commit, though the pre-commit hook added it: in (a nested repository)",
    ),
    (
        progress.ConflictingEdits(EditsOnRecord(["a", "b"], "s", "bough restore --from s a b")),
        "edits made while landing conflict with your files in a, b; `bough restore --from s a b` restores them",
    ),
    (
        progress.HookSkipped("post-checkout", "bob", ["x.sh"], "git hook run post-checkout"),
        "the post-checkout hook did not run: bob changed x.sh, which it may run; `git hook run post-checkout` runs it",
    ),
    (progress.HookFailed("post-commit", ""), "the post-commit hook failed: it printed nothing"),
    (
        progress.HopEnded("bob"),
        "`git switch` ended the hop to bob; `bough undo` returns to where you were before it",
    ),
    (
        progress.CommandWait("land", 3, 7, "", asking=True),
        "waiting for `bough land`, started 3 s ago in another terminal, and is waiting for an answer there; "
        "Ctrl-C there or `kill 7` ends it; press Ctrl-C here to stop waiting",
    ),
    (
        progress.ReadingWait("big", 5),
        "waiting for big, a large file that has been read for 5 s now; press Ctrl-C here to stop waiting",
    ),
    (
        progress.RecordingWait("/r", 5, starting=True, git=progress.GitAtWork("status", 9, "lfs", 4)),
        "waiting while /r is being made live, for 5 s now: running `git status` (process 9, which runs `lfs`), "
        "for 4 s now; press Ctrl-C here to stop waiting",
    ),
    (progress.DaemonWait(), "still waiting for the daemon; press Ctrl-C here to stop waiting"),
]


@pytest.mark.parametrize(("told", "words"), TOLD)
def test_what_is_told_crosses_the_socket_and_has_words(told: progress.Progress, words: str) -> None:
    sent = pb.Progress()
    fill(sent, told)
    came = from_choice(pb.Progress.FromString(sent.SerializeToString()), progress.Progress)
    assert came == told and words_of(came) == words


def test_nothing_that_may_be_told_is_without_words_or_a_message() -> None:
    kinds = {kind.__name__ for kind in get_args(progress.Progress)}
    assert kinds == {type(told).__name__ for told, _ in TOLD}
    assert kinds == {field.message_type.name for field in pb.Progress.DESCRIPTOR.fields if field.message_type}
    assert set(WORDS) == {*get_args(progress.Progress), *get_args(progress.Launching)}


def test_files_to_publish_are_listed_before_the_question() -> None:
    sent = pb.Question()
    fill(sent, progress.PublishUntracked([f"{number}.txt" for number in range(22)], "main"))
    told, asked = question(from_choice(sent, progress.Question))
    assert asked == "Publish them on main?"
    assert told.splitlines()[:2] == ["22 untracked files would be published for the first time:", "  0.txt"]
    assert told.endswith("\n  19.txt\n  and 2 more")
