"""The user's index: read as bytes, rebuilt for a commit, and replaced by Git's own lock protocol."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bough_daemon.errors import IndexLocked
from bough_daemon.git.atomic_rename import DirEntry, put
from bough_daemon.git.command import GitCommand
from bough_daemon.git.objects import FOLDER, SUBMODULE, Objects, TreeEntry
from bough_daemon.git.root_dir import RootDir
from bough_daemon.git.worktree import Worktree

T = TypeVar("T")

LOCK_MARK = b"bough holds this lock\n"
SCRATCH = "bough-index-"
NOBODY = "0" * 40
CHECKSUM_BYTES = 20
HEADER = struct.Struct(">4sII")  # signature, version, number of entries
FLAGS_AT = 60  # bytes of an entry before its flags: 40 of stat data and an object id
EXTENDED = 0x40  # in the first byte of the flags: two bytes more of them follow
LONG_NAME = 0xFFF  # instead of the length of a name that is as long or longer
WHOLE = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.splitIndex",
    "GIT_CONFIG_VALUE_0": "false",
}  # for scratch indexes


@dataclass(frozen=True)
class Stage:
    """One entry of a conflict. `number`: 1 base, 2 ours, 3 theirs."""

    path: str
    entry: TreeEntry
    number: int


class Lock:
    """The index lock of a worktree, held.

    The replacement gets the lock's time or an older one: Git re-reads a file that is as new as the index, since it may
    have changed within the second in which the index was written.
    """

    def __init__(self, worktree: Worktree) -> None:
        self._path = _path(worktree)
        self._since = time.time_ns()

    def replace(self, data: bytes | None, written_at: int | None = None) -> None:
        """Replace the index with `data`, dated `written_at` (nanoseconds), synced; None removes the index."""
        if data is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
            return
        descriptor, new = tempfile.mkstemp(prefix=SCRATCH, dir=os.path.dirname(self._path))
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(data)
                os.fchmod(out.fileno(), self._mode())
                out.flush()
                age = written_at if written_at is not None else self._since
                os.utime(out.fileno(), ns=(age, age))
                os.fsync(out.fileno())
            os.replace(new, self._path)
        except BaseException:
            os.unlink(new)
            raise

    def _mode(self) -> int:
        try:
            return os.stat(self._path).st_mode & 0o777
        except FileNotFoundError:
            return 0o644


@contextlib.contextmanager
def lock(worktree: Worktree) -> Iterator[Lock]:
    """Hold the index lock, so that no git command changes index or HEAD; raise NotPossibleNow if one holds it.

    The lock names its owner, so that one left by a killed daemon can be told from Git's.
    """
    path = _path(worktree) + ".lock"
    descriptor, marked = tempfile.mkstemp(prefix=SCRATCH, dir=worktree.git_dir)
    with os.fdopen(descriptor, "wb") as out:
        out.write(LOCK_MARK)
    try:
        with RootDir(worktree.git_dir) as folder:
            put(
                DirEntry(folder.descriptor, os.path.basename(marked)),
                DirEntry(folder.descriptor, os.path.basename(path)),
            )
    except FileExistsError as taken:
        os.unlink(marked)
        raise IndexLocked("another Git command is running here: index.lock exists", path=path) from taken
    try:
        yield Lock(worktree)
    finally:
        os.unlink(path)


def clear_up(worktree: Worktree) -> None:
    """Remove what a killed daemon left next to the index: its lock, never one of Git's, and scratch files."""
    path = _path(worktree) + ".lock"
    with contextlib.suppress(FileNotFoundError):
        with open(path, "rb") as held:
            ours = held.read() == LOCK_MARK
        if ours:
            os.unlink(path)
    for name in os.listdir(worktree.git_dir):
        if name.startswith(SCRATCH):
            left = os.path.join(worktree.git_dir, name)
            shutil.rmtree(left) if os.path.isdir(left) else os.unlink(left)


def read(worktree: Worktree) -> bytes | None:
    """Return the bytes of the index file, None if there is none."""
    try:
        with open(_path(worktree), "rb") as source:
            return source.read()
    except FileNotFoundError:
        return None


def written_at(worktree: Worktree) -> int | None:
    """Return when the index was written (nanoseconds since the epoch), None if there is none."""
    try:
        return os.stat(_path(worktree)).st_mtime_ns
    except FileNotFoundError:
        return None


def shared(worktree: Worktree) -> tuple[str, bytes] | None:
    """Return (name, bytes) of the file that a split index shares, None if the index is whole."""
    path = worktree.git.line("rev-parse", "--shared-index-path")
    if not path:
        return None
    full = os.path.join(worktree.root, path)
    with open(full, "rb") as source:
        return os.path.basename(full), source.read()


def restore_shared(worktree: Worktree, name: str, data: bytes) -> None:
    """Restore the file that a split index shares if it is missing; its name is its content's hash."""
    path = os.path.join(worktree.git_dir, name)
    if not os.path.exists(path):
        with open(path, "xb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())


def at_commit(worktree: Worktree, commit: str, *, hidden: Iterable[str] = (), wanted: Collection[str] = ()) -> bytes:
    """Return an index at a commit, with stat data from the current files.

    `hidden`: paths marked assume-unchanged or skip-worktree; the marks stay. `wanted`: as for `changed`.
    """
    with _copy(worktree) as git:
        marks = _marks(git, hidden)
        # Paths outside a sparse checkout are marked below; Git would refuse if such a file is on disk, edited.
        git.run("read-tree", "--no-sparse-checkout", "--reset", commit)
        present = {os.fsdecode(name) for name in git.run("ls-files", "-z").split(b"\0")}
        for option, paths in marks.items():
            names = b"".join(os.fsencode(path) + b"\0" for path in paths if path in present)
            git.run("update-index", "-z", option, "--stdin", stdin=names)
        git.run("update-index", "-q", "--refresh", allowed=(0, 1))
        _intend(git, wanted)
        return _taken(git)


def changed(
    worktree: Worktree,
    stages: Iterable[Stage],
    *,
    wanted: Collection[str] = (),
    links: Mapping[str, str] | None = None,
    data: bytes | None = None,
) -> bytes:
    """Return an index (`data`, or the current one) in which the paths of `stages` are unmerged.

    `wanted`: files on disk that Git would overlook, because rules ignore them, although they belong to the tree: they
    are marked as by `git add --intent-to-add`. `links`: the commits of submodules that are not checked out, so that
    only the index records them.
    """
    numbered = list(stages)
    lines = [f"0 {NOBODY}\t{path}\0" for path in {stage.path for stage in numbered}]
    lines += [f"{stage.entry.mode:o} {stage.entry.oid} {stage.number}\t{stage.path}\0" for stage in numbered]
    lines += [f"{SUBMODULE:o} {oid} 0\t{path}\0" for path, oid in (links or {}).items()]
    with _copy(worktree, data) as git:
        replace = ["--replace"] if links else []  # where files were
        git.run("update-index", *replace, "-z", "--index-info", stdin=os.fsencode("".join(lines)))
        _intend(git, wanted)
        return _taken(git)


def staged(worktree: Worktree) -> tuple[dict[str, TreeEntry | None], set[str]]:
    """Return the entries in which the index differs from HEAD (None: removed), and those only intended to be added."""
    git = worktree.git
    options = ("--cached", "--raw", "-z", "--no-renames", "--abbrev=40", "--ita-invisible-in-index")
    raw = git.run("diff-index", *options, "HEAD").split(b"\0")
    found: dict[str, TreeEntry | None] = {}
    for words, path in zip(raw[:-1:2], raw[1::2], strict=True):
        _, mode, _, oid, status = words.decode().split(" ")
        found[os.fsdecode(path)] = TreeEntry(int(mode, 8), oid) if status != "D" else None
    intended = git.run("diff-files", "--name-only", "-z", "--diff-filter=A", "--ita-invisible-in-index").split(b"\0")
    return found, {os.fsdecode(path) for path in intended if path}


def with_entries(
    worktree: Worktree, entries: Mapping[str, TreeEntry | None], intended: Collection[str], data: bytes
) -> bytes:
    """Return an index (`data`) with other entries, None: without one; `intended`: as for `wanted` of `changed`."""
    lines = [
        f"{entry.mode:o} {entry.oid} 0\t{path}\0" if entry is not None else f"0 {NOBODY}\t{path}\0"
        for path, entry in entries.items()
    ]
    with _copy(worktree, data) as git:
        git.run("update-index", "-z", "--index-info", stdin=os.fsencode("".join(lines)))
        git.run("update-index", "-q", "--refresh", allowed=(0, 1))
        _intend(git, intended)
        return _taken(git)


def hidden_paths(worktree: Worktree) -> frozenset[str]:
    """Return the paths marked assume-unchanged or skip-worktree: changes on disk there are not edits."""
    return frozenset(_flagged(worktree.git))


def unmerged_paths(worktree: Worktree) -> list[str]:
    """Return the paths for which the index holds a conflict."""
    lines = worktree.git.run("ls-files", "-u", "-z").split(b"\0")
    return sorted({os.fsdecode(line.partition(b"\t")[2]) for line in lines if line})


def named_beyond(worktree: Worktree, objects: Objects, commit: str, data: bytes) -> list[str]:
    """Return the objects that the index names and that `commit` does not have at the same place.

    Staged blobs and conflicts, but also the trees and old blobs in Git's extensions, which `git fsck` checks.
    """
    changed = worktree.git.run("diff-index", "--cached", "--raw", "-z", "--no-renames", "--abbrev=40", commit)
    staged = [field.split(b" ") for field in changed.split(b"\0")[:-1:2]]  # each is followed by its path
    unmerged = [line.split(b" ") for line in worktree.git.run("ls-files", "-u", "-s", "-z").split(b"\0") if line]
    pairs = [(words[1], words[3]) for words in staged] + [(words[0], words[1]) for words in unmerged]
    found = [oid.decode() for mode, oid in pairs if int(mode, 8) != SUBMODULE]
    extensions = _extensions(data)
    tree = objects.commit(commit).tree
    for path, oid in _readable(_cached_trees(extensions.get(b"TREE", b""))):
        if objects.entry(tree, path) != TreeEntry(FOLDER, oid):
            found.append(oid)
    found += _readable(_resolved(extensions.get(b"REUC", b"")))
    return [oid for oid in dict.fromkeys(found) if oid != NOBODY and objects.exists(oid)]


def _extensions(data: bytes) -> dict[bytes, bytes]:
    """Return the extensions of an index file by signature (gitformat-index); none if it is damaged.

    They are between the entries and the checksum, each with its length.
    """
    try:
        at, end = _end_of_entries(data), len(data) - CHECKSUM_BYTES
    except (ValueError, IndexError, struct.error):
        return {}
    found = {}
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "big")
        found[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size
    return found if at == end else {}


def _end_of_entries(data: bytes) -> int:
    """Return where the entries of an index file end; raise ValueError, IndexError or struct.error if damaged.

    Up to version 3 an entry is padded to a multiple of 8 bytes; in version 4 its name is a suffix to the previous name,
    after a number of variable length.
    """
    signature, version, count = HEADER.unpack_from(data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("not an index format that Bough reads")
    at = HEADER.size
    for _ in range(count):
        high, low = data[at + FLAGS_AT], data[at + FLAGS_AT + 1]
        name = at + (FLAGS_AT + 4 if high & EXTENDED else FLAGS_AT + 2)
        if version == 4:
            while data[name] & 0x80:
                name += 1
            at = data.index(0, name + 1) + 1
        else:
            length = (high & 0x0F) << 8 | low
            end = name + length if length < LONG_NAME else data.index(0, name + length)
            at += end - at + 8 & ~7
    return at


def _readable(said: Iterator[T]) -> list[T]:
    """Return the content of an extension; nothing if it is damaged, as Git then ignores it too."""
    try:
        return list(said)
    except ValueError:
        return []


def _oid_at(data: bytes, at: int) -> str:
    """Return the object id that begins at a byte; raise ValueError if the data ends before it does."""
    if at + CHECKSUM_BYTES > len(data):
        raise ValueError("an object id is truncated")
    return data[at : at + CHECKSUM_BYTES].hex()


def _cached_trees(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield (path, tree) from the cache-tree extension; parents come before their children."""
    at = 0
    above: list[tuple[str, int]] = []  # (path, folders still to come below it)
    while at < len(data):
        end = data.index(b"\0", at)
        line = data.index(b"\n", end)
        entries, below = (int(word) for word in data[end + 1 : line].split(b" "))
        name = os.fsdecode(data[at:end])
        while above and above[-1][1] == 0:
            above.pop()
        parent = ""
        if above:
            parent, left = above[-1]
            above[-1] = (parent, left - 1)
        path = f"{parent}/{name}" if parent else name
        above.append((path, below))
        at = line + 1
        if entries >= 0:
            yield path, _oid_at(data, at)
            at += CHECKSUM_BYTES


def _resolved(data: bytes) -> Iterator[str]:
    """Yield the blobs that the resolve-undo extension remembers."""
    at = 0
    while at < len(data):
        _, *modes, rest = data[at:].split(b"\0", 4)
        at = len(data) - len(rest)
        for mode in modes:
            if int(mode, 8):
                yield _oid_at(data, at)
                at += CHECKSUM_BYTES


def _path(worktree: Worktree) -> str:
    return os.path.join(worktree.git_dir, "index")


@contextlib.contextmanager
def _copy(worktree: Worktree, data: bytes | None = None) -> Iterator[GitCommand]:
    """Yield git over a copy of the index (`data`, or the current one), so that the real one is not touched.

    The copy has the real one's time: Git uses it to tell which files it has to re-read.
    """
    age = written_at(worktree)
    data = data if data is not None else read(worktree)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=worktree.git_dir) as folder:
        copy = os.path.join(folder, "index")
        if data is not None:
            with open(copy, "xb") as out:
                out.write(data)
            if age is not None:
                os.utime(copy, ns=(age, age))
        yield worktree.git.with_environment(GIT_INDEX_FILE=copy, **WHOLE)


def _intend(git: GitCommand, paths: Collection[str]) -> None:
    if paths:
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        options = ("--intent-to-add", "--force", "--sparse", "--pathspec-from-file=-", "--pathspec-file-nul")
        git.with_environment(GIT_LITERAL_PATHSPECS="1").run("add", *options, stdin=names)


def _taken(git: GitCommand) -> bytes:
    with open(git.environment["GIT_INDEX_FILE"], "rb") as source:
        return source.read()


def _flagged(git: GitCommand) -> dict[str, str]:
    """Return the letter that `git ls-files -v` shows for each hidden path: lower case, or S."""
    lines = git.run("ls-files", "-v", "-z").split(b"\0")
    marked = {os.fsdecode(line[2:]): chr(line[0]) for line in lines if line}
    return {path: letter for path, letter in marked.items() if letter.islower() or letter == "S"}


def _marks(git: GitCommand, hidden: Iterable[str]) -> dict[str, list[str]]:
    wanted = set(hidden)
    flagged = {path: letter for path, letter in (_flagged(git) if wanted else {}).items() if path in wanted}
    return {
        "--assume-unchanged": [path for path, letter in flagged.items() if letter.islower()],
        "--skip-worktree": [path for path, letter in flagged.items() if letter in "Ss"],
    }
