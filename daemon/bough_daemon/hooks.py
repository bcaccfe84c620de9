"""The user's own hooks: which there are, and how `git commit` runs them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from bough_daemon.errors import GitFailed, HookRefused
from bough_daemon.live import Live
from bough_daemon.terminal import NOTHING, Terminal
from bough_daemon.worktree import Worktree

Hooks = frozenset[str]


async def hooks_of(terminal: Terminal, worktree: Worktree, names: Iterable[str]) -> Hooks:
    """Return those of `names` for which git would run something."""
    folder = await hooks_folder(terminal, worktree)
    # Newer versions of git take hooks from settings as well.
    asked = await terminal.run(["git", "config", "-z", "--get-regexp", r"^hook\..*\.event$"], worktree.root)
    events = {os.fsdecode(entry.partition(b"\n")[2]) for entry in asked.output.split(b"\0")}
    return frozenset(name for name in names if name in events or os.access(os.path.join(folder, name), os.X_OK))


async def hooks_folder(terminal: Terminal, worktree: Worktree) -> str:
    """Return the folder in which git looks for hooks."""
    asked = await terminal.run(["git", "rev-parse", "--git-path", "hooks"], worktree.root)
    return os.path.join(worktree.root, os.fsdecode(asked.output.rstrip(b"\n")))


async def run_hook(
    terminal: Terminal,
    worktree: Worktree,
    name: str,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] = NOTHING,
) -> None:
    """Run one of the user's hooks in the top folder, where there is one, or raise HookRefused."""
    command = ["git", "hook", "run", "--ignore-missing", name, "--", *arguments]
    finished = await terminal.run(command, worktree.root, environment)
    if finished.code != 0:
        raise refusal(name, finished.errors.strip() or finished.output.decode(errors="replace").strip())


async def after_checkout(live: Live, terminal: Terminal, old: str, new: str) -> None:
    """Run the user's post-checkout hook, as `git switch` does: it comes too late to stop anything."""
    try:
        await run_hook(terminal, live.worktree, "post-checkout", [old, new, "1"])
    except HookRefused as failure:
        await terminal.say(f"the post-checkout hook failed: {failure.facts['output'] or 'it said nothing'}")


async def changed_hooks(live: Live, terminal: Terminal, old: str, new: str) -> str | None:
    """Return the folder of the hooks, if it is in the working tree and two trees differ in it, else None."""
    folder = os.path.realpath(await hooks_folder(terminal, live.worktree))
    inside = os.path.relpath(folder, live.worktree.root)
    if inside.startswith(".."):
        return None
    objects = live.store.objects
    differ = await live.owner.run(lambda: objects.entry(old, inside) != objects.entry(new, inside))
    return inside if differ else None


def refusal(name: str, said: str) -> HookRefused:
    """Return the error for a hook that said no."""
    return HookRefused(f"the {name} hook refused{f': {said}' if said else ''}", hook=name, output=said)


async def commit_environment(terminal: Terminal, worktree: Worktree, index_file: str) -> dict[str, str]:
    """Return what `git commit` adds to the environment of its hooks; raise GitFailed where it does not know its user.

    `index_file`: as `name_in_git_dir` gives it, or absolute.
    """
    asked = await terminal.run(["git", "var", "GIT_AUTHOR_IDENT"], worktree.root)
    if asked.code != 0:
        raise GitFailed(f"git does not know your name: {asked.errors.strip()}", output=asked.errors)
    who, _, when = asked.output.decode(errors="replace").strip().rpartition("> ")
    name, _, email = who.partition(" <")
    author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": f"@{when}"}
    return {"GIT_INDEX_FILE": index_file, "GIT_EDITOR": ":"} | (author if "\ufffd" not in who else {})


def name_in_git_dir(worktree: Worktree, name: str) -> str:
    """Return a file of the git directory as git names it to hooks: below `.git` in the main working tree."""
    folder = ".git" if worktree.git_dir == os.path.join(worktree.root, ".git") else worktree.git_dir
    return os.path.join(folder, name)
