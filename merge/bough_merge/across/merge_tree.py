"""Merge whole trees: every path, renamed and moved files, and the effect of one file's change on another.

Bytes by path in, bytes by path out; nothing here knows a repository.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bough_merge.across.moves import Move, follow, moved_definitions
from bough_merge.across.paths import Renames, renames_of
from bough_merge.across.uses import Carrier, DefinitionChange, changes_of, reported
from bough_merge.engine import merge_file
from bough_merge.syntax.settings import MergeSettings
from bough_merge.text.result import Conflict, Finding, MergeResult, Method

_DEFAULTS = MergeSettings()
Tree = Mapping[str, bytes]


@dataclass(frozen=True)
class TreeResult:
    """The merged files by path, in path order, and the findings across files.

    A path without a result is removed. If a side deleted what the other changed, the changed file stays and its result
    has a conflict.
    """

    files: Mapping[str, MergeResult]
    findings: tuple[Finding, ...] = ()

    @property
    def clean(self) -> bool:
        """Return whether no file has a conflict."""
        return all(result.clean for result in self.files.values())


@dataclass
class _Merge:
    """One file on its three sides under its resulting path; `origin` is its former path."""

    path: str
    origin: str
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None
    findings: list[Finding] = field(default_factory=list)


def merge_tree(
    base: Tree,
    ours: Tree,
    theirs: Tree,
    *,
    labels: tuple[str, str, str] = ("ours", "base", "theirs"),
    marker_size: int = 7,
    settings: MergeSettings = _DEFAULTS,
) -> TreeResult:
    """Merge three trees, given as contents by path; a path that is equal on all sides may be left out.

    Renames of files and folders are followed, an edit follows a function that the other side moved to another file, and
    one side's renames, signature changes and deletions are compared with the other side's new uses: a rename is carried
    into them if the name is unique in the tree; the rest is reported.
    """
    mine, other = renames_of(base, ours), renames_of(base, theirs)
    merges = _paired(base, ours, theirs, mine, other)
    changed = changes_of(base, ours, mine, "ours", settings), changes_of(base, theirs, other, "theirs", settings)
    carriers = [Carrier(base, [one for one in side if one.is_certain], settings) for side in changed]
    for merge in merges:
        _carry(merge, carriers)
    moves = moved_definitions({merge.path: (merge.base, merge.ours, merge.theirs) for merge in merges}, settings)
    files: dict[str, MergeResult] = {}
    findings: list[Finding] = []
    for merge in merges:
        merge.findings += [_told(move) for move in moves if move.to == merge.path]
        follow(merge, moves)
        result = _merged(merge, labels, marker_size, settings)
        if result is not None:
            found = [*merge.findings, *_reported(merge, result, changed)]
            files[merge.path] = replace(result, findings=(*result.findings, *found))
            findings += found
    return TreeResult(dict(sorted(files.items())), tuple(findings))


def _carry(merge: _Merge, carriers: list[Carrier]) -> None:
    """Carry each side's renames into the other side's additions."""
    mine, other = carriers
    before = merge.ours, merge.theirs
    if merge.theirs is not None and merge.theirs != merge.base:
        merge.theirs, found = mine.carry(merge.theirs, merge.base or b"", merge.origin, before[0])
        merge.findings += found
    if merge.ours is not None and merge.ours != merge.base:
        merge.ours, found = other.carry(merge.ours, merge.base or b"", merge.origin, before[1])
        merge.findings += found


def _reported(
    merge: _Merge, result: MergeResult, changed: tuple[list[DefinitionChange], list[DefinitionChange]]
) -> list[Finding]:
    found: list[Finding] = []
    for side, other in zip(changed, (merge.theirs, merge.ours), strict=True):
        if other is not None and other != merge.base:
            left = [change for change in side if not change.is_certain]
            found.extend(reported(result.content, merge.base or b"", other, merge.path, left))
    return found


def _told(move: Move) -> Finding:
    return Finding(
        "moved", move.to, 0, f"`{move.name.decode()}` moved here from {move.origin}; the other side's edit followed"
    )


def _paired(base: Tree, ours: Tree, theirs: Tree, mine: Renames, other: Renames) -> list[_Merge]:
    merges: dict[str, _Merge] = {}
    for path in sorted(base):
        at_ours, at_theirs = mine.now(path), other.now(path)
        final = at_ours if at_ours != path else at_theirs
        merge = _Merge(final, path, base[path], ours.get(at_ours), theirs.get(at_theirs))
        if at_ours != path and at_theirs != path and at_ours != at_theirs:
            merge.findings.append(
                Finding("renamed", at_ours, 0, f"ours renamed {path} to {at_ours}, theirs to {at_theirs}")
            )
        elif final != path and final in merges:
            merge.path = path
        merges[merge.path] = merge
    for path in sorted((set(ours) | set(theirs)) - set(base) - mine.targets - other.targets):
        final = (
            other.follow(path)
            if path in ours and path not in theirs
            else mine.follow(path)
            if path not in ours
            else path
        )
        merge = merges.setdefault(final, _Merge(final, path, None, None, None))
        merge.ours = ours.get(path, merge.ours)
        merge.theirs = theirs.get(path, merge.theirs)
        if final != path:
            merge.findings.append(
                Finding("renamed", final, 0, f"{path} followed the other side's rename of its folder")
            )
    return [merges[path] for path in sorted(merges)]


def _merged(
    merge: _Merge, labels: tuple[str, str, str], marker_size: int, settings: MergeSettings
) -> MergeResult | None:
    base, ours, theirs = merge.base, merge.ours, merge.theirs
    if ours is None and theirs is None:
        return None
    if ours is not None and theirs is not None:
        return merge_file(base, ours, theirs, merge.path, labels=labels, marker_size=marker_size, settings=settings)
    kept = ours if ours is not None else theirs
    assert kept is not None
    if base is None:
        return MergeResult(kept, (), Method.OURS if ours is not None else Method.THEIRS)
    if kept == base:
        return None
    said = ("changed the file", "deleted the file")
    conflict = Conflict(0, "", *(said if ours is not None else reversed(said)))
    return MergeResult(kept, (conflict,), Method.TEXT)
