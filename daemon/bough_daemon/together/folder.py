"""Fold another branch into one working tree's files, and record the result.

One call tries one fold, from what is recorded here and what is known of the other side. If a file has changed since,
nothing is changed, and the next snapshot will have it. The user's HEAD, index and references are never touched, and
none of their locks is taken.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice, takewhile
from typing import Literal

from bough_daemon.commands.hop import hop_now
from bough_daemon.errors import BoughError, ForeignGitDirectory, GitTooSlow
from bough_daemon.git.index import hidden_paths, left_out, unmerged_paths
from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.root_dir import RootDir, blob_id
from bough_daemon.git.rule_files import ATTRIBUTES
from bough_daemon.git.rules import is_sparse
from bough_daemon.history.branches import Folded
from bough_daemon.history.company import Company
from bough_daemon.history.timeline import Snapshot, read_snapshot, timeline
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.walks import AGAIN_SECONDS
from bough_daemon.together import unrecorded_fold
from bough_daemon.together.crossings import Crossings
from bough_daemon.together.earlier_folds import AGAIN, EarlierFold, earlier_folds
from bough_daemon.together.fold_base import Pair
from bough_daemon.together.stale_saves import FoldedIn, RecentFolds
from bough_daemon.together.tree_fold import TreeFold, Undecided, without_blocked
from bough_daemon.together.unrecorded_fold import Begun
from bough_daemon.transaction import rescued_saves
from bough_daemon.transaction.apply import apply
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import Disturbed, FileState, is_file
from bough_daemon.transaction.transaction import check_no_repository, overlooked

DISPUTED = "both changed the same lines"
IGNORED = "Git ignores this path here"
HIDDEN = "it is marked assume-unchanged or skip-worktree"
OUTSIDE = "it is outside your sparse checkout"
UNMERGED = "it has unresolved conflicts"
COSTLY = "the history of {0}'s branch takes Git too long to compare with yours"
MUCH = "it changes more than {0:,} files here at once"
OCCUPIED = "an ignored file is in its place"


LARGE_BYTES = 4 * 1024 * 1024  # of a file whose line ends are not checked here: then Git is asked what it converts
MOST_FOLDED = 2000  # files that one fold changes: a teammate may write any number, each takes a millisecond
MOST_SAVES = 300  # saves since a fold that are checked
SNAPSHOT_STEP = 1.0  # seconds: a snapshot knows its time to the second
MOST_ATTEMPTS = 3  # to read the folds that an earlier daemon recorded

Role = Literal["host", "guest", "followed"]


@dataclass(frozen=True)
class Other:
    """The other side of a fold. `branch`: its name; `tip`: its newest tip here. `role`: its relation to this side.

    `solid`: it is folded only as it was when it was marked as solid.
    """

    branch: str
    tip: str
    role: Role
    solid: bool = False

    @property
    def hosting(self) -> bool:
        """Return whether it is a guest here."""
        return self.role == "guest"


@dataclass(frozen=True)
class Attempt:
    """The result of a fold. `made`: the new tip, None if there was nothing to fold. `undecided`: for the engine first.

    `again`: there may be more to fold. `disturbed`: a file is being changed at this very moment. `held`: why nothing is
    folded at the moment.
    """

    made: Snapshot | None = None
    undecided: tuple[Undecided, ...] = ()
    again: bool = False
    disturbed: bool = False
    held: str = ""


@dataclass
class WorktreeFolder:
    """Folds branches into one working tree. On the store's thread only.

    `reasons`: by branch and path, why a path is paused. `checked`: the newest tip that lacks no fold by a stale save.
    """

    session: Recorder
    live: LiveWorktree
    crossings: Crossings
    recent: RecentFolds = field(init=False)
    reasons: dict[str, dict[str, str]] = field(default_factory=dict)
    checked: Snapshot | None = None
    _settled: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _costly_until: dict[str, float] = field(default_factory=dict)  # the moment (monotonic) when it is tried again
    _much: tuple[tuple[str, str, str], bool] = (("", "", ""), False)  # what `is_much` was asked last, and the answer
    _folded: str = ""  # the tip after the last fold, and the index then
    _index_then: tuple[int, int, int] | None = None
    _remembers: bool = False  # the folds that an earlier daemon recorded, too
    _attempts: int = 0  # to read those

    def __post_init__(self) -> None:
        self.recent = RecentFolds(self.live.store.objects.blob)

    @property
    def has_all(self) -> bool:
        """Return whether there is no recent fold that a save may be missing. From any thread."""
        return self._remembers and not self.recent

    def fold(self, other: Other, present: Collection[str]) -> Attempt:
        """Try to fold another branch's tip. `present`: the branches that this one is together with."""
        try:
            repaired = self.repair()
        except Disturbed:
            return Attempt(disturbed=True)
        except BoughError as failure:
            return Attempt(held=failure.message)
        if repaired is not None:
            return Attempt(repaired, again=True)
        mine, theirs = self.session.branch.tip, read_snapshot(self.live.store.objects, other.tip)
        if mine is None or theirs is None or mine.operation or theirs.operation:
            return Attempt()
        if not self._is_still(other, mine):
            return Attempt()  # a command has ended it meanwhile
        state = (mine.tree, other.tip, mine.company.paused.get(other.branch), self._index_state())
        if self._settled.get(other.branch) == state:
            return Attempt()
        if time.monotonic() < self._costly_until.get(other.branch, 0.0):
            return Attempt(held=COSTLY.format(other.branch))
        try:
            if other.role == "followed":
                attempt = self._follow(other, mine, theirs, present)
            else:
                attempt = self._attempt(other, mine, theirs, present)
        except Disturbed:
            return Attempt(disturbed=True)
        except GitTooSlow:
            self._costly_until[other.branch] = time.monotonic() + AGAIN_SECONDS
            return Attempt(held=COSTLY.format(other.branch))
        except BoughError as failure:
            return Attempt(held=failure.message)
        if attempt == Attempt():
            self._settled[other.branch] = state
        return attempt

    def is_much(self, before: str, after: str, here: str) -> bool:
        """Return whether what turns a tree into another changes more files of the tree `here` than one fold may.

        Saves wait for a fold. What is here already, and what else is different here, counts for nothing.
        """
        asked = before, after, here
        if self._much[0] != asked:
            self._much = asked, self._changes_much(*asked)
        return self._much[1]

    def _changes_much(self, before: str, after: str, here: str) -> bool:
        objects = self.live.store.objects
        if not all(objects.some_difference(one, after, MOST_FOLDED)[1] for one in dict.fromkeys((before, here))):
            return False
        coming = (path for path, _, now in objects.difference(before, after) if objects.entry(here, path) != now)
        return next(islice(coming, MOST_FOLDED, None), None) is not None

    def _too_much(self, other: Other) -> Attempt:
        command = "merge" if other.hosting else "hop"
        return Attempt(held=f"{MUCH.format(MOST_FOLDED)}; `bough {command} {other.branch}` brings them")

    def forget_settled(self) -> None:
        """Try the next fold of each branch even if nothing seems to have changed since the last one."""
        self._settled.clear()

    def _is_still(self, other: Other, mine: Snapshot) -> bool:
        """Return whether the other side still has the role that it had when the fold was due."""
        if other.role == "host":
            return mine.company.guest_of == other.branch
        if other.role == "followed":
            hop = hop_now(self.live)
            return hop is not None and hop.follows and hop.name == other.branch
        return True

    def _attempt(self, other: Other, mine: Snapshot, theirs: Snapshot, present: Collection[str]) -> Attempt:
        shared = read_snapshot(self.live.store.objects, mine.shared)
        if shared is None:
            return Attempt()
        me = self.session.branch.name
        if other.hosting:
            base, undecided = self.crossings.base(Pair(shared, theirs), me, other.branch)
        else:
            base, undecided = self.crossings.base(Pair(theirs, shared), other.branch, me)
        if base is None or undecided:
            return Attempt(undecided=undecided)
        if self.is_much(base, theirs.tree, mine.tree):
            return self._too_much(other)
        paused = mine.company.paused.get(other.branch, frozenset()) | theirs.company.paused.get(me, frozenset())
        trees = (mine.tree, theirs.tree) if other.hosting else (theirs.tree, mine.tree)
        bases = self._true_bases(shared, theirs, paused)
        found = self.crossings.folder.fold(base, *trees, into_guest=not other.hosting, bases=bases)
        if found.undecided:
            return Attempt(undecided=found.undecided)
        found = self._without_held(other.branch, mine, found)
        company = mine.company.with_folded(other.branch, other.tip, found.paused).only(present)
        unchanged = not found.changes and company.paused == mine.company.only(present).paused
        if unchanged and (
            mine.company.folded.get(other.branch) == other.tip or not self._has_news(base, theirs, found)
        ):
            return Attempt()
        return self._carry_out(other, mine, theirs, found, company, claims=not found.paused)

    def _has_news(self, base: str, theirs: Snapshot, found: TreeFold) -> bool:
        """Return whether the other side changed more than what is paused: else there is nothing to record."""
        changed = self.live.store.objects.difference(base, theirs.tree)
        return any(path not in found.paused for path, _, _ in changed)

    def _follow(self, other: Other, mine: Snapshot, theirs: Snapshot, present: Collection[str]) -> Attempt:
        """Take what a followed branch has changed, except files that were edited here."""
        objects, seen = self.live.store.objects, mine.company.folded.get(other.branch)
        if seen is None or seen == other.tip or not objects.exists(seen):
            return Attempt()
        before = objects.commit(seen).tree
        if self.is_much(before, theirs.tree, mine.tree):
            return self._too_much(other)
        made = objects.difference(before, theirs.tree)
        changes = {path: now for path, was, now in made if objects.entry(mine.tree, path) == was}
        found = self._without_held(other.branch, mine, TreeFold(without_blocked(objects, mine.tree, changes)))
        company = mine.company.with_folded(other.branch, other.tip, ()).only(present)
        whole = self._has_all(theirs, objects.splice(mine.tree, found.changes), mine)
        return self._carry_out(other, mine, theirs, TreeFold(found.changes), company, claims=whole)

    def _has_all(self, theirs: Snapshot, tree: str, mine: Snapshot) -> bool:
        """Return whether a tree has all that a branch has changed since their common state."""
        objects = self.live.store.objects
        differs = [path for path, _, _ in objects.difference(tree, theirs.tree)]
        bases = self._true_bases(mine, theirs, differs)
        return all(objects.entry(bases[path], path) == objects.entry(theirs.tree, path) for path in differs)

    def _true_bases(self, shared: Snapshot, theirs: Snapshot, paused: Collection[str]) -> dict[str, str]:
        """Return the common tree for each paused path: what both contain by all their claims."""
        if not paused:
            return {}
        store = self.live.store
        commit = store.merge_base(shared.oid, theirs.oid)
        tree = store.objects.commit(commit).tree if commit is not None else store.objects.write_tree({})
        return dict.fromkeys(paused, tree)

    # Leaving paths out.

    def _without_held(self, branch: str, mine: Snapshot, found: TreeFold) -> TreeFold:
        """Return a fold without the paths that must stay as they are here, which count as paused."""
        held = dict.fromkeys(found.paused, DISPUTED) | self.held_paths(mine, found.changes)
        for pair in found.renamed.items():
            held |= {path: held[one] for one in pair if one in held for path in pair}
        self.reasons[branch] = held
        changes = {path: entry for path, entry in found.changes.items() if path not in held}
        return TreeFold(changes, frozenset(held))

    def held_paths(self, mine: Snapshot, changes: Mapping[str, TreeEntry | None]) -> dict[str, str]:
        """Return which of some changes cannot be made here, with the reason, and which files are in conflict."""
        held = self._held(mine, changes) if changes else {}
        return {path: why for path, why in held.items() if path in changes} | dict.fromkeys(
            unmerged_paths(self.live.worktree), UNMERGED
        )

    def _held(self, mine: Snapshot, changes: Mapping[str, TreeEntry | None]) -> dict[str, str]:
        held = dict.fromkeys(hidden_paths(self.live.worktree), HIDDEN)
        objects, root = self.live.store.objects, self.live.worktree.root
        new = objects.splice(mine.tree, changes)
        coming = {path for path, now in changes.items() if now is not None and objects.entry(mine.tree, path) is None}
        if coming:
            ignored = overlooked(self.live, mine.tree, new)
            occupied = (path for path in coming - ignored if os.path.lexists(os.path.join(root, path)))
            held |= dict.fromkeys(ignored, IGNORED) | dict.fromkeys(occupied, OCCUPIED)
            if is_sparse(self.live.worktree):
                held |= dict.fromkeys(left_out(self.live.worktree, coming), OUTSIDE)
        try:
            check_no_repository(self.live, mine.tree, new, "a teammate")
        except ForeignGitDirectory as foreign:
            folder = foreign.facts["path"]
            below = (path for path in changes if f"{path}/".startswith(f"{folder}/"))
            held |= dict.fromkeys(below, foreign.message)
        return held

    def _index_state(self) -> tuple[int, int, int] | None:
        try:
            status = os.stat(os.path.join(self.live.worktree.git_dir, "index"))
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    # Carrying it out.

    def _carry_out(
        self,
        other: Other,
        mine: Snapshot,
        theirs: Snapshot,
        found: TreeFold,
        company: Company,
        *,
        claims: bool,
    ) -> Attempt:
        objects = self.live.store.objects
        tree = self.place(mine, found.changes, other.branch)
        claim = other.tip if claims else None
        seen = {path: objects.entry(theirs.tree, path) for path in found.changes}
        made = self.session.branch.fold(Folded(other.branch, tree, mine.tree, company, claim, seen))
        self._folded, self._index_then = made.oid, self._index_state()
        return Attempt(made)

    def place(self, mine: Snapshot, changes: Mapping[str, TreeEntry | None], branch: str) -> str:
        """Change files that are as in a snapshot, and return the tree of all; raise Disturbed.

        `branch`: the folded branch; empty: none, a save is repaired.
        """
        objects = self.live.store.objects
        if not changes:
            return mine.tree
        if self.session.is_git_at_work() or self.session.head_now().commit != mine.base:
            raise Disturbed("HEAD")
        tree = objects.splice(mine.tree, changes)
        same_rules = not any(path.rpartition("/")[2] == ATTRIBUTES for path in changes)
        plain = self.session.unconverted(self._contents(mine, changes)) if same_rules else frozenset[str]()
        self._check_unchanged(mine, plain)
        unrecorded_fold.begin(self.live, Begun(mine.oid, tree))
        apply(
            self.live.worktree,
            objects,
            FileState(mine.tree),
            FileState(tree),
            scratch=self.live.scratch,
            plain=plain,
            keep=partial(rescued_saves.keep, self.live),
        )
        now = time.time()
        for path, after in changes.items():
            before = objects.entry(mine.tree, path)
            if before is not None and after is not None and is_file(before) and is_file(after) and path in plain:
                fold = FoldedIn(before.oid, after.oid, now, objects.blob, branch, mine.oid)
                self.recent.note(path, fold)
        return tree

    def _check_unchanged(self, mine: Snapshot, plain: Collection[str]) -> None:
        """Raise Disturbed if a file differs from a snapshot: a change must not appear and disappear again."""
        with RootDir(self.live.worktree.root) as root:
            for path in plain:
                entry, found = self.live.store.objects.entry(mine.tree, path), root.read(path)
                if is_file(entry) and entry is not None and (found is None or blob_id(found[1]) != entry.oid):
                    raise Disturbed(path)

    def _contents(self, mine: Snapshot, changes: Mapping[str, TreeEntry | None]) -> dict[str, list[bytes]]:
        """Return the contents of files before and after some changes, without those that are too large."""
        objects = self.live.store.objects
        ways = {path: (objects.entry(mine.tree, path), now) for path, now in changes.items()}
        entries = {path: [one for one in way if one is not None] for path, way in ways.items()}
        small = {path: of for path, of in entries.items() if all(objects.size(one.oid) <= LARGE_BYTES for one in of)}
        return {path: [objects.blob(one.oid) for one in of] for path, of in small.items()}

    # Saves that overwrote a fold.

    def repair(self) -> Snapshot | None:
        """Merge a save that overwrote a fold with the fold; return the new tip, None for none.

        Where both changed the same lines, the file is paused. Raise Disturbed while that file is being saved again.
        """
        mine, objects = self.session.branch.tip, self.live.store.objects
        if mine is None or (self.checked is not None and mine.oid == self.checked.oid):
            return None
        if not self._remembers:
            self._remember(mine)
        if not self._is_saved_since(mine):
            self.recent.clear()  # what a command or Git changed in the files is intended
        changes, disputed = dict[str, TreeEntry | None](), dict[str, list[FoldedIn]]()
        for path in self.recent.paths(time.time()):
            entry = objects.entry(mine.tree, path)
            if entry is None or not is_file(entry):
                continue
            unseen, repaired = self._repaired(path, entry.oid)
            if repaired is not None:
                changes[path] = TreeEntry(entry.mode, objects.write_blob(repaired))
            elif unseen:
                disputed[path] = unseen
        if not changes and not disputed:
            self.checked = mine
            return None
        settled = self.recent.folds([*changes, *disputed])
        tree = self.place(mine, changes, "")
        made = self._paused(mine, tree, disputed)
        if made is None:
            made = self.session.branch.fold(Folded(AGAIN, tree, mine.tree, mine.company, None))
        self._folded, self.checked = made.oid, made
        self.recent.drop(settled)  # the last of all: the event loop looks there whether anything is to be checked
        return made

    def _remember(self, mine: Snapshot) -> None:
        """Remember the recent folds that an earlier daemon recorded, if Git has not changed the files since."""
        self._attempts += 1
        if self._attempts <= MOST_ATTEMPTS:
            (folds, newest), index = earlier_folds(self.live.store.objects, mine.oid, time.time()), self._index_state()
            unchanged = (fold for fold in folds if not _is_newer(index, fold.after))
            found = [one for fold in unchanged for one in self._folded_in(fold)]  # may fail: nothing is noted then
            for path, one in found:
                self.recent.note(path, one)
            self._folded, self._index_then = newest, index
        self._remembers = True

    def _folded_in(self, fold: EarlierFold) -> Iterator[tuple[str, FoldedIn]]:
        """Yield what an earlier fold changed in each file that Git does not convert."""
        read, entry = self.live.store.objects.blob, self.live.store.objects.entry
        for path in self.session.unconverted(self._contents(fold.before, fold.changes)):
            was, now = entry(fold.before.tree, path), fold.changes[path]
            if was is not None:
                yield path, FoldedIn(was.oid, now.oid, fold.after.time, read, fold.branch, fold.before.oid)

    def _paused(self, mine: Snapshot, tree: str, disputed: Mapping[str, list[FoldedIn]]) -> Snapshot | None:
        """Pause files of which a save has other versions of the very lines that folds brought; None if there are none.

        The save is recorded as one from before the folds: only then do both versions have a common one that is neither.
        A branch that is followed, or merged by `stay`, does not take part in a pause.
        """
        company, folds = mine.company, [fold for folds in disputed.values() for fold in folds]
        for path, over in disputed.items():
            for branch in {fold.branch for fold in over} & self._partners(mine):
                paused = company.paused.get(branch, frozenset()) | {path}
                company = company.with_folded(branch, company.folded[branch], paused)
        if company == mine.company:
            return None
        first = min(folds, key=lambda fold: fold.at)
        return self.session.branch.record(tree, mine.base, "save", since=mine.tree, onto=first.onto, company=company)

    def _partners(self, mine: Snapshot) -> set[str]:
        """Return the branches that this one is folded with in both directions."""
        hop = hop_now(self.live)
        followed = {hop.name} if hop is not None and hop.follows else set[str]()
        return mine.company.folded.keys() - followed

    def _is_saved_since(self, mine: Snapshot) -> bool:
        """Return whether only saves have changed the files since the last fold."""
        if self._index_state() != self._index_then:
            return False
        for snapshot in islice(timeline(self.live.store.objects, mine.oid), MOST_SAVES):
            if snapshot.oid == self._folded:
                return True
            if snapshot.event != "save":
                return False
        return False

    def _repaired(self, path: str, saved: str) -> tuple[list[FoldedIn], bytes | None]:
        """Return the folds that a saved blob lacks, and its text with them, None if they conflict with it."""
        if not self.recent.unseen(path, saved, 0.0):
            return self.recent.overwritten(path, saved, self._saved_at(path)), None
        read, tip = self.live.store.objects.blob, self.session.branch.tip
        hosts, repaired = tip is not None and not tip.company.guest_of, read(saved)
        unseen = self.recent.unseen(path, saved, self._saved_at(path))
        for fold in unseen:
            found = self.crossings.folder.lines(read(fold.before), repaired, read(fold.after), hosting=hosts)
            if found is None:
                return unseen, None
            repaired = found
        return unseen, repaired if unseen else None

    def _saved_at(self, path: str) -> float:
        """Return since when a file has lacked a fold: since the first of its newest saves that all lack it.

        On a busy machine these are recorded long after, and looked at long after that.
        """
        try:
            # When it arrived there: a file that is moved into place, or copied with its times, may be older.
            at = os.lstat(os.path.join(self.live.worktree.root, path)).st_ctime
        except OSError:
            return math.inf
        tip, objects = self.session.branch.tip, self.live.store.objects
        saves = timeline(objects, tip.oid) if tip is not None else iter(())
        for save in takewhile(lambda one: one.oid != self._folded, islice(saves, MOST_SAVES)):
            entry = objects.entry(save.tree, path)
            if entry is None or not is_file(entry) or not self.recent.unseen(path, entry.oid, 0.0):
                break
            at = min(at, save.time)
        return at


def _is_newer(index: tuple[int, int, int] | None, snapshot: Snapshot) -> bool:
    """Return whether Git has written an index in this state after a snapshot was taken."""
    return index is not None and index[0] / 1e9 > snapshot.time + SNAPSHOT_STEP
