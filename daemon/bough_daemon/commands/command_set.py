"""The commands that change the user's files, bound to one working tree and what they need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bough_daemon.agents import further_worktree
from bough_daemon.agents.agent_list import PORTS_EACH, AgentList, check_agent_name
from bough_daemon.api import records
from bough_daemon.commands import hop, land, merge, outcomes, restore, undo
from bough_daemon.commands.shared_branch import Target
from bough_daemon.commands.switch import switch
from bough_daemon.errors import NoPathNamed, SharingPaused, UnknownComment
from bough_daemon.git.store_reading import HOPS
from bough_daemon.history.journal import HopKind
from bough_daemon.merging.merge_input import Both
from bough_daemon.talk.landing_note import no_note, note_text
from bough_daemon.talk.suggestion import apply_suggestion, suggestion_in
from bough_daemon.talk.team_talk import TeamTalk
from bough_daemon.team.branch_state import TeamLanding
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.terminal import Terminal


@dataclass(frozen=True)
class CommandSet:
    """The commands of one working tree. If one raises, nothing was changed, or `undo` reverses it.

    `landed`: what members landed on shared branches; `publish_landed` tells the team about a landing of this member.
    `agents`: the repository's agents; their working trees are created below `worktrees`. `save_other` takes an exact
    snapshot of another live branch of this machine. `talk`: comments of the team; `notes`: whether they land as notes.
    `until_taken`: waits a moment until a host has what their guest has saved.
    """

    live: LiveWorktree
    terminal: Terminal
    both: Both
    landed: Callable[[], list[TeamLanding]]
    publish_landed: Callable[[str, str], Awaitable[None]]
    agents: AgentList
    worktrees: str
    save_other: Callable[[str], Awaitable[None]]
    talk: TeamTalk
    until_taken: Callable[[], Awaitable[None]]
    notes: bool = True

    async def hop(self, name: str, kind: HopKind, at: str) -> records.MoveOutcome:
        """Switch to a teammate's branch."""
        await self.save_other(name)
        moved = await hop.hop(self.live, self.terminal, name, self.both, kind=kind, at=at)
        return outcomes.moved(self.live, moved)

    async def back(self) -> records.MoveOutcome:
        """Return from a hop."""
        await self.until_taken()
        return outcomes.moved(self.live, await hop.back(self.live, self.terminal))

    async def off(self, branch: str) -> records.MoveOutcome:
        """Create a Git branch from the current state."""
        await self.until_taken()
        return outcomes.moved(self.live, await hop.off(self.live, self.terminal, branch))

    async def merge(self, name: str, *, preview: bool, yes: bool) -> records.MergeOutcome:
        """Merge a branch into the files."""
        await self.save_other(name)
        made = await merge.merge(self.live, self.terminal, name, self.both, preview=preview, yes=yes)
        return outcomes.merged(made)

    async def land(self, message: str, *, verify: bool, yes: bool, needed: bool) -> records.LandOutcome:
        """Land work on the shared branch."""
        await self._check_shares()
        made = await land.land(
            self.live,
            self.terminal,
            message,
            self.both,
            landed=self.landed(),
            verify=verify,
            yes=yes,
            needed=needed,
            note=self._note if self.notes else no_note,
        )
        if made.remote is None:
            await self.publish_landed(made.branch, made.commit)
        there = await self.live.owner.run(hop.hop_now, self.live) if made.still_on is not None else None
        return outcomes.landed(made, there.name if there is not None else "")

    async def _check_shares(self) -> None:
        """Raise SharingPaused if a landing would go only to the team, and the user has paused sharing."""
        if self.live.store.pause.since and (await Target.of(self.live, self.terminal)).remote is None:
            raise SharingPaused("you paused sharing, and without a remote a landing goes to the team alone")

    def _note(self, before: str, tree: str) -> str:
        """Return the comments on what lands. On the store's thread."""
        there = hop.hop_now(self.live)
        branches = {self.live.branch.name, there.name if there is not None else ""}
        return note_text(self.live.store.objects, self.talk, branches, before, tree)

    async def preview_landing(self) -> records.LandingPreview:
        """Return what would land."""
        target, plan = await land.preview(self.live, self.terminal, self.both, landed=self.landed())
        return await self.live.owner.run(outcomes.preview, self.live.store.objects, target, plan)

    async def switch_to_landed(self, commit: str, branch: str, local: str, remote: str | None) -> records.Ended:
        """Switch to the shared branch after a landing."""
        await switch(self.live, self.terminal, land.Landed(commit, branch, local, remote, (), None), self.both)
        return records.Ended()

    async def restore(self, typed: Sequence[str], *, since: str, name: str, everything: bool) -> records.RestoreOutcome:
        """Restore files from the timeline."""
        paths = self.live.from_top(typed)
        if not paths and not everything:
            raise NoPathNamed("no path was named")
        return outcomes.restored(await restore.restore(self.live, paths, since=since or None, name=name or None))

    async def apply_suggestion(self, id: str) -> records.AppliedSuggestion:
        """Apply the suggestion of a comment or a reply to the files."""
        thread, digest = self.talk.named(id)
        suggestion = suggestion_in(thread.text_of(digest))
        if suggestion is None:
            raise UnknownComment(f"comment {id} has no suggestion", id=id)
        made = await apply_suggestion(self.live, thread.remark.anchor, suggestion, self.talk.ids()[digest])
        by = self.talk.logs.roster.name_of(thread.author_of(digest))
        return records.AppliedSuggestion(made.path, made.first, made.last, by, made.snapshot.oid)

    async def undo(self) -> records.UndoOutcome:
        """Undo the newest command."""
        return outcomes.undone(self.live, await undo.undo(self.live))

    async def redo(self) -> records.UndoOutcome:
        """Redo the newest command that was undone."""
        return outcomes.undone(self.live, await undo.redo(self.live))

    async def make_agent(self, name: str) -> records.AgentMade:
        """Create a working tree for an agent from the current state, or find its existing one."""
        check_agent_name(name)
        return self._made(await further_worktree.make(self.live, self.terminal, self.agents, name, self.worktrees))

    async def make_hop_worktree(self, name: str) -> records.AgentMade:
        """Create the working tree for hops, or find the existing one; raise UnknownMember if no branch has the name."""
        self.live.known(name)
        return self._made(await further_worktree.make(self.live, self.terminal, self.agents, HOPS, self.worktrees))

    def _made(self, made: further_worktree.Made) -> records.AgentMade:
        agent, database = made.agent, further_worktree.database_of(self.live.worktree, made.agent.name)
        return records.AgentMade(
            agent.name,
            agent.root,
            made.is_new,
            agent.git_branch,
            agent.port,
            PORTS_EACH,
            database,
            made.copied,
            made.run,
        )

    async def remove_agent(self, name: str) -> records.AgentRemoved:
        """Remove the working tree of an agent; its live branch stays."""
        agent, kept = await further_worktree.remove(self.live, self.terminal, self.agents, name)
        return records.AgentRemoved(agent.name, agent.root, kept)

    async def allow(self, typed: Sequence[str], *, stop: bool) -> records.AllowOutcome:
        """Allow withheld paths to be shared, or withhold them again."""
        paths = self.live.from_top(typed)
        if "" in paths:
            raise NoPathNamed("the whole working tree cannot be allowed")
        allowed = self.live.store.allowed
        for path in paths:
            await self.live.owner.run(partial(allowed.set, path, chosen=not stop))
        if paths:
            await self.live.save()
        return records.AllowOutcome(paths, sorted(allowed.paths))

    async def hide(self, typed: Sequence[str], *, stop: bool) -> records.AllowOutcome:
        """Hide paths from the team, or show them again."""
        paths = self.live.from_top(typed)
        if "" in paths and not stop:
            raise NoPathNamed("the whole working tree cannot be hidden: `bough pause` shares none of it")
        hidden = self.live.store.hidden
        for path in paths:
            await self.live.owner.run(partial(hidden.set, path, chosen=not stop))
        if paths:
            await self.live.save()
        return records.AllowOutcome(paths, sorted(hidden.paths))
