"""Live branches: chains of snapshots in the store, each written by one daemon alone.

A snapshot is a commit. Its parents are the snapshot that it continues; the commit that HEAD moved to, if it moved; and
merged commits from elsewhere (a teammate's tip). `ancestry` decides which of these it may claim, so Git's own merge
base of two live branches is right whatever HEAD did and however often they were merged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice

from bough_daemon.errors import GitTooSlow
from bough_daemon.git.objects import Objects, TreeEntry
from bough_daemon.history.ancestry import (
    Ancestry,
    Rewritten,
    ancestry_of_save,
    claims_of,
    within_bounds,
    without_given_up,
)
from bough_daemon.history.company import NO_COMPANY, Company
from bough_daemon.history.shared_chain import SharedChain
from bough_daemon.history.timeline import (
    BASE,
    BROUGHT,
    DISCARDED,
    EARLIER,
    EVENT,
    MOST_EARLIER,
    OPERATION,
    PREVIOUS,
    SHARED_AS,
    SHARED_BASE,
    Snapshot,
    read_snapshot,
    timeline,
)
from bough_daemon.privacy.purged import WHY_HELD
from bough_daemon.privacy.withheld import shared_tree, withheld_paths
from bough_daemon.store.fsck import Fsck
from bough_daemon.store.own_commits import OwnCommits
from bough_daemon.store.store import LIVE, SHARED, Store


@dataclass(frozen=True)
class Shares:
    """The part of one state of the files that the team sees.

    `base`: the newest commit below HEAD that may leave. `tree`: the files. `claims`: the commits that the files contain
    completely, the base first. `withheld`: why paths, and commits that have them, stay on this machine.
    """

    base: str
    tree: str
    claims: tuple[str, ...]
    withheld: dict[str, str]


@dataclass(frozen=True)
class Folded:
    """The result of a fold: `tree`, made from the tree `since`, and the company that the branch then keeps.

    `branch`: the other one. `claim`: its tip, if the tree has all of it, else None. `seen`: what the team sees of paths
    that the fold changed and that are withheld here.
    """

    branch: str
    tree: str
    since: str
    company: Company
    claim: str | None
    seen: Mapping[str, TreeEntry | None] = field(default_factory=dict)


NOTHING_SEEN: Mapping[str, TreeEntry | None] = {}
NEAR = 64  # commits in which a teammate's earlier tip is searched before Git is asked


class Branch:
    """The live branch of one worktree. On the store's thread only.

    `name`: the member's, or `member+FOLDER`. `author`: `Name <email>`. `unshared`: files that the team must not get
    yet, and `flooded`: files and folders that are too many at once, with the reasons. `before_record` is called with
    the trees before and after a command, and its name. `commits`: those of the user's that were checked already.
    """

    def __init__(self, store: Store, name: str, author: str, commits: OwnCommits | None = None) -> None:
        self.store = store
        self.name = name
        self.author = author
        self.withheld: dict[str, str] = {}
        self._fsck = Fsck(store)
        self._commits = commits or OwnCommits(store)
        self._told = store.allowed.paths, store.hidden.paths  # what the user allows and hides
        self._named: tuple[str, frozenset[str]] = ("", frozenset())  # what the newest shared commit claims to contain
        self._chain = SharedChain(store)
        self._begins_again = False
        self._alone_from = ""
        self.before_record: Callable[[str, str, str, str], None] = lambda before, after, base, event: None
        self.unshared: Mapping[str, str] = {}
        self.flooded: Mapping[str, str] = {}
        self._waiting: frozenset[str] = frozenset()
        self._shares_less = False
        tip = store.ref(LIVE + name)
        self.tip = read_snapshot(store.objects, tip) if tip else None
        if self.tip is not None:
            shares = self._shares(self.tip.base, self.tip.tree, self.tip.brought, self.tip.company, self.tip)
            self.withheld = shares.withheld
            seen = shares.tree, shares.base
            self._shares_less = seen != (store.objects.commit(self.tip.shared).tree, self.tip.shared_base)

    def save(
        self,
        tree: str,
        base: str,
        operation: str = "",
        rewritten: Rewritten = lambda _: False,
        *,
        discarded: bool = False,
        on_branch: bool = False,
        index_written: bool = False,
    ) -> Snapshot:
        """Record a snapshot of the files on the branch and return it; the tip itself if nothing changed.

        `base`: HEAD's commit. `operation`: the Git operation in progress, empty for none. `rewritten`: whether HEAD
        left a commit by rewriting it. `discarded`: whether Git has discarded edits since the newest snapshot;
        `index_written`: whether it has written the index, as a reset does. `on_branch`: HEAD is on a branch of the
        user's, and so not in a teammate's. These decide what the snapshot contains.
        """
        tip = self.tip
        company = self._company_after(tree, base, on_branch=on_branch, by_git=discarded or index_written)
        unchanged = tip is not None and (tip.tree, tip.base, tip.operation, tip.company) == (
            *(tree, base, operation),
            company,
        )
        is_alone = unchanged and tip is not None and tip.oid == self._alone_from
        if tip is not None and unchanged and not (is_alone or self._begins_again or self._may_share_more()):
            return tip
        found = Ancestry()
        if tip is not None and is_alone:
            found = Ancestry(brought=tuple(claims_of(self.store, tip, base)))
        elif tip is not None:
            # What takes Git too long to look through is not claimed: then a merge removes nothing in its name.
            with suppress(GitTooSlow):
                found = ancestry_of_save(self.store, tip, tree, base, operation, rewritten, discarded)
        return self._append(tree, base, "save", found, company, operation, discarded=discarded)

    def _company_after(self, tree: str, base: str, *, on_branch: bool, by_git: bool) -> Company:
        """Return the company of the branch in a snapshot of the files.

        A guest who has switched elsewhere is no longer a guest: what Git made of the files there is not their edit of
        the host's branch. The same holds for what Git discarded.
        """
        tip, company = self.tip, self.tip.company if self.tip is not None else NO_COMPANY
        if tip is None or not company.guest_of:
            return company
        left = on_branch or (base != tip.base and not self.store.is_surely_ancestor(tip.base, base))
        if left or (by_git and self._is_reset(tip.tree, tree, base)):
            return company.left()
        return company

    def _is_reset(self, old: str, tree: str, base: str) -> bool:
        """Return whether all files of HEAD are as in HEAD, and were not before."""
        objects = self.store.objects
        committed = objects.commit(base).tree

        def differs(now: str) -> bool:
            return any(entry is not None for _, entry, _ in objects.difference(committed, now))

        return old != tree and (tree == committed or (differs(old) and not differs(tree)))

    def record(
        self,
        tree: str,
        base: str,
        event: str,
        *,
        since: str | None = None,
        contains: Sequence[str] = (),
        onto: str | None = None,
        company: Company | None = None,
    ) -> Snapshot:
        """Record the result of a command on the branch and return it; the tip itself if nothing changed.

        `base`: HEAD's commit. `since`: the tree that `tree` was made from; what the branch gained meanwhile stays.
        `contains`: commits whose changes `tree` now has. `onto`: the snapshot that the branch continues instead of its
        tip, an earlier one (back, undo) or a teammate's (hop): what the branch had until now is then no longer
        contained, only remembered. `company`: the branch's company from now on; None: unchanged. The reference is moved
        last, so a daemon killed on the way leaves the branch unchanged.
        """
        tip = self.tip
        tree = self._carried(since, tree)
        same = tip is not None and (tip.tree, tip.base) == (tree, base) and company in (None, tip.company)
        if tip is not None and same and not contains and onto is None:
            return tip
        if company is None:
            company = tip.company if tip is not None else NO_COMPANY
        if tip is not None:
            self.before_record(since if since is not None else tip.tree, tree, base, event)
        if onto is None:
            found = without_given_up(self.store, tip, tree, base, contains=contains)
            return self._append(tree, base, event, found, company)
        before = read_snapshot(self.store.objects, onto)
        claims = [*claims_of(self.store, before, base), *contains]
        return self._append(tree, base, event, Ancestry(before, brought=tuple(dict.fromkeys(claims))), company)

    def fold(self, made: Folded) -> Snapshot:
        """Record the result of a fold on the branch and return it; HEAD is where it was at the tip.

        A claimed tip replaces the previously claimed tip of the same branch.
        """
        tip = self.tip
        assert tip is not None
        tree, event = self._carried(made.since, made.tree), f"fold {made.branch}"
        self.before_record(made.since, tree, tip.base, event)
        found = without_given_up(self.store, tip, tree, tip.base) if tree != tip.tree else _ancestry_of(tip)
        if made.claim is not None:
            earlier = tip.company.folded.get(made.branch)
            gone = earlier if earlier is not None and self._is_within(earlier, made.claim) else None
            if made.claim != earlier:
                self.store.walks.note_apart(made.claim, tip.shared)
            brought = [oid for oid in found.brought if oid not in (gone, made.claim)]
            found = replace(found, brought=(*brought, made.claim))
        return self._append(tree, tip.base, event, found, made.company, seen=made.seen)

    def _carried(self, since: str | None, tree: str) -> str:
        """Return a tree that was made from `since`, with what the branch gained meanwhile."""
        objects, tip = self.store.objects, self.tip
        if tip is None or since is None or tip.tree == since:
            return tree
        return objects.splice(tip.tree, {path: entry for path, _, entry in objects.difference(since, tree)})

    def _is_within(self, older: str, newer: str) -> bool:
        """Return whether a teammate's tip contains an earlier one; usually it is a few steps away."""
        pending, seen = [newer], set[str]()
        while pending and len(seen) < NEAR:
            one = pending.pop(0)
            if one == older:
                return True
            if one not in seen and self.store.objects.exists(one):
                seen.add(one)
                pending += self.store.objects.commit(one).parents
        return self.store.is_ancestor(older, newer)

    def refused(self, shared: str, held: str | None) -> bool:
        """Build the next snapshot without a shared tip that a teammate, who holds `held`, refused.

        Return whether that may help, so that a snapshot is due though nothing has changed.
        """
        helps = self.tip is not None and self._chain.refuse(shared, held, self.tip.shared)
        self._begins_again |= helps
        return helps

    def start_over(self, tip: str) -> None:
        """Start the history over at HEAD's commit with the next snapshot, if nothing has changed since `tip`.

        Only if every merge comes to the same without what was before: `retention.starting_over` decides that.
        """
        self._alone_from = tip

    def rename(self, name: str) -> None:
        """Rename the branch; anything already stored under the new name is kept."""
        if name == self.name or self.tip is None:
            self.name = name
            return
        old, self.name = self.name, name
        replaced = self.store.ref(LIVE + name)
        if replaced is not None:
            self.store.keep(f"{name}/{replaced}", replaced)
        self.store.set_ref(SHARED + name, self.tip.shared, self.store.ref(SHARED + name))
        self.store.set_ref(LIVE + name, self.tip.oid, replaced)
        self.store.delete_ref(LIVE + old)
        self.store.delete_ref(SHARED + old)

    def _append(
        self,
        tree: str,
        base: str,
        event: str,
        ancestry: Ancestry,
        company: Company,
        operation: str = "",
        seen: Mapping[str, TreeEntry | None] = NOTHING_SEEN,
        *,
        discarded: bool = False,
    ) -> Snapshot:
        """Write a snapshot and move the branch to it; if it does not continue the tip, the tip is kept."""
        tip, ancestry = self.tip, within_bounds(ancestry)
        shares = self._shares(base, tree, ancestry.brought, company, ancestry.before, seen)
        facts = {OPERATION: operation, DISCARDED: "yes" if discarded else ""} | company.trailers()
        snapshot = self._write(tree, base, event, ancestry, facts, shares)
        if tip is not None and (ancestry.before is None or ancestry.before.oid != tip.oid):
            self.store.keep(f"{self.name}/{tip.oid}", tip.oid)
        self.store.set_ref(SHARED + self.name, snapshot.shared, self.store.ref(SHARED + self.name))
        self.store.set_ref(LIVE + self.name, snapshot.oid, tip.oid if tip is not None else None)
        self.tip = snapshot
        self._begins_again = False
        return snapshot

    def _write(
        self, tree: str, base: str, event: str, ancestry: Ancestry, facts: Mapping[str, str], shares: Shares
    ) -> Snapshot:
        objects, tip, before = self.store.objects, self.tip, ancestry.before
        earlier = [one for one in (before, ancestry.also) if one is not None]
        when = int(time.time())
        said = {EVENT: event, **facts}
        left = tip if before is None or tip is None or before.oid != tip.oid else None
        trailers = (
            {BASE: base}
            | said
            | {
                PREVIOUS: left.oid if left is not None else "",
                BROUGHT: " ".join(oid for oid in ancestry.brought if oid != base),
                SHARED_BASE: shares.base if shares.base != base else "",
            }
        )
        parents = [*(one.oid for one in earlier), *_beyond(earlier, base, ancestry.brought)]
        chain = [one.shared for one in earlier]
        unnamed = self._unnamed(chain, shares.claims)
        outside, begins_with = self._chain.parents(chain, shares.base, shares.claims, unnamed)
        # If the shared chain starts over, peers that have an earlier commit can still reach it.
        goes_on = left is None and begins_with is None
        previous, names = (tip.shared, self._names_before(tip)) if tip is not None and not goes_on else ("", "")
        trailers[EARLIER] = names if left is not None else ""
        # The shared commit names only what is shared, in its trailers too.
        if (shares.tree, shares.base, outside, previous) != (tree, base, parents, trailers[PREVIOUS]):
            seen = objects.commit(before.shared).tree if before is not None else None
            title = self._title(seen, shares.tree, shares.base, event)
            message = _message(title, {BASE: shares.base} | said | {PREVIOUS: previous, EARLIER: names})
            trailers[SHARED_AS] = objects.write_commit(shares.tree, outside, self.author, when, message)
        title = self._title(tip.tree if tip is not None else None, tree, base, event)
        oid = objects.write_commit(tree, parents, self.author, when, _message(title, trailers))
        self.withheld, self._shares_less = shares.withheld, False
        snapshot = read_snapshot(objects, oid)
        assert snapshot is not None
        self._chain.note(snapshot.shared, begins_with)
        self._named = snapshot.shared, frozenset(shares.claims)
        return snapshot

    def _names_before(self, tip: Snapshot) -> str:
        """Return the names of the snapshots before the tip: a teammate may have one of them, and none since."""
        before = islice(timeline(self.store.objects, tip.oid), 1, 1 + MOST_EARLIER)
        return " ".join(one.shared for one in before)

    def _shares(
        self,
        base: str,
        tree: str,
        brought: Sequence[str],
        company: Company,
        before: Snapshot | None,
        seen: Mapping[str, TreeEntry | None] = NOTHING_SEEN,
    ) -> Shares:
        """Return what the team sees of `tree`, the files with HEAD at `base`, and what that contains.

        Of a withheld path it sees what it saw in the snapshot `before`, or what a fold has `seen`, while the branch
        keeps company with another: an older version would revert there what was edited meanwhile.
        """
        objects = self.store.objects
        self._follow_choices()
        leaving = self._commits.leaving(base)
        seen_base = leaving.commits[0] if leaving.commits else self.store.no_commit()
        more = (oid for one in brought for oid in self._leaving_of(one))
        claims = tuple(dict.fromkeys([seen_base, *leaving.commits, *more]))
        known = [objects.commit(oid).tree for oid in (*claims, *company.folded.values()) if objects.exists(oid)]
        withheld = self._withheld(known, objects.commit(base).tree, tree)
        stays = bool(company) and not self._begins_again
        known_as = objects.commit(before.shared).tree if before is not None and stays else ""
        visible = self._visible(known, tree, withheld, known_as, seen)
        return Shares(seen_base, visible, claims, {**withheld, **leaving.reasons})

    def _leaving_of(self, brought: str) -> tuple[str, ...]:
        """Return what may leave of a merged commit: all of it if a teammate shared it."""
        objects = self.store.objects
        if not objects.exists(brought) or read_snapshot(objects, brought) is not None:
            return (brought,)
        return self._commits.leaving(brought).commits

    def _unnamed(self, chain: Sequence[str], claims: Sequence[str]) -> list[str]:
        """Return those of `claims` that none of the earlier shared commits contains."""
        newest, named = self._named
        known = named if newest in chain else frozenset[str]()
        is_within = self.store.is_surely_ancestor  # if it takes too long, the commit is named once more
        return [oid for oid in claims if oid not in known and not any(is_within(oid, one) for one in chain)]

    def _withheld(self, known: Sequence[str], committed: str, tree: str) -> dict[str, str]:
        """Return the paths of `tree` that the team does not get, with the reasons.

        `known`: the trees that the team has, the base's first. `committed`: HEAD's tree.
        """
        objects, allowed, base_tree = self.store.objects, self.store.allowed, known[0]
        flooded = {path: why for path, why in self.flooded.items() if objects.entry(tree, path) is not None}
        rest = shared_tree(objects, base_tree, tree, flooded)
        purged = self._purged(known, tree)
        found = purged | withheld_paths(objects, self.store.secrets, base_tree, rest, self.unshared, committed)
        withheld = {
            path: why
            for path, why in (flooded | found).items()
            if path not in allowed and not _is_known(objects, known[1:], tree, path)
        }
        withheld |= self.store.hidden.among(objects.difference(base_tree, tree))
        self._waiting = frozenset(flooded | {path: why for path, why in withheld.items() if path in self.unshared})
        return withheld | self._fsck.refused(base_tree, shared_tree(objects, base_tree, tree, withheld))

    def _purged(self, known: Sequence[str], tree: str) -> dict[str, str]:
        """Return the paths whose content was purged, unless the team has them exactly so."""
        objects, purged = self.store.objects, self.store.purged
        there = {path: objects.entry(tree, path) for path in purged.held}
        changed = [path for path, now in there.items() if now is not None and now != objects.entry(known[0], path)]
        held = dict.fromkeys(changed, WHY_HELD)
        if not purged.ids:
            return held
        changes = objects.difference(known[0], tree)
        return held | {path: WHY_HELD for path, _, now in changes if now is not None and now.oid in purged.ids}

    def _visible(
        self,
        known: Sequence[str],
        tree: str,
        withheld: Iterable[str],
        before: str,
        seen: Mapping[str, TreeEntry | None],
    ) -> str:
        """Return what the team sees of a tree: each withheld path as the team has it, in the tree `before` if any."""
        objects = self.store.objects

        def now(path: str) -> TreeEntry | None:
            if path in seen:
                return seen[path]
            return objects.entry(before, path) if before else _newest(objects, known, path)

        entries = {path: now(path) for path in withheld}
        return objects.splice(tree, entries) if entries else tree

    def _may_share_more(self) -> bool:
        """Return whether a path that was not shared with the tip may be shared by now."""
        self._follow_choices()
        self._shares_less |= self._commits.look_again()
        return self._shares_less or not self._waiting <= self.unshared.keys() | self.flooded.keys()

    def _follow_choices(self) -> None:
        """Share the files again with the next save if the user has allowed or hidden paths meanwhile."""
        if self._told != (self.store.allowed.paths, self.store.hidden.paths):
            self._told = self.store.allowed.paths, self.store.hidden.paths
            self._shares_less = True

    def unchecked(self, base: str) -> OwnCommits | None:
        """Return what is known of commits if more than a few must be checked before a snapshot on the commit `base`.

        That is for another thread: see `OwnCommits.looked_through`. None: a snapshot may be taken.
        """
        self._follow_choices()
        return None if self._commits.is_checked(base) else self._commits.copied()

    def learn(self, commits: OwnCommits) -> None:
        """Adopt what was found out about commits beside the store's thread; the next snapshot shares what may leave."""
        self._commits.learn(commits)
        if self.tip is not None and self._commits.is_checked(self.tip.base):
            leaving = self._commits.leaving(self.tip.base).commits or (self.store.no_commit(),)
            self._shares_less |= leaving[0] != self.tip.shared_base

    def staying(self, commit: str) -> Mapping[str, str]:
        """Return what keeps a commit of the user's, or an earlier one, on this machine, by path; or nothing."""
        return self._commits.leaving(commit).reasons

    @property
    def due(self) -> float:
        """The moment (monotonic) when withheld commits may be fit to leave; infinite if there are none."""
        return self._commits.due

    def _title(self, old: str | None, tree: str, base: str, event: str) -> str:
        if event != "save":
            return event
        if old is None:
            return "first snapshot"
        if old == tree:
            return f"on {base[:7]}"
        paths = sorted(path for path, _, _ in self.store.objects.difference(old, tree))
        named = ", ".join(path.replace("\n", " ") for path in paths[:3])
        return named if len(paths) <= 3 else f"{named} and {len(paths) - 3} more"


def _ancestry_of(tip: Snapshot) -> Ancestry:
    """Return the ancestry of a snapshot with the same files as the previous one."""
    return Ancestry(tip, brought=tip.brought)


def _is_known(objects: Objects, trees: Sequence[str], tree: str, path: str) -> bool:
    """Return whether the team has a path exactly as in `tree`, from someone whose work was merged."""
    now = objects.entry(tree, path)
    return any(objects.entry(one, path) == now for one in trees)


def _newest(objects: Objects, trees: Sequence[str], path: str) -> TreeEntry | None:
    """Return the first entry for a path in some trees."""
    return next((entry for tree in trees if (entry := objects.entry(tree, path)) is not None), None)


def _beyond(earlier: Sequence[Snapshot], base: str, brought: Sequence[str]) -> list[str]:
    """Return the commits that must be additional parents, because no earlier snapshot names them."""
    known = {oid for one in earlier for oid in (one.oid, *one.claims)}
    return [oid for oid in dict.fromkeys([base, *brought]) if oid not in known]


def _message(title: str, trailers: Mapping[str, str]) -> str:
    return title + "\n\n" + "".join(f"{name}: {value}\n" for name, value in trailers.items() if value)


def carry_over(store: Store, before: str, now: str) -> None:
    """Rename live branches after their member's new name, if a rename was interrupted or nothing records them now.

    What was recorded under the new name meanwhile stays, and the other is kept. On the store's thread.
    """
    for branch in store.refs(SHARED):
        if branch != before and not branch.startswith(f"{before}+"):
            continue
        name, live, shared = now + branch.removeprefix(before), store.ref(LIVE + branch), store.ref(SHARED + branch)
        if live is not None and store.ref(LIVE + name) is None:
            store.set_ref(SHARED + name, shared or live, store.ref(SHARED + name))
            store.set_ref(LIVE + name, live, None)
        elif live is not None:
            store.keep(f"{branch}/{live}", live)
        store.delete_ref(LIVE + branch)
        store.delete_ref(SHARED + branch)
