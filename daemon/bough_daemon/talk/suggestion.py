"""Apply the suggestion in a comment to the lines that the comment is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

from bough_merge.text.text import line_end_of, lines_of

from bough_daemon.errors import CodeChanged
from bough_daemon.git.objects import TreeEntry
from bough_daemon.history.timeline import Snapshot
from bough_daemon.talk.entries import Anchor
from bough_daemon.talk.positions import PositionFinder, PositionMemory
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.file_state import FileState
from bough_daemon.transaction.index_only import index_only
from bough_daemon.transaction.transaction import Transaction, carry_out, check_ready, steadily

BLOCK = re.compile(r"^(`{3,}|~{3,})[ \t]*suggestion[ \t]*\r?\n(.*?)^\1[`~]*[ \t]*\r?$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class AppliedLines:
    """Where a suggestion was applied. `last` is before `first` if it removed lines. `snapshot`: my newest one."""

    path: str
    first: int
    last: int
    snapshot: Snapshot


def suggestion_in(text: str) -> str | None:
    """Return the first suggestion in a comment: the content of a `suggestion` block; None: there is none."""
    found = BLOCK.search(text)
    return found[2] if found is not None else None


async def apply_suggestion(live: LiveWorktree, anchor: Anchor, suggestion: str, id: str) -> AppliedLines:
    """Replace an anchor's lines by a suggestion, wherever they are in my files now; raise CodeChanged.

    `id`: the comment's id, for the command's name.
    """
    await live.owner.run(check_ready, live)

    async def attempt() -> AppliedLines:
        snapshot = await live.save()
        return await live.owner.run(_apply, live, snapshot, anchor, suggestion, f"apply {id}")

    return await steadily(attempt)


def _apply(live: LiveWorktree, snapshot: Snapshot, anchor: Anchor, suggestion: str, command: str) -> AppliedLines:
    objects = live.store.objects
    position = PositionFinder(objects, PositionMemory()).position(anchor, snapshot.tree, b"")
    if position is None:
        raise CodeChanged("the code that it is for is no longer in your files")
    path, place = position.path, position.lines
    if place.edited:
        raise CodeChanged(f"{path}:{place.first} has changed since the suggestion was made", path=path)
    entry = objects.entry(snapshot.tree, path)
    assert entry is not None
    text = objects.blob(entry.oid)
    lines, new = lines_of(text), _lines(suggestion, line_end_of(text))
    data = b"".join([*lines[: place.first - 1], *new, *lines[place.last :]])
    if place.last == len(lines) and not text.endswith(b"\n"):
        data = data.removesuffix(line_end_of(text))
    tree = objects.splice(snapshot.tree, {path: TreeEntry(entry.mode, objects.write("blob", data))})
    if tree == snapshot.tree:
        raise CodeChanged(f"{path} already has what is suggested", path=path)
    only = index_only(live, snapshot.tree, tree)
    change = Transaction(
        command=command,
        picture=FileState(tree),
        said=f"bough: {command}",
        index=only.index(live.worktree),
        given=only.given,
        spared=only.spared,
    )
    record = partial(live.branch.record, tree, snapshot.base, command, since=snapshot.tree)
    recorded = carry_out(live, change, snapshot, record)
    return AppliedLines(path, place.first, place.first + len(new) - 1, recorded)


def _lines(suggestion: str, end: bytes) -> list[bytes]:
    return [line.rstrip("\r\n").encode() + end for line in suggestion.splitlines()]
