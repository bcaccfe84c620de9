"""The note of a landed commit that says who wrote its lines, where people and agents wrote them together.

It has the form of git-ai (Git AI Standard, authorship/3.0.0), which others read: `git notes --ref=ai show`. It names
the members by their live branches, as `bough blame` does; a snapshot may name any author.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bough_daemon.agents.agent_list import AgentList
from bough_daemon.commands.co_authors import people
from bough_daemon.git.store_reading import BlamedLine, blame_landed
from bough_daemon.talk.positions import PositionFinder, PositionMemory
from bough_daemon.team.names import owner_of
from bough_daemon.transaction.context import LiveWorktree

NOTES = "refs/notes/ai"
SCHEMA = "authorship/3.0.0"
MOST_FILES = 50  # changed files; of more, nothing is said
MOST_HUNKS = 100  # of one file; of more, nothing is said
ID_DIGITS = 14


@dataclass
class Attested:
    """What a note says. `lines`: the line numbers by path and writer. `humans`, `sessions`: who the writers are."""

    lines: dict[str, dict[str, list[int]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    humans: dict[str, dict[str, object]] = field(default_factory=dict)
    sessions: dict[str, dict[str, object]] = field(default_factory=dict)


def authorship_note(live: LiveWorktree, commit: str, before: str) -> str:
    """Return who wrote the lines that a landed commit has beyond the tree `before`; empty if they are all mine.

    Beside the store's thread: it asks Git about each changed file.
    """
    names = people(live.store, live.branch.name, live.branch.author)
    written = blame_landed(live.worktree, commit, _added(live, commit, before))
    agents = {f"{owner_of(live.branch.name)}+{name}": one for name, one in AgentList(live.store.folder).all().items()}
    tools = {branch: _tool(one.command) for branch, one in agents.items()}
    said = attested(written, {**names, live.branch.name: live.branch.author}, tools)
    is_mine_alone = not said.sessions and set(said.humans) <= {_id("h", owner_of(live.branch.name))}
    return as_note(said, commit) if not is_mine_alone else ""


def _added(live: LiveWorktree, commit: str, before: str) -> dict[str, list[str]]:
    """Return the ranges of new lines of each changed text file; of a new file, all of it."""
    found = {}
    finder = PositionFinder(live.store.objects, PositionMemory())
    tree = live.store.objects.commit(commit).tree
    changed = finder.changed(before, tree)
    for path, old, new in changed if len(changed) <= MOST_FILES else ():
        if not path.isprintable() or '"' in path:
            continue  # the form of the note has no way to write it
        if finder.lines(new) is None or (old is not None and finder.lines(old) is None):
            continue
        hunks = [hunk for hunk in finder.hunks(old, new) if hunk.new_end > hunk.new_start] if old is not None else []
        if (old is not None and not hunks) or len(hunks) > MOST_HUNKS:
            continue
        found[path] = [f"{hunk.new_start + 1},{hunk.new_end}" for hunk in hunks]
    return found


def attested(
    written: Mapping[str, Sequence[BlamedLine]], names: Mapping[str, str], tools: Mapping[str, str]
) -> Attested:
    """Return what a note says of some lines. `names`: `Name <email>` by branch. `tools`: the program of an agent."""
    found = Attested()
    for path, lines in written.items():
        for line in lines:
            if not line.branch:
                continue
            owner = owner_of(line.branch)
            author = names.get(line.branch) or names.get(owner, owner)
            if line.kind == "agent":
                session = _id("s", line.branch)
                agent = {"tool": tools.get(line.branch, "bough"), "id": line.branch, "model": "unknown"}
                found.sessions[session] = {"agent_id": agent, "human_author": names.get(owner, owner)}
                writer = f"{session}::{_id('t', line.commit)}"
            else:
                writer = _id("h", owner)
                found.humans[writer] = {"author": author}
            found.lines[path][writer].append(line.line)
    return found


def as_note(said: Attested, commit: str) -> str:
    """Return the text of a note."""
    lines = list[str]()
    for path, writers in sorted(said.lines.items()):
        lines.append(f'"{path}"' if any(letter.isspace() for letter in path) else path)
        lines += [f"  {writer} {in_ranges(numbers)}" for writer, numbers in sorted(writers.items())]
    facts = {
        "schema_version": SCHEMA,
        "base_commit_sha": commit,
        "prompts": {},
        "humans": said.humans,
        "sessions": said.sessions,
    }
    return "\n".join([*lines, "---", json.dumps(facts, indent=2, ensure_ascii=False)])


def in_ranges(numbers: Iterable[int]) -> str:
    """Return line numbers as `1-10,15`."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _tool(command: str) -> str:
    """Return the program in an agent's command line."""
    with suppress(ValueError):
        words = shlex.split(command)
        return os.path.basename(words[0]) if words else "bough"
    return "bough"


def _id(kind: str, of: str) -> str:
    return f"{kind}_{hashlib.sha256(of.encode()).hexdigest()[:ID_DIGITS]}"
