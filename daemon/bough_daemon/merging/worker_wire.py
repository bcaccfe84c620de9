"""Messages between the daemon and a merge worker: a few records as JSON, and the raw bytes of files.

A worker reads what a teammate wrote, so the daemon accepts only these types from it, within limits.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from typing import IO, Any, TypeVar

from bough_merge.text.result import Conflict, Finding

from bough_daemon.system.json_records import BadRecord, as_json, record_from

MOST_BYTES = 1 << 30  # per message; more than any merge that fits into a worker
COUNT, LENGTH = struct.Struct(">I"), struct.Struct(">Q")

READY = b"ready\n"  # what a worker prints once it has loaded the engine

T = TypeVar("T")
Tree = Mapping[str, bytes]


@dataclasses.dataclass(frozen=True)
class Decided:
    """The engine's result for one file; `content` carries diff3 markers where `conflicts` is not empty."""

    content: bytes
    conflicts: Sequence[Any]
    method: str
    findings: Sequence[Any] = ()


@dataclasses.dataclass(frozen=True)
class Job:
    """Three versions of files by path, and the `[merge]` table of the repository's settings."""

    base: Tree
    ours: Tree
    theirs: Tree
    settings: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class _JobHead:
    """A job without the contents, which follow in the order of the paths: base, ours and theirs."""

    paths: tuple[list[str], list[str], list[str]]
    settings: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _DecidedFile:
    """The decision for one file, without its content."""

    path: str
    method: str
    conflicts: Sequence[Conflict]
    findings: Sequence[Finding]


@dataclasses.dataclass(frozen=True)
class _AnswerHead:
    """An answer without the contents, which follow in the order of the files; or what is wrong with the settings."""

    files: list[_DecidedFile] = dataclasses.field(default_factory=list)
    wrong: str | None = None


class BadAnswer(Exception):
    """The other side sent something invalid, or ended early."""


def write_job(stream: IO[bytes], job: Job) -> None:
    """Send a job to a worker."""
    trees = (job.base, job.ours, job.theirs)
    head = _JobHead((list(job.base), list(job.ours), list(job.theirs)), dict(job.settings))
    _write(stream, head, [data for tree in trees for data in tree.values()])


def read_job(stream: IO[bytes]) -> Job:
    """Return the next job."""
    head, parts = _read(stream, _JobHead)
    rest = iter(parts)
    base, ours, theirs = ({path: next(rest) for path in paths} for paths in head.paths)
    return Job(base, ours, theirs, head.settings)


def write_answer(stream: IO[bytes], answer: Mapping[str, Decided] | str) -> None:
    """Send the decisions, or what is wrong with the settings."""
    if isinstance(answer, str):
        return _write(stream, _AnswerHead(wrong=answer), [])
    files = [_DecidedFile(path, one.method, one.conflicts, one.findings) for path, one in answer.items()]
    return _write(stream, _AnswerHead(files=files), [one.content for one in answer.values()])


def read_answer(stream: IO[bytes]) -> dict[str, Decided] | str:
    """Return a worker's answer, or raise BadAnswer."""
    head, parts = _read(stream, _AnswerHead)
    if head.wrong is not None:
        return head.wrong
    if len(head.files) != len(parts):
        raise BadAnswer
    return {
        one.path: Decided(content, one.conflicts, one.method, one.findings)
        for one, content in zip(head.files, parts, strict=True)
    }


def _write(stream: IO[bytes], head: object, parts: Sequence[bytes]) -> None:
    # A date in the settings becomes a string, as JSON has no dates: no setting of the engine is a date.
    said = as_json(head)
    for data in (
        COUNT.pack(len(parts)),
        *(piece for part in (said, *parts) for piece in (LENGTH.pack(len(part)), part)),
    ):
        left = memoryview(data)
        while left:
            left = left[stream.write(left) :]


def _read(stream: IO[bytes], kind: type[T]) -> tuple[T, list[bytes]]:
    (count,), left = COUNT.unpack(_exactly(stream, COUNT.size)), MOST_BYTES
    parts = list[bytes]()
    while len(parts) <= count:
        (size,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
        left -= size + LENGTH.size
        if left < 0:
            raise BadAnswer
        parts.append(_exactly(stream, size))
    try:
        return record_from(parts[0], kind), parts[1:]
    except BadRecord as odd:
        raise BadAnswer from odd


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        more = stream.read(min(size - len(found), 1 << 20))
        if not more:
            raise BadAnswer
        found += more
    return bytes(found)
