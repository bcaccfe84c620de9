"""Read snapshots in a store for commands, in their own process, without writing.

Find where a text last was, including what HEAD left and what was undone; and compare two snapshots.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bough_daemon.errors import NotLive, UnknownMember
from bough_daemon.git.command import GitCommand
from bough_daemon.git.object_id import OBJECT_ID
from bough_daemon.git.worktree import Worktree

MOST_CHANGES = 500  # snapshots that added or removed the text, newest first
MOST_PATHS = 50
LONGEST_LINE = 400  # characters
FIELDS = "%x01%H%x00%P%x00%ct%x00%(trailers:key=Bough-Base,valueonly)%x00"
LIVE, KEPT = "refs/heads/", "refs/kept/"


@dataclass(frozen=True)
class FoundText:
    """A line that contains the text. `snapshot`: the newest one that has it at this path.

    `time`: of the snapshot, in seconds since the epoch. `branches`: the live branches that it is on. `is_there`: the
    path still has the text there.
    """

    path: str
    line: int
    text: str
    snapshot: str
    time: int
    branches: tuple[str, ...]
    is_there: bool


@dataclass(frozen=True)
class _Change:
    oid: str
    parents: tuple[str, ...]
    time: int
    paths: tuple[str, ...]


def find_text(path: str, text: str, below: Sequence[str] = ()) -> list[FoundText]:
    """Return where a text last was, one line for each path, newest first; `below`: paths from the top folder.

    The user's own commits are left to `git log -S`. Raise NotLive if nothing was ever recorded.
    """
    worktree = Worktree.find(path)
    git, found = _git_of(worktree), dict[str, FoundText | None]()
    for change in _changes(git, worktree, text, below):
        for changed in change.paths:
            if changed not in found and len(found) < MOST_PATHS:
                found[changed] = _last_at(git, change, changed, text)
    return [one for one in found.values() if one is not None]


def _changes(git: GitCommand, worktree: Worktree, text: str, below: Sequence[str]) -> Iterator[_Change]:
    """Yield the snapshots that added or removed the text, newest first."""
    refs = worktree.git.run("for-each-ref", "--format=^%(objectname)").split()
    own = [*refs, b"^" + worktree.head().commit.encode()]
    asked = ["log", f"-S{text}", "-m", "--first-parent", "-z", "--name-only", f"--format={FIELDS}", "--text"]
    asked += [f"-n{MOST_CHANGES}", "--stdin", "--glob=refs/heads/*", "--glob=refs/kept/*", "--ignore-missing"]
    paths = ["--", *(f":(top,literal){one}" for one in below)] if below else []
    said = git.run(*asked, *paths, stdin=b"\n".join(own) + b"\n")
    for part in said.split(b"\x01")[1:]:
        oid, parents, time, base, *names = part.split(b"\0")
        if base.strip():
            touched = tuple(os.fsdecode(name.lstrip(b"\n")) for name in names if name.strip(b"\n"))
            yield _Change(oid.decode(), tuple(parents.decode().split()), int(time), touched)


def _last_at(git: GitCommand, change: _Change, path: str, text: str) -> FoundText | None:
    """Return the line that a path had before a change removed the text, or has since it was added."""
    for oid, is_there in ((change.oid, True), *((parent, False) for parent in change.parents[:1])):
        asked = ["grep", "-n", "-z", "-F", "-a", "-m1", "--no-color", "-e", text, oid, "--", f":(top,literal){path}"]
        code, said, _ = git.result(*asked, allowed=(0, 1))
        if code == 0:
            _, number, line = said.split(b"\0", 2)
            time = change.time if is_there else int(git.line("log", "-1", "--format=%ct", oid))
            shown = line.split(b"\n", 1)[0].decode(errors="replace")[:LONGEST_LINE]
            return FoundText(path, int(number), shown, oid, time, _branches(git, oid), is_there)
    return None


def _branches(git: GitCommand, oid: str) -> tuple[str, ...]:
    """Return the live branches that contain a snapshot now, or did before HEAD left it."""
    names = git.run("for-each-ref", "--contains", oid, "--format=%(refname)", LIVE, KEPT).decode().split()
    live = [name.removeprefix(LIVE) for name in names if name.startswith(LIVE)]
    left = [name.removeprefix(KEPT).rpartition("/")[0] for name in names if name.startswith(KEPT)]
    return tuple(dict.fromkeys(live or left))


@dataclass(frozen=True)
class LinesChanged:
    """How many lines of a path were added and removed; None for a binary file."""

    path: str
    added: int | None
    removed: int | None


def lines_changed(path: str, pairs: Sequence[tuple[str, str]], below: Sequence[str] = ()) -> list[list[LinesChanged]]:
    """Return the differences for each pair of commits, below some paths from the top folder."""
    git, found = _git_of(Worktree.find(path)), list[list[LinesChanged]]()
    paths = ["--", *(f":(top,literal){one}" for one in below)] if below else []
    # One process for all: git takes the second commit on a line for the parent of the first.
    lines = "".join(f"{after} {before}\n" for before, after in pairs).encode()
    asked = ["diff-tree", "--stdin", "--always", "-r", "-z", "--numstat", "--no-renames"]
    for part in git.run(*asked, *paths, stdin=lines).split(b"\0"):
        added, _, rest = part.partition(b"\t")
        gone, is_path, changed = rest.partition(b"\t")
        if is_path:
            found[-1].append(LinesChanged(os.fsdecode(changed), _number(added), _number(gone)))
        elif part:
            found.append([])  # the id of the next commit
    return found


def _number(word: bytes) -> int | None:
    return int(word) if word.isdigit() else None


def live_base(path: str, name: str) -> str:
    """Return the commit that a live branch is on; raise UnknownMember if there is no branch of that name."""
    words = ["log", "-1", "--format=%(trailers:key=Bough-Base,valueonly)", f"{LIVE}{name}^{{commit}}", "--"]
    code, said, _ = _git_of(Worktree.find(path)).result(*words, allowed=(0, 128))
    base = said.decode(errors="replace").strip() if code == 0 else ""
    if not OBJECT_ID.fullmatch(base):  # any teammate may have written it
        raise UnknownMember(f"{name} has no live branch here", name=name)
    return base


def store_path(worktree: Worktree) -> str:
    """Return the path of a working tree's store; raise NotLive if nothing was ever recorded."""
    store = os.path.join(worktree.common_dir, "bough", "store.git")
    if not os.path.isdir(store):
        raise NotLive(f"{worktree.root} is not live", path=worktree.root)
    return store


def _git_of(worktree: Worktree) -> GitCommand:
    return GitCommand(store_path(worktree))
