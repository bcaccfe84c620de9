"""Rules files that cannot be read: a `.gitignore` that is a named pipe, a `.gitattributes` without permission.

Git waits forever at a pipe, and treats a file without permission as one without rules. Either would share what the
rules withhold. So before Git is asked about a path, the rules files on its way are checked.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from bough_daemon.git.paths import folders_above
from bough_daemon.git.worktree import Worktree

IGNORE, ATTRIBUTES = ".gitignore", ".gitattributes"
# The user's own rules: the file in the git directory, the setting that names another one, and its default.
OUTSIDE = {
    IGNORE: ("exclude", "core.excludesfile", "ignore"),
    ATTRIBUTES: ("attributes", "core.attributesfile", "attributes"),
}
NO_FILE = "not a regular file"
NO_ACCESS = "Permission denied"


class RuleFiles:
    """The rules files of one working tree. May be used from any thread."""

    def __init__(self, worktree: Worktree) -> None:
        self._worktree = worktree
        self._seen: set[str] = set()  # every rules file seen so far
        self._outer: dict[str, list[str]] | None = None

    def forget(self) -> None:
        """Ask Git again where the user's own rules files are."""
        self._outer = None

    def look_in(self, folders: Iterable[str]) -> None:
        """Look for unreadable rules files in folders (relative to the top, which is empty)."""
        for folder in folders:
            for name in (IGNORE, ATTRIBUTES):
                self._why_closed(f"{folder}/{name}" if folder else name)

    def closed(self) -> dict[str, str]:
        """Return the known rules files that cannot be read now, with the reason."""
        paths = self._seen.copy().union(*map(self.outside, OUTSIDE))
        return {path: why for path in paths if (why := self._why_closed(path)) is not None}

    def folders(self, name: str) -> list[str]:
        """Return the folders that an unreadable rules file called `name` covers; the top is empty."""
        outside = self.outside(name)
        inside = (path for path in self.closed() if os.path.basename(path) == name or path in outside)
        return ["" if path in outside else os.path.dirname(path) for path in inside]

    def withheld(self) -> dict[str, str]:
        """Return the unreadable rules files, with the reason and its consequence."""
        ignores = set(self.outside(IGNORE))
        said: dict[str, str] = {}
        for path, why in self.closed().items():
            folder = os.path.dirname(path)
            where = f" in {folder}" if folder and not os.path.isabs(path) else ""
            kind = "new files" if os.path.basename(path) == IGNORE or path in ignores else "changed files"
            said[path] = f"{why}; until Git can read it, {kind}{where} are neither recorded nor shared"
        return said

    def above(self, path: str, name: str) -> str | None:
        """Return the first unreadable rules file called `name` that covers a path, or None."""
        return next((rules for rules in self._deciding(path, name) if self._why_closed(rules)), None)

    def above_each(self, paths: Sequence[str], name: str) -> list[str | None]:
        """Return the same for each of several paths."""
        known: dict[str, str | None] = {}
        for path in paths:
            folder = path.rpartition("/")[0]
            if folder not in known:
                known[folder] = self.above(path, name)
        return [known[path.rpartition("/")[0]] for path in paths]

    def _deciding(self, path: str, name: str) -> Iterator[str]:
        yield from self.outside(name)
        yield name
        for folder in folders_above(path):
            yield f"{folder}/{name}"

    def _why_closed(self, path: str) -> str | None:
        """Return why Git cannot read a rules file, or None; an existing one is remembered."""
        full = os.path.join(self._worktree.root, path)
        try:
            status = os.lstat(full)
            if stat.S_ISLNK(status.st_mode) and os.path.isabs(path):  # Git follows only what is not in the tree
                status = os.stat(full)
        except OSError:
            return None
        self._seen.add(path)
        kind = stat.S_IFMT(status.st_mode)
        if kind in (stat.S_IFIFO, stat.S_IFSOCK):
            return NO_FILE
        # Git treats a folder, a symlink and `/dev/null` as a file without rules.
        return NO_ACCESS if kind == stat.S_IFREG and not os.access(full, os.R_OK) else None

    def outside(self, name: str) -> list[str]:
        """Return the absolute paths of the user's own rules files, which apply to the whole tree."""
        if self._outer is None:
            self._outer = self._asked()
        return self._outer[name]

    def _asked(self) -> dict[str, list[str]]:
        git, root, said = self._worktree.git, self._worktree.root, b""
        if not self._worktree.settings().keys().isdisjoint(setting for _, setting, _ in OUTSIDE.values()):
            # Git expands `~` and its own prefix.
            names = r"^core\.(excludes|attributes)file$"
            said = git.run("config", "-z", "--type=path", "--get-regexp", names, allowed=(0, 1))
        named = dict(os.fsdecode(line).partition("\n")[::2] for line in said.split(b"\0") if line)
        environment = git.child_environment()
        home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
        found = {}
        for name, (info, setting, default) in OUTSIDE.items():
            own = os.path.join(root, named.get(setting) or os.path.join(home, "git", default))
            found[name] = [os.path.join(self._worktree.common_dir, "info", info), own]
        return found


def is_ignore_file(path: str) -> bool:
    """Return whether a path is that of a `.gitignore`."""
    return path.rpartition("/")[2] == IGNORE
