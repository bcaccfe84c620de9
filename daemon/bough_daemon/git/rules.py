"""Git's rules for paths: ignored, filtered, or flagged in the user's index.

Answers come from long-running git children, because libgit2 decides some of these cases differently.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bough_daemon.errors import GitFailed, GitHangs
from bough_daemon.git.command import GitCommand, LineProtocol, in_one_line
from bough_daemon.git.index import listed_index
from bough_daemon.git.objects import TreeEntry
from bough_daemon.git.paths import folders_above
from bough_daemon.git.rule_files import ATTRIBUTES as ATTRIBUTES_FILE
from bough_daemon.git.rule_files import IGNORE, RuleFiles
from bough_daemon.git.worktree import Worktree

ATTRIBUTES = ("filter", "ident", "working-tree-encoding", "text", "eol", "crlf")
UNSET = {"unspecified", "unset"}
NAMED_LIMIT = 100  # paths passed to git by name; git compares each with the whole index
TRUE = {"true", "1", "yes", "on"}
FLAGGED = re.compile(rb"(?:\A|\0)[Sa-z] \d+ \w+ 0\t([^\0]+)")  # lines of `ls-files -v -s -z`
STAGED = re.compile(rb"(\d+) (\w+) 0\t([^\0]+)\0")  # lines of `ls-files -s -z`
TRACKED = re.compile(rb"(?:\A|\0)\w \d+ \w+ \d\t([^\0]+)")
DEBUGGED = re.compile(  # of `ls-files --debug`: what the index says of a file's status
    rb"\0\s*ctime: (\d+):(\d+)\s*mtime: (\d+):(\d+)\s*dev: \d+\s*ino: (\d+)\s*uid: \d+\s*gid: \d+\s*size: (\d+)\s"
)
LINKS = re.compile(rb"(?:\A|\0)\w 160000 (\w+) 0\t([^\0]+)")


class Closed(str):
    """The reason for a path of which Git cannot tell whether it is ignored, because rules cannot be read."""


class Ignores:
    """Ask Git which paths are ignored, whether or not they are in the index. May be used from any thread."""

    def __init__(self, worktree: Worktree, rule_files: RuleFiles) -> None:
        self._rule_files = rule_files
        self._child = LineProtocol(
            lambda: worktree.git, "check-ignore", "--stdin", "-z", "--verbose", "--non-matching", "--no-index"
        )

    def ignored(self, paths: Sequence[str]) -> list[bool]:
        """Return for each path (relative to the top) whether it is ignored; False if Git cannot tell."""
        return [answer is True for answer in self.answers(paths)]

    def answers(self, paths: Sequence[str]) -> list[bool | str]:
        """Return for each path (relative to the top) whether it is ignored, or Git's message if it cannot tell.

        Raise GitFailed if Git can tell for no path at all. If rules cannot be read, Git is not asked.
        """
        self._rule_files.look_in(["", *paths])
        closed = self._rule_files.above_each(paths, IGNORE)
        asked = [as_pathspec(path) for path, rules in zip(paths, closed, strict=True) if rules is None]
        said = iter(self._child.ask_each(asked, 4, b"\0", as_pathspec(".gitignore")))
        return [_is_ignored(next(said)) if rules is None else Closed(f"{rules} cannot be read") for rules in closed]

    def forget(self) -> None:
        """Re-read the ignore files at the next question."""
        self._child.restart()
        self._rule_files.forget()


def as_pathspec(path: str) -> bytes:
    """Return a path for the input of `git check-ignore`, which takes a colon in front for pathspec magic."""
    return b"./" + os.fsencode(path) + b"\0"


def _is_ignored(answer: list[bytes] | GitFailed) -> bool | str:
    if isinstance(answer, GitFailed):
        return in_one_line(answer.facts.get("output", "")) or answer.message
    pattern = answer[2]
    return bool(pattern) and not pattern.startswith(b"!")  # a pattern with `!` means that the path is not ignored


@dataclass(frozen=True)
class Conversion:
    """The conversions between a file's bytes and its blob.

    `always`: a filter, an encoding or `$Id$`. `line_ends`: CRLF becomes LF. `guarded`: only if the blob in the index
    has no CRLF already (Git's `text=auto`). `to_crlf`: a checkout turns LF into CRLF.
    """

    always: bool
    line_ends: bool
    guarded: bool
    filter: str = ""
    to_crlf: bool = False

    def changes(self, content: bytes) -> bool:
        """Return whether a file with this content may differ from its blob."""
        return self.always or self.to_crlf or (self.line_ends and b"\r" in content)


class Attributes:
    """Ask Git how files are converted into blobs. Not for two threads at once."""

    def __init__(self, worktree: Worktree, index: IndexReader) -> None:
        self._worktree = worktree
        self._child = LineProtocol(index.git, "check-attr", "--stdin", "-z", *ATTRIBUTES)
        self._autocrlf: bool | None = None
        self._to_crlf: bool | None = None

    def conversion(self, path: str) -> Conversion:
        """Return the conversions for the file at `path` (relative to the top)."""
        (answers,) = self._child.ask_many([os.fsencode(path) + b"\0"], 3 * len(ATTRIBUTES), b"\0")
        said = dict(zip(ATTRIBUTES, (answer.decode(errors="replace") for answer in answers[2::3]), strict=True))
        always = any(said[name] not in UNSET for name in ("filter", "ident", "working-tree-encoding"))
        text = said["text"] if said["text"] != "unspecified" else said["crlf"]
        name = said["filter"] if said["filter"] not in UNSET else ""
        if text == "unset":
            return Conversion(always, False, False, name)
        if text == "unspecified":
            by_eol = said["eol"] not in UNSET
            converts = by_eol or self._converts_by_default()
            return Conversion(always, converts, not by_eol, name, converts and self._makes_crlf(said["eol"]))
        return Conversion(always, True, text == "auto", name, self._makes_crlf(said["eol"]))

    def _makes_crlf(self, eol: str) -> bool:
        """Return whether a checkout ends lines with CRLF; `eol`: the attribute."""
        if eol not in UNSET:
            return eol == "crlf"
        if self._to_crlf is None:
            autocrlf, native = self._worktree.config("core.autocrlf").lower(), os.linesep == "\r\n"
            of_eol = self._worktree.config("core.eol").lower()
            by_eol = of_eol == "crlf" or (native and of_eol in ("", "native"))
            self._to_crlf = autocrlf in TRUE or (by_eol and autocrlf != "input")
        return self._to_crlf

    def _converts_by_default(self) -> bool:
        if self._autocrlf is None:
            self._autocrlf = self._worktree.config("core.autocrlf").lower() in TRUE | {"input"}
        return self._autocrlf

    def forget(self) -> None:
        """Re-read the attribute files and the configuration at the next question."""
        self._child.restart()
        self._autocrlf = self._to_crlf = None


@dataclass(frozen=True)
class IndexFacts:
    """Facts from the user's index that the files do not show.

    `flagged`: paths marked assume-unchanged or skip-worktree, whose files do not count. `tracked_ignored`: paths that
    are tracked although an ignore rule matches them. `links`: the commit of each submodule. `sparse`: whether only a
    part of the tree is checked out, so that new files elsewhere are refused.
    """

    flagged: frozenset[str] = frozenset()
    tracked_ignored: frozenset[str] = frozenset()
    links: Mapping[str, str] = field(default_factory=dict)
    sparse: bool = False

    def tracked_below(self, folder: str) -> bool:
        """Return whether an ignored folder has tracked files."""
        prefix = folder + "/"
        return any(path.startswith(prefix) for path in self.tracked_ignored)


@dataclass(frozen=True)
class Changed:
    """The consequences of a new index: `paths` to check again, `hidden`: paths whose files no longer count."""

    paths: frozenset[str]
    hidden: frozenset[str]


@dataclass
class IndexReader:
    """Read the user's index when it has changed, without ever taking its lock.

    `last_good`: a copy of the last index that Git could read, used while Git cannot read the user's. `failure`: Git's
    message about that; empty while it can.
    """

    worktree: Worktree
    last_good: str
    rule_files: RuleFiles
    facts: IndexFacts = field(default_factory=IndexFacts)
    failure: str = ""
    _seen: tuple[int, ...] | None = None
    _looked: bool = False  # for unreadable rules files in the folders of tracked files

    @property
    def path(self) -> str:
        """Return the path of the index."""
        return os.path.join(self.worktree.git_dir, "index")

    def forget(self) -> None:
        """Re-read the index at the next question."""
        self._seen = None

    def changed(self) -> Changed | None:
        """Return what has changed since the last call, or None if the index did not change."""
        seen: tuple[int, ...] = ()
        with suppress(FileNotFoundError):
            stat = os.stat(self.path)
            seen = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        if seen == self._seen:
            return None
        before, self.facts, self._seen = self.facts, self._read(), seen
        now = self.facts
        hidden = now.flagged - before.flagged
        paths = (before.flagged - now.flagged) | (before.tracked_ignored ^ now.tracked_ignored)
        paths |= {path for path, _ in before.links.items() ^ now.links.items()}
        return Changed(paths - hidden, hidden)

    def git(self) -> GitCommand:
        """Return git with the index in use."""
        if not self.failure:
            return self.worktree.git
        return self.worktree.git.with_environment(GIT_INDEX_FILE=self.last_good)

    def _read(self) -> IndexFacts:
        """Return the index's content; if Git cannot read it, remember its message and use the last good one."""
        self.failure = ""
        try:
            return self._facts(self.worktree.git, listed_index(self.worktree))
        except GitHangs:
            raise
        except GitFailed as failure:
            self.failure = in_one_line(failure.facts.get("output", ""))
            git = self.git()
            return self._facts(git, git.run("ls-files", "-v", "-s", "-z"))

    def _facts(self, git: GitCommand, listed: bytes) -> IndexFacts:
        return IndexFacts(
            flagged=_paths(FLAGGED, listed),
            tracked_ignored=self._tracked_ignored(git, listed),
            links={os.fsdecode(path): oid.decode() for oid, path in LINKS.findall(listed)},
            sparse=is_sparse(self.worktree),
        )

    def _tracked_ignored(self, git: GitCommand, listed: bytes) -> frozenset[str]:
        """Return the tracked paths that rules ignore; those covered by unreadable rules count as not ignored."""
        if not self._looked:
            self._looked = True
            folders = {path.rpartition("/")[0] for path in _paths(TRACKED, listed)}
            self.rule_files.look_in({above for folder in folders for above in (folder, *folders_above(folder))} | {""})
        if not self.rule_files.folders(IGNORE):
            ignored = git.run("ls-files", "-z", "-i", "-c", "--exclude-standard").split(b"\0")
            return frozenset(os.fsdecode(path) for path in ignored if path)
        paths = list(_paths(TRACKED, listed))
        closed = self.rule_files.above_each(paths, IGNORE)
        asked = b"".join(as_pathspec(path) for path, rules in zip(paths, closed, strict=True) if rules is None)
        said = git.run("check-ignore", "--no-index", "-z", "--stdin", stdin=asked, allowed=(0, 1)) if asked else b""
        return frozenset(os.fsdecode(path.removeprefix(b"./")) for path in said.split(b"\0") if path)

    def entry(self, path: str) -> tuple[int, str] | None:
        """Return the index's (mode, object id) for a path, or None."""
        line = self.git().run("--literal-pathspecs", "ls-files", "-s", "-z", "--", path).split(b"\0")[0]
        words = line.split(b" ")
        return (int(words[0], 8), words[1].decode()) if line else None

    def entries(self, paths: Collection[str]) -> dict[str, TreeEntry]:
        """Return the index's entries for those of `paths` that it has."""
        if not paths:
            return {}
        listed = STAGED.findall(self._of(self.git(), ["ls-files", "-s", "-z"], paths))
        found = {os.fsdecode(path): TreeEntry(int(mode, 8), oid.decode()) for mode, oid, path in listed}
        return {path: found[path] for path in found.keys() & set(paths)}

    @property
    def version(self) -> tuple[int, ...] | None:
        """Return the parts of the index that change with every write."""
        return self._seen

    def tracked_at(self, paths: Collection[str]) -> frozenset[str]:
        """Return every path in the index at or below some paths; all if one of them is empty."""
        found = self._of(self.git(), ["ls-files", "-z"], () if "" in paths else paths).split(b"\0")
        return frozenset(os.fsdecode(path) for path in found if path)

    def vouched(self, path: str, status: os.stat_result) -> TreeEntry | None:
        """Return the index's entry for a file that is unchanged since the index was written, judged by `lstat` alone.

        Unlike Git, this never reads the file: one as new as the index is not vouched for.
        """
        found = self.entries([path]).get(path)
        seen = DEBUGGED.search(self.git().run("--literal-pathspecs", "ls-files", "--debug", "-z", "--", path))
        if found is None or seen is None:
            return None
        changed, modified, inode, size = (
            int(seen[1] + seen[2].zfill(9)),
            int(seen[3] + seen[4].zfill(9)),
            seen[5],
            seen[6],
        )
        now = (status.st_ctime_ns, status.st_mtime_ns, status.st_ino & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
        is_older = self._seen is not None and bool(self._seen) and max(changed, modified) < self._seen[0]
        return found if is_older and now == (changed, modified, int(inode), int(size)) else None

    def clean(self, paths: Collection[str]) -> set[str]:
        """Return those of `paths`, all in the index, whose files are unchanged by their status."""
        closed = self.rule_files.folders(ATTRIBUTES_FILE)
        if closed:
            paths = [path for path in paths if self.rule_files.above(path, ATTRIBUTES_FILE) is None]
        if not paths:
            return set()
        git = unfiltered(self.git())
        if closed:
            changed = differing_outside(git, closed)
        else:
            changed = {os.fsdecode(path) for path in self._of(git, ["ls-files", "-m", "-d", "-z"], paths).split(b"\0")}
        return set(paths) - changed

    def _of(self, git: GitCommand, words: Sequence[str], paths: Collection[str]) -> bytes:
        """Ask git about some paths: by name if they are few, else about all."""
        named = ["--", *paths] if len(paths) <= NAMED_LIMIT else []
        return git.run("--literal-pathspecs", *words, *named)

    def tracks_below(self, folder: str) -> bool:
        """Return whether the index has files below a folder."""
        return bool(self.git().run("--literal-pathspecs", "ls-files", "-z", "--", folder + "/"))


def unfiltered(git: GitCommand) -> GitCommand:
    """Return git without any of the user's filters.

    To tell whether a file as new as the index differs from it, git would convert it, and stop if a filter fails. Such a
    file then counts as differing.
    """
    names = git.run("config", "-z", "--name-only", "--get-regexp", r"^filter\.", allowed=(0, 1)).split(b"\0")
    settings = {}
    for number, name in enumerate(filter(None, names)):
        settings[f"GIT_CONFIG_KEY_{number}"] = os.fsdecode(name)
        settings[f"GIT_CONFIG_VALUE_{number}"] = "false" if name.endswith(b".required") else ""
    return git.with_environment(GIT_CONFIG_COUNT=str(len(settings) // 2), **settings)


def differing_outside(git: GitCommand, folders: Collection[str]) -> set[str]:
    """Return the tracked paths, in none of `folders`, whose files changed by their status; rules are not read."""
    if "" in folders:
        return set()
    outside = [f":(top,exclude,literal){folder}" for folder in folders]
    changed = git.run("diff-files", "-z", "--name-only", "--ignore-submodules=dirty", "--", ".", *outside)
    return {os.fsdecode(path) for path in changed.split(b"\0") if path}


def is_sparse(worktree: Worktree) -> bool:
    """Return whether only a part of the tree is checked out."""
    return worktree.config("core.sparseCheckout").lower() in TRUE


def _paths(pattern: re.Pattern[bytes], listed: bytes) -> frozenset[str]:
    return frozenset(os.fsdecode(path) for path in pattern.findall(listed))
