"""Real repositories for the daemon's tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from pathlib import Path

from bough_daemon.store.gathering import tidy
from bough_daemon.store.store import Store
from bough_daemon.system.threads import StoreThread


def git(folder: Path, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
    """Run stock git in a folder and return its output; fail the test when git fails."""
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        input=stdin,
        capture_output=True,
        env=dict(os.environ) | environment,
        check=False,
    )
    assert done.returncode == 0, f"git {arguments}: {os.fsdecode(done.stderr)}"
    return os.fsdecode(done.stdout).strip()


def make_repository(folder: Path, files: dict[str, bytes]) -> Path:
    """Make a repository with one commit of `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    write_files(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files, making the folders that they need."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def remove_tree(tree: Path, seconds: float = 20.0) -> None:
    """Remove a tree as `rm -rf` would, again and again while a daemon is at work in it."""
    deadline = time.monotonic() + seconds
    while tree.exists():
        assert time.monotonic() < deadline, f"{tree} does not go away"
        shutil.rmtree(tree, ignore_errors=True)


def copy_tree(tree: Path, copy: Path) -> None:
    """Copy a tree as a backup would while a daemon is at work in it: without what vanishes meanwhile."""
    try:
        shutil.copytree(tree, copy, symlinks=True)
    except shutil.Error as failed:
        assert not [path for path, _, _ in failed.args[0] if os.path.lexists(path)], failed


def tree_by_git(folder: Path, scratch: Path) -> str:
    """Return what `git add -A && git write-tree` gives with a scratch index and a scratch object folder."""
    index, objects = scratch / "index", scratch / "objects"
    objects.mkdir(exist_ok=True)
    if (folder / ".git" / "index").exists():
        shutil.copy2(folder / ".git" / "index", index)
    environment = {
        "GIT_INDEX_FILE": str(index),
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(folder / ".git" / "objects"),
    }
    git(folder, "-c", "advice.addEmbeddedRepo=false", "add", "-A", stdin=b"", **environment)
    return git(folder, "write-tree", stdin=b"", **environment)


def tidied(store: Store) -> bool:
    """Pack the loose objects of a store, as a daemon does, and return whether there were enough."""
    owner = StoreThread("store")
    try:
        return asyncio.run(tidy(store, owner))
    finally:
        owner.close()
