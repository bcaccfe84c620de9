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
    (report.Act(ODD, "hop", {"name": "alice"}, [ODD]), pb.ActRequest.Begin),
    (report.Done("done", '{"x": 1}', True), pb.ActResponse.Done),
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
