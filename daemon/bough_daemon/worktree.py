"""The user's working tree and what its Git says of it. Nothing here writes."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from bough_daemon.errors import BareRepository, GitFailed, NoCommitYet, NotARepository, UnsupportedRepository
from bough_daemon.git import Git, quiet_environment


@dataclass(frozen=True)
class Head:
    """Where HEAD stands: on a branch (`refs/heads/main`) or, where that is None, detached at `commit`."""

    branch: str | None
    commit: str


@dataclass(frozen=True)
class Worktree:
    """One working tree of a repository.

    `root`: its top folder. `git_dir`: its own git directory. `common_dir`: the one that all worktrees share. All three
    are absolute and free of symlinks.
    """

    root: str
    git_dir: str
    common_dir: str

    @classmethod
    def find(cls, path: str) -> Worktree:
        """Find the working tree around `path`; raise NotARepository, BareRepository or UnsupportedRepository."""
        if not os.path.isdir(path):
            raise NotARepository(f"{path} is not a folder", path=path)
        try:
            words = _ask(
                path, "--is-bare-repository", "--is-inside-work-tree", "--absolute-git-dir", "--git-common-dir"
            )
        except GitFailed as failure:
            if "dubious ownership" in failure.message:
                raise
            raise NotARepository(f"{path} is not in a Git repository", path=path) from failure
        bare, inside, git_dir, common = words
        if bare == "true":
            raise BareRepository(f"{git_dir} is a bare repository: it has no files that could be live", path=path)
        if inside != "true":
            raise NotARepository(f"{path} is inside a git directory, not in a working tree", path=path)
        common = os.path.realpath(os.path.join(path, common))
        (root,) = _ask(path, "--show-toplevel")
        found = cls(os.path.realpath(root), os.path.realpath(git_dir), common)
        found.check_supported()
        return found

    @property
    def git(self) -> Git:
        """Git for this working tree."""
        return Git(self.git_dir, self.root)

    def check_supported(self) -> None:
        """Raise UnsupportedRepository where a feature of the repository is beyond Bough."""
        form = self.git.line("rev-parse", "--show-object-format")
        if form != "sha1":
            raise UnsupportedRepository(f"the repository uses {form} object names; Bough works with sha1")
        if self.git.line("config", "--get", "extensions.partialClone", allowed=(0, 1)):
            raise UnsupportedRepository("the repository is a partial clone; Bough needs all objects")

    def head(self) -> Head:
        """Return where HEAD stands; raise NoCommitYet while there is nothing to stand on."""
        commit = self.git.line("rev-parse", "-q", "--verify", "HEAD^{commit}", allowed=(0, 1, 128))
        branch = self.git.line("symbolic-ref", "-q", "HEAD", allowed=(0, 1)) or None
        if not commit:
            raise NoCommitYet("the repository has no commit yet")
        return Head(branch, commit)

    def config(self, name: str) -> str:
        """Return a value of the user's Git configuration as it holds here, or an empty string."""
        return self.git.line("config", "--get", name, allowed=(0, 1))

    def author(self) -> str:
        """Return `Name <email>` as Git would write it for the user's commits, or a stand-in where it is unset."""
        name = self.config("user.name") or "unknown"
        email = self.config("user.email") or "unknown@localhost"
        return f"{_plain(name)} <{_plain(email)}>"


def whole(path: str) -> str:
    """Return a path whose folders are free of symlinks; its last part may be one."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)


def live_root(path: str) -> str | None:
    """Return the folder at or above `path` that holds a `.git`, free of symlinks, or None."""
    at = os.path.realpath(path)
    while True:
        if os.path.lexists(os.path.join(at, ".git")):
            return at
        parent = os.path.dirname(at)
        if parent == at:
            return None
        at = parent


def _plain(text: str) -> str:
    """Return text without what would break a commit's header."""
    return "".join(letter for letter in text if letter not in "<>\n\r\0").strip() or "unknown"


def _ask(path: str, *questions: str) -> list[str]:
    done = subprocess.run(
        ["git", "-C", path, "rev-parse", *questions], capture_output=True, env=quiet_environment(), check=False
    )
    if done.returncode != 0:
        raise GitFailed(os.fsdecode(done.stderr).strip())
    return os.fsdecode(done.stdout).rstrip("\n").split("\n")
