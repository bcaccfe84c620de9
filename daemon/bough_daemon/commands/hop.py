"""Switch to a teammate's branch and return: `hop`, `back` and `off`, in the working tree itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bough_daemon.api.progress import HopEnded
from bough_daemon.commands.hooks import after_checkout
from bough_daemon.commands.merge import merge_commits
from bough_daemon.commands.merge_source import solid_state
from bough_daemon.commands.restore import chosen
from bough_daemon.errors import BadBranchName, BranchExists, EditsConflict, OwnBranch, UnknownSnapshot
from bough_daemon.git import index
from bough_daemon.git.filters import ignored_under
from bough_daemon.git.refs import BRANCHES, check_free, commit_of, free_branch, short, words
from bough_daemon.git.worktree import Head
from bough_daemon.history.journal import FOLLOWING, Hop, HopKind
from bough_daemon.history.timeline import Snapshot, read_snapshot
from bough_daemon.merging.merge_input import Both
from bough_daemon.store.walks import comparing
from bough_daemon.transaction import checkpoint
from bough_daemon.transaction.context import LiveBranch, LiveWorktree
from bough_daemon.transaction.edits_left import EditsLeft, edits_left
from bough_daemon.transaction.file_state import Disturbed, FileState, differences
from bough_daemon.transaction.index_only import index_only
from bough_daemon.transaction.new_files import Goal, check_undisturbed, made_ahead
from bough_daemon.transaction.terminal import Terminal
from bough_daemon.transaction.transaction import (
    Transaction,
    carry_out,
    check_no_repository,
    check_ready,
    journal_of,
    overlooked,
    steadily,
)


@dataclass(frozen=True)
class Moved:
    """The result of a hop, a return or an `off`.

    `name`: the teammate. `head`: where HEAD is now. `commits`: the branch that keeps commits made during the hop, None
    without any. `snapshot`: the newest on my live branch. `left`: the branch that HEAD was on before the hop, if it has
    moved or was deleted, so that HEAD is detached; None if HEAD is back on it. `edits`: my edits that are not in the
    files now, made in the branch `edited_in`, or before the hop. For a hop, `kind`: what happens to later edits;
    `connected`: whether the teammate is; `saved_at`: when they saved what is here now (seconds since the epoch);
    `guest_rule`: whether they fold my edits.
    """

    name: str
    head: Head
    snapshot: Snapshot
    commits: str | None = None
    left: str | None = None
    edits: EditsLeft | None = None
    edited_in: str = ""
    kind: HopKind | None = None
    connected: bool = False
    saved_at: float = 0.0
    guest_rule: str = ""


def hop_now(live: LiveWorktree) -> Hop | None:
    """Return the current hop, None on my own branch or if a `git switch` has ended it. On the store's thread."""
    hop = journal_of(live).hop()
    return hop if hop is not None and _stands(live, hop) else None


async def notice_switch(live: LiveWorktree) -> str | None:
    """Record that a plain `git switch` has ended a hop; return the teammate's name, or None if it has not."""
    hop = await live.owner.run(lambda: journal_of(live).hop())
    if hop is None or await live.owner.run(_stands, live, hop):
        return None
    await live.save()  # what the branch contains is decided by the files

    def end() -> bool:
        journal = journal_of(live)
        if journal.hop() != hop:
            return False  # someone else noticed first
        journal.end_hop()
        return True

    return hop.name if await live.owner.run(end) else None


async def hop(
    live: LiveWorktree, terminal: Terminal, name: str, both: Both, *, kind: HopKind = "still", at: str = ""
) -> Moved:
    """Put a teammate's newest tip into my working tree: HEAD and index at their base, the files as they share them.

    If already in their branch, move on to their newest tip with my edits, or raise NotPossibleNow naming the conflicts.
    `kind`: what happens to later edits; `solid` starts at the last solid state. `at`: an earlier snapshot of it,
    or a time, instead of the newest.
    """

    async def attempt() -> tuple[Moved, str, str]:
        await _begin(live, terminal)
        snapshot, theirs = await live.save(), live.known(name)
        if theirs.name == live.branch.name:
            raise OwnBranch(f"{name} is your own branch", name=name)
        with comparing(f"{name}'s branch"):
            theirs = await live.beside(partial(_destination, mine=snapshot, theirs=theirs, kind=kind, at=at))
        there = await live.owner.run(hop_now, live)
        tree = await live.owner.run(lambda: live.store.objects.commit(theirs.tip).tree)
        moves_on = there is not None and there.name == name and not at
        if there is not None and moves_on:
            tree = await _with_my_edits(live, snapshot, there, theirs, both)
        async with made_ahead(live, snapshot.tree, lambda _: Goal(FileState(tree))) as ready:
            if moves_on:
                await check_undisturbed(ready, snapshot.tree)
            elif ready.staged is not None:
                snapshot = await live.save()  # what was saved meanwhile was saved before the hop
            return *await live.owner.run(_enter, ready, snapshot, theirs, there, tree, kind), snapshot.tree

    moved, old, tree = await steadily(attempt)
    await _after_hop(live, terminal, moved, old, tree)
    return moved


async def _after_hop(live: LiveWorktree, terminal: Terminal, moved: Moved, old: str, mine: str) -> None:
    """Run the post-checkout hook, unless it may run what a teammate changed since the tree `mine`."""
    now = moved.snapshot.tree
    sent = await live.owner.run(lambda: [path for path, _, _ in live.store.objects.difference(mine, now)])
    await after_checkout(live, terminal, old, moved.head.commit, sent=sent, by=moved.name, tree=now)


async def back(live: LiveWorktree, terminal: Terminal) -> Moved:
    """Restore files, index and HEAD as they were before the hop; what I did there stays recorded."""
    await _begin(live, terminal)

    async def attempt() -> tuple[Moved, str]:
        snapshot = await live.save()
        there = await live.owner.run(lambda: journal_of(live).hop())
        host = live.teammate(there.name) if there is not None else None
        async with made_ahead(live, snapshot.tree, _home) as ready:
            snapshot = await live.save() if ready.staged is not None else snapshot
            return await live.owner.run(_leave, ready, snapshot, host)

    moved, old = await steadily(attempt)
    await after_checkout(live, terminal, old, moved.head.commit)
    return moved


def _home(live: LiveWorktree) -> Goal | None:
    """Return the files as they were before the hop; None without one."""
    there = hop_now(live)
    if there is None:
        return None
    home = checkpoint.read(live.store.objects, there.home)
    return Goal(home.picture, home.hidden)


async def off(live: LiveWorktree, terminal: Terminal, branch: str) -> Moved:
    """Create a Git branch from the current state; files and index stay, and the hop ends."""
    await _begin(live, terminal)

    async def attempt() -> tuple[Moved, str, str]:
        snapshot = await live.save()
        there = await live.owner.run(hop_now, live)
        moved, old = await live.owner.run(_branch_off, live, snapshot, branch)
        mine = await live.owner.run(live.store.objects.commit, there.mine if there is not None else snapshot.oid)
        return moved, old, mine.tree

    moved, old, mine = await steadily(attempt)
    await _after_hop(live, terminal, moved, old, mine)
    return moved


async def _begin(live: LiveWorktree, terminal: Terminal) -> None:
    await live.owner.run(check_ready, live)
    ended = await notice_switch(live)
    if ended is not None:
        await terminal.tell(HopEnded(ended))


async def _with_my_edits(live: LiveWorktree, snapshot: Snapshot, there: Hop, theirs: LiveBranch, both: Both) -> str:
    """Return the tree of their newest tip with my edits since my files were last updated to it."""
    merged = await merge_commits(live, snapshot.oid, theirs.tip, both)
    if merged.conflicts:
        listed = ", ".join(merged.conflicts[:3])
        raise EditsConflict(f"your edits conflict with {there.name}'s changes in {listed}", path=merged.conflicts[0])
    return merged.tree


def _destination(live: LiveWorktree, mine: Snapshot, theirs: LiveBranch, kind: str, at: str) -> LiveBranch:
    """Return the state that a hop goes to, after what it will ask of Git was asked where no save waits for it.

    Raise GitTooSlow if that takes too long.
    """
    store = live.store
    if kind == "solid":
        theirs = solid_state(live, theirs)
    if at:
        theirs = _earlier(live, theirs, at)
    store.arrive(theirs.base)
    tip = read_snapshot(store.objects, theirs.tip)
    brought = tip.brought if tip is not None else ()
    for one in (theirs.base, *filter(store.objects.exists, brought)):
        if not store.is_ancestor(one, theirs.tip):
            store.merge_base(theirs.base, one)
    store.merge_base(mine.base, theirs.tip)
    if theirs.base != mine.base:
        store.is_ancestor(mine.base, theirs.base)
        store.give_ahead(theirs.base)
    return theirs


def _stands(live: LiveWorktree, hop: Hop) -> bool:
    head = live.worktree.head()
    return head.branch is None and live.store.is_ancestor(hop.base, head.commit)


def _earlier(live: LiveWorktree, theirs: LiveBranch, moment: str) -> LiveBranch:
    """Return a teammate's branch as it was at a moment."""
    then = chosen(live, theirs.tip, moment)
    if not live.store.objects.exists(then.base):
        raise UnknownSnapshot(f"the commit that {theirs.name} was on at that time is not here", since=moment)
    return LiveBranch(theirs.name, then.oid, then.base, theirs.connected)


def _enter(
    live: LiveWorktree, snapshot: Snapshot, theirs: LiveBranch, there: Hop | None, tree: str, kind: HopKind
) -> tuple[Moved, str]:
    if hop_now(live) != there:
        raise Disturbed("HEAD")  # `git switch` has ended the hop meanwhile
    check_no_repository(live, snapshot.tree, tree, f"{theirs.name}'s branch")
    worktree, old = live.worktree, live.worktree.head()
    commits = _commits_made(live, there, old)
    base = live.store.objects.commit(theirs.base).tree
    only = index_only(live, snapshot.tree, tree, base)
    wanted = overlooked(live, base, tree) - only.outside
    head = Head(None, theirs.base)
    change = Transaction(
        command=f"hop {theirs.name}",
        picture=FileState(tree),
        said=f"checkout: moving from {words(old)} to {theirs.base}",
        head=head,
        refs={commits: (None, old.commit)} if commits is not None else {},
        index=lambda: index.moved_to(
            worktree, theirs.base, hidden=only.hidden, wanted=wanted, entries=only.entries, outside=only.outside
        ),
        given=[theirs.base, *only.given],
        spared=only.spared,
        placed=placed_by(live, there, snapshot) if there is not None else (),
        hop=Hop(
            *(theirs.name, theirs.base, theirs.tip, there.home if there else ""),
            there.mine if there else snapshot.oid,
            kind,
        ),
        keeps_hop=False,
    )
    live.store.arrive(theirs.base)
    company = snapshot.company.left()
    if kind == "together":
        company = snapshot.company.entered(theirs.name, theirs.tip, snapshot.shared)
    elif kind in FOLLOWING:
        company = company.with_folded(theirs.name, theirs.tip, ())
    entered = carry_out(
        live,
        change,
        snapshot,
        lambda: live.branch.record(
            *(tree, theirs.base, change.command),
            since=snapshot.tree,
            contains=[theirs.tip],
            onto=theirs.tip,
            company=company,
        ),
    )
    edits = _edits_there(live, there, snapshot, [tree]) if there is not None else None
    kept = short(commits) if commits is not None else None
    moved = Moved(theirs.name, head, entered, kept, edits=edits, edited_in=there.name if there else "")
    saved_at, host = live.store.objects.commit(theirs.tip).time, read_snapshot(live.store.objects, theirs.tip)
    rule = host.company.rule_of(live.branch.name) if host is not None else ""
    return replace(moved, kind=kind, connected=theirs.connected, saved_at=saved_at, guest_rule=rule), old.commit


def _leave(live: LiveWorktree, snapshot: Snapshot, host: LiveBranch | None) -> tuple[Moved, str]:
    hop = hop_now(live)
    if hop is None:
        newest = journal_of(live).newest()
        hopped = newest is not None and newest.command.startswith("hop ")
        raise OwnBranch(
            "you are on your own branch: there is no hop to return from",
            hint="`git switch` has ended the last one; `bough undo` returns to where you were before it."
            if hopped
            else "",
        )
    home, old = checkpoint.read(live.store.objects, hop.home), live.worktree.head()
    if home.head.branch is not None:
        check_free(live.worktree, home.head.branch)
    head = _as_it_is_now(live, home.head)
    commits = _commits_made(live, hop, old)
    ignored = was_ignored(live, snapshot, hop, home.picture)
    change = Transaction(
        command="back",
        picture=home.picture,
        said=f"checkout: moving from {words(old)} to {words(head)}",
        head=head,
        refs={commits: (None, old.commit)} if commits is not None else {},
        place=home,
        spared=index.hidden_paths(live.worktree) | home.hidden | ignored,
        placed=placed_by(live, hop, snapshot),
        keeps_hop=False,
    )
    returned = carry_out(
        live,
        change,
        snapshot,
        lambda: live.branch.record(
            *(home.tree, head.commit, "back"), since=snapshot.tree, onto=hop.mine, company=snapshot.company.left()
        ),
    )
    left = short(home.head.branch) if home.head.branch is not None and head.branch is None else None
    kept = short(commits) if commits is not None else None
    objects = live.store.objects
    present = [home.picture.tree, *(objects.commit(one).tree for one in ([host.tip] if host is not None else []))]
    edits = _edits_there(live, hop, snapshot, present, ignored)
    return Moved(hop.name, head, returned, kept, left, edits, hop.name), old.commit


def _branch_off(live: LiveWorktree, snapshot: Snapshot, branch: str) -> tuple[Moved, str]:
    hop, old = hop_now(live), live.worktree.head()
    if hop is None:
        raise OwnBranch("you are already on your own branch; `git switch -c` makes a Git branch of it")
    ref = BRANCHES + branch
    if branch.startswith("-") or live.worktree.git.result("check-ref-format", ref, allowed=(0, 1))[0] != 0:
        raise BadBranchName(f"invalid branch name {branch!r}", branch=branch)
    if commit_of(live.worktree, ref) is not None:
        raise BranchExists(f"the branch {branch} already exists", branch=branch)
    head = Head(ref, old.commit)
    change = Transaction(
        command=f"off {branch}",
        picture=FileState(snapshot.tree),
        said=f"checkout: moving from {words(old)} to {branch}",
        head=head,
        refs={ref: (None, old.commit)},
        given=[old.commit],
        keeps_hop=False,
    )
    company = snapshot.company.left()
    record = partial(live.branch.record, snapshot.tree, old.commit, change.command, company=company)
    made = carry_out(live, change, snapshot, record)
    return Moved(hop.name, head, made, edits=_edits_at_home(live, hop, snapshot)), old.commit


def _edits_there(
    live: LiveWorktree, hop: Hop, snapshot: Snapshot, present: Sequence[str], besides: Collection[str] = ()
) -> EditsLeft:
    """Return what I edited in their branch, did not commit, and is not in one of the trees `present`."""
    objects, commit = live.store.objects, snapshot.base
    committed = [objects.commit(commit).tree] if commit != hop.base else []
    start = objects.commit(newest_of(live, hop, snapshot)).tree
    return edits_left(objects, start, snapshot, [*present, *committed], besides)


def _edits_at_home(live: LiveWorktree, hop: Hop, snapshot: Snapshot) -> EditsLeft:
    """Return my uncommitted edits from before the hop that are not in the files now."""
    objects = live.store.objects
    home = checkpoint.read(objects, hop.home)
    before = read_snapshot(objects, home.snapshot)
    assert before is not None
    return edits_left(objects, objects.commit(home.head.commit).tree, before, [snapshot.tree])


def newest_of(live: LiveWorktree, hop: Hop, mine: Snapshot) -> str:
    """Return the newest tip of the teammate whose changes arrived during a hop. `mine`: my snapshot there."""
    folded = mine.company.folded.get(hop.name)
    return folded if folded is not None and live.store.objects.exists(folded) else hop.tip


def placed_by(live: LiveWorktree, hop: Hop, mine: Snapshot) -> list[str]:
    """Return the files that a hop placed here: they leave with it, even if Git ignores them here by now."""
    objects = live.store.objects
    home = checkpoint.read(objects, hop.home).picture
    theirs = FileState(objects.commit(newest_of(live, hop, mine)).tree)
    return [step.path for step in differences(objects, home, theirs) if step.before is None and step.arrives]


def was_ignored(live: LiveWorktree, snapshot: Snapshot, hop: Hop, home: FileState) -> frozenset[str]:
    """Return the files that only their rules made visible: ignored by mine, and not theirs.

    They have been here all the time, and the return does not remove them.
    """
    objects = live.store.objects
    theirs = objects.commit(newest_of(live, hop, snapshot)).tree
    gone = [step.path for step in differences(objects, FileState(snapshot.tree), home) if step.after is None]
    doubtful = [path for path in gone if objects.entry(theirs, path) is None]
    return ignored_under(live.worktree, objects, home.tree, doubtful, live.scratch)


def _as_it_is_now(live: LiveWorktree, head: Head) -> Head:
    """Return where HEAD goes on return: onto its branch only if the branch has not moved.

    The earlier files and index on a branch that has moved would look like an edit that reverts its new commits.
    """
    now = commit_of(live.worktree, head.branch) if head.branch is not None else None
    return head if now == head.commit else Head(None, head.commit)


def _commits_made(live: LiveWorktree, hop: Hop | None, head: Head) -> str | None:
    """Return a new branch for my commits in their branch; None if there are none or another branch has them."""
    if hop is None or head.commit == hop.base:
        return None
    if live.worktree.git.run("for-each-ref", "--contains", head.commit, BRANCHES):
        return None
    return free_branch(live.worktree, "hop", hop.name)
