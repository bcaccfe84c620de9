"""The engine's entry point: one file, three sides, one result."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from bough_merge.gates.gates import Failure, enclosing, failures
from bough_merge.gates.references import renamed_at
from bough_merge.gates.renames import new_name
from bough_merge.structure.decide import Decider
from bough_merge.structure.transplant import made
from bough_merge.syntax.language import Language
from bough_merge.syntax.nodes import Node, is_too_deep, size_of
from bough_merge.syntax.parsing import parse
from bough_merge.syntax.settings import MergeSettings
from bough_merge.syntax.shape import is_hostile
from bough_merge.text.conflicts import Dispute, Markers, compose, whole_lines
from bough_merge.text.lines import merge_lines, merge_two
from bough_merge.text.result import Conflict, Finding, MergeResult, Method
from bough_merge.text.sequences import changes
from bough_merge.text.text import is_binary, lines_of

_DEFAULTS = MergeSettings()
# Each round refuses at least one more entity; beyond this many the whole change is one conflict.
_LIMIT_ROUNDS = 6

Parts = list[bytes | Dispute]


def merge_file(
    base: bytes | None,
    ours: bytes,
    theirs: bytes,
    path: str,
    *,
    labels: tuple[str, str, str] = ("ours", "base", "theirs"),
    marker_size: int = 7,
    settings: MergeSettings = _DEFAULTS,
) -> MergeResult:
    """Merge one file by what its language means.

    `base` is None if the sides have no common ancestor. `path` determines the language. `labels` name the sides at the
    conflict markers, in this order. Never raises for any content; the same inputs give the same bytes on every machine.
    """
    if ours == theirs:
        return MergeResult(ours, (), Method.EQUAL)
    if ours == base:
        return MergeResult(theirs, (), Method.THEIRS)
    if theirs == base:
        return MergeResult(ours, (), Method.OURS)
    if any(is_binary(side) for side in (base or b"", ours, theirs)):
        return MergeResult(ours, (Conflict(0, "", "changed a binary file", "changed a binary file"),), Method.BINARY)
    if base is None:
        content, conflicts = compose(merge_two(ours, theirs), Markers(labels, marker_size))
        return MergeResult(content, conflicts, Method.TEXT)
    merged = _merged(base, ours, theirs, settings.language_of(path), settings)
    content, conflicts = compose(merged.parts, Markers(labels, marker_size))
    findings = tuple(Finding(kind, path, 0, message) for kind, message in merged.notes)
    return MergeResult(content, conflicts, merged.method, findings)


class _Merged(NamedTuple):
    parts: Parts
    method: Method
    notes: tuple[tuple[str, str], ...] = ()


def _merged(base: bytes, ours: bytes, theirs: bytes, lang: Language | None, settings: MergeSettings) -> _Merged:
    limit = settings.limit_bytes
    by_lines = merge_lines(base, ours, theirs)
    if lang is None:
        return _Merged(merge_lines(base, ours, theirs, in_place=True), Method.TEXT)
    if lang.remedy:
        return _regenerated(base, ours, theirs, lang.remedy)
    if max(len(base), len(ours), len(theirs)) > limit:
        return _Merged(by_lines, Method.TEXT, (("limit", f"longer than {limit} bytes: merged by lines, not checked"),))
    if any(is_hostile(side, lang.grammar) for side in (base, ours, theirs)):
        return _Merged(by_lines, Method.TEXT, (("limit", "nested too deeply: merged by lines, not checked"),))
    roots = parse(base, lang), parse(ours, lang), parse(theirs, lang)
    if sum(size_of(root) for root in roots) > settings.limit_nodes:
        return _Merged(by_lines, Method.TEXT, (("limit", "too many nodes: merged by lines, not checked"),))
    if any(is_too_deep(root) for root in roots):
        return _Merged(by_lines, Method.TEXT, (("limit", "nested too deeply: merged by lines, not checked"),))
    if _clean(by_lines) and not failures(b"".join(_texts(by_lines)), *roots):
        return _Merged(by_lines, Method.LINES)
    return _by_structure(*roots)


def _regenerated(base: bytes, ours: bytes, theirs: bytes, remedy: str) -> _Merged:
    """Return a conflict for a generated file: only its generator knows what belongs together in it."""
    reason = f"this file is generated: take either side, then run `{remedy}`"
    parts = whole_lines([Dispute(base, ours, theirs, reason=reason, final=True)])
    return _Merged(parts, Method.GENERATED, (("generated", reason),))


def _by_structure(base: Node, ours: Node, theirs: Node) -> _Merged:
    """Merge by entities; if a gate fails, keep an import, carry a rename or refuse an entity, and try again."""
    vetoed: frozenset[bytes] = frozenset()
    needed: frozenset[bytes] = frozenset()
    failed: Failure | None = None
    for _ in range(_LIMIT_ROUNDS):
        parts = _decided(base, ours, theirs, vetoed, needed)
        if not _clean(parts):
            return _Merged(parts if failed is None or not vetoed else _reasoned(parts, failed), Method.STRUCTURE)
        content = b"".join(_texts(parts))
        found = failures(content, base, ours, theirs)
        if not found:
            return _Merged(parts, Method.STRUCTURE, _kept(needed))
        failed = found[0]
        renamed = _with_renames(content, found, base, ours, theirs)
        if renamed is not None:
            return _Merged([renamed[0]], Method.STRUCTURE, (*_kept(needed), *renamed[1]))
        if failed.word and failed.word not in needed:
            needed |= {failed.word}
            continue
        names = failed.names or enclosing(parse(content, ours.lang).parts, failed.at)
        fresh = [name for name in names if name not in vetoed]
        if not fresh:
            break
        vetoed |= {fresh[0]}
    assert failed is not None
    return _Merged(refused(content, failed, base.source, ours.source, theirs.source), Method.STRUCTURE)


def _kept(needed: frozenset[bytes]) -> tuple[tuple[str, str], ...]:
    shown = (name.decode("utf-8", "replace") for name in sorted(needed))
    return tuple(
        ("needed", f"one side dropped the import of `{name}`; the other adds a use, so it stays") for name in shown
    )


def _with_renames(
    content: bytes, found: list[Failure], base: Node, ours: Node, theirs: Node
) -> tuple[bytes, tuple[tuple[str, str], ...]] | None:
    """Carry renames into the uses that a merge broke; None if one is not a rename, or another gate fails then."""
    notes: dict[tuple[str, str], None] = {}
    root = parse(content, ours.lang)
    for failure in sorted(found, key=lambda failure: -failure.at):
        scope = failure.names[0] if failure.names else b""
        names = [
            name
            for side in (ours, theirs)
            if (name := new_name(base, side, failure.word, scope) or new_name(base, side, failure.word, b""))
        ]
        if not failure.word or len(names) != 1:
            return None
        new = renamed_at(root, failure.at, failure.word, names[0])
        content = content[: failure.at] + new + content[failure.at + len(failure.word) :]
        message = f"`{failure.word.decode()}` was renamed to `{names[0].decode()}`; a new use was renamed with it"
        notes["renamed", message] = None
    return (content, tuple(notes)) if not failures(content, base, ours, theirs) else None


def _decided(base: Node, ours: Node, theirs: Node, vetoed: frozenset[bytes], needed: frozenset[bytes]) -> Parts:
    sources = base.source, ours.source, theirs.source
    decider = Decider(vetoed, needed, sources)
    parts = whole_lines(decider.merge(base, ours, theirs))
    if decider.pending:
        done = made(parts, decider.pending)
        return done if done is not None else whole_lines(Decider(vetoed, needed).merge(base, ours, theirs))
    return parts


def refused(content: bytes, failed: Failure, base: bytes, ours: bytes, theirs: bytes) -> Parts:
    """Turn the change around a failure into a conflict between the side without it and the merged text."""
    merged = lines_of(content)
    line = content.count(b"\n", 0, failed.at)
    for side, ours_is_side in ((ours, True), (theirs, False)):
        lines = lines_of(side)
        for change in changes(lines, merged):
            if change.new_start <= line < change.new_end:
                old = b"".join(lines[change.old_start : change.old_end])
                new = b"".join(merged[change.new_start : change.new_end])
                mine, other = (old, new) if ours_is_side else (new, old)
                dispute = Dispute(old, mine, other, reason=failed.message, final=True)
                head, tail = b"".join(merged[: change.new_start]), b"".join(merged[change.new_end :])
                return [part for part in (head, dispute, tail) if part != b""]
    return whole_lines([Dispute(base, ours, theirs, reason=failed.message, final=True)])


def _reasoned(parts: Parts, failed: Failure) -> Parts:
    return [replace(part, reason=failed.message) if isinstance(part, Dispute) else part for part in parts]


def _clean(parts: Parts) -> bool:
    return all(isinstance(part, bytes) for part in parts)


def _texts(parts: Parts) -> list[bytes]:
    return [part for part in parts if isinstance(part, bytes)]
