"""The commands that change the user's files, by name: what each is asked, and how its end is told."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from bough_daemon import hop, landing, merging, restore, undo
from bough_daemon.edits import Edits
from bough_daemon.errors import BadUsage
from bough_daemon.heads import words
from bough_daemon.hop import Moved
from bough_daemon.landing import Landed
from bough_daemon.live import Live
from bough_daemon.object_id import OBJECT_ID
from bough_daemon.objects import Objects
from bough_daemon.report import Act, Done
from bough_daemon.sides import Both
from bough_daemon.states import TeamLanding
from bough_daemon.switch import switch
from bough_daemon.terminal import Terminal
from bough_daemon.text import SHORT, ago, first_few, printable
from bough_daemon.worktree import Head, whole

NAMED = 3  # files of many that a sentence names
SHOWN = 40  # files that only one side changed, in a preview


@dataclasses.dataclass(frozen=True)
class Hands:
    """What a command has at hand: the working tree, the user's terminal, the merge engine.

    `landed`: what members landed on shared branches; `publish_landed` tells the team of one of mine.
    """

    live: Live
    terminal: Terminal
    both: Both
    landed: Callable[[], list[TeamLanding]]
    publish_landed: Callable[[str, str], Awaitable[None]]


async def perform(act: Act, hands: Hands) -> Done:
    """Carry a command out and say how it ended; whatever it raises, it has changed nothing, or `undo` takes it back."""
    command = COMMANDS.get(act.command)
    if command is None:
        raise BadUsage(f"there is no command {act.command!r}")
    return await command(act, hands)


async def _hop(act: Act, hands: Hands) -> Done:
    moved = await hop.hop(hands.live, hands.terminal, act.options["name"], hands.both)
    sentence = f"Now in {moved.name}'s branch, at {moved.snapshot.oid[:SHORT]}; run `bough back` to return"
    return _moved(hands.live, moved, sentence, f"in {moved.edited_in}'s branch")


async def _back(act: Act, hands: Hands) -> Done:
    moved = await hop.back(hands.live, hands.terminal)
    sentence = f"You are back from {moved.name}'s branch, on {_place(moved.head)}"
    if moved.left:
        sentence += f": {moved.left} has moved or was deleted; run `git switch {moved.left}` to check it out"
    return _moved(hands.live, moved, sentence, f"in {moved.edited_in}'s branch")


async def _off(act: Act, hands: Hands) -> Done:
    moved = await hop.off(hands.live, hands.terminal, act.options["branch"])
    return _moved(hands.live, moved, f"You are on {_place(moved.head)}, a branch of your own", "before the hop")


def _place(head: Head) -> str:
    return words(head) if head.branch is not None else head.commit[:SHORT]


def _moved(live: Live, moved: Moved, sentence: str, where: str) -> Done:
    kept = f"; the commits you made there are on {moved.commits}" if moved.commits else ""
    report = {
        "name": moved.name,
        "head": words(moved.head),
        "commit": moved.head.commit,
        "tip": moved.snapshot.oid,
        "tree": moved.snapshot.tree,
        "commits": moved.commits,
        "left": moved.left,
        "edits": _edits(live, moved.edits),
    }
    return Done("\n".join([sentence + kept, *_on_record(live, moved.edits, where)]), json.dumps(report))


def _on_record(live: Live, edits: Edits | None, where: str) -> list[str]:
    """Return what a person is told of edits that are not in the files now: where they are, and the way to get them."""
    if edits is None or not edits.paths:
        return []
    more = len(edits.paths) - NAMED
    named = ", ".join(map(printable, edits.paths[:NAMED])) + (f" and {more} more" if more > 0 else "")
    stayed = f"{_count(edits.paths)} that you edited {where} stayed on record: {named}"
    return [f"{stayed}; `{_bring_back(live, edits)}` brings {'them' if len(edits.paths) > 1 else 'it'} here"]


def _edits(live: Live, edits: Edits | None) -> dict[str, Any]:
    """Return the same for `--json`."""
    if edits is None or not edits.paths:
        return {"paths": [], "snapshot": None, "command": None}
    return {"paths": edits.paths, "snapshot": edits.snapshot, "command": _bring_back(live, edits)}


def _bring_back(live: Live, edits: Edits) -> str:
    root = live.worktree.root
    return edits.command(root, os.path.realpath(live.cwd or root))


async def _merge(act: Act, hands: Hands) -> Done:
    name, preview, yes = act.options["name"], "preview" in act.options, "yes" in act.options
    merged = await merging.merge(hands.live, hands.terminal, name, hands.both, preview=preview, yes=yes)
    if merged.result == "same":
        head = f"Already up to date with {merged.source}"
    elif merged.conflicts:
        head = f"{'Would conflict' if preview else 'Conflicts'} in {first_few(merged.conflicts)}"
        head += "" if preview else ": resolve the markers and `git add` the files, or run `bough undo`"
    else:
        parts = [f"{_count(merged.files)} changed on both sides, no conflicts"] if merged.files else []
        parts += [str(merged.brought)] if str(merged.brought) else []
        head = f"{'Would merge' if preview else 'Merged'} {merged.source}: {'; '.join(parts) or 'no file differs'}"
    notes = [f"  note: {printable(merged.note)}"] if merged.note else []
    if merged.untouched:
        notes.append(f"  removes what {merged.source} never touched, in {first_few(merged.untouched)}")
    report = {
        "result": "conflict" if merged.conflicts else "clean",
        "tree": merged.tree,
        "files": list(map(_told, merged.files)),
        "brought": dataclasses.asdict(merged.brought),
        "untouched": merged.untouched,
        "note": merged.note,
    }
    lines = [head, *notes, *_lines(merged.files), *(_one_sided(merged.brought) if preview else [])]
    return Done("\n".join(lines), json.dumps(report), bool(merged.conflicts) and not preview)


def _one_sided(brought: merging.Brought) -> list[str]:
    """Return what only the other side changed, a line for each file, as far as a person wants to read."""
    marks = (("added", brought.added), ("changed", brought.changed), ("removed", brought.removed))
    lines = [f"  {printable(path)}: {mark}" for mark, paths in marks for path in paths]
    return lines[:SHOWN] + ([f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


async def _land(act: Act, hands: Hands) -> Done:
    if "dry-run" in act.options:
        return await _preview_landing(hands)
    wanted = act.options.get("switch", "")
    made = await landing.land(
        hands.live,
        hands.terminal,
        act.options.get("message", ""),
        hands.both,
        landed=hands.landed(),
        verify="no-verify" not in act.options,
        yes="yes" in act.options,
        needed=wanted != "yes",
    )
    if made.remote is None:
        await hands.publish_landed(made.branch, made.commit)
    head = _landed_words(made)
    there, switched = await _where_after(made, head, wanted, hands)
    report = dataclasses.asdict(dataclasses.replace(made, files=())) | {"files": list(map(_told, made.files))}
    report["switched"] = switched
    sentence = "; ".join(part for part in (head, there) if part)
    return Done("\n".join([sentence, *_lines(made.files)]), json.dumps(report), bool(made.conflicts))


def _landed_words(made: Landed) -> str:
    where = f"{made.remote}'s {made.branch}" if made.remote else f"{made.branch}, for the team"
    if made.new:
        parts = [f"Landed {made.commit[:SHORT]} on {where}"]
    else:
        parts = [f"{made.branch} has all of it already, at {made.commit[:SHORT]}"]
    if made.others:
        parts[0] += f", with {', '.join(other.partition(' <')[0] for other in made.others)}"
    parts += [f"takes in {taken}" for taken in made.taken_in]
    if str(made.brought):
        parts.append(str(made.brought))
    if made.kept:
        parts.append(f"the commits that did not land as they were are on {made.kept}")
    if made.conflicts:
        parts.append(f"edits made meanwhile conflict in {', '.join(map(printable, made.conflicts))}")
    return "; ".join(parts)


async def _where_after(made: Landed, said: str, wanted: str, hands: Hands) -> tuple[str, bool]:
    """Switch to the shared branch where that is wanted; return where HEAD is, in words, and whether it switched."""
    if made.still_on is None:
        return "", False
    there = await hands.live.owner.run(hop.hop_now, hands.live)
    if there is not None:
        return f"you are still in {there.name}'s branch; run `bough back` to return", False
    here = made.still_on[:SHORT] if OBJECT_ID.fullmatch(made.still_on) else made.still_on
    question = f"{said}. You are still on {here}. Switch to {made.local}?"
    if wanted == "yes" or (wanted == "ask" and await hands.terminal.confirm(question)):
        await switch(hands.live, hands.terminal, made, hands.both)
        return f"you are now on {made.local}; `bough undo` returns to {here}", True
    return f"you are still on {here}; `bough land --switch` takes you to {made.local}", False


async def _preview_landing(hands: Hands) -> Done:
    target, plan = await landing.preview(hands.live, hands.terminal, hands.both, landed=hands.landed())
    objects = hands.live.store.objects
    changed = await hands.live.owner.run(lambda: [] if plan.conflicts else _changes(objects, plan))
    where = f"{target.remote}'s {target.name}" if target.remote else f"{target.name}, for the team"
    if plan.conflicts:
        head = f"Would conflict with {where} in {', '.join(map(printable, plan.conflicts))}"
    elif plan.commit is not None:
        head = f"Nothing to land: {where} has all of it"
    else:
        head = f"Would land on {where}, on top of {', '.join(oid[:SHORT] for oid in plan.onto)}: {_count(changed)}"
        head += f", with {', '.join(other.partition(' <')[0] for other in plan.others)}" if plan.others else ""
    lines = [line for taken in plan.taken_in for line in landing.taken_in_words(taken)]
    notes = dict.fromkeys(plan.fresh, "  (untracked; published for the first time)")
    lines += [f"  {status} {printable(path)}{notes.get(path, '')}" for status, path in changed]
    if plan.untouched:
        lines.append(f"  needs --yes: removes what you never touched, in {first_few(plan.untouched)}")
    if plan.taken_out is not None:
        lines.append(f"  needs --yes: brings back {plan.taken_out}")
    report = {
        "branch": target.name,
        "remote": target.remote,
        "onto": plan.onto,
        "new": plan.commit is None and not plan.conflicts,
        "changes": [{"status": status, "path": path} for status, path in changed],
        "untracked": plan.fresh,
        "others": plan.others,
        "taken_in": list(map(dataclasses.asdict, plan.taken_in)),
        "conflicts": plan.conflicts,
        "untouched": plan.untouched,
        "taken_out": plan.taken_out.commits if plan.taken_out is not None else [],
        "files": list(map(_told, plan.files)),
    }
    return Done("\n".join([head, *lines, *_lines(plan.files)]), json.dumps(report))


def _changes(objects: Objects, plan: landing.Plan) -> list[tuple[str, str]]:
    """Return (A, M or D; path) for each file in which a plan differs from the shared branch."""
    difference = objects.difference(objects.commit(plan.onto[0]).tree, plan.tree)
    kinds = ((path, "A" if before is None else "D" if after is None else "M") for path, before, after in difference)
    return [(kind, path) for path, kind in sorted(kinds)]


async def _allow(act: Act, hands: Hands) -> Done:
    paths = _typed_paths(act, hands)
    if "" in paths:
        raise BadUsage("name the files or folders that may leave, not the whole working tree")
    allowed, stop = hands.live.store.allowed, "stop" in act.options
    for path in paths:
        await hands.live.owner.run(partial(allowed.set, path, allowed=not stop))
    if paths:
        await hands.live.save()
    now = sorted(allowed.paths)
    if paths:
        named = ", ".join(map(printable, paths))
        head = f"{named} {'stays' if len(paths) == 1 else 'stay'} at home again" if stop else f"{named} may leave now"
    else:
        head = "\n".join(map(printable, now)) or "No path is allowed to leave that would stay at home"
    return Done(head, json.dumps({"allowed": now}))


def _typed_paths(act: Act, hands: Hands) -> list[str]:
    here = os.path.realpath(act.path)
    return [_from_top(hands.live.worktree.root, whole(os.path.join(here, path))) for path in act.paths]


async def _restore(act: Act, hands: Hands) -> Done:
    paths = _typed_paths(act, hands)
    if not paths and "all" not in act.options:
        raise BadUsage("name the files to bring back, or say --all")
    made = await restore.restore(hands.live, paths, since=act.options.get("from"), name=act.options.get("name"))
    came = [
        f"{printable(path) or '.'} as of {ago(made.times[path])} ({made.paths[path][:SHORT]})" for path in made.paths
    ]
    head = f"Brought back {came[0] if len(came) == 1 else f'{len(came)} paths'}; `bough undo` reverses it"
    lines = [f"  {one}" for one in came] if len(came) > 1 else []
    lines += [f"  no other version of {printable(path)} is on record" for path in made.unchanged]
    report = {"paths": made.paths, "times": made.times, "unchanged": made.unchanged, "tip": made.snapshot.oid}
    return Done("\n".join([head, *lines]), json.dumps(report))


async def _undo(act: Act, hands: Hands) -> Done:
    undone = await undo.undo(hands.live)
    kept = f"; what was saved while it was cut short is kept as {undone.kept[:SHORT]}" if undone.kept else ""
    report = {"undone": undone.kind, "tip": undone.snapshot.oid, "tree": undone.snapshot.tree, "kept": undone.kept}
    published = "; what was published stays published" if undone.kind.startswith("land") else ""
    lines = [f"Took back `{undone.kind}`{published}{kept}", *_on_record(hands.live, undone.edits, "after it")]
    return Done("\n".join(lines), json.dumps(report | {"edits": _edits(hands.live, undone.edits)}))


def _lines(files: Sequence[merging.File]) -> list[str]:
    """Return how each file was merged and what was found, as lines for a person."""
    lines: list[str] = []
    for file in files:
        lines.append(f"  {printable(file.path)}: {_how(file)}")
        lines += [f"    {printable(_disputed(dispute))}" for dispute in file.disputes]
        lines += [f"    {printable(_said(finding))}" for finding in file.findings]
    return lines


def _told(file: merging.File) -> dict[str, Any]:
    """Return the same as the object that `--json` prints."""
    findings, disputes = list(map(_plain, file.findings)), list(map(_plain, file.disputes))
    said = {"path": file.path, "result": file.result, "method": file.method, "findings": findings}
    return said | ({"conflicts": disputes} if disputes else {})


def _count(files: Sequence[object]) -> str:
    return f"{len(files)} file{'' if len(files) == 1 else 's'}"


def _how(file: merging.File) -> str:
    return "conflict" if file.result == "conflict" else f"merged by {file.method}"


def _disputed(dispute: Any) -> str:
    """Return what each side did, in words; what is no record of the engine's is a sentence already."""
    if not dataclasses.is_dataclass(dispute):
        return str(dispute)
    told: Any = dispute
    where = f"line {told.line}" + (f" in {told.where}" if told.where else "")
    return f"{where}: ours {told.ours}; theirs {told.theirs}" + (f" ({told.reason})" if told.reason else "")


def _said(finding: Any) -> str:
    """Return what a finding says: the engine's are records, Git's are sentences."""
    return str(getattr(finding, "message", finding))


def _from_top(root: str, path: str) -> str:
    """Return a path as Git names it, or raise BadUsage where it lies outside the working tree."""
    relative = os.path.relpath(path, root)
    if relative == ".." or relative.startswith("../"):
        raise BadUsage(f"{path} lies outside the working tree")
    return "" if relative == "." else relative


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


COMMANDS: dict[str, Callable[[Act, Hands], Awaitable[Done]]] = {
    "hop": _hop,
    "back": _back,
    "off": _off,
    "merge": _merge,
    "land": _land,
    "allow": _allow,
    "restore": _restore,
    "undo": _undo,
}
