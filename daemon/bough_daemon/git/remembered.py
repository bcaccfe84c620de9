"""Git's answers that hold as long as the files that they come from are the same: HEAD, the index, the configuration.

Asking for the state of those files costs a few system calls; a git child costs milliseconds. Each question looks at the
files first, so no answer is older than its question.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from bough_daemon.git.command import QUIET_CONFIG, GitCommand
from bough_daemon.git.object_id import IN_BYTES

MOST = 8  # answers: HEAD goes to and fro
# A file that is written twice within one tick of the system's clock may look the same both times.
RACY_NS = 50_000_000
SYSTEM_CONFIG = ("/etc/gitconfig",)
CONDITIONAL = ("include.", "includeif.")  # the files that these name may depend on anything

S = TypeVar("S")
T = TypeVar("T")
FileSignature = tuple[int, int, int, int]
HeadSignature = tuple[bytes, bytes | None, FileSignature | None]


class KnownAnswers(Generic[S, T]):
    """The latest answers to one question, by the signature of what they depend on. Any thread may use it."""

    def __init__(self) -> None:
        self._known: dict[S, T] = {}
        self._lock = threading.Lock()

    def get(self, signature: Callable[[], S | None], ask: Callable[[], T]) -> T:
        """Return the answer; `signature`: what determines it now, None if only Git can tell."""
        before = signature()
        with self._lock:
            if before is not None and before in self._known:
                return self._known[before]
        answer = ask()
        if before is not None and signature() == before:
            with self._lock:
                while len(self._known) >= MOST:
                    del self._known[next(iter(self._known))]
                self._known[before] = answer
        return answer


@dataclass(frozen=True)
class IndexMarks:
    """What the index says of some paths.

    `hidden`: the letter that `git ls-files -v` shows for those marked assume-unchanged (lower case) or skip-worktree
    (S). `unmerged`: those with a conflict, sorted. `has_attributes`: whether any `.gitattributes` is in the index.
    """

    hidden: Mapping[str, str]
    unmerged: tuple[str, ...]
    has_attributes: bool


@dataclass(frozen=True)
class IndexAnswers:
    """What is known of an index by its state: its marks; its difference from a commit, as Git lists it; its blob."""

    marks: KnownAnswers[FileSignature, IndexMarks] = field(default_factory=KnownAnswers)
    differences: KnownAnswers[tuple[FileSignature, str], bytes] = field(default_factory=KnownAnswers)
    blobs: KnownAnswers[FileSignature, str | None] = field(default_factory=KnownAnswers)


def file_signature(path: str) -> FileSignature | None:
    """Return what changes with every write of a file; None if it has only just been written, or does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if abs(time.time_ns() - status.st_ctime_ns) < RACY_NS:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def head_signature(git_dir: str, common_dir: str) -> HeadSignature | None:
    """Return what determines HEAD: its own content, and that of its branch; None if only Git can tell."""
    path = os.path.join(git_dir, "HEAD")
    head = _content(path) if not os.path.islink(path) else None
    if head is None or not head.startswith(b"ref: refs/heads/"):
        return (head, None, None) if head is not None and not head.startswith(b"ref:") else None
    name = os.fsdecode(head[5:].rstrip(b"\n"))
    loose = _content(os.path.join(common_dir, name))
    if loose is not None:
        return (head, loose, None) if not loose.startswith(b"ref:") else None
    packed = file_signature(os.path.join(common_dir, "packed-refs"))
    return (head, None, packed) if packed is not None else None


def loose_branch(common_dir: str, ref: str) -> str | None:
    """Return the commit of a branch that has a file of its own; None if only Git can tell."""
    content = _content(os.path.join(common_dir, ref)) if ".." not in ref else None
    return content[:40].decode() if content is not None and IN_BYTES.fullmatch(content.rstrip(b"\n")) else None


def may_have_refs(common_dir: str, folder: str) -> bool:
    """Return whether a repository may have references below a folder (`refs/remotes/`); False only if it has none."""
    if any(os.path.lexists(os.path.join(common_dir, name)) for name in (folder, "reftable")):
        return True
    packed = os.path.join(common_dir, "packed-refs")
    if not os.path.lexists(packed):
        return False
    content = _content(packed)
    return content is None or b" " + os.fsencode(folder) in content


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as source:
            return source.read()
    except OSError:
        return None


@dataclass(frozen=True)
class Config:
    """The effective configuration: the last value of each name. `files`: where it came from, with their states.

    `environment`: the variables that decide which files are read.
    """

    values: Mapping[str, str]
    files: Mapping[str, FileSignature | None]
    environment: Mapping[str, str]


@dataclass
class ConfigReader:
    """Git's configuration in one working tree. Any thread may use it."""

    _known: Config | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def value(self, git: GitCommand, common_dir: str, name: str) -> str:
        """Return the value of a name without a subsection, or an empty string."""
        return self.values(git, common_dir).get(name.lower(), "")

    def values(self, git: GitCommand, common_dir: str) -> Mapping[str, str]:
        """Return the last value of each name: in lower case, except for a subsection."""
        environment = _deciding(git)
        with self._lock:
            known = self._known
        if known is not None and known.environment == environment and _states(known.files) == known.files:
            return known.values
        before = _states(_usual_files(git, common_dir, environment))
        values, named = _listed(git)
        files = {**_states(named), **before}
        is_lasting = not any(name.startswith(CONDITIONAL) for name in values) and None not in files.values()
        with self._lock:
            self._known = Config(values, files, environment) if is_lasting else None
        return values


ABSENT: FileSignature = (0, 0, 0, 0)


def _states(paths: Mapping[str, object]) -> dict[str, FileSignature | None]:
    """Return the state of each file; None for one that has only just been written."""
    return {path: file_signature(path) if os.path.exists(path) else ABSENT for path in paths}


def _deciding(git: GitCommand) -> dict[str, str]:
    """Return the variables that decide which configuration git reads."""
    environment = git.child_environment()
    return {
        name: value
        for name, value in environment.items()
        if name in ("HOME", "XDG_CONFIG_HOME") or name.startswith("GIT_CONFIG")
    }


def _usual_files(git: GitCommand, common_dir: str, environment: Mapping[str, str]) -> dict[str, None]:
    """Return the files that git reads if they exist."""
    home = environment.get("HOME", "")
    xdg = environment.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    paths = [
        *(*SYSTEM_CONFIG, environment.get("GIT_CONFIG_SYSTEM", ""), environment.get("GIT_CONFIG_GLOBAL", "")),
        *(os.path.join(home, ".gitconfig"), os.path.join(xdg, "git", "config")),
        *(os.path.join(common_dir, "config"), os.path.join(git.git_dir, "config.worktree")),
    ]
    return dict.fromkeys(path for path in paths if path)


def _listed(git: GitCommand) -> tuple[dict[str, str], dict[str, None]]:
    """Return the values by name, without those that Bough sets for its own children, and the files they are from."""
    own = set(QUIET_CONFIG[1::2])
    folder = git.work_tree or git.git_dir
    fields = iter(os.fsdecode(git.run("config", "--list", "--show-origin", "-z")).split("\0"))
    values: dict[str, str] = {}
    files: dict[str, None] = {}
    for origin, entry in zip(fields, fields, strict=False):
        name, _, value = entry.partition("\n")
        if origin.startswith("file:"):
            files[os.path.join(folder, origin.removeprefix("file:"))] = None
        elif any(setting.lower() == f"{name}={value}" for setting in own):
            continue
        values[name] = value
    return values, files
