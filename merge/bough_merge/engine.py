"""The door of the room: one file, three sides, one result."""

from __future__ import annotations

from .conflicts import Dispute, Markers, compose, whole_lines
from .decide import Decider
from .languages import language_of
from .syntax import parse
from .lines import merge_lines
from .result import Conflict, MergeResult, Method
from .settings import Settings
from .text import is_binary

_DEFAULTS = Settings()


def merge_file(
    base: bytes | None,
    ours: bytes,
    theirs: bytes,
    path: str,
    *,
    labels: tuple[str, str, str] = ("ours", "base", "theirs"),
    marker_size: int = 7,
    settings: Settings = _DEFAULTS,
) -> MergeResult:
    """Merge one file by what its language means.

    `base` is None where the sides have no common ancestor. `path` tells the language. `labels` stand at the conflict
    markers, in this order. Never raises for any content; the same inputs give the same bytes on every machine.
    """
    if ours == theirs:
        return MergeResult(ours, (), Method.EQUAL)
    if ours == base:
        return MergeResult(theirs, (), Method.THEIRS)
    if theirs == base:
        return MergeResult(ours, (), Method.OURS)
    if any(is_binary(side) for side in (base or b"", ours, theirs)):
        return MergeResult(ours, (Conflict(0, "", "changed a binary file", "changed a binary file"),), Method.BINARY)
    parts = merge_parts(base or b"", ours, theirs, path)
    content, conflicts = compose(whole_lines(parts), Markers(labels, marker_size))
    return MergeResult(content, conflicts, Method.TEXT)


def merge_parts(base: bytes, ours: bytes, theirs: bytes, path: str) -> list[bytes | Dispute]:
    lang = language_of(path)
    lines = merge_lines(base, ours, theirs)
    if lang is None or not any(isinstance(part, Dispute) for part in lines):
        return lines
    return Decider().merge(parse(base, lang), parse(ours, lang), parse(theirs, lang))
