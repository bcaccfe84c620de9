"""Ignore rules that were weakened by anything but the user's own edit: a hop, a merge, a restore, `git pull`.

What they kept on this machine stays here although the new `.gitignore` no longer names it, until the user shares it:
with `git add`, or by removing a line from the rules themselves. So the former lines are kept, and apply in addition to
the new ones to what nobody has recorded yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.filters import ignored_by
from bough_daemon.git.objects import FILE, Objects, TreeEntry
from bough_daemon.git.rule_files import IGNORE, is_ignore_file
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import as_json, read_record

MOST_BYTES = 256 * 1024  # of a rules file; the rest is not read

IsOwn = Callable[[str, TreeEntry | None], bool]
"""Whether the user's own edit has made a rules file what it is now."""


@dataclass(frozen=True)
class Former:
    """Former lines of a rules file that still apply, and what weakened the file."""

    lines: tuple[str, ...]
    by: str


class FormerRules:
    """The weakened rules of one working tree. On the store's thread only.

    `path`: where they are stored. `scratch`: a folder to work in.
    """

    def __init__(self, worktree: Worktree, objects: Objects, path: str, scratch: str) -> None:
        self._worktree = worktree
        self._objects = objects
        self._path = path
        self._scratch = scratch
        self._files = self._read()

    def __bool__(self) -> bool:
        return bool(self._files)

    def note(self, before: str, after: str, by: str, is_own: IsOwn = lambda path, entry: False) -> None:
        """Compare the rules files of two trees and keep the lost lines; `by`: who changed them, for messages."""
        files = dict(self._files)
        for path, was, now in self._objects.difference(before, after):
            if is_ignore_file(path):
                old, new = self._lines(was), self._lines(now)
                had = files.get(path)
                if is_own(path, now):
                    kept = [line for line in had.lines if line in new or line not in old] if had else []
                    added = [line for line in new if line not in old] if had else []
                    files[path] = Former(tuple(dict.fromkeys([*kept, *added])), had.by if had else by)
                elif had is not None or _is_weaker(old, new):
                    lines = tuple(dict.fromkeys([*(had.lines if had else ()), *old]))
                    files[path] = Former(lines, had.by if had else by)
        files = {path: one for path, one in files.items() if self._is_weakened(after, path, one)}
        if files != self._files:
            self._write(files)
            self._files = files

    def covers(self, paths: Collection[str]) -> frozenset[str]:
        """Return those of some paths that the former rules ignore."""
        rules = {
            path.rpartition("/")[0]: "".join(f"{line}\n" for line in one.lines).encode(errors="surrogateescape")
            for path, one in self._files.items()
        }
        return ignored_by(self._worktree, rules, paths, self._scratch)

    def reason(self, path: str) -> str:
        """Return why a path that they ignore stays on this machine."""
        above = [one for rules, one in self._files.items() if _is_below(path, rules.rpartition("/")[0])]
        by = above[-1].by if above else "something else"
        return f"ignored until {by} weakened {IGNORE}"

    def _is_weakened(self, tree: str, path: str, former: Former) -> bool:
        """Return whether a rules file in a tree is weaker than the former one."""
        return bool(former.lines) and _is_weaker(former.lines, self._lines(self._objects.entry(tree, path)))

    def _lines(self, entry: TreeEntry | None) -> tuple[str, ...]:
        if entry is None or entry.mode & FILE != FILE or self._objects.size(entry.oid) > MOST_BYTES:
            return ()
        return tuple(_rules(os.fsdecode(self._objects.blob(entry.oid))))

    def _read(self) -> dict[str, Former]:
        try:
            return read_record(self._path, dict[str, Former])
        except FileNotFoundError:
            return {}
        except StoreDamaged as damage:
            raise StoreDamaged(
                f"{self._path} is damaged; add the paths that must stay private to .gitignore, then remove it",
                path=self._path,
            ) from damage

    def _write(self, files: Mapping[str, Former]) -> None:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        write_whole(self._path, as_json(dict(files)))


def _rules(text: str) -> Iterator[str]:
    """Yield the effective lines of a rules file."""
    for line in text.split("\n"):
        plain = line.rstrip("\r")
        if plain.strip() and not plain.startswith("#"):
            yield plain


def _is_weaker(old: Collection[str], new: Collection[str]) -> bool:
    """Return whether some rules may ignore less than others did: a line is gone, or there is a new exception."""
    return bool(set(old) - set(new)) or any(line.startswith("!") for line in set(new) - set(old))


def _is_below(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder + "/")
