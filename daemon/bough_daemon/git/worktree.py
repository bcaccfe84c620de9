"""The user's working tree and its Git configuration. Nothing here writes."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from bough_daemon.errors import (
    BareRepository,
    BoughError,
    ForeignRepository,
    GitFailed,
    NoCommitYet,
    NotARepository,
    UnsupportedRepository,
)
from bough_daemon.git.command import GitCommand, in_one_line, quiet_environment
from bough_daemon.git.remembered import (
    ConfigReader,
    HeadSignature,
    IndexAnswers,
    KnownAnswers,
    head_signature,
)
from bough_daemon.system.children import PROCESS, GitChildren
from bough_daemon.system.environment import UserEnvironment
from bough_daemon.system.text import printable

# What `git rev-parse` answers in any repository, and what only in a working tree.
KINDS, FOLDERS = ("--is-bare-repository", "--is-inside-work-tree"), ("--absolute-git-dir", "--git-common-dir")
IN_TREE = ("--show-toplevel", "--show-object-format")
ANSWERED = "--//"  # in no path; `git rev-parse` repeats an option that it does not know
DEFAULT_REMOTE = "origin"


@dataclass(frozen=True)
class Head:
    """The position of HEAD: on a branch (`refs/heads/main`) or, if that is None, detached at `commit`."""

    branch: str | None
    commit: str


@dataclass(frozen=True)
class Worktree:
    """One working tree of a repository.

    `root`: its top folder. `git_dir`: its own git directory. `common_dir`: the one that all worktrees share. All three
    are absolute and free of symlinks. `user`: the variables of the user's terminal that affect git here. `children`:
    the git children that work here. `index_answers`: what `git/index` has found out about the index.
    """

    root: str
    git_dir: str
    common_dir: str
    user: UserEnvironment = field(default_factory=UserEnvironment, compare=False, repr=False)
    children: GitChildren = field(default_factory=GitChildren, compare=False, repr=False)
    _heads: KnownAnswers[HeadSignature, Head] = field(default_factory=KnownAnswers, compare=False, repr=False)
    index_answers: IndexAnswers = field(default_factory=IndexAnswers, compare=False, repr=False)
    _config: ConfigReader = field(default_factory=ConfigReader, compare=False, repr=False)

    @classmethod
    def find(cls, path: str, user: UserEnvironment | None = None) -> Worktree:
        """Find the working tree around `path`.

        Raise NotARepository, BareRepository, ForeignRepository or UnsupportedRepository.
        """
        if not os.path.isdir(path):
            raise NotARepository(f"{path} is not a folder", path=path)
        user = user or UserEnvironment()
        try:
            bare, inside, git_dir, common, root, form = _ask(path, user, *KINDS, *FOLDERS, *IN_TREE)
        except GitFailed as failure:
            raise _no_tree(path, user) from failure
        if bare == "true" or inside != "true":
            raise _outside(path, user, bare == "true", git_dir)
        common = os.path.realpath(os.path.join(path, common))
        found = cls(os.path.realpath(root), os.path.realpath(git_dir), common, user)
        found.check_supported(form)
        return found

    @property
    def record_name(self) -> str:
        """The name of this worktree's files in a folder that has one for each worktree of the repository."""
        linked = self.git_dir != self.common_dir
        return f"worktree-{os.path.basename(self.git_dir)}" if linked else "main"

    @property
    def key(self) -> str:
        """Return what the store names this working tree's files by."""
        return hashlib.sha256(os.fsencode(self.git_dir)).hexdigest()[:16]

    @property
    def is_only_one(self) -> bool:
        """Whether the repository has no other worktree."""
        return self.git_dir == self.common_dir and not os.path.isdir(os.path.join(self.common_dir, "worktrees"))

    @property
    def git(self) -> GitCommand:
        """Git for this working tree."""
        return GitCommand(self.git_dir, self.root, user=self.user, children=self.children)

    def check_supported(self, form: str) -> None:
        """Raise UnsupportedRepository if Bough cannot handle the repository; `form`: its object format."""
        if form != "sha1":
            raise UnsupportedRepository(f"the repository uses {form} object names; Bough works with sha1")
        if "\n" in self.common_dir or "\r" in self.common_dir:  # libgit2 takes it for two alternates
            raise UnsupportedRepository(
                f"the path of the repository has a line break: {printable(self.common_dir)}",
                hint="Move the repository to a path without one.",
            )

    def head(self) -> Head:
        """Return where HEAD is; raise NoCommitYet while there is no commit."""
        return self._heads.get(lambda: head_signature(self.git_dir, self.common_dir), self._ask_head)

    def _ask_head(self) -> Head:
        code, said, _ = self.git.result("rev-parse", "HEAD^{commit}", "--symbolic-full-name", "HEAD", allowed=(0, 128))
        if code != 0:
            raise NoCommitYet("the repository has no commit yet")
        commit, name, *_ = os.fsdecode(said).split("\n")
        if not name or name.endswith("/HEAD"):  # a branch or a tag is also called HEAD
            name = self.git.line("symbolic-ref", "-q", "HEAD", allowed=(0, 1)) or "HEAD"
            if name != "HEAD" and not self.git.line("rev-parse", "-q", "--verify", name, allowed=(0, 1, 128)):
                raise NoCommitYet("the repository has no commit yet")
        return Head(None if name == "HEAD" else name, commit)

    def config(self, name: str) -> str:
        """Return a value of the effective Git configuration here, or an empty string."""
        return self._config.value(self.git, self.common_dir, name)

    def settings(self) -> Mapping[str, str]:
        """Return the effective configuration: the last value of each name, in lower case except for a subsection."""
        return self._config.values(self.git, self.common_dir)

    def remotes(self) -> frozenset[str]:
        """Return the names that `git remote` lists: every one that has a setting, unless it begins with a slash."""
        settings = self.settings()
        names = (key.removeprefix("remote.").rpartition(".")[0] for key in settings if key.startswith("remote."))
        return frozenset(name for name in names if name and not name.startswith("/"))

    def author(self) -> str:
        """Return `Name <email>` as Git would write it in the user's commits, or a placeholder if it is not set."""
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
    """Return text without characters that would break a commit's header."""
    return "".join(letter for letter in text if letter not in "<>\n\r\0").strip() or "unknown"


def _ask(path: str, user: UserEnvironment, *questions: str) -> list[str]:
    """Return what `git rev-parse` answers to each question; a path may have line breaks."""
    command = ["git", "-C", path, "rev-parse", *chain.from_iterable((one, ANSWERED) for one in questions)]
    code, output, errors = PROCESS.run("rev-parse", command, b"", quiet_environment(user=user), None)
    if code != 0:
        raise GitFailed(in_one_line(os.fsdecode(errors)), output=errors.decode(errors="replace"))
    return os.fsdecode(output).split(f"\n{ANSWERED}\n")[:-1]


def _no_tree(path: str, user: UserEnvironment) -> BoughError:
    """Return why Git finds no working tree around a folder, where it does not answer what only one can tell."""
    try:
        bare, _, git_dir, _ = _ask(path, user, *KINDS, *FOLDERS)
    except GitFailed as worse:
        return _no_repository(path, worse)
    return _outside(path, user, bare == "true", git_dir)


def _outside(path: str, user: UserEnvironment, is_bare: bool, git_dir: str) -> BoughError:
    return _bare(path, user, git_dir) if is_bare else _elsewhere(path, user, git_dir)


def _no_repository(path: str, failure: GitFailed) -> BoughError:
    """Return why Git finds no repository around a folder."""
    if "dubious ownership" in failure.message:
        root = live_root(path) or path
        hint = f"If you trust it: `git config --global --add safe.directory {shlex.quote(root)}`."
        return ForeignRepository(f"Git refuses {root}: it belongs to another user", path=root, hint=hint)
    if live_root(path) is not None and "not a git repository" not in failure.message:
        hint = "Fix the problem that Git reports; `git status` shows it too."
        return NotARepository(f"Git cannot read the repository: {failure.message}", path=path, hint=hint)
    return NotARepository(f"{path} is not in a Git repository", path=path)


def _bare(path: str, user: UserEnvironment, git_dir: str) -> BareRepository:
    """Return the error for a bare repository, naming its working trees if it has any."""
    listed = GitCommand(git_dir, user=user).run("worktree", "list", "--porcelain", "-z").split(b"\0\0")
    trees = [os.fsdecode(lines.split(b"\0")[0][9:]) for lines in listed if lines and b"\0bare" not in lines]
    there = [tree for tree in trees if os.path.isdir(tree)]
    message = f"{git_dir} is a bare repository, which has no working tree"
    if not there:
        return BareRepository(message, path=path)
    return BareRepository(message, path=path, hint=f"Run the command in one of its working trees: {', '.join(there)}.")


def _elsewhere(path: str, user: UserEnvironment, git_dir: str) -> NotARepository:
    """Return the error for a repository whose files are somewhere else."""
    config = GitCommand(git_dir, user=user).line("config", "--get", "core.worktree", allowed=(0, 1))
    if not config:
        return NotARepository(f"{path} is inside a git directory, not in a working tree", path=path)
    tree = os.path.realpath(os.path.join(git_dir, config))
    if live_root(tree) == tree:
        return NotARepository(f"the files of this repository are in {tree}", path=path, hint="Run the command there.")
    link = shlex.quote(f"gitdir: {git_dir}")
    hint = f"Create it: `echo {link} > {shlex.quote(os.path.join(tree, '.git'))}`; then run the command there."
    return NotARepository(
        f"the files of this repository are in {tree} (core.worktree), which has no `.git`", path=path, hint=hint
    )
