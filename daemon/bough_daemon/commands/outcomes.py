"""How the commands that change the user's files ended, as the records that their caller gets.

A record takes the fields that have the same names in what a command returns; only what differs is given here.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin

from bough_daemon.api import records
from bough_daemon.commands import hop, land, merge, restore, undo
from bough_daemon.commands.shared_branch import Target
from bough_daemon.git.objects import Objects
from bough_daemon.git.refs import words
from bough_daemon.system.plain_record import PlainRecord, fields_of
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.edits_left import edits_on_record

R = TypeVar("R", bound=PlainRecord)


def outcome_of(kind: type[R], made: Any, /, **given: Any) -> R:
    """Return the record of `kind` whose fields are `given`, or else those of `made` with the same names."""
    same = {
        name: _as(getattr(made, name), hint)
        for name, hint in fields_of(kind).items()
        if name not in given and hasattr(made, name)
    }
    return kind(**same, **given)


def _as(value: Any, hint: Any) -> Any:
    """Return a value as a field of a record has it: records for what is none yet, lists for tuples."""
    if get_origin(hint) is UnionType:
        if type(value) in get_args(hint):
            return value
        (hint,) = (one for one in get_args(hint) if one is not NoneType)
    if get_origin(hint) is list:
        (inner,) = get_args(hint)
        return [_as(item, inner) for item in value]
    return outcome_of(hint, value) if isinstance(hint, type) and issubclass(hint, PlainRecord) else value


def moved(live: LiveWorktree, made: hop.Moved) -> records.MoveOutcome:
    """Return where a hop, a return or an `off` has led."""
    return outcome_of(
        records.MoveOutcome,
        made,
        head=words(made.head),
        commit=made.head.commit,
        tip=made.snapshot.oid,
        tree=made.snapshot.tree,
        edits=edits_on_record(live, made.edits),
        kind=made.kind or "",
    )


def merged(made: merge.Merged) -> records.MergeOutcome:
    """Return how a merge ended."""
    return outcome_of(records.MergeOutcome, made, result="conflict" if made.conflicts else made.result)


def landed(made: land.Landed, hopped_to: str) -> records.LandOutcome:
    """Return what landed. `hopped_to`: the teammate in whose branch the files still are."""
    return outcome_of(records.LandOutcome, made, hopped_to=hopped_to)


def preview(objects: Objects, target: Target, plan: land.Plan) -> records.LandingPreview:
    """Return what would land. On the store's thread."""
    return outcome_of(
        records.LandingPreview,
        plan,
        branch=target.name,
        remote=target.remote,
        new=plan.commit is None and not plan.conflicts,
        changes=[] if plan.conflicts else _changes(objects, plan),
        untracked=list(plan.fresh),
        taken_out=list(plan.taken_out.commits) if plan.taken_out is not None else [],
    )


def _changes(objects: Objects, plan: land.Plan) -> list[records.ChangedPath]:
    difference = objects.difference(objects.commit(plan.onto[0]).tree, plan.tree)
    kinds = ((path, "A" if before is None else "D" if after is None else "M") for path, before, after in difference)
    return [records.ChangedPath(kind, path) for path, kind in sorted(kinds)]


def restored(made: restore.Restored) -> records.RestoreOutcome:
    """Return what came back."""
    paths = [records.RestoredPath(path, oid, made.times[path]) for path, oid in made.paths.items()]
    return outcome_of(records.RestoreOutcome, made, paths=paths, tip=made.snapshot.oid)


def undone(live: LiveWorktree, made: undo.Undone) -> records.UndoOutcome:
    """Return what was undone."""
    return outcome_of(
        records.UndoOutcome,
        made,
        undone=made.command,
        tip=made.snapshot.oid,
        tree=made.snapshot.tree,
        edits=edits_on_record(live, made.edits),
    )
