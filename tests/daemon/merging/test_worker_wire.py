"""What crosses between the daemon and a merge worker comes out as it went in, or not at all."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping

import pytest
from bough_daemon.merging import worker_wire
from bough_daemon.merging.worker_wire import BadAnswer, Decided, Job, read_answer, read_job, write_answer, write_job
from bough_merge.text.result import Conflict, Finding
from hypothesis import given
from hypothesis import strategies as some

PATHS = some.text(max_size=5) | some.just("\udcff\udcfe odd")
TREES = some.dictionaries(PATHS, some.binary(max_size=20), max_size=3)
CONFLICTS = some.builds(Conflict, some.integers(0, 9), *[some.text(max_size=5)] * 4)
FINDINGS = some.builds(
    Finding, some.text(max_size=5), some.text(max_size=5), some.integers(0, 9), some.text(max_size=5)
)
ANSWERS = some.dictionaries(
    PATHS,
    some.builds(
        Decided,
        some.binary(max_size=20),
        some.lists(CONFLICTS, max_size=2),
        some.text(max_size=5),
        some.lists(FINDINGS, max_size=2),
    ),
    max_size=3,
)


def said(answer: Mapping[str, Decided] | str) -> bytes:
    stream = io.BytesIO()
    write_answer(stream, answer)
    return stream.getvalue()


@given(base=TREES, ours=TREES, theirs=TREES)
def test_a_job_crosses_unchanged(base: dict[str, bytes], ours: dict[str, bytes], theirs: dict[str, bytes]) -> None:
    stream, job = io.BytesIO(), Job(base, ours, theirs, {"ordered": ["a/**"], "limit_bytes": 7})
    write_job(stream, job)
    stream.seek(0)
    assert read_job(stream) == job


@given(answer=ANSWERS | some.text(max_size=5))
def test_an_answer_crosses_unchanged(answer: dict[str, Decided] | str) -> None:
    assert read_answer(io.BytesIO(said(answer))) == answer


@given(answer=ANSWERS, at=some.floats(0, 1, exclude_max=True), byte=some.integers(0, 255), cut=some.booleans())
def test_a_damaged_answer_is_one_or_none(answer: dict[str, Decided], at: float, byte: int, cut: bool) -> None:
    data = bytearray(said(answer))
    place = int(at * len(data))
    data[place] = byte
    try:
        found = read_answer(io.BytesIO(bytes(data[:place] if cut else data)))
    except BadAnswer:
        return
    assert isinstance(found, str) or all(type(one) is Decided and type(one.content) is bytes for one in found.values())


class PickleBomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("something was run",))


HEADS: dict[str, object] = {
    "a list": [],
    "a number for files": {"files": 7},
    "a file too few": {"files": []},
    "a conflict with a text for its line": {"files": [["p", "m", [["1", "", "", "", ""]], []]]},
    "a conflict with too little": {"files": [["p", "m", [[1]], []]]},
    "something else": {"other": 1},
}


@pytest.mark.parametrize("head", HEADS)
def test_an_answer_that_no_worker_gives_is_none(head: str) -> None:
    stream = io.BytesIO()
    worker_wire._write(stream, HEADS[head], [b"content"])
    with pytest.raises(BadAnswer):
        read_answer(io.BytesIO(stream.getvalue()))


def test_nothing_is_unpickled_and_no_size_is_believed() -> None:
    pickled, size = pickle.dumps(PickleBomb()), worker_wire.LENGTH.pack
    nested = b"[" * 100_000
    for data in (
        pickled,
        worker_wire.COUNT.pack(0) + size(len(pickled)) + pickled,
        worker_wire.COUNT.pack(0) + size(len(nested)) + nested,
        worker_wire.COUNT.pack(0) + size(2**63) + b"x" * 100,
        worker_wire.COUNT.pack(2**32 - 1) + size(2) + json.dumps({}).encode(),
        b"",
    ):
        with pytest.raises(BadAnswer):
            read_answer(io.BytesIO(data))
