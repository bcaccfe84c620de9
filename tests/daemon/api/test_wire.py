"""Records and messages say the same, and errors cross with their names."""

from __future__ import annotations

import os

import pytest
from bough_daemon import errors
from bough_daemon.api import notices, records
from bough_daemon.api.wire import from_message, status_of, to_message
from bough_daemon.system.failing import Failing
from bough_proto.v1 import control_pb2 as pb

ODD = os.fsdecode(b"n\xff\xe4me")

RECORDS = [
    (records.Up(ODD, "alice", "alice", "0" * 40, True), pb.UpResponse),
    (records.Log("alice", [records.LogEntry("1", "2", "3", "save", "title", 5)]), pb.LogResponse),
    (records.Saved("1", "2", "3", ["bob", "carol"], [records.Refusal("dave", "no")]), pb.SaveResponse),
    (records.Event(1.5, "save", "alice", "1", "2"), pb.WatchResponse),
    (
        records.MoveOutcome("bob", ODD, "c", "t", "T", None, ODD, records.EditsOnRecord([ODD], "s", f"restore {ODD}")),
        pb.MoveOutcome,
    ),
    (records.MoveOutcome("bob", "c", "c", "t", "T", ODD, None, records.EditsOnRecord(), "bob"), pb.MoveOutcome),
    (
        records.MergeOutcome(
            *("conflict", "T", "bob's branch"),
            files=[
                records.MergedFile(
                    *(ODD, "conflict", "structure"),
                    findings=[records.FileFinding("duplicate", ODD, 3, "twice")],
                    conflicts=[records.FileConflict(2, "in a", "o", "t", "both added it")],
                )
            ],
            brought=records.BroughtFiles([ODD], [], ["gone"]),
            untouched=[ODD],
            note=notices.CommitsLeftOut("main of origin", ["1 title"]),
        ),
        pb.MergeOutcome,
    ),
    (
        records.LandOutcome(
            *("c", ODD, "main", None, ["Bob <b@example.org>"], ODD, [], [ODD], True, ""),
            brought=records.BroughtFiles(),
            taken_in=[records.TakenInCommits("carol", [records.CommitTitle("c", "title")], [ODD])],
        ),
        pb.LandOutcome,
    ),
    (records.RestoreOutcome([records.RestoredPath(ODD, "s", 5)], [ODD], "t"), pb.RestoreOutcome),
    (records.UndoOutcome("hop bob", "t", "T", None, records.EditsOnRecord()), pb.UndoOutcome),
    (records.AllowOutcome([ODD], [ODD, "a"]), pb.AllowOutcome),
    (records.Ended(), pb.Ended),
    (records.Continuations("e", [records.Continuation("t", 0.5, "s")]), pb.CompleteFileResponse),
    (
        records.Status(
            *(ODD, "alice", "alice", "t", "T", "s", "S", "live", "b", "main", 2.0, ""),
            withheld=[records.Withheld(ODD, "why")],
            teammates=[
                records.TeammateStatus("bob", "bob", "t", "T", True, 1.0, [ODD], refused="no", not_taken="nor here")
            ],
            failing=[Failing("sharing", 2, "boom", 4.0, True)],
            landed=[records.LandedStatus("main", "c", "bob", 3.0)],
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
