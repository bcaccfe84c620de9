"""Land my work on the shared branch as one commit: merge, commit and publish, and only then change what is here."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import starmap

from bough_daemon.agents.agent_list import AgentList
from bough_daemon.api.progress import (
    ConflictingEdits,
    HookFailed,
    LeftOutOfCommit,
    PublishUntracked,
    StillStaged,
    TakesIn,
)
from bough_daemon.api.records import CommitTitle, TakenInCommits, Withheld
from bough_daemon.commands.authorship_note import NOTES as AUTHORSHIP_NOTES
from bough_daemon.commands.authorship_note import authorship_note
from bough_daemon.commands.co_authors import co_authors
from bough_daemon.commands.hook_scene import KIND, PutBack, Scene, files_on, move_on, put_back, set_scene
from bough_daemon.commands.hooks import Hooks, changed_code, commit_environment, hooks_of, name_in_git_dir, run_hook
from bough_daemon.commands.merge import NOTHING_BROUGHT, Brought, File, Merged, merge_commits
from bough_daemon.commands.shared_branch import RemoteMoved, Target, newest
from bough_daemon.commands.staged_paths import Staging, staged_at_home
from bough_daemon.commands.taken_out import TakenOut, no_longer_in, taken_out
from bough_daemon.commands.user_commit import NO_HOOKS, Draft, commit, run_pre_commit, trailers_for
from bough_daemon.errors import (
    FilesKeepChanging,
    HookRefused,
    LandConflict,
    MarkersLeft,
    NoMessage,
    NoSharedBranch,
    NothingToLand,
    NotPublished,
    OperationUnderWay,
    UnlandedWork,
    Unresolved,
    WouldBringBack,
    WouldCarryAlong,
    WouldRemove,
    WouldRun,
)
from bough_daemon.git import index
from bough_daemon.git.objects import SUBMODULE, Objects, TreeEntry
from bough_daemon.git.refs import Moves, check_free, commit_of, free_branch, short, words
from bough_daemon.history.removals import untouched_removals
from bough_daemon.history.taken_away import Side
from bough_daemon.history.timeline import Snapshot
from bough_daemon.merging.merge_input import Both
from bough_daemon.privacy.withheld import withheld_paths
from bough_daemon.store.walks import comparing
from bough_daemon.system.text import first_few, printable, shell_word
from bough_daemon.talk.landing_note import NoteText, no_note, note_move
from bough_daemon.team.branch_state import TeamLanding
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.edits_left import edits_on_record
from bough_daemon.transaction.file_state import Disturbed, FileState, is_file
from bough_daemon.transaction.index_only import index_only
from bough_daemon.transaction.terminal import Terminal
from bough_daemon.transaction.transaction import TRIES, Transaction, carry_out, check_ready

log = logging.getLogger(__name__)

MARKED = re.compile(rb"^<{7} .*?^={7}\r?$.*?^>{7} ", re.MULTILINE | re.DOTALL)
MARKED_LIMIT_BYTES = 4_000_000
MOST_TAKEN_IN = 1000  # other people's commits that are counted
RACES = 3  # attempts that may be lost to someone else's push
COMMIT_HOOKS = frozenset({"pre-commit", "prepare-commit-msg", "commit-msg"})
UNVERIFIED = frozenset({"pre-commit", "commit-msg", "pre-push"})  # skipped with `--no-verify`


@dataclass(frozen=True)
class Landed:
    """The result of a landing. `commit`: on `branch`. `remote`: where it was published; None: only the team shares it.

    `others`: the co-authors. `kept`: the branch that keeps commits which did not land unchanged, None without any.
    `files`: how files that both sides changed were merged. `conflicts`: edits made while landing that conflict. `new`:
    whether there was anything to land; else the branch already had everything, and only the local state followed.
    `still_on`: the branch or commit that HEAD is on if it is not the shared branch, else None; `local`: the shared
    branch's name here. `brought`: what only I changed. `taken_in`: other people's commits that were not here yet.
    """

    commit: str
    branch: str
    local: str
    remote: str | None
    others: tuple[str, ...]
    kept: str | None
    files: tuple[File, ...] = ()
    conflicts: tuple[str, ...] = ()
    new: bool = True
    still_on: str | None = None
    brought: Brought = NOTHING_BROUGHT
    taken_in: tuple[TakenInCommits, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A preview of a landing. `onto`: the parents of the commit; `tree`: its files; `others`: its co-authors.

    `fresh`: files that are not committed anywhere yet. `files`: how files that both sides changed were merged;
    `conflicts`: those that conflict, and then there is nothing else. `brought`: what only my side changed; `untouched`:
    paths of the shared branch that lose content that I never touched; `taken_out`: commits that a forced push removed
    from it and that I have. `commit`: if there is nothing to commit, the one that the local branch moves to;
    `published`: the shared branch has it; `nothing`: the local branch has it too.
    """

    onto: tuple[str, ...]
    tree: str = ""
    others: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    conflicts: tuple[str, ...] = ()
    brought: Brought = NOTHING_BROUGHT
    untouched: tuple[str, ...] = ()
    taken_out: TakenOut | None = None
    commit: str | None = None
    published: bool = False
    nothing: bool = False
    taken_in: tuple[TakenInCommits, ...] = ()


@dataclass(frozen=True)
class _Made:
    """A published commit that the local branch will move to. `authorship`: the note that says who wrote its lines.

    `scene`: still set for its hooks.
    """

    commit: str
    plan: Plan
    authorship: str = ""
    hooks: Hooks = NO_HOOKS
    scene: Scene | None = None


@dataclass(frozen=True)
class _Landing:
    """One `bough land`: whose it is, its target, and its starting point."""

    live: LiveWorktree
    terminal: Terminal
    target: Target
    mine: Snapshot
    both: Both
    staging: Staging
    verify: bool = True
    yes: bool = False
    note: NoteText = no_note


async def land(
    live: LiveWorktree,
    terminal: Terminal,
    message: str,
    both: Both,
    *,
    landed: Sequence[TeamLanding] = (),
    verify: bool = True,
    yes: bool = False,
    needed: bool = True,
    note: NoteText = no_note,
) -> Landed:
    """Land my branch and return what landed; until it is published nothing changes here, whatever fails.

    `landed`: what members landed; without a remote, the commit builds on their landings on this branch. What is new in
    it is reported first. `verify`: run the hooks that may refuse. `yes`: land even if that removes content that I never
    touched (else WouldRemove), brings back what a forced push took out (else WouldBringBack), or lets hooks run what
    others changed (else WouldRun). `needed`: raise NotPossibleNow if there is nothing to land. Raise LandConflict,
    HookRefused, PushRefused, CheckedOutElsewhere or NotPossibleNow. `note`: returns the comments on what a tree has
    beyond another one, for a note on the commit.
    """
    if needed and not message.strip():
        raise NoMessage("a landed commit needs a message")
    landing = replace(await _begin(live, terminal, both, verify, yes), note=note)
    for race in range(RACES):
        plan = await _plan(landing, landed)
        if plan.nothing:
            if needed:
                raise NothingToLand(f"nothing to land: {landing.target.name} has all of it")
            return await live.owner.run(_landed, landing, _Made(plan.onto[0], plan))
        if plan.commit is None and not message.strip():
            raise UnlandedWork("there is work here that has not landed")
        if not yes:
            _check_asked(landing, plan)
        await live.owner.run(_check_may_leave, landing, plan)
        if plan.taken_in and not plan.conflicts:
            await terminal.tell(TakesIn(list(plan.taken_in)))
        try:
            made = await _publish(landing, plan, message)
            break
        except RemoteMoved:
            if race == RACES - 1:
                raise
    arrived = await _arrive(landing, made)
    if landing.staging.reasons:
        await terminal.tell(StillStaged(list(starmap(Withheld, sorted(landing.staging.reasons.items())))))
    return arrived


async def preview(
    live: LiveWorktree, terminal: Terminal, both: Both, *, landed: Sequence[TeamLanding] = ()
) -> tuple[Target, Plan]:
    """Return what would land, and where, changing nothing of the user's."""
    landing = await _begin(live, terminal, both)
    return landing.target, await _plan(landing, landed, tracked=False)


async def _begin(
    live: LiveWorktree, terminal: Terminal, both: Both, verify: bool = True, yes: bool = False
) -> _Landing:
    await live.owner.run(check_ready, live)
    target = await Target.of(live, terminal)
    await live.owner.run(check_free, live.worktree, target.ref)
    mine = await live.save()
    return _Landing(live, terminal, target, mine, both, await live.owner.run(staged_at_home, live, mine), verify, yes)


async def _plan(landing: _Landing, landed: Sequence[TeamLanding], *, tracked: bool = True) -> Plan:
    """Return what would land now: my work merged onto the shared branch."""
    live, target, mine = landing.live, landing.target, landing.mine
    remote_tip = await target.fetched(live, landing.terminal, tracked=tracked)
    local_tip = await live.owner.run(commit_of, live.worktree, target.ref)
    here = [one for one in landed if one.branch == target.name and target.remote is None]
    with comparing("what others have landed"):
        onto = await live.beside(
            lambda there: _onto(there, target, remote_tip, local_tip, [one.commit for one in here])
        )
        taken_in = await live.beside(lambda there: _taken_in(replace(landing, live=there), onto, local_tip, here))
    head = tip = onto[0]
    for other in [*onto[1:], mine.shared]:
        heads = tip, mine.shared_base if other == mine.shared else other
        with comparing("what others have landed"):
            head, merged = tip, await merge_commits(live, tip, other, landing.both, heads=heads)
        if merged.conflicts:
            return Plan(tuple(onto), files=merged.files, conflicts=tuple(merged.conflicts))
        tip = await live.owner.run(_merge_commit, live, merged.tree, tip, other)
    if merged.result == "same" and len(onto) == 1:
        published = target.remote is None or remote_tip is not None
        nothing = published and local_tip in (None, onto[0])
        as_is = Plan(tuple(onto), merged.tree, files=merged.files, commit=onto[0], published=published, nothing=nothing)
        return replace(as_is, taken_in=taken_in)
    await live.owner.run(_check_resolved, live, onto[0], merged.tree)
    fresh = await live.owner.run(_new_files, live, onto[0], merged.tree)
    others = await live.beside(lambda there: _co_authors(replace(landing, live=there), onto, remote_tip))
    untouched, gone = await live.beside(lambda there: _unasked(replace(landing, live=there), head, merged, remote_tip))
    return Plan(
        tuple(onto),
        merged.tree,
        tuple(others),
        tuple(fresh),
        merged.files,
        brought=merged.brought,
        untouched=tuple(untouched),
        taken_out=gone,
        taken_in=taken_in,
    )


def _taken_in(
    landing: _Landing, onto: Sequence[str], local_tip: str | None, landed: Sequence[TeamLanding]
) -> tuple[TakenInCommits, ...]:
    """Return what on the shared branch is new here: neither on the local branch nor in my work."""
    store, mine, target = landing.live.store, landing.mine, landing.target
    before = local_tip or mine.base
    found = []
    for tip in onto:
        asked = (f"--max-count={MOST_TAKEN_IN}", "--format=%H%x00%s", tip, "--not", before, mine.base, mine.shared)
        lines = store.git.run("log", *asked).decode(errors="replace").split("\n")
        commits = [CommitTitle(oid, title) for oid, _, title in (line.partition("\0") for line in lines if line)]
        if commits:
            fork = store.merge_base(before, tip)
            trees = [store.objects.commit(oid).tree if oid is not None else None for oid in (fork, tip)]
            files = sorted(path for path, _, _ in store.objects.difference(*trees))
            new = {one.commit for one in commits}
            people = sorted({one.member for one in landed if one.commit in new})
            found.append(TakenInCommits(" and ".join(people) or f"others, from {target.place}", commits, files))
    return tuple(found)


def _co_authors(landing: _Landing, onto: Sequence[str], remote_tip: str | None) -> list[str]:
    """Return everyone else whose work lands, except those whose work a forced push removed from the shared branch."""
    live = landing.live
    gone = no_longer_in(live, landing.target, remote_tip) if remote_tip is not None else []
    branch = live.branch
    return co_authors(live.store, landing.mine, [*onto, *gone[:1]], branch.name, branch.author)


def _unasked(landing: _Landing, head: str, merged: Merged, remote_tip: str | None) -> tuple[list[str], TakenOut | None]:
    """Return what a landing on `head` would remove and bring back that I cannot have intended."""
    store, mine = landing.live.store, landing.mine
    sides = Side(head, head), Side(mine.shared, mine.shared_base)
    untouched = untouched_removals(store, *sides, merged.base, merged.tree)
    gone = taken_out(landing.live, landing.target, remote_tip, mine.oid) if remote_tip is not None else None
    return untouched, gone


def _check_asked(landing: _Landing, plan: Plan) -> None:
    """Raise if a plan does what its user cannot have intended; a conflict comes first."""
    place = landing.target.place
    if plan.untouched:
        raise WouldRemove(
            f"landing would remove from {place} what you never touched, in {first_few(plan.untouched)}",
            paths="\n".join(plan.untouched),
            hint="`bough land --dry-run` shows it all; `--yes` lands it all the same.",
        )
    if plan.taken_out is not None:
        raise WouldBringBack(
            f"landing would bring back {plan.taken_out}",
            hint=f"`bough merge {landing.target.name}` takes them out of your files, too; `--yes` lands them again.",
        )


def _check_may_leave(landing: _Landing, plan: Plan) -> None:
    """Raise NotPossibleNow if the shared branch would include commits of the user's that must stay on this machine."""
    for onto in plan.onto:
        for path, reason in landing.live.branch.staying(onto).items():
            raise WouldCarryAlong(
                f"{landing.target.name} would also publish {printable(path)}: {reason}",
                path=path,
                hint=f"Remove it from your commits, or run `bough allow {shell_word(path)}`.",
            )


def _merge_commit(live: LiveWorktree, tree: str, onto: str, theirs: str) -> str:
    return live.store.objects.write_commit(tree, [onto, theirs], live.branch.author, 0, "merge\n")


async def _publish(landing: _Landing, plan: Plan, message: str) -> _Made:
    """Make the commit of a plan and publish it; if anything fails, everything is as before."""
    live, terminal, target = landing.live, landing.terminal, landing.target
    if plan.conflicts:
        raise LandConflict(
            f"your work conflicts with {target.name} in {first_few(plan.conflicts)}; nothing was landed",
            branch=target.name,
            paths="\n".join(plan.conflicts),
        )
    if plan.commit is not None:
        if not plan.published:
            await target.push(live, terminal, plan.commit, verify=landing.verify)
        return _Made(plan.commit, plan)
    await _ask_to_publish(landing, plan.fresh)
    await live.owner.run(live.store.give, [plan.tree, *plan.onto])
    hooks = await hooks_of(terminal, live.worktree, _hooks_in_question(landing))
    if hooks:
        return await _publish_with_hooks(landing, plan, message, hooks)
    made = await commit(live, terminal, _draft(landing, plan, message))
    return _Made(made, plan, await _pushed(landing, plan, made))


async def _pushed(landing: _Landing, plan: Plan, made: str) -> str:
    """Publish a commit and return the note that says who wrote its lines, which is worked out meanwhile.

    Once it is published nothing is raised, as nothing may be put back: without a note, or if cancelled, "".
    """
    authorship = asyncio.create_task(_authorship(landing, plan, made))
    try:
        await landing.target.push(landing.live, landing.terminal, made, verify=landing.verify)
        with suppress(asyncio.CancelledError):
            await asyncio.wait([authorship])
            return authorship.result()
        return ""
    finally:
        authorship.cancel()  # after a refusal nobody waits for it


async def _authorship(landing: _Landing, plan: Plan, made: str) -> str:
    """Return the note that says who wrote the lines that land; a missing note does not stop a landing."""
    try:
        alone = not plan.others and not AgentList(landing.live.store.folder).all()
        if alone or landing.note is no_note:
            return ""
        return await landing.live.beside(
            lambda there: authorship_note(there, made, there.store.objects.commit(plan.onto[0]).tree)
        )
    except Exception:  # the commit is being published meanwhile
        log.exception("no note says who wrote %s", made)
        return ""


def _draft(landing: _Landing, plan: Plan, message: str) -> Draft:
    return Draft(plan.tree, plan.onto, message, trailers_for(landing.mine.shared, plan.others))


def _hooks_in_question(landing: _Landing) -> frozenset[str]:
    """Return the names of the hooks that would run."""
    published = {"pre-push"} if landing.target.remote is not None else set()
    return (COMMIT_HOOKS | {"post-commit"} | published) - (frozenset() if landing.verify else UNVERIFIED)


async def _publish_with_hooks(landing: _Landing, plan: Plan, message: str, hooks: Hooks) -> _Made:
    """Publish a plan; while the user's hooks run, files, index and HEAD match the commit."""
    if not landing.yes:
        await _check_hooks(landing, plan, hooks)
    if not await _needs_scene(landing, plan, hooks):
        with tempfile.TemporaryDirectory(prefix="commit-", dir=landing.live.scratch) as folder:
            path = os.path.join(folder, "index")
            await landing.live.owner.run(_write_index, landing.live, plan.tree, path)
            made, plan = await _committed(landing, plan, message, hooks, path)
        return _Made(made, plan, await _pushed(landing, plan, made), hooks)
    scene = await set_scene(landing.live, landing.mine, plan.tree, plan.onto, landing.both)
    try:
        path = name_in_git_dir(landing.live.worktree, "index")
        made, final = await _committed(landing, plan, message, hooks, path)
        scene = await move_on(landing.live, scene, made, clean=final.tree == plan.tree)
        authorship = await _pushed(landing, final, made)
    except BaseException:
        await _tell_put_back(landing, await put_back(landing.live, scene, landing.both))
        raise
    return _Made(made, final, authorship, hooks, scene)


async def _needs_scene(landing: _Landing, plan: Plan, hooks: Hooks) -> bool:
    """Return whether hooks would see other files or another HEAD than the commit has."""
    head = await landing.live.owner.run(landing.live.worktree.head)
    files = await landing.live.owner.run(landing.live.store.objects.commit, landing.mine.shared)
    matches = files.tree == plan.tree and (head.commit,) == plan.onto
    from_elsewhere = "post-commit" in hooks and head.branch != landing.target.ref
    return "pre-push" in hooks or from_elsewhere or (not matches and bool(hooks & COMMIT_HOOKS))


def _write_index(live: LiveWorktree, tree: str, path: str) -> None:
    """Write an index at a tree to a file next to the user's own, as `git commit --all` passes it to hooks."""
    data = index.at_commit(live.worktree, tree, hidden=index.hidden_paths(live.worktree))
    with open(path, "xb") as out:
        out.write(data)


async def _committed(landing: _Landing, plan: Plan, message: str, hooks: Hooks, index_file: str) -> tuple[str, Plan]:
    """Return the commit that a plan and the hooks make, and the plan with what they changed."""
    live, terminal = landing.live, landing.terminal
    environment = await commit_environment(terminal, live.worktree, index_file)
    if "pre-commit" in hooks:
        tree = await run_pre_commit(terminal, live.worktree, environment)
        plan = await _checked(landing, plan, tree)
    return await commit(live, terminal, _draft(landing, plan, message), hooks=hooks, environment=environment), plan


async def _checked(landing: _Landing, plan: Plan, tree: str) -> Plan:
    """Return the plan with the tree from the pre-commit hook, without what must not leave this machine."""
    live = landing.live
    if tree == plan.tree:
        return plan
    stays = await live.owner.run(_stays_here, live, plan.tree, tree, landing.mine)
    if stays:
        await landing.terminal.tell(LeftOutOfCommit(list(starmap(Withheld, sorted(stays.items())))))
        tree = await live.owner.run(_without, live, plan.tree, tree, stays)
        await live.owner.run(live.store.give, [tree])
    await live.owner.run(_check_resolved, live, plan.onto[0], tree)
    await _ask_to_publish(landing, await live.owner.run(_added, live, plan, tree))
    return replace(plan, tree=tree)


def _stays_here(live: LiveWorktree, planned: str, tree: str, mine: Snapshot) -> dict[str, str]:
    """Return the paths that a hook added and that must stay here, with the reasons."""
    objects = live.store.objects
    reasons = withheld_paths(objects, live.store.secrets, planned, tree)
    for path, before, after in objects.difference(planned, tree):
        if after is None or path in reasons:
            continue
        if after.mode == SUBMODULE and before is None:
            reasons[path] = "a nested repository"
        elif objects.entry(mine.tree, path) != objects.entry(objects.commit(mine.shared).tree, path):
            reasons[path] = "withheld"
    return reasons


def _added(live: LiveWorktree, plan: Plan, tree: str) -> list[str]:
    """Return the new files that a hook staged: neither the plan nor the shared branch has them."""
    objects = live.store.objects
    shared = objects.commit(plan.onto[0]).tree
    added = [
        path for path, before, after in objects.difference(plan.tree, tree) if before is None and after is not None
    ]
    return sorted(path for path in added if objects.entry(shared, path) is None)


def _without(live: LiveWorktree, planned: str, tree: str, paths: Collection[str]) -> str:
    objects = live.store.objects
    return objects.splice(tree, {path: objects.entry(planned, path) for path in paths})


async def _check_hooks(landing: _Landing, plan: Plan, hooks: Hooks) -> None:
    """Raise WouldRun if hooks may run what other people changed, landed or merged."""
    live = landing.live
    sent = await live.owner.run(_sent, live, landing.mine, plan.tree)
    code = await changed_code(live, landing.terminal, hooks, sent, plan.tree)
    if code:
        raise WouldRun(f"your hooks may run files that others changed: {first_few(code)}", paths="\n".join(code))


def _sent(live: LiveWorktree, mine: Snapshot, planned: str) -> set[str]:
    """Return the paths of a planned tree that someone else made, beyond what HEAD had."""
    objects = live.store.objects
    sent = {path for path, _, _ in objects.difference(mine.tree, planned)}
    merged = [objects.commit(oid).tree for oid in mine.brought if objects.exists(oid)]
    for path, _, after in objects.difference(objects.commit(mine.base).tree, mine.tree) if merged else ():
        if any(objects.entry(tree, path) == after for tree in merged):
            sent.add(path)
    return sent


async def _tell_put_back(landing: _Landing, back: PutBack) -> None:
    if back.edits.paths:
        await landing.terminal.tell(ConflictingEdits(edits_on_record(landing.live, back.edits)))


def _check_resolved(live: LiveWorktree, onto: str, tree: str) -> None:
    """Raise NotPossibleNow if a file that would land has conflict markers that the shared branch does not have."""
    objects = live.store.objects
    for path, before, after in objects.difference(objects.commit(onto).tree, tree):
        if _is_marked(objects, after) and not _is_marked(objects, before):
            raise MarkersLeft(f"{path} still has conflict markers", path=path)


def _is_marked(objects: Objects, entry: TreeEntry | None) -> bool:
    if entry is None or not is_file(entry) or objects.size(entry.oid) > MARKED_LIMIT_BYTES:
        return False
    return MARKED.search(objects.blob(entry.oid)) is not None


def _onto(
    live: LiveWorktree, target: Target, remote_tip: str | None, local_tip: str | None, landed: Sequence[str]
) -> list[str]:
    """Return the parents of the landed commit: the remote's tip or, without a remote, the newest landing."""
    if target.remote is not None and remote_tip is not None:
        return [remote_tip]
    onto = newest(live.store, [*([local_tip] if local_tip else []), *landed])
    if not onto:
        raise NoSharedBranch(f"there is no branch {target.name} to land on", branch=target.name)
    return onto


async def _ask_to_publish(landing: _Landing, fresh: Sequence[str]) -> None:
    """Ask before untracked files are published for the first time; raise NotPublished if the user declines."""
    if not fresh:
        return
    if not await landing.terminal.confirm(PublishUntracked(list(fresh), landing.target.name)):
        raise NotPublished("nothing was landed: you chose not to publish untracked files")


def _new_files(live: LiveWorktree, onto: str, tree: str) -> list[str]:
    objects, git = live.store.objects, live.worktree.git
    added = objects.difference(objects.commit(onto).tree, tree)
    new = {path for path, before, after in added if before is None and after is not None}
    tracked = {os.fsdecode(name) for name in git.run("ls-files", "-z").split(b"\0")}
    head = objects.commit(live.worktree.head().commit).tree
    return sorted(path for path in new - tracked if objects.entry(head, path) is None)


async def _arrive(landing: _Landing, made: _Made) -> Landed:
    """Move the local branch and, if it is checked out here, HEAD, index and files to what was published."""
    live, target = landing.live, landing.target
    head = await live.owner.run(live.worktree.head)
    here = head.branch == target.ref
    if not here:
        await _after_commit(landing, made)
    try:
        kept, conflicts = await _follow_steadily(landing, made)
    except BaseException:
        if made.scene is not None:
            await put_back(live, made.scene, landing.both)
        raise
    if here:
        await _after_commit(landing, made)
    return await live.owner.run(_landed, landing, made, kept, conflicts)


def _landed(landing: _Landing, made: _Made, kept: str | None = None, conflicts: tuple[str, ...] = ()) -> Landed:
    head, target = landing.live.worktree.head(), landing.target
    return Landed(
        commit=made.commit,
        branch=target.name,
        local=short(target.ref),
        remote=target.remote,
        others=made.plan.others,
        kept=short(kept) if kept is not None else None,
        files=made.plan.files,
        conflicts=conflicts,
        new=made.plan.commit is None,
        still_on=words(head) if head.branch != target.ref else None,
        brought=made.plan.brought,
        taken_in=made.plan.taken_in,
    )


async def _after_commit(landing: _Landing, made: _Made) -> None:
    if "post-commit" in made.hooks:
        worktree = landing.live.worktree
        environment = await commit_environment(landing.terminal, worktree, name_in_git_dir(worktree, "index"))
        try:
            await run_hook(landing.terminal, worktree, "post-commit", [], environment)
        except HookRefused as refused:
            await landing.terminal.tell(HookFailed("post-commit", refused.facts["output"]))


async def _follow_steadily(landing: _Landing, made: _Made) -> tuple[str | None, tuple[str, ...]]:
    there = f"{made.commit[:7]} is on {landing.target.name}"
    for _ in range(TRIES):
        try:
            return await _follow(landing, made)
        except Disturbed:
            continue
        except (OperationUnderWay, Unresolved) as begun:
            raise type(begun)(f"{there}, but not in your files: {begun.message}", **begun.facts) from begun
    raise FilesKeepChanging(f"{there}, but files here keep changing: run `bough land` again")


async def _follow(landing: _Landing, made: _Made) -> tuple[str | None, tuple[str, ...]]:
    """Move the local branch, and HEAD, index and files if they are on it.

    Return the branch that keeps what did not land, and the paths in which edits made meanwhile conflict.
    """
    live, scene = landing.live, made.scene
    moves, kept = await live.owner.run(_moves, landing, made)
    here = (await live.owner.run(live.worktree.head)).branch == landing.target.ref
    if scene is not None and not here:
        await _tell_put_back(landing, await put_back(live, scene, landing.both, landed=moves))
        return kept, ()
    now = await live.save()
    if not here:
        change = Transaction(
            command=KIND, picture=FileState(now.tree), said=_said(landing), refs=moves, given=[made.commit]
        )
        await live.owner.run(carry_out, live, change, now, lambda: now)
        return kept, ()
    tree = await live.owner.run(lambda: live.store.objects.commit(made.commit).tree)
    placed = await files_on(live, landing.mine, now, tree, landing.both, scene.base if scene is not None else None)
    await live.owner.run(_follow_here, landing, made, now, placed, moves)
    return kept, tuple(placed.conflicts)


def _moves(landing: _Landing, made: _Made) -> tuple[Moves, str | None]:
    """Return how the local branch and the notes move, and the new branch that keeps commits which did not land."""
    live, target = landing.live, landing.target
    old = commit_of(live.worktree, target.ref)
    if old is None:
        return {}, None
    moves: dict[str, tuple[str | None, str | None]] = {target.ref: (old, made.commit)}
    if made.plan.commit is None:
        before, tree = (live.store.objects.commit(oid).tree for oid in (made.plan.onto[0], made.commit))
        moves |= note_move(live, made.commit, landing.note(before, tree))
        moves |= note_move(live, made.commit, made.authorship, AUTHORSHIP_NOTES)
    way = made.scene.operation.refs.get(target.ref, (old,)) if made.scene is not None else (old,)
    own = way[0] if old in way else old
    if own is None or live.store.is_ancestor(own, made.commit):
        return moves, None
    kept = free_branch(live.worktree, "landed", target.name)
    return moves | {kept: (None, own)}, kept


def _follow_here(landing: _Landing, made: _Made, now: Snapshot, placed: Merged, moves: Moves) -> None:
    """Update files and index to follow the branch that HEAD is on."""
    live = landing.live
    landed = live.store.objects.commit(made.commit).tree
    only = index_only(live, now.tree, placed.tree, landed).without(placed.stages)

    def index_there() -> bytes:
        data = index.at_commit(
            live.worktree, made.commit, hidden=only.hidden, entries=only.entries, outside=only.outside
        )
        data = landing.staging.over(live.worktree, live.store.objects, made.commit, data)
        return index.changed(live.worktree, placed.stages, data=data) if placed.stages else data

    change = Transaction(
        command=KIND,
        picture=FileState(placed.tree),
        said=_said(landing),
        refs=moves,
        index=index_there,
        given=[made.commit, *(stage.entry.oid for stage in placed.stages), *only.given],
        spared=only.spared,
        continues=made.scene.operation if made.scene is not None else None,
    )
    event = f"{KIND} {landing.target.name}"

    def record() -> Snapshot:
        return live.branch.record(placed.tree, made.commit, event, since=now.tree, contains=[made.commit])

    live.store.arrive(made.commit)
    carry_out(live, change, now, record)


def _said(landing: _Landing) -> str:
    return f"bough: {KIND} on {landing.target.name}"
