"""Rewrite commits without some contents, when blobs are removed from the store's history.

A path with such a content becomes as in the commit that its snapshot was based on, or absent. The result follows from
the commit and the contents alone, so it is the same on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from bough_daemon.git.object_id import IN_BYTES
from bough_daemon.git.objects import EMPTY_TREE, FILE, FOLDER, SUBMODULE, Objects, TreeEntry
from bough_daemon.history.timeline import BASE
from bough_daemon.system.json_records import as_json
from bough_daemon.transaction.checkpoint import FACTS, SAID, facts_of

TRAILER = re.compile(rb"^Bough-[A-Za-z-]+: .*$", re.MULTILINE)
IN_BASE = re.compile(rb"^%s: ([0-9a-f]{40})$" % BASE.encode(), re.MULTILINE)
SIGNATURE = re.compile(rb"\ngpgsig(?:-sha256)? .*(?:\n .*)*")


class Contents:
    """Find some blobs in trees, reading each tree once."""

    def __init__(self, objects: Objects, ids: Collection[str]) -> None:
        self.objects = objects
        self.ids = frozenset(ids)
        self.is_whole = True  # no tree was missing so far
        self._known: dict[str, frozenset[str]] = {}

    def of(self, tree: str) -> frozenset[str]:
        """Return those of the blobs that a tree has."""
        known = self._known.get(tree)
        if known is None:
            found, is_here = set[str](), self.objects.exists(tree)
            self.is_whole &= is_here
            for entry in self.objects.tree(tree).values() if is_here else ():
                if entry.mode == FOLDER:
                    found |= self.of(entry.oid)
                elif entry.mode != SUBMODULE and entry.oid in self.ids:
                    found.add(entry.oid)
            known = self._known[tree] = frozenset(found)
        return known

    def paths(self, tree: str, under: str = "") -> Iterator[tuple[str, str]]:
        """Yield (path, blob) for each of the blobs in a tree."""
        for name, entry in self.objects.tree(tree).items() if self.of(tree) else ():
            path = f"{under}/{name}" if under else name
            if entry.mode == FOLDER:
                yield from self.paths(entry.oid, path)
            elif entry.mode != SUBMODULE and entry.oid in self.ids:
                yield path, entry.oid


class Rewriting:
    """Write commits without some contents. `commits`: those that may change; all others stay as they are.

    `became`: the replacement of each changed commit; empty for a checkpoint that cannot be kept. What is begun on one
    thread may go on on another, with more commits.
    """

    def __init__(self, objects: Objects, contents: Contents, commits: Collection[str]) -> None:
        self._objects = objects
        self.contents = contents
        self._commits = frozenset(commits)
        self._done = set[str]()
        self._outside = set[str]()  # commits that these refer to, which stay unchanged
        self._trees: dict[tuple[str, str | None], str] = {}
        self.became: dict[str, str] = {}

    def run(self) -> Mapping[str, str]:
        """Rewrite every commit, each after those that it names, and return the replacements."""
        for commit in self._commits:
            pending = [commit]
            while pending:
                oid = pending[-1]
                raw = self._objects.read(oid)[1] if oid not in self._done else b""
                named = set(_named_in(raw))
                self._outside |= named - self._commits
                first = [one for one in named if one in self._commits and one not in self._done]
                if first:
                    pending += first
                    continue
                pending.pop()
                if raw:
                    self._done.add(oid)
                    self._rewrite(oid, raw)
        return self.became

    @property
    def commits(self) -> frozenset[str]:
        """The commits that may change."""
        return self._commits

    def goes_on(self, objects: Objects, commits: Collection[str]) -> bool:
        """Add commits that have arrived since, and return whether the work so far is still valid.

        It is not if one of these commits is no longer to be changed, or one that they name is to be changed now.
        """
        now = frozenset(commits)
        if not self._commits <= now or not self._outside.isdisjoint(now) or not self.contents.is_whole:
            return False
        self._commits, self._objects, self.contents.objects = now, objects, objects
        return True

    def tree(self, oid: str, base: str | None) -> str:
        """Return a tree without the contents; `base`: the tree with their replacements, if any."""
        if not self.contents.of(oid):
            return oid
        known = self._trees.get((oid, base))
        if known is None:
            at_base = self._objects.tree(base) if base is not None else {}
            changed = ((name, entry, at_base.get(name)) for name, entry in self._objects.tree(oid).items())
            made = {name: now for name, entry, other in changed if (now := self._entry(entry, other)) is not None}
            known = self._trees[oid, base] = self._objects.write_tree(made)
        return known

    def _entry(self, entry: TreeEntry, other: TreeEntry | None) -> TreeEntry | None:
        """Return the replacement of a tree's entry, `other` being the one in its base; None: it is removed."""
        if entry.mode == FOLDER:
            below = self.tree(entry.oid, other.oid if other is not None and other.mode == FOLDER else None)
            return TreeEntry(FOLDER, below) if below != EMPTY_TREE or entry.oid == EMPTY_TREE else None
        if entry.mode == SUBMODULE or entry.oid not in self.contents.ids:
            return entry
        return other if other is not None and other.mode != FOLDER and other.oid not in self.contents.ids else None

    def _now(self, commit: str) -> str:
        return self.became.get(commit, commit)

    def _rewrite(self, oid: str, raw: bytes) -> None:
        head, _, message = raw.partition(b"\n\n")
        if message == SAID.encode():
            self._rewrite_place(oid, head, message)
            return
        names = [IN_BYTES.search(line) for line in head.split(b"\n") if line.startswith((b"tree ", b"parent "))]
        tree, *parents = (name[0].decode() for name in names if name is not None)
        based = IN_BASE.search(message)
        base = based[1].decode() if based is not None else next(iter(parents), None)
        made = self.tree(tree, self._tree_of(base))
        self._write(oid, raw, head.replace(tree.encode(), made.encode(), 1), message)

    def _tree_of(self, commit: str | None) -> str | None:
        now = self._now(commit) if commit is not None else ""
        return self._objects.commit(now).tree if now and self._objects.exists(now) else None

    def _rewrite_place(self, oid: str, head: bytes, message: bytes) -> None:
        tree = head[5:45].decode()
        facts = facts_of(self._objects, oid)
        if place_has(self._objects, self.contents, oid):
            self.became[oid] = ""
            return
        now = replace(facts, commit=self._now(facts.commit), snapshot=self._now(facts.snapshot))
        blob = self._objects.write_blob(as_json(now))
        made = self._objects.splice(tree, {FACTS: TreeEntry(FILE, blob)})
        self._write(oid, head + b"\n\n" + message, head.replace(tree.encode(), made.encode(), 1), message)

    def _write(self, oid: str, before: bytes, head: bytes, message: bytes) -> None:
        """Write a commit that names the replacements of its commits; without any change it stays."""
        lines = [self._renamed(line) if line.startswith(b"parent ") else line for line in head.split(b"\n")]
        message = TRAILER.sub(lambda line: self._renamed(line[0]), message)
        raw = b"\n".join(lines) + b"\n\n" + message
        if raw != before:
            self.became[oid] = self._objects.write("commit", SIGNATURE.sub(b"", raw))

    def _renamed(self, line: bytes) -> bytes:
        return IN_BYTES.sub(lambda name: (self._now(name[0].decode()) or name[0].decode()).encode(), line)


def place_has(objects: Objects, contents: Contents, oid: str) -> bool:
    """Return whether a checkpoint needs one of the contents: in its files, or in an index that names it."""
    if not objects.exists(oid):
        return False
    tree = objects.commit(oid).tree
    head = facts_of(objects, oid).commit
    return bool(contents.of(tree)) or (objects.exists(head) and bool(contents.of(objects.commit(head).tree)))


def _named_in(raw: bytes) -> Iterator[str]:
    """Yield the commits that a raw commit names, as parents and in trailers."""
    head, _, message = raw.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if line.startswith(b"parent ")]
    for line in [*lines, *TRAILER.findall(message)]:
        yield from map(bytes.decode, IN_BYTES.findall(line))
