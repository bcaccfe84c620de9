"""A repository with a store and a live branch, without a daemon: what the tests of the moving commands stand on."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bough_daemon.api.progress import Progress, Question
from bough_daemon.git.objects import FILE, SUBMODULE, TreeEntry
from bough_daemon.git.reflog import HeadReader
from bough_daemon.git.refs import operation
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import Snapshot, read_snapshot
from bough_daemon.merging.merge_input import MergeInput, both_changed
from bough_daemon.merging.worker_wire import Decided
from bough_daemon.store.store import LIVE, Store
from bough_daemon.system.threads import StoreThread
from bough_daemon.transaction.context import LiveBranch, LiveWorktree
from bough_daemon.transaction.terminal import NOTHING, Finished
from bough_merge.text.result import Conflict

from tests.daemon import support

T = TypeVar("T")

# Without the lock `git status` would refresh the index, which these tests compare byte for byte.
git = functools.partial(support.git, GIT_OPTIONAL_LOCKS="0")
FILES = {"a.txt": b"one\ntwo\nthree\nfour\nfive\n", "d/b.txt": b"b\n", "d/e/c.txt": b"c\n", ".gitignore": b"*.o\n"}


@dataclass
class Typist:
    """A terminal: runs programs for real, keeps what is told and asked, and answers questions with `answer`."""

    answer: bool = True
    told: list[Progress] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)
    ran: list[Sequence[str]] = field(default_factory=list)

    async def tell(self, progress: Progress) -> None:
        self.told.append(progress)

    async def confirm(self, question: Question) -> bool:
        self.asked.append(question)
        return self.answer

    async def run(
        self, arguments: Sequence[str], directory: str, environment: Mapping[str, str] = NOTHING, stdin: bytes = b""
    ) -> Finished:
        self.ran.append(arguments)
        done = await asyncio.to_thread(
            subprocess.run,
            arguments,
            cwd=directory,
            input=stdin,
            capture_output=True,
            env={**os.environ, **environment},
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


class Desk:
    """One member's worktree, store and live branch; teammates are branches in the same store."""

    def __init__(self, root: Path, name: str = "me") -> None:
        self.root = root
        self.worktree = Worktree.find(str(root))
        self.store = Store(self.worktree.common_dir, str(root))
        self.owner = StoreThread("store")
        self.branch = Branch(self.store, name, self.worktree.author())
        self._head_reader = HeadReader(self.worktree)
        self.terminal = Typist()
        self.since = ""
        self._arrived = ""
        self._closed = False
        self.live = LiveWorktree(self.worktree, self.store, self.branch, self.owner, self.save, self.teammate)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.owner.close()
            self.store.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a command to its end."""
        return asyncio.run(work)

    async def save(self) -> Snapshot:
        return await self.owner.run(self.snapshot)

    def snapshot(self) -> Snapshot:
        """Record the files as `git add --all` sees them."""
        head = self._head_reader.read()
        if head.commit != self._arrived:
            self.store.arrive(head.commit)
            self._arrived = head.commit
        tree = tree_on_disk(self.root)
        self.store.objects.own_tree_difference(self.store.objects.commit(head.commit).tree, tree)
        reader = self._head_reader
        at_work = operation(self.worktree) or ""
        return self.branch.save(tree, head.commit, at_work, reader.left_by_rewriting, discarded=reader.has_discarded())

    def teammate(self, name: str) -> LiveBranch | None:
        tip = self.store.ref(LIVE + name)
        snapshot = read_snapshot(self.store.objects, tip) if tip is not None else None
        return LiveBranch(name, snapshot.oid, snapshot.base) if snapshot is not None else None

    def teammate_at(
        self, name: str, files: Mapping[str, bytes | None], base: str = "HEAD", contains: Sequence[str] = ()
    ) -> str:
        """Let a teammate have a new tip: her last one, at first the files of `base`, with `files` changed."""
        changes = {
            path: TreeEntry(FILE, self.store.objects.write_blob(data)) if data is not None else None
            for path, data in files.items()
        }
        return self.teammate_with(name, changes, base, contains)

    def teammate_with(
        self, name: str, changes: Mapping[str, TreeEntry | None], base: str = "HEAD", contains: Sequence[str] = ()
    ) -> str:
        commit = git(self.root, "rev-parse", base)
        objects = self.store.objects
        self.store.arrive(commit)
        theirs = Branch(self.store, name, f"{name.title()} <{name}@example.org>")
        start = theirs.tip.tree if theirs.tip is not None else objects.commit(commit).tree
        objects.own(entry.oid for entry in changes.values() if entry is not None and entry.mode != SUBMODULE)
        return theirs.record(objects.splice(start, changes), commit, "save", contains=contains).shared


@contextmanager
def desk(folder: Path, files: Mapping[str, bytes] = FILES) -> Iterator[Desk]:
    """Sit at a desk over a new repository with one commit."""
    support.make_repository(folder, dict(files))
    opened = Desk(folder)
    try:
        yield opened
    finally:
        opened.close()


def git_dir_of(root: Path) -> Path:
    """Return the git directory of a working tree, which is linked where `.git` is a file."""
    inside = root / ".git"
    return inside if inside.is_dir() else Path(git(root, "rev-parse", "--absolute-git-dir"))


_trees: dict[bytes, str] = {}  # what Git has answered, by all that it goes by


def tree_on_disk(root: Path) -> str:
    """Return the tree that `git add --all` and `git write-tree` give, without touching the index.

    Git is not asked again about the very same files, index and settings, as long as what it wrote is there.
    """
    git_dir = git_dir_of(root)
    state = _state(root, git_dir)
    known = _trees.get(state) if state is not None else None
    if known is not None and (_common(git_dir) / "objects" / known[:2] / known[2:]).exists():
        return known
    tree = _tree_by_git(root, git_dir / "index")
    if state is not None:
        _trees[state] = tree
    return tree


def _common(git_dir: Path) -> Path:
    linked = git_dir / "commondir"
    return git_dir / linked.read_text().strip() if linked.exists() else git_dir


def _state(root: Path, git_dir: Path) -> bytes | None:
    """Return a digest of all that `git add --all` goes by; None where there is more than files and symlinks."""
    seen = hashlib.sha256(os.fsencode(root))
    settings = ("config", "config.worktree", "info/exclude", "info/attributes", "info/sparse-checkout")
    own = [folder / name for folder in (git_dir, _common(git_dir)) for name in settings]
    for file in (Path.home() / ".gitconfig", git_dir / "index", *own):
        seen.update(b"\0%d\0" % file.stat().st_size + file.read_bytes() if file.is_file() else b"\1")
    for folder, folders, names in os.walk(root):
        if ".git" in [*folders, *names] and folder != str(root):
            return None  # a nested repository
        folders[:] = sorted(name for name in folders if name != ".git")
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for path in (os.path.join(folder, name) for name in sorted([*names, *links]) if name != ".git"):
            status = os.lstat(path)
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISLNK(status.st_mode):
                return None
            data = os.fsencode(os.readlink(path)) if stat.S_ISLNK(status.st_mode) else Path(path).read_bytes()
            seen.update(b"%s\0%o\0%d\0%s" % (os.fsencode(path), status.st_mode, len(data), data))
    return seen.digest()


def _tree_by_git(root: Path, index: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        scratch = os.path.join(folder, "index")
        if index.exists():
            shutil.copy2(index, scratch)
        # A file that is outside a sparse checkout stays out of it, and Git says so by failing.
        said = subprocess.run(
            ["git", "-C", str(root), "-c", "core.safecrlf=false", "add", "--all"],
            env=dict(os.environ) | {"GIT_INDEX_FILE": scratch, "GIT_OPTIONAL_LOCKS": "0"},
            capture_output=True,
            check=False,
        )
        assert said.returncode == 0 or b"sparse-checkout definition" in said.stderr, said
        return git(root, "write-tree", GIT_INDEX_FILE=scratch)


def files_of(root: Path) -> dict[str, tuple[str, bytes]]:
    """Return every file and symlink with its mode and bytes."""
    found: dict[str, tuple[str, bytes]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in [*names, *links]:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found[os.path.relpath(path, root)] = ("link", os.fsencode(os.readlink(path)))
            elif name != ".git":
                found[os.path.relpath(path, root)] = (oct(os.lstat(path).st_mode), Path(path).read_bytes())
    return found


def everything(root: Path) -> dict[str, Any]:
    """Return all that a user has here: every file with mode and bytes, the index file, and HEAD."""
    git_dir = git_dir_of(root)
    index = git_dir / "index"
    return {
        "files": files_of(root),
        "index": index.read_bytes() if index.exists() else None,
        "HEAD": (git_dir / "HEAD").read_text(),
        "commit": git(root, "rev-parse", "HEAD"),
    }


def check_whole(root: Path) -> None:
    """Check that Git misses nothing with Bough's folder moved away, and that no lock or scratch file is left."""
    common = Path(git(root, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    (common / "bough").rename(common / "elsewhere")
    try:
        said = subprocess.run(["git", "fsck", "--no-dangling"], cwd=root, capture_output=True, check=False)
        assert (said.returncode, said.stdout) == (0, b""), said
        git(root, "status")
    finally:
        (common / "elsewhere").rename(common / "bough")
    left = [name for name in os.listdir(common) if "lock" in name or name.startswith(("bough-", "index."))]
    left += [name for _, names, _ in os.walk(common / "bough" / "stage") for name in names if name != common.name]
    assert not left


def merge_both(sides: MergeInput) -> dict[str, Decided]:
    """Merge every file that both sides changed as `git merge-file --diff3` does."""
    paths = [path for path, three in sides.entries.items() if both_changed(three)]
    return {path: _by_lines(sides.base.get(path), sides.ours[path], sides.theirs[path]) for path in paths}


def _by_lines(base: bytes | None, ours: bytes, theirs: bytes) -> Decided:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("ours", ours), ("base", base or b""), ("theirs", theirs)):
            Path(folder, name).write_bytes(content)
        command = ["git", "merge-file", "-p", "--diff3", "ours", "base", "theirs"]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    conflicts = [Conflict(1, "", "changed it", "changed it", "both changed it")] if done.returncode else []
    return Decided(done.stdout if done.returncode < 128 else ours, conflicts, "lines")
