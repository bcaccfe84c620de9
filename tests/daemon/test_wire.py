"""Records and messages say the same, and errors cross with their names."""

from __future__ import annotations

import os

import pytest
from bough_daemon import errors, report
from bough_daemon.wire import from_message, status_of, to_message
from bough_proto.v1 import control_pb2 as pb

ODD = os.fsdecode(b"n\xff\xe4me")

RECORDS = [
    (report.Up(ODD, "alice", "alice", "0" * 40, True), pb.UpResponse),
    (report.Log("alice", [report.LogEntry("1", "2", "3", "save", "title", 5)]), pb.LogResponse),
    (report.Saved("1", "2", "3", ["bob", "carol"], [report.Refusal("dave", "no")]), pb.SaveResponse),
    (report.Event(1.5, "save", "alice", "1", "2"), pb.WatchResponse),
    (
        report.MoveOutcome("bob", ODD, "c", "t", "T", None, ODD, report.EditsOnRecord([ODD], "s", f"restore {ODD}")),
        pb.MoveOutcome,
    ),
    (report.MoveOutcome("bob", "c", "c", "t", "T", ODD, None, report.EditsOnRecord(), "bob"), pb.MoveOutcome),
    (
        report.MergeOutcome(
            *("conflict", "T", "bob's branch"),
            files=[
                report.MergedFile(
                    *(ODD, "conflict", "structure"),
                    findings=[report.FileFinding("duplicate", ODD, 3, "twice")],
                    conflicts=[report.FileConflict(2, "in a", "o", "t", "", "both added it")],
                )
            ],
            brought=report.BroughtFiles([ODD], [], ["gone"]),
            untouched=[ODD],
            note="",
        ),
        pb.MergeOutcome,
    ),
    (
        report.LandOutcome(
            *("c", ODD, "main", None, ["Bob <b@example.org>"], ODD, [], [ODD], True, ""),
            brought=report.BroughtFiles(),
            taken_in=[report.TakenInCommits("carol", [report.CommitTitle("c", "title")], [ODD])],
        ),
        pb.LandOutcome,
    ),
    (report.RestoreOutcome([report.RestoredPath(ODD, "s", 5)], [ODD], "t"), pb.RestoreOutcome),
    (report.UndoOutcome("hop bob", "t", "T", None, report.EditsOnRecord()), pb.UndoOutcome),
    (report.AllowOutcome([ODD], [ODD, "a"]), pb.AllowOutcome),
    (report.Ended(), pb.Ended),
    (report.Continuations("e", [report.Continuation("t", 0.5, "s")]), pb.CompleteFileResponse),
    (
        report.Status(
            *(ODD, "alice", "alice", "t", "T", "s", "S", "live", "b", "main", 2.0, ""),
            withheld=[report.Withheld(ODD, "why")],
            teammates=[
                report.TeammateStatus("bob", "bob", "t", "T", True, 1.0, [ODD], refused="no", not_taken="nor here")
            ],
            failing=[report.Failing("sharing", 2, "boom", 4.0, True)],
            landed=[report.LandedStatus("main", "c", "bob", 3.0)],
            files=[ODD],
        ),
        pb.StatusResponse,
    ),
]


@pytest.mark.parametrize(("record", "kind"), RECORDS)
def test_a_record_survives_the_wire(record, kind) -> None:  # type: ignore[no-untyped-def]
    sent = to_message(record, kind).SerializeToString()
    assert from_message(kind.FromString(sent), type(record)) == record


def test_every_error_has_a_name_that_can_come_back() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BoughError)]
    assert len(kinds) > 30
    for kind in kinds:
        _, words, ((_, said),) = status_of(kind("wörds", fact="x"))
        assert kind.__name__ in said.decode() and words == "w?rds"
