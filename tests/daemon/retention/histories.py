"""Live branches that grow over weeks within a moment, in a real store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from bough_daemon.api.keep_ages import KeepAges
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.history.branches import Branch
from bough_daemon.history.replacements import knowing
from bough_daemon.history.timeline import Snapshot, read_snapshot, timeline
from bough_daemon.retention.starting_over import may_start_over
from bough_daemon.retention.thinning import ThinningPlan, prepare, propose
from bough_daemon.store.store import LIVE, Store

from tests.daemon.support import git

BEGAN = 1_700_000_000.0
WHO = "A <a@b>"
FILES = ("a", "b", "deep/er/c")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = BEGAN

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self.now


class History:
    """Alice's live branch, and Bob's as it has come from him, with the user's commits below them."""

    base: str
    tree: str
    bob = ""
    written = 0

    def __init__(self, root: Path, store: Store, clock: Clock, copied: History | None = None) -> None:
        self.root, self.store, self.clock = root, store, clock
        self.alice = Branch(store, "alice", WHO)
        if copied is not None:
            self.base, self.tree, self.bob, self.written = copied.base, copied.tree, copied.bob, copied.written
            clock.now = copied.clock.now
            return
        self.base = git(root, "rev-parse", "HEAD")
        self.tree = store.objects.commit(self.base).tree
        self.save()

    def save(self, seconds: float = 0.0) -> Snapshot:
        """Take a snapshot some time later."""
        self.clock.now += seconds
        self.store.arrive(self.base)
        return self.alice.save(self.tree, self.base)

    def edit(self, seconds: float, file: int = 0) -> None:
        """Save another content of a file some time later."""
        self.written += 1
        objects = self.store.objects
        blob = objects.write_blob(b"line %d\n" % self.written * (1 + self.written % 3))
        self.tree = objects.splice(self.tree, {FILES[file]: TreeEntry(FILE, blob)})
        self.save(seconds)

    def files(self, tree: str) -> dict[str, bytes]:
        """Return the content of each file of a tree."""
        return {path: self.store.objects.blob(entry.oid) for path, entry in self.store.objects.walk(tree)}

    def types(self, files: dict[str, bytes]) -> Snapshot:
        """Save files with some contents, as a user who writes them."""
        objects = self.store.objects
        entries = {path: TreeEntry(FILE, objects.write_blob(data)) for path, data in files.items()}
        self.tree = objects.splice(None, entries)
        return self.save(1.0)

    def commit(self, seconds: float = 1.0) -> None:
        """Commit everything, as the user does."""
        self.store.give([self.tree])
        self.base = git(self.root, "commit-tree", self.tree, "-p", self.base, "-m", f"commit {self.written}")
        git(self.root, "update-ref", "refs/heads/main", self.base)
        self.save(seconds)

    def switch(self, seconds: float = 1.0) -> None:
        """Check out the commit before HEAD."""
        older = git(self.root, "rev-parse", "-q", "--verify", f"{self.base}~1") if self.has_older() else self.base
        self.base, self.tree = older, self.store.objects.commit(older).tree
        self.save(seconds)

    def has_older(self) -> bool:
        """Return whether HEAD's commit has a parent."""
        return bool(git(self.root, "rev-list", "--parents", "-1", self.base).split()[1:])

    def bob_merges(self, seconds: float = 1.0) -> None:
        """Let Bob merge Alice's branch, and Alice's daemon take his."""
        self.clock.now += seconds
        objects, tip = self.store.objects, self._tip()
        mine = read_snapshot(objects, self.bob).base if self.bob else self.base  # type: ignore[union-attr]
        parents = [*([self.bob] if self.bob else []), mine, tip.oid]
        message = f"merge alice\n\nBough-Base: {mine}\nBough-Event: merge alice\nBough-Brought: {tip.oid}\n"
        self.bob = objects.write_commit(tip.tree, parents, "B <b@b>", int(self.clock.now), message)
        self.store.name(LIVE + "bob", self.bob)

    def alice_merges(self, seconds: float = 1.0) -> None:
        """Let Alice merge Bob's branch, which has nothing new."""
        if self.bob:
            self.clock.now += seconds
            self.alice.record(self.tree, self.base, "merge bob", contains=[self.bob])

    def long_day(self, saves: int = 40, seconds: float = 5.0) -> None:
        """Save often, commit, and begin the history again."""
        for number in range(saves):
            self.edit(seconds, number % 3)
        self.commit()
        assert self.start_over()

    def start_over(self, seconds: float = 1.0) -> bool:
        """Begin the history again if it may; return whether it did."""
        self.clock.now += seconds
        tip = self._tip()
        may = may_start_over(self.store, "alice", tip, self.clock.now, 1)
        if may:
            self.alice.start_over(tip.oid)
            assert self.alice.save(self.tree, self.base).oid != tip.oid
            self.alice.start_over("")
        return may

    def undo(self, steps: int) -> None:
        """Let the branch continue an earlier snapshot, as an undo does."""
        older = self.snapshots()[: steps + 1][-1]
        self.base, self.tree = older.base, older.tree
        self.alice.record(self.tree, self.base, "undo", onto=older.oid)

    def _tip(self) -> Snapshot:
        assert self.alice.tip is not None
        return self.alice.tip

    def snapshots(self) -> list[Snapshot]:
        """Return Alice's timeline."""
        return list(timeline(self.store.objects, self._tip().oid))

    def merge_bases(self) -> dict[str, frozenset[str]]:
        """Return the merge bases of the live branches with one another and with the user's, as merges ask for them."""
        tips = [self._tip().oid, *([self.bob] if self.bob else []), self.base, git(self.root, "rev-parse", "HEAD")]
        return {
            f"{one} {other} {known}": bases_of(self.store, one, [other], known)
            for one, other in combinations(tips, 2)
            for known in (False, True)
        }


def planned(store: Store, folders: Sequence[str], ages: KeepAges, now: float) -> ThinningPlan | None:
    """Plan what goes, as a daemon does."""
    plan = propose(store, folders, ages, now, least=1)
    if plan is not None:
        prepare(store, plan)
    return plan


def bases_of(store: Store, one: str, others: Sequence[str], known: bool) -> frozenset[str]:
    """Return merge bases; `known`: also by what landed commits contain."""
    ask = knowing(store.git) if known else store.git
    return frozenset(ask.run("merge-base", "--all", one, *others, allowed=(0, 1)).decode().split())


def check_whole(store: Store, commits: Sequence[str]) -> None:
    """Check that each of some commits has its whole tree, and that Git finds nothing wrong in the store."""
    git(Path(store.path), "fsck", "--full", "--strict", "--no-dangling")
    for commit in commits:
        for _, entry in store.objects.walk(store.objects.commit(commit).tree):
            assert store.objects.blob(entry.oid) is not None
    asked = "".join(f"{oid}\n" for oid in commits).encode()
    git(Path(store.path), "rev-list", "--objects", "--no-walk", "--stdin", stdin=asked)
