"""Make a commit as `git commit` would: the user's hooks, name and signature, in the user's own terminal."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence

from bough_daemon.errors import GitFailed, HookRefused
from bough_daemon.landed import TRAILER, knowing, learn, learn_from
from bough_daemon.live import Live
from bough_daemon.store import Store
from bough_daemon.terminal import Terminal
from bough_daemon.worktree import Worktree


async def commit(
    live: Live, terminal: Terminal, tree: str, parents: Sequence[str], message: str, trailers: Sequence[str]
) -> str:
    """Commit a tree, which is in the user's database, and return the commit; no branch moves.

    The hooks see it as an index of its own and may change it, as those of `git commit` may. Raise HookRefused or
    GitFailed where a hook or git says no.
    """
    root = live.worktree.root
    with tempfile.TemporaryDirectory(prefix="commit-", dir=live.scratch) as folder:
        environment = {"GIT_INDEX_FILE": os.path.join(folder, "index"), "GIT_EDITOR": ":"}
        words = os.path.join(folder, "COMMIT_EDITMSG")
        await _git(terminal, root, ["read-tree", tree], environment)
        await run_hook(terminal, root, "pre-commit", [], environment)
        tree = (await _git(terminal, root, ["write-tree"], environment)).decode().strip()
        await live.owner.run(_write_message, live.worktree, words, message, trailers)
        await run_hook(terminal, root, "prepare-commit-msg", [words, "message"], environment)
        await run_hook(terminal, root, "commit-msg", [words], environment)
        signed = await live.owner.run(_signs, live.worktree)
        arguments = ["commit-tree", *(["-S"] if signed else []), "-F", words]
        arguments += [word for parent in parents for word in ("-p", parent)]
        return (await _git(terminal, root, [*arguments, tree], {})).decode().strip()


async def run_hook(
    terminal: Terminal, root: str, name: str, arguments: Sequence[str], environment: dict[str, str]
) -> None:
    """Run one of the user's hooks where there is one, or raise HookRefused."""
    command = ["git", "hook", "run", "--ignore-missing", name, "--", *arguments]
    finished = await terminal.run(command, root, environment)
    if finished.code != 0:
        said = finished.errors.strip() or finished.output.decode(errors="replace").strip()
        raise HookRefused(f"the {name} hook refused{f': {said}' if said else ''}", hook=name, output=said)


def authors_of(store: Store, tip: str, without: Sequence[str], myself: str) -> list[str]:
    """Return `Name <email>` of everyone else whose work is in `tip` and in none of `without`, oldest first."""
    learn(store, tip, *without)
    found = _authors(store, tip, without)
    if any(_email(author) != _email(myself) for _, author in found):
        # Some of it may have landed already, in a squash; that is younger than what it was made of.
        learn_from(store, *without, f"--since={min(when for when, _ in found)}")
        found = _authors(store, tip, without)
    others: dict[str, str] = {}
    for _, author in found:
        if _email(author) != _email(myself):
            others.setdefault(_email(author), author)
    return list(others.values())


def _authors(store: Store, tip: str, without: Sequence[str]) -> list[tuple[int, str]]:
    """Return (time, author) of every commit of `tip` that `without` lacks, oldest first."""
    asked = ["log", "--reverse", "--format=%ct %an <%ae>", tip, *(f"^{oid}" for oid in without)]
    lines = knowing(store.git).run(*asked).decode(errors="replace").splitlines()
    return [(int(when), author) for when, _, author in (line.partition(" ") for line in lines)]


def trailers_for(snapshot: str, others: Sequence[str]) -> list[str]:
    """Return the trailers of a landed commit."""
    return [*(f"Co-authored-by: {author}" for author in others), f"{TRAILER}: {snapshot}"]


def _email(author: str) -> str:
    return author.rpartition("<")[2].rstrip(">").lower()


def _write_message(worktree: Worktree, path: str, message: str, trailers: Sequence[str]) -> None:
    cleaned = worktree.git.run("stripspace", stdin=message.encode(errors="surrogateescape"))
    options = [word for trailer in trailers for word in ("--trailer", trailer)]
    arguments = ["interpret-trailers", "--no-divider", "--if-exists", "addIfDifferent", *options]
    with open(path, "wb") as out:
        out.write(worktree.git.run(*arguments, stdin=cleaned))


def _signs(worktree: Worktree) -> bool:
    return worktree.git.line("config", "--type=bool", "--get", "commit.gpgSign", allowed=(0, 1)) == "true"


async def _git(terminal: Terminal, root: str, arguments: Sequence[str], environment: dict[str, str]) -> bytes:
    finished = await terminal.run(["git", *arguments], root, environment)
    if finished.code != 0:
        said = finished.errors.strip()
        raise GitFailed(f"git {arguments[0]} failed: {said}", output=said)
    return finished.output
