"""Fold two trees with a common one: what goes from one into the other, path by path.

Nothing is touched or called here: files whose lines conflict are listed for the merge engine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bough_daemon.git.objects import FOLDER, SUBMODULE, Objects, TreeEntry
from bough_daemon.git.paths import folders_above
from bough_daemon.history.company import ALL, is_among
from bough_daemon.merging.merge_input import Three
from bough_daemon.together.fold_renames import renames
from bough_daemon.together.line_fold import LIMIT_BYTES, fold_lines
from bough_daemon.transaction.file_state import is_file

MOST_DECIDED = 256  # conflicts whose decision is remembered


@dataclass(frozen=True)
class Undecided:
    """A path in which both sides changed the same lines, for the merge engine to decide."""

    path: str
    three: Three


@dataclass(frozen=True)
class Decision:
    """The decision for a path: `entry`; or `paused`, if each side keeps its version."""

    entry: TreeEntry | None = None
    paused: bool = False


PAUSED = Decision(paused=True)


@dataclass(frozen=True)
class TreeFold:
    """The changes of a fold to one of the trees. `paused`: paths for which each side keeps its version.

    `undecided`: paths that the engine has yet to decide; they count as paused until then. `renamed`: by old name, the
    new name of files whose two changes are made together or not at all.
    """

    changes: Mapping[str, TreeEntry | None] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()
    undecided: tuple[Undecided, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


class TreeFolder:
    """Fold trees of one store, and remember the decision for each three versions. On the store's thread only.

    The sides of a version are always (base, host, guest), so both machines decide alike.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._decided: dict[tuple[str, Three], Decision] = {}

    def decide(self, one: Undecided, content: bytes | None) -> None:
        """Remember the engine's result for a path, None if it could not merge it."""
        _, host, guest = one.three
        entry = None
        if content is not None and host is not None and guest is not None:
            entry = TreeEntry(_mode(one.three), self._objects.write_blob(content))
        while len(self._decided) >= MOST_DECIDED:
            del self._decided[next(iter(self._decided))]
        self._decided[one.path, one.three] = Decision(entry) if entry is not None else PAUSED

    def fold(self, base: str, host: str, guest: str, *, into_guest: bool, bases: Mapping[str, str]) -> TreeFold:
        """Return what the other side's tree brings into the host's, or into the guest's.

        `bases`: for paused paths, the tree to use instead of `base`; ALL for every path.
        """
        objects = self._objects
        mine, other = (guest, host) if into_guest else (host, guest)
        paths = {path for path, _, _ in objects.difference(base, other)} | bases.keys() - {ALL}
        paths |= {path for path, _, _ in objects.difference(bases[ALL], other)} if ALL in bases else set()
        paused, undecided = set[str](), list[Undecided]()
        renamed = self._renamed(base, host, guest, paths - bases.keys(), undecided) if ALL not in bases else {}
        entries = {path: entry for old, (new, entry) in renamed.items() for path, entry in ((old, None), (new, entry))}
        changes = {path: entry for path, entry in entries.items() if entry != objects.entry(mine, path)}
        for path in sorted(paths - entries.keys()):
            began = bases.get(path) or bases.get(ALL) or base
            three = objects.entry(began, path), objects.entry(host, path), objects.entry(guest, path)
            if any(entry is not None and entry.mode == SUBMODULE for entry in three):
                continue  # nested checkouts are each side's own
            found = self._decision(path, three, undecided)
            if found.paused:
                paused.add(path)
            elif found.entry != objects.entry(mine, path):
                changes[path] = found.entry
        names = {old: new for old, (new, _) in renamed.items()}
        kept = without_halves(without_blocked(objects, mine, changes), changes, names)
        return TreeFold(kept, frozenset(paused | (changes.keys() - kept.keys())), tuple(undecided), names)

    def _renamed(
        self, base: str, host: str, guest: str, paths: Collection[str], undecided: list[Undecided]
    ) -> dict[str, tuple[str, TreeEntry | None]]:
        """Return the new name and version of each file that one side renamed and the other edited, by its old name.

        In a conflict both names keep their versions, and the file of the old name is paused.
        """
        found: dict[str, tuple[str, TreeEntry | None]] = {}
        for one in renames(self._objects, base, host, guest, sorted(paths)):
            decision = self._decision(one.new, one.three, undecided)
            if not decision.paused:
                found[one.old] = one.new, decision.entry
        return found

    def lines(self, base: bytes, mine: bytes, other: bytes, *, hosting: bool) -> bytes | None:
        """Return a text with the edits of both sides, None if they conflict."""
        host, guest = (mine, other) if hosting else (other, mine)
        return fold_lines(base, host, guest)

    def common(self, base: str, host: str, guest: str, paused: Collection[str]) -> tuple[str, tuple[Undecided, ...]]:
        """Return the tree that both sides have once each has folded the other; conflicts are as in `base`."""
        objects = self._objects
        made = self.fold(base, host, guest, into_guest=False, bases={})
        apart = {path for path, _, _ in objects.difference(base, host) if is_among(path, paused)}
        apart |= made.paused | {path for path in made.changes if is_among(path, paused)}
        changes = {**made.changes, **{path: objects.entry(base, path) for path in apart}}
        return objects.splice(host, changes) if changes else host, made.undecided

    def _decision(self, path: str, three: Three, undecided: list[Undecided]) -> Decision:
        base, host, guest = three
        if host == guest or guest == base:
            return Decision(host)
        if host == base:
            return Decision(guest)
        if not (is_file(host) and is_file(guest)) or host is None or guest is None:
            return PAUSED
        known = self._decided.get((path, three))
        if known is not None:
            return known
        folded = self._by_lines(three) if is_file(base) else None
        if folded is not None:
            return folded
        undecided.append(Undecided(path, three))
        return PAUSED

    def _by_lines(self, three: Three) -> Decision | None:
        base, host, guest = three
        objects = self._objects
        if any(entry is not None and objects.size(entry.oid) > LIMIT_BYTES for entry in three):
            return None
        assert base is not None and host is not None and guest is not None
        content = fold_lines(*(objects.blob(entry.oid) for entry in (base, host, guest)))
        return Decision(TreeEntry(_mode(three), objects.write_blob(content))) if content is not None else None


def without_halves(
    kept: Mapping[str, TreeEntry | None], changes: Mapping[str, TreeEntry | None], renamed: Mapping[str, str]
) -> dict[str, TreeEntry | None]:
    """Return those of some changes that are kept, unless they are half of a rename whose other half is not."""
    gone = changes.keys() - kept.keys()
    halves = {path for pair in renamed.items() if not gone.isdisjoint(pair) for path in pair}
    return {path: entry for path, entry in kept.items() if path not in halves}


def _mode(three: Three) -> int:
    """Return the mode of a file that both sides have: the changed one, if one side changed it."""
    base, host, guest = three
    assert host is not None and guest is not None
    return guest.mode if base is not None and base.mode == host.mode else host.mode


def without_blocked(
    objects: Objects, tree: str, changes: Mapping[str, TreeEntry | None]
) -> dict[str, TreeEntry | None]:
    """Return those changes of a tree that can be made, and that concern files."""
    blocked = _blocked(objects, tree, changes)
    blocked |= {path for path, now in changes.items() if now is not None and now.mode == SUBMODULE}
    return {path: now for path, now in changes.items() if path not in blocked}


def _blocked(objects: Objects, tree: str, changes: Mapping[str, TreeEntry | None]) -> set[str]:
    """Return the paths that are blocked, because a file is where they need a folder, or vice versa."""

    def is_gone(path: str) -> bool:
        return path in changes and changes[path] is None

    blocked = set[str]()
    for path, entry in changes.items():
        if entry is None:
            continue
        there = objects.entry(tree, path)
        below = objects.walk(there.oid, path) if there is not None and there.mode == FOLDER else ()
        if not all(is_gone(name) for name, _ in below):
            blocked.add(path)
        for above in folders_above(path):
            over = objects.entry(tree, above)
            if over is not None and over.mode != FOLDER and not is_gone(above):
                blocked.add(path)
    return blocked
