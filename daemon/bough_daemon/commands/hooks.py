"""The user's own hooks: finding them, and running them as `git commit` does."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence

from bough_daemon.api.progress import HookFailed, HookSkipped
from bough_daemon.errors import GitFailed, HookRefused
from bough_daemon.git.hook_code import LIMIT_BYTES, Script, code_among, is_data
from bough_daemon.git.objects import EXECUTABLE
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.text import SHORT
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import is_file
from bough_daemon.transaction.terminal import NOTHING, Terminal

Hooks = frozenset[str]
HOOK_SETTINGS = r"^(core\.hookspath|hook\..*\.event)$"


async def hooks_of(terminal: Terminal, worktree: Worktree, names: Iterable[str]) -> Hooks:
    """Return those of `names` for which git would run a hook."""
    # Newer versions of git take hooks from the config too.
    asked = await terminal.run(["git", "config", "-z", "--get-regexp", HOOK_SETTINGS], worktree.root)
    settings = [os.fsdecode(entry).partition("\n")[::2] for entry in asked.output.split(b"\0")]
    elsewhere = any(name == "core.hookspath" for name, _ in settings)
    folder = await hooks_folder(terminal, worktree) if elsewhere else os.path.join(worktree.common_dir, "hooks")
    events = {value for name, value in settings if name.startswith("hook.")}
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
    """Run one of the user's hooks in the top folder, if it exists; raise HookRefused."""
    command = ["git", "hook", "run", "--ignore-missing", name, "--", *arguments]
    finished = await terminal.run(command, worktree.root, environment)
    if finished.code != 0:
        raise refusal(name, finished.errors.strip() or finished.output.decode(errors="replace").strip())


async def after_checkout(
    live: LiveWorktree,
    terminal: Terminal,
    old: str,
    new: str,
    *,
    sent: Collection[str] = (),
    by: str = "",
    tree: str = "",
) -> None:
    """Run the user's post-checkout hook, as `git switch` does, too late to stop anything.

    `sent`: paths that a teammate, `by`, changed in `tree`, which is here now; a hook that may run one of them is
    skipped.
    """
    if not await hooks_of(terminal, live.worktree, ["post-checkout"]):
        return
    code = await changed_code(live, terminal, {"post-checkout"}, sent, tree) if sent else []
    if code:
        command = f"git hook run post-checkout -- {old[:SHORT]} {new[:SHORT]} 1"
        await terminal.tell(HookSkipped("post-checkout", by, code, command))
        return
    try:
        await run_hook(terminal, live.worktree, "post-checkout", [old, new, "1"])
    except HookRefused as failure:
        await terminal.tell(HookFailed("post-checkout", failure.facts["output"]))


async def changed_code(
    live: LiveWorktree, terminal: Terminal, names: Collection[str], changed: Collection[str], tree: str
) -> list[str]:
    """Return those of the changed paths that the user's hooks of these names may run, sorted.

    `tree`: the working tree's content. Files next to the hooks that one of them names are followed too.
    """
    folder = os.path.realpath(await hooks_folder(terminal, live.worktree))
    inside = os.path.relpath(folder, os.path.realpath(live.worktree.root))
    in_tree = not inside.startswith("..") and inside.split(os.sep)[0] != ".git"
    around = os.path.dirname(inside) or inside
    own = [path for path in changed if in_tree and (path + "/").startswith((f"{inside}/", f"{around}/"))]
    scripts = await asyncio.to_thread(_scripts_in, folder, names, inside if in_tree else "")
    scripts += await live.owner.run(_configured_commands, live.worktree)
    objects = live.store.objects

    def may_run(path: str) -> bool:
        entry = objects.entry(tree, path)
        return entry is not None and (entry.mode == EXECUTABLE or not is_data(path))

    def search() -> list[str]:
        return code_among(list(filter(may_run, changed)), scripts, names, read)

    def read(path: str) -> bytes | None:
        entry = objects.entry(tree, path)
        readable = entry is not None and is_file(entry) and objects.size(entry.oid) <= LIMIT_BYTES
        return objects.blob(entry.oid) if entry is not None and readable else None

    return sorted({*own, *await live.owner.run(search)}) if scripts else sorted(own)


def _scripts_in(folder: str, names: Collection[str], inside: str) -> list[Script]:
    """Return the hooks of these names in a folder, and the other files there that they name."""
    beside: dict[str, bytes] = {}
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file():
                with open(entry.path, "rb") as source:
                    beside[entry.name] = source.read(LIMIT_BYTES)
    hooks = [text for name, text in beside.items() if name in names]
    called = [text for name, text in beside.items() if name not in names and any(os.fsencode(name) in h for h in hooks)]
    return [Script(text, inside) for text in hooks + called]


def _configured_commands(worktree: Worktree) -> list[Script]:
    """Return the commands of the hooks that newer versions of Git take from the config."""
    asked = worktree.git.run("config", "-z", "--get-regexp", r"^hook\..*\.command$", allowed=(0, 1))
    return [Script(entry.partition(b"\n")[2]) for entry in asked.split(b"\0") if entry]


def refusal(name: str, said: str) -> HookRefused:
    """Return the error for a hook that failed."""
    return HookRefused(f"the {name} hook refused{f': {said}' if said else ''}", hook=name, output=said)


async def commit_environment(terminal: Terminal, worktree: Worktree, index_file: str) -> dict[str, str]:
    """Return what `git commit` adds to the environment of its hooks; raise GitFailed if the user has no name.

    `index_file`: as `name_in_git_dir` returns it, or absolute.
    """
    asked = await terminal.run(["git", "var", "GIT_AUTHOR_IDENT"], worktree.root)
    if asked.code != 0:
        raise GitFailed(f"git does not know your name: {asked.errors.strip()}", output=asked.errors)
    who, _, when = asked.output.decode(errors="replace").strip().rpartition("> ")
    name, _, email = who.partition(" <")
    author = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email, "GIT_AUTHOR_DATE": f"@{when}"}
    return {"GIT_INDEX_FILE": index_file, "GIT_EDITOR": ":"} | (author if "\ufffd" not in who else {})


def name_in_git_dir(worktree: Worktree, name: str) -> str:
    """Return the path of a file in the git directory as git passes it to hooks: `.git/…` in the main working tree."""
    folder = ".git" if worktree.git_dir == os.path.join(worktree.root, ".git") else worktree.git_dir
    return os.path.join(folder, name)
