"""The words for the results of commands that change the user's files."""

from __future__ import annotations

from collections.abc import Sequence

from bough_daemon.api.records import (
    AgentMade,
    AgentRemoved,
    AllowOutcome,
    BroughtFiles,
    EditsOnRecord,
    FileConflict,
    Guest,
    Guests,
    LandingPreview,
    LandOutcome,
    MergedFile,
    MergeOutcome,
    MoveOutcome,
    RestoreOutcome,
    SharingState,
    Status,
    Stayed,
    StayedBranch,
    UndoOutcome,
    WorktreeStatus,
)
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.system.text import SHORT, ago, commits_by, first_few, printable, taken_in

from bough_cli.notices import note_of
from bough_cli.output import changed, count, few, kept_here, waiting

SHOWN = 40  # files in a preview that only one side changed


def hopped(moved: MoveOutcome) -> list[str]:
    """Describe the hop."""
    said = f"Now on {moved.name}'s branch at {moved.tip[:SHORT]}; run `bough back` to return"
    return _entered(moved, said)


def hopped_in_worktree(moved: MoveOutcome) -> list[str]:
    """Describe the hop in the working tree for hops."""
    return _entered(moved, f"{moved.name}'s branch at {moved.tip[:SHORT]} is in {printable(moved.worktree)}")


def here_again(told: Status, folder: str) -> str:
    """Say where the user is after a shell elsewhere has ended."""
    branch = f"{told.hopped_to}'s branch" if told.hopped_to else f"your own branch, {told.branch}"
    return f"In {printable(folder)} again, on {branch}"


def _entered(moved: MoveOutcome, said: str) -> list[str]:
    """Describe a hop that begins with `said`."""
    lines = [said + _commits(moved)]
    if moved.kind == "still":
        lines.append(f"These are {moved.name}'s files of {ago(moved.saved_at)}; they stay as they are")
    elif not moved.connected:
        lines.append(f"{moved.name} is offline: this is their last state, {ago(moved.saved_at)}")
    if moved.kind == "together":
        lines += _with_host(moved)
    elif moved.kind == "follow":
        lines.append(f"{moved.name}'s changes come into your files; your edits stay here")
    elif moved.kind == "solid":
        lines.append(f"What {moved.name} marks as solid comes into your files; your edits stay here")
    return [*lines, *_on_record(moved.edits, f"on {moved.edited_in}'s branch")]


def _with_host(moved: MoveOutcome) -> list[str]:
    kept = [line[:1].upper() + line[1:] for line in kept_here(moved.name, moved.guest_rule)]
    if kept:
        return [f"{moved.name}'s saves come into your files", *kept]
    return [f"Your saves go into {moved.name}'s files, and theirs into yours"]


def guests(told: Guests) -> list[str]:
    """List the guests, and what was decided about them."""
    if not told.guests:
        return [f"No guests; `together.guests` is {told.setting}"]
    return [_guest(one) for one in told.guests]


def _guest(one: Guest) -> str:
    if one.rule == "ask" and one.is_here:
        return waiting(one.branch)
    words = {"fold": "edits come into your files", "off": "edits stay out of your files", "ask": "you are asked first"}
    return f"{one.branch}: {words[one.rule]}{'' if one.is_here else ' (not in your branch now)'}"


def returned(moved: MoveOutcome) -> list[str]:
    """Describe the return."""
    said = f"Returned from {moved.name}'s branch to {_place(moved)}"
    if moved.left:
        said += f": {moved.left} has moved or was deleted; run `git switch {moved.left}` to check it out"
    return [said + _commits(moved), *_on_record(moved.edits, f"on {moved.edited_in}'s branch")]


def branched_off(moved: MoveOutcome) -> list[str]:
    """Describe the new Git branch."""
    said = f"Created the branch {_place(moved)} and switched to it"
    return [said + _commits(moved), *_on_record(moved.edits, "before the hop")]


def _place(moved: MoveOutcome) -> str:
    return moved.commit[:SHORT] if moved.head == moved.commit else moved.head


def _commits(moved: MoveOutcome) -> str:
    return f"; the commits you made there are on {moved.commits}" if moved.commits else ""


def _on_record(edits: EditsOnRecord, where: str) -> list[str]:
    """Return what the user is told about edits that are not in the files now, with the command that restores them."""
    if not edits.paths:
        return []
    them = "them" if len(edits.paths) > 1 else "it"
    kept = f"{count(len(edits.paths), 'file')} you edited {where}, kept in the timeline: {few(edits.paths)}"
    return [f"{kept}; `{edits.command}` restores {them}"]


def stayed(told: Stayed, *, stop: bool) -> list[str]:
    """List the branches that are kept folded into the files."""
    if not told.branches:
        return ["Stopped" if stop else "Staying on no branch; `bough stay NAME` keeps one merged into your files"]
    return [_stayed(one) for one in told.branches]


def paused(told: SharingState) -> list[str]:
    """Describe the pause of sharing."""
    since = f"You paused sharing {ago(told.since)}" if told.already else "Sharing is paused"
    return [f"{since}; `bough resume` shares again"]


def resumed(told: SharingState) -> list[str]:
    """Describe the end of the pause."""
    return ["Sharing was not paused" if told.already else "Sharing again: your newest state is on its way"]


def _stayed(one: StayedBranch) -> str:
    name = f"{one.name}'s solid states" if one.solid else one.name
    if one.waits:
        return f"Staying on {name}: {one.waits}"
    if not one.held:
        return f"Staying on {name}: all of it is in your files"
    return f"Staying on {name}, paused: {one.held}; `bough merge {one.name}` resolves it"


def merged(made: MergeOutcome, *, preview: bool) -> list[str]:
    """Describe the result of a merge, or of its preview."""
    conflicts = [file.path for file in made.files if file.result == "conflict"]
    if made.result == "same":
        said = f"Already up to date with {made.source}"
    elif conflicts:
        said = f"{'Would conflict' if preview else 'Conflicts'} in {first_few(conflicts)}"
        said += "" if preview else ": resolve the markers and `git add` the files, or run `bough undo`"
    else:
        parts = [f"{count(len(made.files), 'file')} changed on both sides, no conflicts"] if made.files else []
        parts += [brought] if (brought := _brought(made.brought)) else []
        said = f"{'Would merge' if preview else 'Merged'} {made.source}: {'; '.join(parts) or 'no file differs'}"
    lines = [said]
    if made.note is not None:
        lines.append(f"  note: {printable(note_of(made.note))}")
    if made.untouched:
        lines.append(f"  removes what {made.source} never touched, in {first_few(made.untouched)}")
    return [*lines, *_files(made.files), *(_one_sided(made.brought) if preview else [])]


def _brought(brought: BroughtFiles) -> str:
    counts = (("adds", brought.added), ("changes", brought.changed), ("removes", brought.removed))
    return ", ".join(f"{verb} {count(len(paths), 'file')}" for verb, paths in counts if paths)


def _one_sided(brought: BroughtFiles) -> list[str]:
    """Return what only the other side changed, one line per file, as far as a person wants to read."""
    marks = (("added", brought.added), ("changed", brought.changed), ("removed", brought.removed))
    lines = [f"  {printable(path)}: {mark}" for mark, paths in marks for path in paths]
    return lines[:SHOWN] + ([f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def _files(files: Sequence[MergedFile]) -> list[str]:
    """Return lines about how each file was merged, with findings and conflicts."""
    lines: list[str] = []
    for file in files:
        how = "conflict" if file.result == "conflict" else f"merged by {file.method}"
        lines.append(f"  {printable(file.path)}: {how}")
        lines += [f"    {printable(_conflict(conflict))}" for conflict in file.conflicts]
        lines += [f"    {printable(finding.message)}" for finding in file.findings]
    return lines


def _conflict(conflict: FileConflict) -> str:
    where = f"line {conflict.line}" + (f" in {conflict.where}" if conflict.where else "")
    why = f" ({conflict.reason})" if conflict.reason else ""
    return f"{where}: ours {conflict.ours}; theirs {conflict.theirs}{why}"


def landed(made: LandOutcome, left_at: str = "") -> list[str]:
    """Describe what landed and where HEAD is. `left_at`: where HEAD was before it moved to the shared branch."""
    return ["; ".join([*_landed(made), *_where_after(made, left_at)]), *_files(made.files)]


def _landed(made: LandOutcome) -> list[str]:
    where = f"{made.remote}'s {made.branch}" if made.remote else f"{made.branch}, for the team"
    if made.new:
        parts = [f"Landed {made.commit[:SHORT]} on {where}{_with(made.others)}"]
    else:
        parts = [f"{made.branch} has all of it already, at {made.commit[:SHORT]}{_with(made.others)}"]
    parts += [f"takes in {commits_by(taken.by, len(taken.commits), taken.files)}" for taken in made.taken_in]
    parts += [brought] if (brought := _brought(made.brought)) else []
    if made.kept:
        parts.append(f"your original commits are on {made.kept}")
    if made.conflicts:
        parts.append(f"edits made meanwhile conflict in {', '.join(map(printable, made.conflicts))}")
    return parts


def _with(others: Sequence[str]) -> str:
    return f", with {', '.join(other.partition(' <')[0] for other in others)}" if others else ""


def _where_after(made: LandOutcome, left_at: str) -> list[str]:
    if made.switched:
        return [f"you are now on {made.local}; `bough undo` returns to {left_at}"]
    if made.still_on is None:
        return []
    if made.hopped_to:
        return [f"you are still on {made.hopped_to}'s branch; run `bough back` to return"]
    return [f"you are still on {still_on(made)}; `bough land --switch` takes you to {made.local}"]


def still_on(made: LandOutcome) -> str:
    """Return where HEAD is after a landing, for a message."""
    here = made.still_on or ""
    return here[:SHORT] if OBJECT_ID.fullmatch(here) else here


def would_land(plan: LandingPreview) -> list[str]:
    """Describe what would land."""
    where = f"{plan.remote}'s {plan.branch}" if plan.remote else f"{plan.branch}, for the team"
    if plan.conflicts:
        said = f"Would conflict with {where} in {', '.join(map(printable, plan.conflicts))}"
    elif not plan.new:
        said = f"Nothing to land: {where} has all of it"
    else:
        onto = ", ".join(oid[:SHORT] for oid in plan.onto)
        said = f"Would land on {where}, on top of {onto}: {count(len(plan.changes), 'file')}{_with(plan.others)}"
    lines = [
        said,
        *(
            line
            for taken in plan.taken_in
            for line in taken_in(taken.by, [(one.commit, one.title) for one in taken.commits], taken.files)
        ),
    ]
    notes = dict.fromkeys(plan.untracked, "  (untracked; published for the first time)")
    lines += [f"  {one.status} {printable(one.path)}{notes.get(one.path, '')}" for one in plan.changes]
    if plan.untouched:
        lines.append(f"  needs --yes: removes what you never touched, in {first_few(plan.untouched)}")
    if plan.taken_out:
        gone = f"{count(len(plan.taken_out), 'commit')} that a forced push took out: {few(plan.taken_out)}"
        lines.append(f"  needs --yes: brings back {gone}")
    return [*lines, *_files(plan.files)]


def restored(made: RestoreOutcome) -> list[str]:
    """Describe what was restored, and from when."""
    came = [f"{printable(one.path) or '.'} as of {ago(one.at)} ({one.snapshot[:SHORT]})" for one in made.paths]
    said = f"Restored {came[0] if len(came) == 1 else f'{len(came)} paths'}; `bough undo` reverses it"
    lines = [f"  {one}" for one in came] if len(came) > 1 else []
    return [said, *lines, *(f"  no other version of {printable(path)} is in the timeline" for path in made.unchanged)]


def undone(made: UndoOutcome) -> list[str]:
    """Describe what was undone."""
    published = "; what was published stays published" if made.undone.startswith("land") else ""
    kept = f"; the saves made while it was interrupted are kept as {made.kept[:SHORT]}" if made.kept else ""
    return [f"Undid `{made.undone}`{published}{kept}; `bough redo` does it again", *_on_record(made.edits, "after it")]


def redone(made: UndoOutcome) -> list[str]:
    """Describe what was redone."""
    return [f"Redid `{made.undone}`; `bough undo` reverses it", *_on_record(made.edits, "after it was undone")]


def allowed(made: AllowOutcome, *, stop: bool) -> list[str]:
    """List the paths that may be shared."""
    if made.named:
        stays = "is withheld again" if len(made.named) == 1 else "are withheld again"
        return [f"{', '.join(map(printable, made.named))} {stays if stop else 'can now be shared'}"]
    return list(map(printable, made.allowed)) or ["No withheld path is allowed"]


def hidden(made: AllowOutcome, *, stop: bool) -> list[str]:
    """List the paths that are hidden from the team."""
    if made.named:
        named = ", ".join(map(printable, made.named))
        return [f"{named}: shared again" if stop else f"{named}: hidden from your team until `bough resume PATH`"]
    return list(map(printable, made.allowed)) or ["No file is hidden"]


def agent_made(made: AgentMade, branch: str) -> list[str]:
    """Describe an agent's working tree and its resources."""
    what = "Created" if made.is_new else "Using"
    last = made.port + made.ports - 1
    copied = [f"  copied: {few(made.copied)}"] if made.copied else []
    return [
        f"{what} {branch}, on the Git branch {made.git_branch}, in {printable(made.repository)}",
        *copied,
        f"  ports {made.port} to {last} and the database name {made.database} are its own",
    ]


def agent_removed(removed: AgentRemoved, branch: str) -> list[str]:
    """Describe what is kept of an agent."""
    lines = [f"Removed {printable(removed.repository)}"]
    if branch:
        lines.append(f"  all of its saves stay: `bough merge {branch}`, `bough log {branch}`")
    if removed.kept:
        lines.append(f"  its commits are on the Git branch {removed.kept}")
    return lines


def worktree(one: WorktreeStatus) -> list[str]:
    """Describe another working tree of the user's."""
    what = changed(one)
    where = f" in {one.hopped_to}'s branch" if one.hopped_to else ""
    state = f"at {one.tip[:SHORT]} ({ago(one.changed_at)}) {what}" if one.tip else "not live"
    lines = [f"▸ {one.branch}{where} {state}", f"  {printable(one.repository)}"]
    if one.command:
        end = f"ended with {one.code} {ago(one.ended)}" if one.code is not None else "ended"
        lines.append(f"  {printable(one.command)}: {'running' if one.runs else end}")
    return lines
