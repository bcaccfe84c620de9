"""What stays at home: paths that are recorded on the member's own branch but never leave in the stream.

docs/withheld.md has the list as a user reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache

from bough_daemon.budgets import DEEPEST, LARGEST_FILE_BYTES, LONGEST_PATH
from bough_daemon.objects import FILE, SUBMODULE, Entry, Objects
from bough_daemon.private_names import EDITORS, why_private

SIZE_LIMIT_BYTES = 10 * 1000 * 1000
TOO_LARGE = "not committed yet, and larger than 10 MB"
LARGEST = f"larger than {LARGEST_FILE_BYTES >> 20} MiB"
TOO_DEEP = f"more than {DEEPEST} folders deep, or a path of more than {LONGEST_PATH} bytes"
NESTED = "a Git repository of its own; `git submodule add` it to share it, or ignore it"
SECTION = re.compile(rb"\s*\[\s*submodule\b", re.IGNORECASE)
PATH = re.compile(rb'\s*path\s*=\s*((?:"(?:[^"\\]|\\.)*"|\\.|[^"\\#;])*)', re.IGNORECASE)
QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"|((?:\\.|[^"\\])+)')
ESCAPED = {b"n": b"\n", b"t": b"\t", b"b": b"\b"}


def withheld_paths(
    objects: Objects, base_tree: str, tree: str, unshared: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the reason for each path of `tree` that must not leave; what the base has already may.

    `unshared`: reasons for paths that must not leave yet.
    """
    reasons: dict[str, str] = {}
    for path, before, now in objects.difference(base_tree, tree):
        reason = _why_withheld(objects, tree, path, before, now) if now is not None else None
        if now is not None and reason is None and unshared is not None:
            reason = unshared.get(path)
        if reason is not None:
            reasons[path] = reason
    return reasons


def _why_withheld(objects: Objects, tree: str, path: str, before: Entry | None, now: Entry) -> str | None:
    if path.count("/") > DEEPEST or len(os.fsencode(path)) > LONGEST_PATH:
        return TOO_DEEP
    by_name = why_private(path)
    if by_name is not None and (before is None or by_name != EDITORS):
        return by_name
    if now.mode == SUBMODULE and (before is None or before.mode != SUBMODULE):
        modules = objects.entry(tree, ".gitmodules")
        if modules is not None and modules.mode & FILE == FILE and path in submodule_paths(objects.blob(modules.oid)):
            return None
        return NESTED
    size = objects.size(now.oid) if now.mode & FILE == FILE else 0
    if size > LARGEST_FILE_BYTES:
        return LARGEST
    return TOO_LARGE if before is None and size > SIZE_LIMIT_BYTES else None


def shared_tree(objects: Objects, base_tree: str, tree: str, withheld: Mapping[str, str]) -> str:
    """Return `tree` with every withheld path as the base has it, or without it."""
    if not withheld:
        return tree
    back: dict[str, Entry | None] = {path: objects.entry(base_tree, path) for path in withheld}
    return objects.splice(tree, back)


@lru_cache(maxsize=16)
def submodule_paths(modules: bytes) -> frozenset[str]:
    """Return the paths that a `.gitmodules` file names, read as `git config` reads it."""
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
