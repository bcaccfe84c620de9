"""How the commands that change the user's files ended, as the records that their caller gets."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from typing import Any

from bough_daemon.api import records
from bough_daemon.commands import hop, land, merge, restore, undo
from bough_daemon.commands.shared_branch import Target
from bough_daemon.git.objects import Objects
from bough_daemon.git.refs import words
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.edits_left import EditsLeft


def moved(live: LiveWorktree, made: hop.Moved) -> records.MoveOutcome:
    """Return where a hop, a return or an `off` has led."""
    return records.MoveOutcome(
        made.name,
        words(made.head),
        made.head.commit,
        made.snapshot.oid,
        made.snapshot.tree,
        made.commits,
        made.left,
        _edits(live, made.edits),
        made.edited_in,
        made.kind or "",
        made.connected,
        made.saved_at,
    )


def _edits(live: LiveWorktree, edits: EditsLeft | None) -> records.EditsOnRecord:
    if edits is None or not edits.paths:
        return records.EditsOnRecord()
    root = live.worktree.root
    command = edits.command(root, os.path.realpath(live.cwd or root))
    return records.EditsOnRecord(list(edits.paths), edits.snapshot, command)


def merged(made: merge.Merged) -> records.MergeOutcome:
    """Return how a merge ended."""
    result = "conflict" if made.conflicts else made.result
    files, brought = _files(made.files), _brought(made.brought)
    return records.MergeOutcome(result, made.tree, made.source, files, brought, list(made.untouched), made.note)


def _brought(brought: merge.Brought) -> records.BroughtFiles:
    return records.BroughtFiles(list(brought.added), list(brought.changed), list(brought.removed))


def _files(files: Iterable[merge.File]) -> list[records.MergedFile]:
    return [
        records.MergedFile(
            file.path,
            file.result,
            file.method,
            list(map(_finding, file.findings)),
            list(map(_conflict, file.disputes)),
        )
        for file in files
    ]


def _finding(finding: Any) -> records.FileFinding:
    """Return a finding: the engine's are records, Git's are sentences."""
    if not dataclasses.is_dataclass(finding):
        return records.FileFinding("", "", 0, str(finding))
    return records.FileFinding(**_plain(finding))


def _conflict(dispute: Any) -> records.FileConflict:
    if not dataclasses.is_dataclass(dispute):
        return records.FileConflict(0, "", "", "", "", str(dispute))
    return records.FileConflict(**_plain(dispute))


def _plain(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def landed(made: land.Landed, hopped_to: str) -> records.LandOutcome:
    """Return what landed. `hopped_to`: the teammate in whose branch the files still are."""
    return records.LandOutcome(
        made.commit,
        made.branch,
        made.local,
        made.remote,
        list(made.others),
        made.kept,
        _files(made.files),
        list(made.conflicts),
        made.new,
        made.still_on,
        _brought(made.brought),
        _taken_in(made.taken_in),
        hopped_to,
    )


def _taken_in(taken: Iterable[land.TakenIn]) -> list[records.TakenInCommits]:
    return [
        records.TakenInCommits(one.by, [records.CommitTitle(oid, title) for oid, title in one.commits], list(one.files))
        for one in taken
    ]


def preview(objects: Objects, target: Target, plan: land.Plan) -> records.LandingPreview:
    """Return what would land. On the store's thread."""
    return records.LandingPreview(
        target.name,
        target.remote,
        list(plan.onto),
        plan.commit is None and not plan.conflicts,
        [] if plan.conflicts else _changes(objects, plan),
        list(plan.fresh),
        list(plan.others),
        _taken_in(plan.taken_in),
        list(plan.conflicts),
        list(plan.untouched),
        list(plan.taken_out.commits) if plan.taken_out is not None else [],
        _files(plan.files),
    )


def _changes(objects: Objects, plan: land.Plan) -> list[records.ChangedPath]:
    difference = objects.difference(objects.commit(plan.onto[0]).tree, plan.tree)
    kinds = ((path, "A" if before is None else "D" if after is None else "M") for path, before, after in difference)
    return [records.ChangedPath(kind, path) for path, kind in sorted(kinds)]


def restored(made: restore.Restored) -> records.RestoreOutcome:
    """Return what came back."""
    paths = [records.RestoredPath(path, oid, made.times[path]) for path, oid in made.paths.items()]
    return records.RestoreOutcome(paths, list(made.unchanged), made.snapshot.oid)


def undone(live: LiveWorktree, made: undo.Undone) -> records.UndoOutcome:
    """Return what was undone."""
    edits = _edits(live, made.edits)
    return records.UndoOutcome(made.command, made.snapshot.oid, made.snapshot.tree, made.kept, edits)
