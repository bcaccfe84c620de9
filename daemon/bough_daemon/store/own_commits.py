"""Which of the user's commits may be shared: those that a remote or the team has, and others without a secret.

A commit goes along with every snapshot that is based on it, so one that has withheld content stays on this machine,
with all later commits, until it is pushed or rewritten. What the team sees is then based on the newest commits before
it.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bough_daemon.errors import GitFailed, GitTooSlow
from bough_daemon.git.command import GitCommand, in_one_line
from bough_daemon.git.objects import Change
from bough_daemon.git.refs import REMOTES, commits_below
from bough_daemon.privacy.purged import WHY_HELD
from bough_daemon.privacy.withheld import why_never
from bough_daemon.store.store import LANDED, LIVE, SHARED, Store

MOST_COMMITS = 1000  # newest unpushed commits that are checked; each takes about 0.3 ms
TEAMS_SECONDS = 1.5  # for finding which commits the team has, where saves wait for it
AGAIN_SECONDS = 120.0  # after which that is asked again, if it took too long where no save waits
FEW = 16  # commits that are followed without asking git
LOOK_EVERY = 2.0  # seconds between checks whether withheld commits were pushed
TOO_SLOW = "Git takes too long to list your commits, so they stay here; Bough tries again every few minutes"
SHORT = 7  # characters of a commit's id


@dataclass(frozen=True)
class Leaving:
    """The part of a commit's history that may be shared.

    `commits`: the newest commits that may, the commit itself if it may; none if not even the first one may. `reasons`:
    why the others stay, by path.
    """

    commits: tuple[str, ...]
    reasons: Mapping[str, str] = field(default_factory=dict)


class OwnCommits:
    """Check the commits of one repository's user. On one thread at a time."""

    def __init__(self, store: Store, known: OwnCommits | None = None) -> None:
        self._store = store
        self._fit: set[str] = set()  # commits that may be shared, with their whole history
        self._reasons: dict[str, dict[str, str]] = {}  # of a commit alone
        self._kept: dict[str, Leaving] = {}  # withheld commits, as of the last check
        self._choices = self._choices_now()  # those that the verdicts follow
        self._seen: tuple[object, ...] = ()
        self._looked_at = -math.inf
        self._is_beside = False
        self._doubtful = False  # some commits are withheld only because Git took too long
        self._again_at = -math.inf  # the moment (monotonic) from which Git may again take long for that
        if known is not None:
            self.learn(known)

    def copied(self) -> OwnCommits:
        """Return what is known now, for another thread."""
        return OwnCommits(self._store, self)

    def learn(self, known: OwnCommits) -> None:
        """Adopt what was found out beside the store's thread, unless paths were allowed, hidden or purged meanwhile."""
        self._follow_choices()
        if known._choices != self._choices:
            return
        self._fit |= known._fit
        self._reasons |= known._reasons
        self._kept |= known._kept
        self._seen, self._looked_at = known._seen, known._looked_at
        self._doubtful |= known._doubtful
        self._again_at = max(self._again_at, known._again_at)

    @classmethod
    def looked_through(cls, store: Store, commit: str, known: OwnCommits | None = None) -> OwnCommits:
        """Return the commits after all up to one were checked, on another thread than the store's.

        These are up to MOST_COMMITS, for which saves would have to wait. `known`: what was checked before, for this
        thread alone.
        """
        with store.beside() as there:
            made = cls(there, known)
            made._is_beside = True
            if there.objects.exists(commit):
                made.leaving(commit)
        made._store, made._is_beside = store, False
        return made

    def is_checked(self, commit: str) -> bool:
        """Return whether a commit was checked, or is one of a few after such.

        One that was withheld only because Git took too long was not, once Git may be asked again.
        """
        self._follow_choices()
        if self._doubtful and time.monotonic() >= self._again_at:
            self._doubt_all()
        return commit in self._fit or commit in self._kept or self._is_plainly_fit(commit)

    @property
    def due(self) -> float:
        """The moment (monotonic) when a withheld commit may be fit to leave; infinite if there are none."""
        return self._looked_at + LOOK_EVERY if self._kept else math.inf

    def look_again(self) -> bool:
        """Return whether withheld commits should be checked again, because a push or a teammate may matter."""
        if not self._kept or time.monotonic() < self.due:
            return False
        self._looked_at = time.monotonic()
        seen = self._everywhere()
        if seen != self._seen:
            self._doubt_all()
            return True
        return False

    def _doubt_all(self) -> None:
        """Check withheld commits again at the next question."""
        self._kept.clear()
        self._doubtful = False

    def _follow_choices(self) -> None:
        """Check all commits again if the user has allowed, hidden or purged something: those that left stay fit."""
        now = self._choices_now()
        if self._choices != now:
            self._choices = now
            self._doubt_all()
            self._fit.clear()
            self._reasons.clear()

    def _choices_now(self) -> tuple[object, ...]:
        store = self._store
        return store.allowed.paths, store.hidden.paths, store.purged.ids

    def leaving(self, commit: str) -> Leaving:
        """Return the part of a commit's history that may be shared."""
        self._follow_choices()
        if commit in self._fit or self._is_plainly_fit(commit):
            return Leaving((commit,))
        if commit not in self._kept:
            self._judge(commit)
        return self._kept.get(commit) or Leaving((commit,))

    def _is_plainly_fit(self, commit: str) -> bool:
        """Return whether a commit is one of a few on top of those that may be shared: then git need not be asked."""
        new, pending = list[str](), [commit]
        while pending:
            oid = pending.pop()
            if oid in self._fit or oid in new:
                continue
            if len(new) >= FEW or not self._store.objects.exists(oid):
                return False
            new.append(oid)
            parents = self._store.objects.commit(oid).parents
            if not parents:
                return False  # an unrelated history, or the border of a shallow clone
            pending += parents
        if any(self._why_stays(oid) for oid in new):
            return False
        self._fit.update(new)
        return True

    def _judge(self, commit: str) -> None:
        """Find for every commit in a history that nobody else has whether it may be shared."""
        self._seen, self._looked_at = self._everywhere(), time.monotonic()
        try:
            unknown = self._nobodys(commit)
        except GitTooSlow:
            self._doubtful = True
            self._kept[commit] = Leaving((), {".git": TOO_SLOW})
            return
        except GitFailed as failure:
            why = in_one_line(failure.facts.get("output", "")) or failure.message
            self._kept[commit] = Leaving((), {".git": f"Git cannot list your commits, so they stay here: {why}"})
            return
        for oid in _parents_first(unknown, commit):
            if oid in self._fit:
                continue
            reasons = {path: _told(reason, oid) for path, reason in self._why_stays(oid).items()}
            for parent in unknown[oid]:
                reasons |= self._kept[parent].reasons if parent in self._kept else {}
            if reasons:
                found = (one for parent in unknown[oid] for one in self._leaving_of(parent))
                self._kept[oid] = Leaving(tuple(self._newest(dict.fromkeys(found))), reasons)
            else:
                self._fit.add(oid)
        if commit not in self._kept:
            self._fit.add(commit)

    def _nobodys(self, commit: str) -> dict[str, list[str]]:
        """Return the commits in a history that neither a remote nor the team has, each with its parents."""
        self._store.follow_shallow()
        own, patient = self._elsewhere(), self._is_beside and time.monotonic() >= self._again_at
        try:
            return self._without(commit, [*own, *self._teams().values()], None if patient else TEAMS_SECONDS)
        except GitTooSlow:
            self._doubtful = True  # until Git is asked again, what only the team has counts as the user's
            if patient:
                self._again_at = time.monotonic() + AGAIN_SECONDS
        return self._without(commit, own)

    def _without(self, commit: str, others: Iterable[str], seconds: float | None = None) -> dict[str, list[str]]:
        """Return the newest commits in a history that none of `others` contains, each with its parents."""
        names = "".join(f"{oid}\n" for oid in [commit, *(f"^{oid}" for oid in dict.fromkeys(others))])
        # In no strict order: for that, git would have to walk all of a history without a remote.
        options = ("--parents", f"--max-count={MOST_COMMITS}", "--ignore-missing", "--stdin")
        walks, git = self._store.walks, self._store.git
        lines = walks.run(git, "rev-list", *options, stdin=names.encode(), seconds=seconds).decode().splitlines()
        return {oid: parents for oid, *parents in map(str.split, lines)}

    def _leaving_of(self, parent: str) -> tuple[str, ...]:
        return self._kept[parent].commits if parent in self._kept else (parent,)

    def _newest(self, commits: Iterable[str]) -> Iterator[str]:
        """Yield those of some commits that none of the others contains."""
        found = list(commits)
        for oid in found:
            if not any(other != oid and self._store.is_surely_ancestor(oid, other) for other in found):
                yield oid

    def _why_stays(self, commit: str) -> dict[str, str]:
        """Return what a commit brings that must not leave, with the reason; for a merge, what no parent has."""
        known = self._reasons.get(commit)
        if known is None:
            changes = list(self._changes(commit))
            objects, allowed = self._store.objects, self._store.allowed
            said = {path: why_never(objects, path, before, now) for path, before, now in changes if now is not None}
            purged = self._store.purged.ids
            said |= {path: WHY_HELD for path, _, now in changes if now is not None and now.oid in purged}
            why = {path: reason for path, reason in said.items() if reason is not None and path not in allowed}
            before = {entry.oid for _, entry, _ in changes if entry is not None}
            texts = self._store.secrets.brought_by(changes, before)
            known = why | {path: reason for path, reason in texts.items() if path not in why and path not in allowed}
            known |= self._store.hidden.among(changes)
            if len(self._reasons) >= MOST_COMMITS:
                self._reasons.clear()
            self._reasons[commit] = known
        return known

    def _changes(self, oid: str) -> Iterator[Change]:
        objects = self._store.objects
        commit = objects.commit(oid)
        trees = [objects.commit(parent).tree for parent in commit.parents if objects.exists(parent)]
        for path, before, now in objects.difference(trees[0] if trees else None, commit.tree):
            if not any(objects.entry(tree, path) == now for tree in trees[1:]):
                yield path, before, now

    def _elsewhere(self) -> list[str]:
        """Return the commits that remotes have, and those checked before they were shared."""
        return [*commits_below(GitCommand(self._store.common_dir), REMOTES), *self._store.refs(SHARED).values()]

    def _teams(self) -> dict[str, str]:
        """Return the branches of teammates, and landed commits."""
        mine, live = self._store.refs(SHARED), self._store.refs(LIVE)
        return {name: oid for name, oid in live.items() if name not in mine} | self._store.refs(LANDED)

    def _everywhere(self) -> tuple[object, ...]:
        """Return a value that changes with a push, a fetch, or a teammate's state; git is not asked."""
        folders, found = [os.path.join(self._store.common_dir, REMOTES)], list[object]()
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        found.append((entry.path, entry.stat().st_mtime_ns))
            except OSError:
                continue  # there is none, or it has just been removed
        try:
            packed = os.stat(os.path.join(self._store.common_dir, "packed-refs"))
            found.append((packed.st_ino, packed.st_size, packed.st_mtime_ns))
        except OSError:
            found.append(None)
        return (*sorted(map(repr, found)), *sorted(self._teams().items()))


def _parents_first(parents: Mapping[str, Sequence[str]], commit: str) -> Iterator[str]:
    """Yield a commit and its ancestors among `parents`, each after its own parents."""
    pending, seen = [(commit, False)], set[str]()
    while pending:
        oid, is_ready = pending.pop()
        if is_ready:
            yield oid
        elif oid in parents and oid not in seen:
            seen.add(oid)
            pending += [(oid, True), *((parent, False) for parent in parents[oid])]


def _told(reason: str, commit: str) -> str:
    return (
        f"{reason}; your commit {commit[:SHORT]} and those after it stay here until it is pushed, rewritten or allowed"
    )
