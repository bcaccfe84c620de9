"""What the daemon and a merge worker say to each other: a few records as JSON, and the bytes of files as they are.

A worker reads what a teammate wrote, so the daemon takes nothing from it but these types, and only so much.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Mapping, Sequence
from typing import IO, Any

from bough_merge.text.result import Conflict, Finding

from bough_daemon.merging.merge_input import Decided

MOST_BYTES = 1 << 30  # of one message; beyond any merge that fits into a worker
COUNT, LENGTH = struct.Struct(">I"), struct.Struct(">Q")

Tree = Mapping[str, bytes]


@dataclasses.dataclass(frozen=True)
class Job:
    """Three versions of files by path, and the `[merge]` table of the repository's settings."""

    base: Tree
    ours: Tree
    theirs: Tree
    settings: Mapping[str, Any]


class BadAnswer(Exception):
    """The other side said what no worker says, or ended before it had said all."""


def write_job(stream: IO[bytes], job: Job) -> None:
    """Give a worker a job."""
    trees = (job.base, job.ours, job.theirs)
    head = {"paths": [list(tree) for tree in trees], "settings": job.settings}
    _write(stream, head, [data for tree in trees for data in tree.values()])


def read_job(stream: IO[bytes]) -> Job:
    """Return the next job."""
    head, parts = _read(stream)
    rest = iter(parts)
    base, ours, theirs = ({path: next(rest) for path in paths} for paths in head["paths"])
    return Job(base, ours, theirs, head["settings"])


def write_answer(stream: IO[bytes], answer: Mapping[str, Decided] | str) -> None:
    """Say what was decided, or what is wrong with the settings."""
    if isinstance(answer, str):
        return _write(stream, {"wrong": answer}, [])
    files = [
        [path, one.method, list(map(dataclasses.astuple, one.conflicts)), list(map(dataclasses.astuple, one.findings))]
        for path, one in answer.items()
    ]
    return _write(stream, {"files": files}, [one.content for one in answer.values()])


def read_answer(stream: IO[bytes]) -> dict[str, Decided] | str:
    """Return a worker's answer, or raise BadAnswer."""
    head, parts = _read(stream)
    try:
        if "wrong" in head:
            return str(head["wrong"])
        decided: dict[str, Decided] = {}
        for (path, method, conflicts, findings), content in zip(head["files"], parts, strict=True):
            disputes = [_record(Conflict, fields) for fields in conflicts]
            decided[str(path)] = Decided(content, disputes, str(method), [_record(Finding, one) for one in findings])
    except (TypeError, ValueError, KeyError) as odd:
        raise BadAnswer from odd
    return decided


def _record(kind: type[Any], values: Sequence[object]) -> Any:
    """Return a record of the engine's: texts and numbers, as it says."""
    fields = dataclasses.fields(kind)
    made = {field.name: value for field, value in zip(fields, values, strict=True)}
    if any(type(made[field.name]).__name__ != field.type for field in fields):
        raise TypeError(f"no {kind.__name__}: {made}")
    return kind(**made)


def _write(stream: IO[bytes], head: object, parts: Sequence[bytes]) -> None:
    # A date in the settings, which JSON has not, is a text: the engine knows no setting that is one.
    said = json.dumps(head, default=str).encode()
    for data in (
        COUNT.pack(len(parts)),
        *(piece for part in (said, *parts) for piece in (LENGTH.pack(len(part)), part)),
    ):
        left = memoryview(data)
        while left:
            left = left[stream.write(left) :]


def _read(stream: IO[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    (count,), left = COUNT.unpack(_exactly(stream, COUNT.size)), MOST_BYTES
    parts = list[bytes]()
    while len(parts) <= count:
        (size,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
        left -= size + LENGTH.size
        if left < 0:
            raise BadAnswer
        parts.append(_exactly(stream, size))
    try:
        head = json.loads(parts[0])
    except (ValueError, RecursionError) as odd:
        raise BadAnswer from odd
    if not isinstance(head, dict):
        raise BadAnswer
    return head, parts[1:]


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        more = stream.read(min(size - len(found), 1 << 20))
        if not more:
            raise BadAnswer
        found += more
    return bytes(found)
