"""The user's index: read as bytes, rebuilt for a commit, and replaced by Git's own lock protocol."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from bough_daemon.errors import IndexLocked
from bough_daemon.git.atomic_rename import DirEntry, put
from bough_daemon.git.command import GitCommand
from bough_daemon.git.objects import FOLDER, LINK, SUBMODULE, Objects, TreeEntry
from bough_daemon.git.remembered import FileSignature, IndexMarks, file_signature
from bough_daemon.git.root_dir import RootDir
from bough_daemon.git.worktree import Worktree

T = TypeVar("T")

LOCK_MARK = b"bough holds this lock\n"
SCRATCH = "bough-index-"
NOBODY = "0" * 40
CHECKSUM_BYTES = 20
# Lines of `ls-files -v -s -z` of hidden and unmerged paths.
MARKED = re.compile(rb"(?:\A|\0)([a-zSM]) \d+ \w+ \d\t([^\0]+)")
# For scratch indexes: Git writes a second file for a split one, and trees into the user's database for a sparse one.
WHOLE = {
    "GIT_CONFIG_COUNT": "2",
    "GIT_CONFIG_KEY_0": "core.splitIndex",
    "GIT_CONFIG_VALUE_0": "false",
    "GIT_CONFIG_KEY_1": "index.sparse",
    "GIT_CONFIG_VALUE_1": "false",
}


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


def blob(worktree: Worktree, objects: Objects) -> str | None:
    """Return the blob of the index file, written to the store; None if there is no index."""

    def write() -> str | None:
        data = read(worktree)
        return objects.write_large_blob(data) if data is not None else None

    known = worktree.index_answers.blobs.get(lambda: _state(worktree), write)
    return known if known is None or objects.owns(known) else write()


def written_at(worktree: Worktree) -> int | None:
    """Return when the index was written (nanoseconds since the epoch), None if there is none."""
    try:
        return os.stat(_path(worktree)).st_mtime_ns
    except FileNotFoundError:
        return None


def shared(worktree: Worktree) -> tuple[str, bytes] | None:
    """Return (name, bytes) of the file that a split index shares, None if the index is whole."""
    if not any(name.startswith("sharedindex.") for name in os.listdir(worktree.git_dir)):
        return None
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


def moved_to(
    worktree: Worktree,
    commit: str,
    *,
    hidden: Collection[str],
    wanted: Collection[str],
    entries: Mapping[str, TreeEntry | None] | None = None,
    outside: Collection[str] = (),
) -> bytes | None:
    """Return the same as `at_commit`, or None if the current index is at that commit already."""
    if not (hidden or wanted or entries or outside) and not _difference(worktree, commit):
        return None
    return at_commit(worktree, commit, hidden=hidden, wanted=wanted, entries=entries, outside=outside)


def at_commit(
    worktree: Worktree,
    commit: str,
    *,
    hidden: Iterable[str] = (),
    wanted: Collection[str] = (),
    entries: Mapping[str, TreeEntry | None] | None = None,
    outside: Collection[str] = (),
) -> bytes:
    """Return an index at a commit, with stat data from the current files.

    `hidden`: paths marked assume-unchanged or skip-worktree; the marks stay. The others: as for `changed`.
    """
    with _copy(worktree) as git:
        marks = _marks(worktree, hidden)
        # Paths outside a sparse checkout are marked below; Git would refuse if such a file is on disk, edited.
        git.run("read-tree", "--no-sparse-checkout", "--reset", commit)
        if entries:
            git.run("update-index", "--replace", "-z", "--index-info", stdin=_lines(entries))
        _mark(git, marks, outside)
        git.run("update-index", "-q", "--refresh", allowed=(0, 1))
        _intend(git, wanted)
        return _taken(git)


def changed(
    worktree: Worktree,
    stages: Iterable[Stage],
    *,
    wanted: Collection[str] = (),
    entries: Mapping[str, TreeEntry | None] | None = None,
    outside: Collection[str] = (),
    data: bytes | None = None,
) -> bytes:
    """Return an index (`data`, or the current one) in which the paths of `stages` are unmerged.

    `wanted`: files on disk that Git would overlook, because rules ignore them, although they belong to the tree: they
    are marked as by `git add --intent-to-add`. `entries`: what only the index records (None: a removal), with the marks
    of these paths. `outside`: those of them that a sparse checkout leaves out from now on.
    """
    numbered, entries = list(stages), entries or {}
    lines = [f"0 {NOBODY}\t{path}\0" for path in {stage.path for stage in numbered}]
    lines += [f"{stage.entry.mode:o} {stage.entry.oid} {stage.number}\t{stage.path}\0" for stage in numbered]
    with _copy(worktree, data) as git:
        marks = _marks(worktree, entries)
        replace = ["--replace"] if entries else []  # where files were
        git.run("update-index", *replace, "-z", "--index-info", stdin=os.fsencode("".join(lines)) + _lines(entries))
        _mark(git, marks, outside)
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
    with _copy(worktree, data) as git:
        git.run("update-index", "-z", "--index-info", stdin=_lines(entries))
        git.run("update-index", "-q", "--refresh", allowed=(0, 1))
        _intend(git, intended)
        return _taken(git)


def marks_of(worktree: Worktree) -> IndexMarks:
    """Return what the index says of hidden and unmerged paths."""
    return worktree.index_answers.marks.get(lambda: _state(worktree), lambda: _marks_in(_listed(worktree.git)))


def listed_index(worktree: Worktree) -> bytes:
    """Return what `ls-files -v -s -z` says of the index, whose marks are then known without asking Git again."""
    asked: list[bytes] = []

    def ask() -> IndexMarks:
        asked.append(_listed(worktree.git))
        return _marks_in(asked[0])

    worktree.index_answers.marks.get(lambda: _state(worktree), ask)
    return asked[0] if asked else _listed(worktree.git)


def _listed(git: GitCommand) -> bytes:
    return git.run("ls-files", "-v", "-s", "-z")


def _marks_in(listed: bytes) -> IndexMarks:
    found = [(chr(letter[0]), os.fsdecode(path)) for letter, path in MARKED.findall(listed)]
    hidden = {path: letter for letter, path in found if letter != "M"}
    unmerged = sorted({path for letter, path in found if letter in "Mm"})
    return IndexMarks(hidden, tuple(unmerged), b"/.gitattributes\0" in listed or b"\t.gitattributes\0" in listed)


def hidden_paths(worktree: Worktree) -> frozenset[str]:
    """Return the paths marked assume-unchanged or skip-worktree: changes on disk there are not edits."""
    return frozenset(marks_of(worktree).hidden)


def left_out(worktree: Worktree, paths: Iterable[str]) -> frozenset[str]:
    """Return those of some paths, which the index does not have, that a sparse checkout leaves out.

    Git says so only of what it checks out: symlinks, which pass no filter, in an empty folder.
    """
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=worktree.git_dir) as folder:
        objects, files = (os.path.join(folder, name) for name in ("objects", "files"))
        os.mkdir(objects)
        os.mkdir(files)
        scratch = {"GIT_INDEX_FILE": os.path.join(folder, "index"), "GIT_OBJECT_DIRECTORY": objects}
        git = worktree.git.with_work_tree(files).with_environment(**scratch, **WHOLE)
        link = TreeEntry(LINK, git.run("hash-object", "-w", "--stdin", stdin=b"x").decode().strip())
        git.run("update-index", "-z", "--index-info", stdin=_lines(dict.fromkeys(paths, link)))
        tree = git.line("write-tree")
        git.run("read-tree", "--empty")
        git.run("read-tree", "-m", "-u", tree)
        return frozenset(_marks_in(_listed(git)).hidden)


def unmerged_paths(worktree: Worktree) -> list[str]:
    """Return the paths for which the index holds a conflict."""
    return list(marks_of(worktree).unmerged)


def named_beyond(worktree: Worktree, objects: Objects, commit: str) -> list[str]:
    """Return the objects that the index names and that `commit` does not have at the same place.

    Staged blobs and conflicts, but also the trees and old blobs in Git's extensions, which `git fsck` checks.
    """
    staged = [
        field.split(b" ") for field in _difference(worktree, commit).split(b"\0")[:-1:2]
    ]  # each is followed by its path
    listed = worktree.git.run("ls-files", "-u", "-s", "-z") if any(words[4] == b"U" for words in staged) else b""
    unmerged = [line.split(b" ") for line in listed.split(b"\0") if line]
    pairs = [(words[1], words[3]) for words in staged] + [(words[0], words[1]) for words in unmerged]
    found = [oid.decode() for mode, oid in pairs if int(mode, 8) != SUBMODULE]
    data, tree = read(worktree) or b"", objects.commit(commit).tree
    for path, oid in _readable(_cached_trees(_extension(data, b"TREE"))):
        if objects.entry(tree, path) != TreeEntry(FOLDER, oid):
            found.append(oid)
    found += _readable(_resolved(_extension(data, b"REUC")))
    return [oid for oid in dict.fromkeys(found) if oid != NOBODY and objects.exists(oid)]


def _difference(worktree: Worktree, commit: str) -> bytes:
    """Return how the index differs from a commit, as `git diff-index` lists it; with what is intended to be added."""
    options = ("--cached", "--raw", "-z", "--no-renames", "--abbrev=40", "--ita-visible-in-index")

    def state() -> tuple[FileSignature, str] | None:
        seen = _state(worktree)
        return (seen, commit) if seen is not None else None

    return worktree.index_answers.differences.get(state, lambda: worktree.git.run("diff-index", *options, commit))


def _state(worktree: Worktree) -> FileSignature | None:
    return file_signature(_path(worktree))


def _extension(data: bytes, signature: bytes) -> bytes:
    """Return the content of an extension of an index file (gitformat-index), empty if it has none.

    Extensions are between the entries and the checksum, each with its length, so one is recognized from the end: what
    follows it are extensions up to the checksum. That spares reading every entry.
    """
    at = data.rfind(signature)
    while at >= 0:
        size = _extension_size(data, at)
        end = at + 8 + size
        while end + 8 <= len(data) - CHECKSUM_BYTES:
            end += 8 + _extension_size(data, end)
        if end == len(data) - CHECKSUM_BYTES:
            return data[at + 8 : at + 8 + size]
        at = data.rfind(signature, 0, at)
    return b""


def _extension_size(data: bytes, at: int) -> int:
    return int.from_bytes(data[at + 4 : at + 8], "big")


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


def _lines(entries: Mapping[str, TreeEntry | None]) -> bytes:
    """Return entries as `git update-index --index-info -z` reads them; None: a removal."""
    lines = (
        f"{entry.mode:o} {entry.oid} 0\t{path}\0" if entry is not None else f"0 {NOBODY}\t{path}\0"
        for path, entry in entries.items()
    )
    return os.fsencode("".join(lines))


def _marks(worktree: Worktree, hidden: Iterable[str]) -> dict[str, list[str]]:
    wanted = set(hidden)
    flagged = {path: letter for path, letter in (marks_of(worktree).hidden if wanted else {}).items() if path in wanted}
    return {
        "--assume-unchanged": [path for path, letter in flagged.items() if letter.islower()],
        "--skip-worktree": [path for path, letter in flagged.items() if letter in "Ss"],
    }


def _mark(git: GitCommand, marks: Mapping[str, list[str]], outside: Collection[str]) -> None:
    """Mark the paths that the index has; `outside`: as skip-worktree."""
    marks = {**marks, "--skip-worktree": [*marks["--skip-worktree"], *outside]}
    if not any(marks.values()):
        return
    present = {os.fsdecode(name) for name in git.run("ls-files", "-z").split(b"\0")}
    for option, paths in marks.items():
        names = b"".join(os.fsencode(path) + b"\0" for path in paths if path in present)
        git.run("update-index", "-z", option, "--stdin", stdin=names)
