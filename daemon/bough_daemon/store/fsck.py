"""Find what Git's check of objects (fsck) refuses in the trees that a member is about to share.

Receivers accept packs only under `STRICT`. One refused entry would stop the sharing of everything else, so it is
withheld as a separate path. Names that no rule of fsck concerns are recognized here, in memory; git judges the few
others, each once, under the same strictness.

An entry that the member's base already has cannot be left out: to everyone else that would be a removal. Its folder
stays as in the base, with its changes withheld, until the entry is gone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from bough_daemon.errors import GitFailed
from bough_daemon.git.objects import FOLDER, LINK, Objects, TreeEntry, format_tree
from bough_daemon.privacy.withheld import shared_tree
from bough_daemon.store.packs import FINDING, STRICT, pack_of_trees
from bough_daemon.store.store import Store
from bough_daemon.system.text import SHORT, bounded, printable

MOST_NAMES = 200_000  # harmless names that are remembered
MOST_VERDICTS = 20_000
NO_OBJECT = ("0" * 40, "0" * 64)

# Characters that HFS+ ignores when it compares names: `next_hfs_char` in Git's utf8.c.
IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
# The names that fsck has rules about, and a few more, as git judges the findings. HFS+ and NTFS let a dot name end in
# many ways; NTFS makes short names with `~` and reads `\` as a slash (`is_ntfs_dot_generic` in Git's path.c).
SPECIAL = re.compile(r"\.(git|gitmodules|gitattributes)([^a-z0-9_-].*)?|.{0,7}~[0-9].*|.*[\\/].*|\.{0,2}", re.DOTALL)
SPECIAL_LINK = re.compile(r"\.(gitignore|mailmap)([^a-z0-9_-].*)?", re.DOTALL)

OBJECT = re.compile(r"\bobject ([0-9a-f]{10,64})\b")
CHANGE = re.compile(r"\x01(\w+)\0\n?([^\0]*)\0")
SEARCHED_COMMITS = 500

Named = tuple[str, TreeEntry]


class Fsck:
    """Check what is to be shared against the receivers' strictness. On the store's thread only."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._harmless: set[str] = set()
        self._verdicts: dict[Named, str | None] = {}
        self._taken: tuple[str, str] = ("", "")

    def refused(self, base_tree: str, tree: str) -> dict[str, str]:
        """Return the paths of `tree` that cannot be shared, with the reason.

        With the base's content in their place, receivers accept every tree that the base does not have.
        """
        refused: dict[str, str] = {}
        while found := self._found(base_tree, tree):
            without = shared_tree(self._store.objects, base_tree, tree, found)
            if without == tree:  # the name is not a valid path: nothing but the base can be shared
                reason = next(iter(found.values()))
                return refused | _changed(self._store.objects, base_tree, tree, "", reason)
            refused |= found
            tree = without
        self._taken = (base_tree, tree)
        return refused

    def _found(self, base_tree: str, tree: str) -> dict[str, str]:
        """Return the paths that must stay on this machine because of each refused entry."""
        taken = self._taken[1] if self._taken[0] == base_tree else base_tree
        special = [
            (path, named)
            for path, entries in _new_folders(self._store.objects, base_tree, taken, tree)
            for named in self._special(entries)
        ]
        verdicts = self._judged({named for _, named in special})
        found: dict[str, str] = {}
        for path, named in special:
            reason = verdicts[named]
            if reason is not None:
                found |= self._kept_back(base_tree, tree, path, named, reason)
        return found

    def _kept_back(self, base_tree: str, tree: str, folder: str, named: Named, reason: str) -> dict[str, str]:
        """Return what must stay because of an entry: the entry if it is new, else what changed in the folder."""
        objects, (name, entry) = self._store.objects, named
        path = f"{folder}/{name}" if folder else name
        if objects.entry(base_tree, path) == entry:
            return _changed(objects, base_tree, tree, folder, f"in a folder with {bounded(name)}, of which {reason}")
        return _changed(objects, base_tree, tree, path, reason) or {path: reason}

    def _special(self, entries: Mapping[str, TreeEntry]) -> Iterator[Named]:
        """Yield the entries of a folder that fsck may refuse."""
        if len(self._harmless) > MOST_NAMES:
            self._harmless.clear()
        for name in entries.keys() - self._harmless:
            folded = IGNORED.sub("", name).lower()
            if SPECIAL.fullmatch(folded) or (SPECIAL_LINK.fullmatch(folded) and entries[name].mode == LINK):
                yield name, entries[name]
            elif not SPECIAL_LINK.fullmatch(folded):
                self._harmless.add(name)
        yield from (named for named in entries.items() if named[1].oid in NO_OBJECT)

    def _judged(self, entries: set[Named]) -> dict[Named, str | None]:
        """Return why git refuses each entry, or None for one that it accepts."""
        if len(self._verdicts) > MOST_VERDICTS:
            self._verdicts.clear()
        unknown = [named for named in entries if named not in self._verdicts]
        undecided = self._judge(unknown)
        return {named: undecided.get(named, self._verdicts.get(named)) for named in entries}

    def _judge(self, entries: Sequence[Named]) -> dict[Named, str]:
        """Find git's verdict on some entries; return those that git could not judge now, and why."""
        if not entries:
            return {}
        try:
            with self._store.quarantine() as git:
                pack = pack_of_trees([format_tree(dict([named])) for named in entries])
                git.run("index-pack", STRICT, "--stdin", "--threads=1", stdin=pack)
        except (GitFailed, OSError) as failure:
            if len(entries) > 1:
                half = len(entries) // 2
                return self._judge(entries[:half]) | self._judge(entries[half:])
            finding = FINDING.search(str(failure))
            if finding is None:
                return {entries[0]: f"Git could not check it: {bounded(str(failure))}"}
            self._verdicts[entries[0]] = f"Git's fsck says {bounded(finding[2])}"
            return {}
        self._verdicts |= dict.fromkeys(entries)
        return {}


def named_object(refusal: str) -> str | None:
    """Return the object id, perhaps abbreviated, that a teammate's refusal names."""
    found = OBJECT.search(refusal)
    return found[1] if found is not None else None


def where_committed(store: Store, base: str, oid: str) -> str | None:
    """Return the newest commit of a history that brought an object; None if it is in none of them.

    May be called from any thread: it uses only git children.
    """
    newest = store.git.run("rev-list", f"--max-count={SEARCHED_COMMITS}", base)
    options = ("--stdin", "--root", "-m", "-r", "-t", "--format=%x01%H", "--name-only", "-z", f"--find-object={oid}")
    found = CHANGE.findall(os.fsdecode(store.git.run("diff-tree", *options, stdin=newest, allowed=(0, 128))))
    return f"{printable(found[-1][1])} of your commit {found[-1][0][:SHORT]}" if found else None


def _new_folders(
    objects: Objects, base_tree: str, taken: str, tree: str
) -> Iterator[tuple[str, Mapping[str, TreeEntry]]]:
    """Yield (path, entries) of each folder below `tree` that two other trees do not have at the same place."""
    pending: list[tuple[str, str | None, str | None, str]] = [("", base_tree, taken, tree)]
    while pending:
        path, base, known, new = pending.pop()
        if new in (base, known):
            continue
        entries = objects.tree(new)
        yield path, entries
        in_base, in_known = (objects.tree(one) if one else {} for one in (base, known))
        for name in objects.changed_names(base, new):
            entry = entries.get(name)
            if entry is not None and entry.mode == FOLDER:
                below = f"{path}/{name}" if path else name
                pending.append((below, _folder(in_base.get(name)), _folder(in_known.get(name)), entry.oid))


def _folder(entry: TreeEntry | None) -> str | None:
    return entry.oid if entry is not None and entry.mode == FOLDER else None


def _changed(objects: Objects, base_tree: str, tree: str, path: str, reason: str) -> dict[str, str]:
    """Return each path at or below `path` in which two trees differ, with a reason."""
    before, after = objects.entry(base_tree, path), objects.entry(tree, path)
    below = objects.difference(_folder(before), _folder(after))
    changed = {f"{path}/{one}" if path else one: reason for one, _, _ in below}
    is_file = any(entry is not None and entry.mode != FOLDER for entry in (before, after))
    return changed | ({path: reason} if is_file and before != after else {})
