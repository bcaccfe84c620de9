"""Purge contents from one repository, for its user and for teammates.

A purge of the user's own is signed and recorded first, then carried out here; teammates learn of it at once, or when
they next connect. Requests of teammates are judged by `purge_rights`, and judged again while something blocks them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import TypeVar

from msgspec import structs

from bough_daemon.api.notices import Notice, PurgeAsked
from bough_daemon.api.records import PurgeEntry, PurgeOrder, PurgeReply, PurgeTold
from bough_daemon.budgets import Pace
from bough_daemon.errors import BoughError, InOwnHistory, NotPossibleNow, TooMuchToPurge, UnknownMember, UnknownPath
from bough_daemon.git.command import GitCommand
from bough_daemon.git.objects import Objects
from bough_daemon.privacy.purged import digest_of
from bough_daemon.purging.removal import (
    Found,
    Rehearsed,
    RemovalPlan,
    begin,
    check_free,
    count_lost,
    find_ids,
    find_paths,
    find_text,
    finish,
    in_history,
    of_bough_alone,
    rehearse,
    roots,
    where_in_history,
)
from bough_daemon.purging.rewriting import Contents
from bough_daemon.purging.rights import Branches, Verdict, holders, judge
from bough_daemon.recording.recorder import Recorder
from bough_daemon.retention.thinning import give_up
from bough_daemon.store.store import COPIED, KEPT, LANDED, LIVE, SHARED, Store
from bough_daemon.sync.team_sync import TeamSync
from bough_daemon.system.text import printable, shell_word
from bough_daemon.system.threads import StoreThread, to_the_end
from bough_daemon.team.branch_state import branch_owner
from bough_daemon.team.purges import IN_WORDS, MOST_CONTENTS, Purge, PurgeOutcome

log = logging.getLogger(__name__)

NAMED = 100  # paths that are reported
# Purges that others may cause here: each of them stops recording for a moment, and rewrites packs.
REMOTE_A_SECOND, REMOTE_AT_ONCE = 1 / 600, 3
LOOK_EVERY = 1.0  # minimum seconds between two checks of what blocks a purge
LOOK_SHARE = 20  # and as many times as long as the last check took

T = TypeVar("T")
Restart = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


class Purger:
    """The purges of one repository. `sessions`: by the top folder of the working tree.

    `restart` runs something while nothing is recorded, sent or received, and resumes all of that afterwards.
    """

    def __init__(
        self, store: Store, owner: StoreThread, sync: TeamSync, sessions: dict[str, Recorder], restart: Restart
    ) -> None:
        self._store = store
        self._owner = owner
        self._sync = sync
        self._sessions = sessions
        self._restart = restart
        self._due = asyncio.Event()
        self._due.set()
        self._turn = asyncio.Lock()

    def look_soon(self) -> None:
        """Check teammates' requests again: what blocked them may be gone."""
        self._due.set()

    # Requests of the user.

    async def purge(self, session: Recorder, order: PurgeOrder) -> PurgeTold:
        """Carry out a purge, or report what would go; if NotPossibleNow is raised, nothing was changed."""
        for one in list(self._sessions.values()):
            await one.save()
        async with self._turn:
            found = await self._find(session, order)
            told = await self._told(found, order)
            if not order.dry_run:
                purge = self._sync.ask_to_purge(found.ids)
                await self._carry_out(found, self._sync.member, stays_out=True)
                self._sync.answer_purge(purge, PurgeOutcome.DONE)
                told = structs.replace(told, done=True)
        self._due.set()
        return told

    async def _find(self, session: Recorder, order: PurgeOrder) -> Found:
        """Return the contents that an order is about and that can be purged."""
        own = await self._owner.run(roots, self._store, False)
        found = await self._reading(partial(self._look_for, session, order, own))
        if not found.paths:
            raise UnknownPath(
                f"none of your snapshots has {'what they ask to purge' if order.accept else 'such a file or text'}",
                hint="A file that only a teammate's branch has can be purged only by that teammate.",
            )
        committed = await to_the_end(asyncio.to_thread(in_history, self._store.common_dir, found.ids))
        if committed and not order.uncommitted:
            raise await to_the_end(asyncio.to_thread(self._is_committed, found, committed))
        left = Found({oid: paths for oid, paths in found.paths.items() if oid not in committed})
        if not left.paths:
            raise InOwnHistory("all of it is in your own Git history, which Bough never changes")
        if len(left.paths) > MOST_CONTENTS:
            raise TooMuchToPurge(
                f"{len(left.paths):,} contents are too many: at most {MOST_CONTENTS:,} can be purged at once"
            )
        return left

    def _look_for(self, session: Recorder, order: PurgeOrder, own: list[str], objects: Objects) -> Found:
        tips = [one.branch.tip for one in self._sessions.values()]
        # Include what HEAD has: the user must be told that some of it is in Git.
        commits = [*of_bough_alone(self._store, own), *(tip.base for tip in tips if tip is not None)]
        if order.accept:
            return find_ids(objects, commits, self._asked_by(order.accept))
        if not order.text:
            root = session.worktree.root
            path = os.path.relpath(os.path.normpath(os.path.join(order.path, order.what)), root)
            found = find_paths(objects, commits, path) if path != "." and not path.startswith("..") else Found({})
            if found.paths:
                return found
        return find_text(objects, commits, os.fsencode(order.what))

    def _asked_by(self, name: str) -> frozenset[str]:
        if name not in self._sync.roster.members:
            raise UnknownMember(f"the team has no member named {printable(name)}", name=name)
        return self._sync.purges.ids_of(name)

    def _is_committed(self, found: Found, committed: Collection[str]) -> NotPossibleNow:
        first = min(committed)
        path = min(found.paths[first])
        commit = where_in_history(self._store.common_dir, first)
        filtering = f"git filter-repo --invert-paths --path {shell_word(path)}"
        return NotPossibleNow(
            f"{len(committed)} of {len(found.paths)} contents are in your own Git history, which Bough never changes: "
            f"{printable(path)}{f', since commit {commit}' if commit else ''}",
            hint=f"Remove it from the history first (`{filtering}`), then purge again; "
            "`--uncommitted` purges only what no commit has.",
        )

    async def _told(self, found: Found, order: PurgeOrder) -> PurgeTold:
        """Return the extent of a purge of some contents; raise NotPossibleNow if it cannot be done now."""
        own = await self._owner.run(roots, self._store, False)
        branches, lost = (
            await self._owner.run(self._branches, self._sync.member),
            await self._owner.run(self._lost, found.ids),
        )

        def count(objects: Objects) -> PurgeTold:
            contents = Contents(objects, found.ids)
            snapshots = [one for one in of_bough_alone(self._store, own) if contents.of(objects.commit(one).tree)]
            theirs = holders(self._store, objects, replace(branches, mine=(), kept=()), found.ids).theirs
            listed = "".join(f"{oid}\n" for oid in found.ids).encode()
            user = GitCommand(self._store.common_dir).run("cat-file", "--batch-check", stdin=listed).decode()
            return PurgeTold(
                contents=len(found.ids),
                size=sum(map(objects.size, found.ids)),
                paths=sorted(frozenset[str]().union(*found.paths.values()))[:NAMED],
                snapshots=len(snapshots),
                commands=lost,
                files=sorted(self._files(found.ids, objects)),
                teammates=sorted(name for name, has in theirs.items() if has),
                left_in_git=any(not line.endswith(" missing") for line in user.splitlines()),
            )

        return await self._reading(count)

    def _lost(self, ids: Collection[str]) -> int:
        contents = Contents(self._store.objects, ids)
        check_free(self._store, contents)
        return count_lost(self._store, contents)

    def _files(self, ids: Collection[str], objects: Objects) -> set[str]:
        """Return the files that currently have one of some contents."""
        tips = [one.branch.tip for one in self._sessions.values()]
        contents = Contents(objects, ids)
        return {path for tip in tips if tip is not None for path, _ in contents.paths(tip.tree)}

    def _branches(self, by: str) -> Branches:
        """Return what the store's references name, except states kept aside from branches of `by`.

        They may purge those. On the store's thread.
        """
        store, mine, theirs = self._store, self._store.refs(SHARED), dict[str, list[str]]()
        for branch, oid in store.refs(LIVE).items():
            name, aside, _ = branch.partition("@")
            owner = branch_owner(self._sync.roster, name)
            if branch not in mine and not (aside and owner == by):
                theirs.setdefault(owner, []).append(oid)
        kept = [*store.refs(KEPT).values(), *store.refs(COPIED).values()]
        for name, oid in store.refs(LANDED).items():
            member = name.partition("/")[0]
            (kept if member == self._sync.member else theirs.setdefault(member, [])).append(oid)
        tips = (store.ref(LIVE + branch) for branch in mine)
        return Branches([tip for tip in tips if tip is not None], kept, theirs)

    async def _reading(self, look: Callable[[Objects], T]) -> T:
        """Return the result of a search that may take seconds: on a separate thread, with its own objects."""
        return await to_the_end(asyncio.to_thread(lambda: look(Objects(self._store.objects.folder))))

    async def _carry_out(self, found: Found, by: str, *, stays_out: bool) -> None:
        named = self._sync.named_commits()
        held = await self._reading(partial(self._files, found.ids))
        paths = sorted(frozenset[str]().union(*found.paths.values()))[:NAMED]
        work = RemovalPlan(sorted(found.ids), by, paths, sorted(held), named, stays_out)
        rehearsed = await self._rehearsed(found.ids)

        def do() -> None:
            check_free(self._store, Contents(self._store.objects, found.ids))
            give_up(self._store)  # the plan of what old snapshots to remove names commits that change now
            begin(self._store, work)
            finish(self._store, rehearsed)

        await to_the_end(self._restart(lambda: self._owner.run(do)))

    async def _rehearsed(self, ids: frozenset[str]) -> Rehearsed | None:
        """Return the part of a purge that was done while recording went on; None: everything is left to do."""
        named = await self._owner.run(roots, self._store, True)
        try:
            return await to_the_end(asyncio.to_thread(rehearse, self._store, named, ids))
        except (BoughError, OSError) as failure:
            log.warning("a purge was not prepared, and stops recording for longer: %s", failure)
            return None

    # Requests of teammates.

    async def follow(self) -> None:
        """Carry out what teammates may request, and report the outcome to them."""
        pace = Pace(REMOTE_A_SECOND, REMOTE_AT_ONCE)
        while True:
            await self._due.wait()
            self._due.clear()
            began = time.monotonic()
            for purge in self._sync.open_purges():
                async with self._turn:
                    verdict = await self._follow(purge)
                if verdict.ids:
                    await asyncio.sleep(pace.after(1.0, time.monotonic()))
            await asyncio.sleep(max(LOOK_EVERY, LOOK_SHARE * (time.monotonic() - began)))

    async def _follow(self, purge: Purge) -> Verdict:
        by = self._sync.roster.by_key(purge.by)
        name = by.name if by is not None else ""
        is_own = name == self._sync.member
        verdict = await self._judge_own(purge) if is_own else await self._judge(purge, name)
        try:
            if verdict.ids:
                commits = await self._owner.run(roots, self._store, True)
                paths = (await self._reading(partial(self._within, commits, verdict.ids))).paths
                found = Found({oid: paths.get(oid, frozenset()) for oid in verdict.ids})
                await self._carry_out(found, name, stays_out=is_own)
        except NotPossibleNow:
            verdict = Verdict(frozenset(), PurgeOutcome.ASKED)
        self._sync.answer_purge(purge, verdict.outcome)
        return verdict

    async def _judge(self, purge: Purge, by: str) -> Verdict:
        branches = await self._owner.run(self._branches, by)
        agreed, owner_of = self._sync.purges.ids_of, partial(branch_owner, self._sync.roster)
        look = partial(judge, self._store, branches=branches, ids=purge.ids, by=by, agreed=agreed, owner_of=owner_of)
        return await self._reading(look)

    async def _judge_own(self, purge: Purge) -> Verdict:
        """Return the rest of the user's own purge during which the daemon was killed."""
        left = await self._reading(lambda objects: frozenset(filter(objects.owns, purge.ids)))
        return Verdict(left if purge.ids <= self._store.purged.ids else purge.ids, PurgeOutcome.DONE)

    def _within(self, tips: list[str], ids: Collection[str], objects: Objects) -> Found:
        return find_ids(objects, of_bough_alone(self._store, tips), ids)

    def notices(self) -> list[Notice]:
        """Return the requests of teammates that the user has to decide."""
        return [
            PurgeAsked(name, number, committed=outcome is not PurgeOutcome.ASKED)
            for name, outcome, number in self._sync.purges_to_accept()
        ]

    def entries(self) -> list[PurgeEntry]:
        """Return all known purges, oldest first."""
        sync, records = self._sync, self._store.purged.records
        found = list[PurgeEntry]()
        for purge in sync.purges.counting():
            by = sync.roster.by_key(purge.by)
            name = by.name if by is not None else ""
            digest = digest_of(purge.ids)
            paths = next((list(one.paths) for one in records if one.digest == digest), [])
            replies = [
                PurgeReply(member, outcome is PurgeOutcome.DONE, IN_WORDS[outcome] if outcome else "not told yet")
                for member, outcome in sync.replies_to(purge).items()
            ]
            found.append(PurgeEntry(name, purge.time / 1e3, len(purge.ids), paths, replies))
        return found
