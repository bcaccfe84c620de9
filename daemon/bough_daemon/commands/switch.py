"""Switch to the shared branch after a landing.

`git switch` refuses: it takes the files for local changes, whatever the branch has.
"""

from __future__ import annotations

from bough_daemon.commands.hooks import after_checkout
from bough_daemon.commands.land import Landed
from bough_daemon.commands.merge import merge_commits
from bough_daemon.commands.staged_paths import staged_at_home
from bough_daemon.errors import EditsConflict
from bough_daemon.git import index
from bough_daemon.git.refs import BRANCHES, Moves, check_free, commit_of, words
from bough_daemon.git.worktree import Head
from bough_daemon.history.timeline import Snapshot
from bough_daemon.merging.merge_input import Both
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import FileState
from bough_daemon.transaction.index_only import index_only
from bough_daemon.transaction.terminal import Terminal
from bough_daemon.transaction.transaction import Transaction, carry_out, overlooked, steadily


async def switch(live: LiveWorktree, terminal: Terminal, landed: Landed, both: Both) -> None:
    """Put HEAD on the local branch that work landed on, with its index and files, carrying over edits.

    Raise NotPossibleNow if edits conflict with the branch.
    """
    ref = BRANCHES + landed.local
    await live.owner.run(check_free, live.worktree, ref)
    old = await live.owner.run(live.worktree.head)

    async def attempt() -> tuple[str, bool]:
        now = await live.save()
        tip = await live.owner.run(commit_of, live.worktree, ref)
        there = tip or landed.commit
        merged = await merge_commits(live, now.oid, there, both, also=[now.shared])
        if merged.conflicts:
            raise EditsConflict(f"your edits conflict with {landed.local} in {', '.join(merged.conflicts[:3])}")
        refs: Moves = {ref: (None, there)} if tip is None else {}
        await live.owner.run(_switch, live, Head(ref, there), refs, now, merged.tree)
        return there, tip is None

    new, created = await steadily(attempt)
    if created and landed.remote is not None:
        upstream = f"--set-upstream-to={landed.remote}/{landed.branch}"
        await terminal.run(["git", "branch", "--quiet", upstream, landed.local], live.worktree.root)
    await after_checkout(live, terminal, old.commit, new)


def _switch(live: LiveWorktree, head: Head, refs: Moves, now: Snapshot, tree: str) -> None:
    worktree, objects, staging = live.worktree, live.store.objects, staged_at_home(live, now)
    base = objects.commit(head.commit).tree
    only = index_only(live, now.tree, tree, base)
    wanted = overlooked(live, base, tree) - only.outside
    kind = f"switch {words(head)}"

    def index_there() -> bytes:
        data = index.at_commit(
            worktree, head.commit, hidden=only.hidden, wanted=wanted, entries=only.entries, outside=only.outside
        )
        return staging.over(worktree, objects, head.commit, data)

    change = Transaction(
        command=kind,
        picture=FileState(tree),
        said=f"checkout: moving from {words(worktree.head())} to {words(head)}",
        head=head,
        refs=refs,
        index=index_there,
        given=[head.commit, *only.given],
        spared=only.spared,
    )
    live.store.arrive(head.commit)
    contains = [head.commit]
    carry_out(live, change, now, lambda: live.branch.record(tree, head.commit, kind, since=now.tree, contains=contains))
