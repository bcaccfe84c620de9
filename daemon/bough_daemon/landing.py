"""Bring my work onto the shared branch as one commit: merge, commit, publish, and only then move what is here."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bough_daemon import index
from bough_daemon.change import TRIES, Change, carry_out, check_ready
from bough_daemon.commits import authors_of, commit, run_hook, trailers_for
from bough_daemon.errors import BadUsage, HookRefused, LandConflict, NotPossibleNow
from bough_daemon.heads import check_free, commit_of, free_branch, short
from bough_daemon.live import Live
from bough_daemon.merging import File, Merged, merge_commits
from bough_daemon.objects import Entry, Objects
from bough_daemon.picture import Disturbed, Picture, is_file
from bough_daemon.report import printable
from bough_daemon.sides import Both
from bough_daemon.target import NAME_IT, RemoteMoved, Target, newest
from bough_daemon.terminal import Terminal
from bough_daemon.timeline import Snapshot

MARKED = re.compile(rb"^<{7} .*?^={7}\r?$.*?^>{7} ", re.MULTILINE | re.DOTALL)
MARKED_LIMIT_BYTES = 4_000_000
SHOWN = 20  # untracked files that are named before they are published
RACES = 3  # pushes that may be lost to somebody else's before giving up


@dataclass(frozen=True)
class Landed:
    """What landed. `commit`: on `branch`. `remote`: where it was published, None where the team alone shares it.

    `others`: the co-authors. `kept`: the branch that keeps commits which did not land as they were, None without any.
    `files`: how what both sides changed was merged. `conflicts`: edits made while it landed that need a human. `new`:
    whether there was anything to land; else the branch had all of it, and only what is here followed.
    """

    commit: str
    branch: str
    remote: str | None
    others: tuple[str, ...]
    kept: str | None
    files: tuple[File, ...] = ()
    conflicts: tuple[str, ...] = ()
    new: bool = True


@dataclass(frozen=True)
class _Made:
    """A commit to let the local branch go to. `published`: the shared branch has it already. `new`: made just now."""

    commit: str
    published: bool
    others: tuple[str, ...]
    files: tuple[File, ...]
    new: bool = True


async def land(live: Live, terminal: Terminal, message: str, both: Both, *, landed: Sequence[str] = ()) -> Landed:
    """Land my branch and return what landed; until it is published nothing here changes, whatever fails.

    `landed`: what teammates landed without a remote; it is built upon. Raise LandConflict, HookRefused, PushRefused,
    CheckedOutElsewhere or NotPossibleNow.
    """
    if not message.strip():
        raise BadUsage("a landed commit needs a message")
    await live.owner.run(check_ready, live)
    target = await Target.of(live, terminal)
    await live.owner.run(check_free, live.worktree, target.ref)
    mine = await live.save()
    for race in range(RACES):
        made = await _make(live, terminal, target, mine, message, both, landed)
        try:
            if not made.published:
                await target.push(live, terminal, made.commit)
            break
        except RemoteMoved:
            if race == RACES - 1:
                raise
    return await _arrive(live, terminal, target, mine, made, both)


async def _make(
    live: Live,
    terminal: Terminal,
    target: Target,
    mine: Snapshot,
    message: str,
    both: Both,
    landed: Sequence[str],
) -> _Made:
    """Make the commit to publish: mine merged onto what is on the shared branch now."""
    remote_tip = await target.fetched(live, terminal)
    local_tip = await live.owner.run(commit_of, live.worktree, target.ref)
    onto = await live.owner.run(_onto, live, target, remote_tip, local_tip, landed)
    tip, merged = onto[0], None
    for other in onto[1:]:
        tip, _ = await _merged(live, target, tip, other, both)
    final, merged = await _merged(live, target, tip, mine.shared, both)
    files = merged.files
    if merged.result == "same" and len(onto) == 1:
        published = target.remote is None or remote_tip is not None
        if published and local_tip in (None, onto[0]):
            raise NotPossibleNow(f"nothing to land: {target.name} has all of it")
        return _Made(onto[0], published, (), files, new=False)
    tree = await live.owner.run(lambda: live.store.objects.commit(final).tree)
    await live.owner.run(_check_resolved, live, onto[0], tree)
    await _show_new_files(live, terminal, target, onto[0], tree)
    others = await live.owner.run(authors_of, live.store, mine.shared, onto, live.branch.author)
    await live.owner.run(live.store.give, [tree, *onto])
    made = await commit(live, terminal, tree, onto, message, trailers_for(mine.shared, others))
    return _Made(made, False, tuple(others), files)


def _check_resolved(live: Live, onto: str, tree: str) -> None:
    """Raise NotPossibleNow where a file that would land has conflict markers that the shared branch has not."""
    objects = live.store.objects
    for path, before, after in objects.difference(objects.commit(onto).tree, tree):
        if _is_marked(objects, after) and not _is_marked(objects, before):
            raise NotPossibleNow(f"{path} still has conflict markers; mend them before it lands", path=path)


def _is_marked(objects: Objects, entry: Entry | None) -> bool:
    if entry is None or not is_file(entry) or objects.size(entry.oid) > MARKED_LIMIT_BYTES:
        return False
    return MARKED.search(objects.blob(entry.oid)) is not None


def _onto(
    live: Live, target: Target, remote_tip: str | None, local_tip: str | None, landed: Sequence[str]
) -> list[str]:
    """Return what the landed commit stands on: the remote's tip, or without a remote the newest that anybody landed."""
    if target.remote is not None and remote_tip is not None:
        return [remote_tip]
    shared = [] if target.remote is not None else list(landed)
    onto = newest(live.store, [*([local_tip] if local_tip else []), *shared])
    if not onto:
        raise NotPossibleNow(
            f"there is no branch {target.name} to land on",
            branch=target.name,
            hint=NAME_IT,
        )
    return onto


async def _merged(live: Live, target: Target, onto: str, theirs: str, both: Both) -> tuple[str, Merged]:
    """Return a commit of the store with both, and how it was merged; LandConflict where that takes a human."""
    merged = await merge_commits(live, onto, theirs, both)
    if merged.conflicts:
        listed = ", ".join(merged.conflicts[:3]) + (" …" if len(merged.conflicts) > 3 else "")
        raise LandConflict(
            f"your work conflicts with {target.name} in {listed}; nothing was landed",
            branch=target.name,
            paths="\n".join(merged.conflicts),
        )
    author = live.branch.author
    made = await live.owner.run(live.store.objects.write_commit, merged.tree, [onto, theirs], author, 0, "merge\n")
    return made, merged


async def _show_new_files(live: Live, terminal: Terminal, target: Target, onto: str, tree: str) -> None:
    """Show the untracked files that would be published for the first time, and go on only when that is wanted."""
    new = await live.owner.run(_new_files, live, onto, tree)
    if not new:
        return
    count = f"{len(new)} untracked file{'s' if len(new) > 1 else ''}"
    shown = [f"  {printable(path)}" for path in new[:SHOWN]]
    shown += [f"  and {len(new) - SHOWN} more"] if len(new) > SHOWN else []
    await terminal.say("\n".join([f"{count} would be published for the first time:", *shown]))
    if not await terminal.confirm(f"Publish {'them' if len(new) > 1 else 'it'} on {target.name}?"):
        raise NotPossibleNow("nothing was landed: you did not want to publish untracked files")


def _new_files(live: Live, onto: str, tree: str) -> list[str]:
    objects, git = live.store.objects, live.worktree.git
    added = objects.difference(objects.commit(onto).tree, tree)
    new = {path for path, before, after in added if before is None and after is not None}
    tracked = {os.fsdecode(name) for name in git.run("ls-files", "-z").split(b"\0")}
    head = objects.commit(live.worktree.head().commit).tree
    return sorted(path for path in new - tracked if objects.entry(head, path) is None)


async def _arrive(live: Live, terminal: Terminal, target: Target, mine: Snapshot, made: _Made, both: Both) -> Landed:
    """Let the local branch, and where it is checked out here HEAD, index and files, follow what was published."""
    for _ in range(TRIES):
        now = await live.save()
        placed = await _files_then(live, mine, now, made, both)
        try:
            kept = await live.owner.run(_follow, live, target, made, now, placed)
            break
        except Disturbed:
            continue
    else:
        raise NotPossibleNow(f"{made.commit[:7]} is on {target.name}; here files keep changing: run `bough land` again")
    try:
        await run_hook(terminal, live.worktree.root, "post-commit", [], {})
    except HookRefused as refused:
        await terminal.say(f"landed; but {refused.message}")
    return Landed(
        commit=made.commit,
        branch=target.name,
        remote=target.remote,
        others=made.others,
        kept=short(kept) if kept is not None else None,
        files=made.files,
        conflicts=tuple(placed.conflicts),
        new=made.new,
    )


async def _files_then(live: Live, mine: Snapshot, now: Snapshot, made: _Made, both: Both) -> Merged:
    """Return how my files look on the landed commit: what is withheld stays, and what I saved meanwhile comes along."""

    def beside() -> str:
        objects = live.store.objects
        withheld = objects.difference(objects.commit(mine.shared).tree, mine.tree)
        own: dict[str, Entry | None] = {path: entry for path, _, entry in withheld}
        tree = objects.splice(objects.commit(made.commit).tree, own)
        return objects.write_commit(tree, [mine.oid], live.branch.author, 0, "landed\n")

    return await merge_commits(live, now.oid, await live.owner.run(beside), both)


def _follow(live: Live, target: Target, made: _Made, now: Snapshot, placed: Merged) -> str | None:
    """Move the local branch, and all that stands on it; return the branch that keeps what did not land."""
    old = commit_of(live.worktree, target.ref)
    here = live.worktree.head().branch == target.ref
    hidden = index.hidden_paths(live.worktree)
    refs: dict[str, tuple[str | None, str | None]] = {target.ref: (old, made.commit)} if old is not None else {}
    kept = None
    if old is not None and not live.store.is_ancestor(old, made.commit):
        kept = free_branch(live.worktree, "landed", target.name)
        refs[kept] = (None, old)

    def index_there() -> bytes:
        data = index.at_commit(live.worktree, made.commit, hidden=hidden)
        return index.changed(live.worktree, placed.stages, data=data) if placed.stages else data

    change = Change(
        kind="land",
        picture=Picture(placed.tree if here else now.tree),
        said=f"bough: land on {target.name}",
        refs=refs,
        index=index_there if here else None,
        given=[made.commit, *(stage.entry.oid for stage in placed.stages)],
        spared=hidden,
    )

    def record() -> Snapshot:
        event = f"land {target.name}"
        if not here:
            return now
        return live.branch.record(placed.tree, made.commit, event, since=now.tree, contains=[made.commit])

    live.store.arrive(made.commit)
    carry_out(live, change, now, record)
    return kept
