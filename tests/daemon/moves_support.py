"""A repository with a store and a live branch, without a daemon: what the tests of the moving commands stand on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from bough_daemon.branches import Branch, Snapshot, read_snapshot
from bough_daemon.live import Live, Teammate
from bough_daemon.owner import Owner
from bough_daemon.store import LIVE, Store
from bough_daemon.terminal import NOTHING, Finished
from bough_daemon.worktree import Worktree

T = TypeVar("T")

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",  # or `git status` would refresh the index
}


def git(folder: str | Path, *arguments: str, stdin: bytes = b"", check: bool = True, **environment: str) -> str:
    """Run git as the user would and return what it prints."""
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=stdin, capture_output=True, env=ENVIRONMENT | environment, check=False
    )
    assert not check or done.returncode == 0, done.stderr.decode()
    return os.fsdecode(done.stdout).rstrip("\n")


@dataclass
class Typist:
    """A terminal: runs programs for real, notes what is said, and answers questions with `answer`."""

    answer: bool = True
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ran: list[Sequence[str]] = field(default_factory=list)

    async def say(self, text: str) -> None:
        self.said.append(text)

    async def confirm(self, question: str) -> bool:
        self.asked.append(question)
        return self.answer

    async def run(
        self,
        arguments: Sequence[str],
        directory: str,
        environment: Mapping[str, str] = NOTHING,
        stdin: bytes = b"",
    ) -> Finished:
        self.ran.append(arguments)
        done = await asyncio.to_thread(
            subprocess.run,
            arguments,
            cwd=directory,
            input=stdin,
            capture_output=True,
            env=ENVIRONMENT | dict(environment),
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


class Desk:
    """One member's worktree, store and live branch; teammates are branches in the same store."""

    def __init__(self, root: Path, name: str = "me") -> None:
        self.root = root
        self.worktree = Worktree.find(str(root))
        self.store = Store(self.worktree.common_dir, str(root))
        self.owner = Owner("store")
        self.branch = Branch(self.store, name, self.worktree.author())
        self.terminal = Typist()
        self.live = Live(self.worktree, self.store, self.branch, self.owner, self.save, self.teammate)

    def close(self) -> None:
        self.owner.close()
        self.store.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a command to its end."""
        return asyncio.run(work)

    async def save(self) -> Snapshot:
        return await self.owner.run(self.snapshot)

    def snapshot(self) -> Snapshot:
        """Record the files as `git add --all` sees them."""
        head = self.worktree.head()
        self.store.arrive(head.commit)
        tree = tree_on_disk(self.root)
        self.store.objects.own_tree_difference(self.store.objects.commit(head.commit).tree, tree)
        return self.branch.record(tree, head.commit)

    def teammate(self, name: str) -> Teammate | None:
        tip = self.store.ref(LIVE + name)
        snapshot = read_snapshot(self.store.objects, tip) if tip is not None else None
        return Teammate(name, snapshot.oid, snapshot.base) if snapshot is not None else None

    def teammate_at(self, name: str, files: Mapping[str, str | None], base: str = "HEAD", **contains: Any) -> str:
        """Let a teammate have a tip: the files of `base` with `files` changed (None: removed)."""
        commit = git(self.root, "rev-parse", base)
        objects = self.store.objects
        self.store.arrive(commit)
        theirs = Branch(self.store, name, f"{name.title()} <{name}@example.com>")
        start = (
            theirs.tip.tree if theirs.tip is not None and not contains.get("afresh") else objects.commit(commit).tree
        )
        from bough_daemon.objects import FILE, Entry

        changes = {
            path: Entry(FILE, objects.write_blob(text.encode())) if text is not None else None
            for path, text in files.items()
        }
        return theirs.record(objects.splice(start, changes), commit).oid


def tree_on_disk(root: Path) -> str:
    """Return the tree that `git add --all` and `git write-tree` give, without touching the index."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = os.path.join(folder, "index")
        index = git(root, "rev-parse", "--absolute-git-dir") + "/index"
        if os.path.exists(index):
            Path(scratch).write_bytes(Path(index).read_bytes())
        git(root, "add", "--all", GIT_INDEX_FILE=scratch)
        return git(root, "write-tree", GIT_INDEX_FILE=scratch)


def new_repository(root: Path, files: Mapping[str, str] | None = None) -> Path:
    """Make a repository with one commit on `main`."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    for name, value in {"user.name": "Me", "user.email": "me@example.com", "gc.auto": "0"}.items():
        git(root, "config", name, value)
    write(root, files or {"a.txt": "one\ntwo\nthree\n", "d/b.txt": "b\n"})
    git(root, "add", "--all")
    git(root, "commit", "-qm", "first")
    return root


def write(root: Path, files: Mapping[str, str | None]) -> None:
    """Write files; None removes one."""
    for path, text in files.items():
        target = root / path
        if text is None:
            target.unlink()
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(text.encode())


def everything(root: Path) -> dict[str, Any]:
    """Return all that a user has here: every file with bytes and mode, the index, HEAD and the branches."""
    found: dict[str, Any] = {}
    for folder, folders, names in os.walk(root):
        if folder == str(root):
            folders.remove(".git")
        for name in [*names, *(name for name in folders if os.path.islink(os.path.join(folder, name)))]:
            path = os.path.join(folder, name)
            shown = os.path.relpath(path, root)
            if os.path.islink(path):
                found[shown] = ("link", os.readlink(path))
            else:
                found[shown] = (oct(os.lstat(path).st_mode), Path(path).read_bytes())
    git_dir = git(root, "rev-parse", "--absolute-git-dir")
    index = Path(git_dir, "index")
    found[":index"] = index.read_bytes() if index.exists() else None
    found[":HEAD"] = Path(git_dir, "HEAD").read_text()
    return found


def clean_without_bough(root: Path) -> None:
    """Check that with Bough's folder moved away git finds nothing missing."""
    common = Path(git(root, "rev-parse", "--path-format=absolute", "--git-common-dir"))
    (common / "bough").rename(common / "elsewhere")
    try:
        said = subprocess.run(
            ["git", "fsck", "--no-dangling"], cwd=root, capture_output=True, env=ENVIRONMENT, check=False
        )
        assert said.returncode == 0 and not said.stderr.replace(b"notice:", b"").strip().startswith(b"error"), said
        assert b"missing" not in said.stdout, said
        git(root, "status")
    finally:
        (common / "elsewhere").rename(common / "bough")


def merge_both(base: bytes | None, ours: bytes, theirs: bytes, path: str) -> tuple[bytes, list[str], str, list[str]]:
    """Merge as `git merge-file --diff3` does."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("ours", ours), ("base", base or b""), ("theirs", theirs)):
            Path(folder, name).write_bytes(content)
        done = subprocess.run(
            ["git", "merge-file", "-p", "--diff3", "ours", "base", "theirs"],
            cwd=folder,
            capture_output=True,
            check=False,
        )
        conflicts = [path] if done.returncode else []
        return (done.stdout if done.returncode < 128 else ours), conflicts, "lines", []
