"""What stays on this machine: paths that are recorded on the member's own branch but are never shared.

docs/withheld.md has the list for users.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache

from bough_daemon.budgets import DEEPEST, LARGEST_FILE_BYTES, LONGEST_PATH
from bough_daemon.git.objects import FILE, FOLDER, SUBMODULE, Objects, TreeEntry
from bough_daemon.git.paths import folders_above
from bough_daemon.privacy.private_names import EDITORS, why_private
from bough_daemon.privacy.secret_blobs import SecretBlobs

SIZE_LIMIT_BYTES = 10 * 1000 * 1000
TOO_LARGE = "not pushed yet, and larger than 10 MB"
LARGEST = f"larger than {LARGEST_FILE_BYTES >> 20} MiB"
TOO_DEEP = f"more than {DEEPEST} folders deep, or a path of more than {LONGEST_PATH} bytes"
NESTED = "a nested Git repository; `git submodule add` it to share it, or ignore it"
BARE = "a Git directory; move it out of the working tree, ignore it, or commit it to share it"
OTHERS = "belongs to another version control system; ignore it, or commit it to share it"
# A HEAD that Git accepts as one (`validate_headref` in its path.c). Git also requires `objects` and `refs`, which a
# tree does not have while they are empty.
HEAD = re.compile(rb"(ref:\s*)?refs/\S+\s*|[0-9a-f]{40}([0-9a-f]{24})?\s*")
BESIDE_HEAD = {"objects", "refs", "config", "packed-refs", "commondir"}
HEAD_BYTES = 1000
OTHER_SYSTEMS = {".hg", ".svn", ".bzr", ".jj", ".sl", ".pijul", "_darcs", "cvs"}
SECTION = re.compile(rb"\s*\[\s*submodule\b", re.IGNORECASE)
PATH = re.compile(rb'\s*path\s*=\s*((?:"(?:[^"\\]|\\.)*"|\\.|[^"\\#;])*)', re.IGNORECASE)
QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"|((?:\\.|[^"\\])+)')
ESCAPED = {b"n": b"\n", b"t": b"\t", b"b": b"\b"}


def withheld_paths(
    objects: Objects,
    secrets: SecretBlobs,
    base_tree: str,
    tree: str,
    unshared: Mapping[str, str] | None = None,
    committed: str | None = None,
) -> dict[str, str]:
    """Return the reason for each path of `tree` that must not leave; what the base already has may.

    `unshared`: reasons for paths that must not leave yet. `committed`: the tree of the user's own commit, if that is
    not the base: its content was meant to be shared, except what no commit makes fit to leave.
    """
    reasons: dict[str, str] = {}
    committed = committed if committed is not None else base_tree
    inside = Inside(objects, committed, tree)
    changes = list(objects.difference(base_tree, tree))
    for path, before, now in changes:
        if now is None:
            continue
        was = before if committed == base_tree else objects.entry(committed, path)
        folder, reason = inside.other_repository(path) if was is None else (None, None)
        reason = reason or _why_not_shareable(objects, tree, path, was, now) or why_never(objects, path, before, now)
        if reason is None and unshared is not None:
            reason = unshared.get(path)
        if reason is not None:
            reasons[folder or path] = reason
    texts = [change for change in changes if change[0] not in reasons]
    return reasons | secrets.brought_by(texts, {before.oid for _, before, _ in changes if before is not None})


class Inside:
    """Find whether new paths are inside another repository's own folder: a bare one, a `.git.bak`.

    `base_tree`: what was committed; a folder in it is shared as requested.
    """

    def __init__(self, objects: Objects, base_tree: str, tree: str) -> None:
        self._objects = objects
        self._base_tree = base_tree
        self._tree = tree
        self._known: dict[str, str | None] = {}

    def other_repository(self, path: str) -> tuple[str | None, str | None]:
        """Return the topmost such folder around a path, if it is new, and the reason; else None twice."""
        for folder in reversed(folders_above(path)):
            if folder not in self._known:
                self._known[folder] = self._why(folder)
            why = self._known[folder]
            if why is not None:
                return folder if self._objects.entry(self._base_tree, folder) is None else None, why
        return None, None

    def _why(self, folder: str) -> str | None:
        if folder.rpartition("/")[2].lower() in OTHER_SYSTEMS:
            return OTHERS if self._objects.entry(self._base_tree, folder) is None else None
        head = self._objects.entry(self._tree, f"{folder}/HEAD")
        if head is None or head.mode == FOLDER or self._objects.entry(self._base_tree, f"{folder}/HEAD") is not None:
            return None
        entry = self._objects.entry(self._tree, folder)
        if entry is None or not BESIDE_HEAD & self._objects.tree(entry.oid).keys():
            return None
        if head.mode == SUBMODULE or self._objects.size(head.oid) > HEAD_BYTES:
            return None
        return BARE if HEAD.fullmatch(self._objects.blob(head.oid)) else None


def why_never(objects: Objects, path: str, before: TreeEntry | None, now: TreeEntry) -> str | None:
    """Return why a change of a path must not leave, whether or not it is committed; None if it may."""
    if path.count("/") > DEEPEST or len(os.fsencode(path)) > LONGEST_PATH:
        return TOO_DEEP
    by_name = why_private(path)
    if by_name is not None and by_name != EDITORS:
        return by_name
    size = objects.size(now.oid) if now.mode & FILE == FILE else 0
    if size > LARGEST_FILE_BYTES:
        return LARGEST
    return TOO_LARGE if before is None and size > SIZE_LIMIT_BYTES else None


def _why_not_shareable(objects: Objects, tree: str, path: str, was: TreeEntry | None, now: TreeEntry) -> str | None:
    """Return why an uncommitted path must not leave, `was` being its entry in the base; None if it may."""
    if was is None and why_private(path) == EDITORS:
        return EDITORS
    if now.mode == SUBMODULE and (was is None or was.mode != SUBMODULE):
        modules = objects.entry(tree, ".gitmodules")
        is_file = modules is not None and modules.mode & FILE == FILE
        if modules is None or not is_file or path not in submodule_paths(objects.blob(modules.oid)):
            return NESTED
    return None


def shared_tree(objects: Objects, base_tree: str, tree: str, withheld: Mapping[str, str]) -> str:
    """Return `tree` with every withheld path as in the base, or without it."""
    if not withheld:
        return tree
    back: dict[str, TreeEntry | None] = {path: objects.entry(base_tree, path) for path in withheld}
    return objects.splice(tree, back)


@lru_cache(maxsize=16)
def submodule_paths(modules: bytes) -> frozenset[str]:
    """Return the paths in a `.gitmodules` file, read as `git config` reads it."""
    found, inside = set(), False
    for line in modules.splitlines():
        if line.lstrip().startswith(b"["):
            inside = SECTION.match(line) is not None
        said = PATH.match(line) if inside else None
        if said is not None:
            pieces = QUOTED.findall(said[1].rstrip())
            path = re.sub(rb"\\(.)", lambda escape: ESCAPED.get(escape[1], escape[1]), b"".join(map(b"".join, pieces)))
            found.add(os.fsdecode(path).rstrip("/"))
    return frozenset(found)
