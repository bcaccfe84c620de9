"""A temporary view of a repository in which every live branch is a branch, for read-only git commands.

It is a git directory of its own: the user's references and the store's, objects borrowed from the store, a copy of the
index, the user's working tree. Whatever a command writes there is discarded; the user's repository is not touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

from bough_daemon.errors import GitMayWrite
from bough_daemon.git.command import GitCommand, quoted, unbound
from bough_daemon.git.objects import GRAFTS
from bough_daemon.git.store_reading import store_path
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.text import shell_word

READING = frozenset(
    """
    annotate archive blame cat-file check-attr check-ignore check-mailmap cherry count-objects describe diff diff-files
    diff-index diff-tree difftool for-each-ref format-patch fsck grep help log ls-files ls-tree merge-base merge-tree
    name-rev range-diff rev-list rev-parse shortlog show show-branch show-index show-ref status var verify-commit
    verify-tag version whatchanged
    """.split()
)
LISTING = frozenset({"branch", "tag"})
LISTING_OPTIONS = frozenset(
    """
    -a -r -v -vv -l -n -i --all --remotes --list --contains --no-contains --merged --no-merged --points-at
    --show-current --sort --format --verbose --column --no-column --color --no-color --ignore-case
    """.split()
)
# What replaces a command that Bough does not have, or that a view cannot run.
INSTEAD = {
    "add": "`git add`; Bough records every save without it",
    "am": "`git am`",
    "checkout": "`bough hop NAME`, or `git switch` for a Git branch",
    "cherry-pick": "`bough merge NAME`, or `git cherry-pick`",
    "clone": "`git clone`, and in the clone `bough join TICKET` or `bough up`",
    "commit": "`git commit` for a commit of your own, `bough land` for the shared branch",
    "fetch": "`git fetch`; teammates' saves arrive by themselves",
    "init": "`git init`, and then `bough up`",
    "merge": "`bough merge NAME`",
    "mv": "`git mv`",
    "pull": "`bough merge NAME`, or `git pull`",
    "push": "`bough land`, or `git push`",
    "rebase": "`git rebase`",
    "reset": "`bough restore`, or `git reset`",
    "restore": "`bough restore`",
    "revert": "`bough restore`, or `git revert`",
    "rm": "`git rm`",
    "stash": "`bough hop` and `bough back`, which need no stash, or `git stash`",
    "switch": "`bough hop NAME`, or `git switch` for a Git branch",
    "tag": "`git tag`",
    "worktree": "`git worktree`; in the new worktree `bough up` makes it live",
}
# Words that are not Git commands either, and `branch`, which a view can only list.
ABBREVIATED = {"ci": "commit", "co": "checkout", "br": "branch", "di": "diff", "sw": "switch", "cp": "cherry-pick"}
ELSEWHERE_CALLED = {
    "branch": "`bough status` to see every live branch, `bough off BRANCH` or `git branch` to make a Git branch",
    "export-key": "`bough key export FILE`",
    "list": "`bough status`, or `bough team` for the members",
    "ls": "`bough status`, or `bough git ls-tree -r NAME` for the files of a branch",
    "publish": "`bough land`",
    "revoke": "`bough invites --revoke ID` for a ticket, `bough remove NAME` for a member",
    "share": "`bough invite`",
    "st": "`bough status`",
    "start": "`bough up`",
    "stop": "`bough down`",
    "sync": "`bough save --wait`; teammates' saves arrive by themselves",
    "version": "`bough --version`",
    "who": "`bough team`, or `bough status` for what they are doing",
}
WITH_VALUE = frozenset({"-c", "-C"})
ELSEWHERE = ("--git-dir", "--work-tree", "--namespace", "--bare", "--exec-path=")


def run_in_view(path: str, arguments: Sequence[str]) -> int:
    """Run a read-only git command in a view of the repository around `path` and return its exit code.

    Raise NotLive if nothing was ever recorded, and BadUsage for a command that writes.
    """
    return _in_view(path, arguments, captured=False).returncode


def read_in_view(path: str, arguments: Sequence[str]) -> tuple[int, bytes, bytes]:
    """Run a read-only git command as `run_in_view` does; return its exit code, output and errors."""
    done = _in_view(path, arguments, captured=True)
    return done.returncode, done.stdout, done.stderr


def _in_view(path: str, arguments: Sequence[str], *, captured: bool) -> subprocess.CompletedProcess[bytes]:
    worktree = Worktree.find(path)
    store = store_path(worktree)
    check_reads(arguments)
    with tempfile.TemporaryDirectory(prefix="bough-view-") as folder:
        make_view(worktree, store, folder)
        environment = unbound(os.environ) | {
            "GIT_DIR": folder,
            "GIT_WORK_TREE": worktree.root,
            "GIT_INDEX_FILE": os.path.join(folder, "index"),
            "GIT_OPTIONAL_LOCKS": "0",
        }
        stdin = subprocess.DEVNULL if captured else None
        command = ["git", *arguments]
        return subprocess.run(command, cwd=path, env=environment, stdin=stdin, capture_output=captured, check=False)


def check_reads(arguments: Sequence[str]) -> None:
    """Raise BadUsage for a git command line that may write."""
    words = iter(arguments)
    command = ""
    for word in words:
        if word in WITH_VALUE:
            next(words, None)
        elif word.startswith(ELSEWHERE):
            raise GitMayWrite(f"`bough git` chooses the repository itself; {word.partition('=')[0]} cannot be given")
        elif not word.startswith("-"):
            command = word
            break
    rest = list(words)
    writes = next(
        (word for word in rest if word.startswith("--output") or (command == "archive" and word[:2] == "-o")), ""
    )
    if writes or (command == "format-patch" and "--stdout" not in rest):
        raise GitMayWrite(
            f"git {command} would write files", hint="Redirect its output instead; use --stdout with format-patch."
        )
    if command in READING or (command == "" and arguments):
        return
    options = [word.partition("=")[0] for word in rest if word.startswith("-")]
    only_lists = not rest or (rest[0].startswith("-") and LISTING_OPTIONS.issuperset(options))
    if command in LISTING and only_lists:
        return
    if not command:
        raise GitMayWrite("which git command? For example `bough git log main..alice`")
    instead = INSTEAD.get(command, f"`git {command}`")
    raise GitMayWrite(f"`bough git` only reads, and git {command} may write", hint=f"Use {instead}.")


def instead_of(command: str, arguments: Sequence[str]) -> str | None:
    """Return what replaces a word that was typed as a Bough command, or None if nothing does."""
    command = ABBREVIATED.get(command, command)
    if command in READING - ELSEWHERE_CALLED.keys():
        return f"`{' '.join(map(shell_word, ['bough', 'git', command, *arguments]))}`"
    return ELSEWHERE_CALLED.get(command) or INSTEAD.get(command)


def make_view(worktree: Worktree, store: str, folder: str) -> None:
    """Turn an empty folder into a git directory that shows the user's references and every live branch."""
    for inside in ("objects/info", "refs", "info"):
        os.makedirs(os.path.join(folder, inside))
    _copy(worktree.git_dir, folder, "HEAD", "index")
    _copy(worktree.common_dir, folder, "shallow", "info/exclude", "info/attributes")
    with open(os.path.join(folder, "objects", "info", "alternates"), "wb") as alternates:
        alternates.write(quoted(os.path.join(store, "objects")) + b"\n")
    included = os.path.join(worktree.common_dir, "config").replace("\\", "\\\\").replace('"', '\\"')
    with open(os.path.join(folder, "config"), "wb") as config:
        config.write(b"[core]\n\trepositoryformatversion = 0\n\tbare = false\n")
        config.write(b"[advice]\n\tgraftFileDeprecated = false\n")
        config.write(b'[include]\n\tpath = "' + os.fsencode(included) + b'"\n')
    _copy(store, folder, GRAFTS)
    theirs = _references(GitCommand(worktree.common_dir))
    live = {
        name.removeprefix("refs/heads/"): oid for name, oid in _references(GitCommand(store), "refs/heads/").items()
    }
    shown = dict(theirs)
    for name, oid in live.items():
        shown[f"refs/remotes/live/{name}"] = oid
        taken = (f"refs/{name}", f"refs/tags/{name}", f"refs/heads/{name}", f"refs/remotes/{name}")
        if not any(ref in theirs for ref in taken):
            shown[f"refs/heads/{name}"] = oid
    with open(os.path.join(folder, "packed-refs"), "wb") as packed:
        packed.writelines(oid.encode() + b" " + os.fsencode(name) + b"\n" for name, oid in sorted(shown.items()))


def _references(git: GitCommand, prefix: str = "refs/") -> dict[str, str]:
    lines = git.run("for-each-ref", "--format=%(objectname) %(refname)", prefix).splitlines()
    return {os.fsdecode(line[41:]): line[:40].decode() for line in lines}


def _copy(source: str, target: str, *names: str) -> None:
    for name in names:
        if os.path.exists(os.path.join(source, name)):
            # With its time: Git re-reads files that are as new as the index.
            shutil.copy2(os.path.join(source, name), os.path.join(target, name))
