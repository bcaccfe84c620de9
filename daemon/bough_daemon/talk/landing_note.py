"""The note of a landed commit: comments on the lines that it brings, for `git log --notes=bough`.

It has its own reference, so the user's notes are left alone, and undoing the landing removes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from bough_daemon.git.objects import EMPTY_TREE, FILE, Objects, TreeEntry
from bough_daemon.git.refs import Moves, commit_of
from bough_daemon.system.text import printable
from bough_daemon.talk.positions import PositionFinder, PositionMemory
from bough_daemon.talk.team_talk import TeamTalk
from bough_daemon.talk.threads import Thread
from bough_daemon.transaction.context import LiveWorktree

NOTES = "refs/notes/bough"

NoteText = Callable[[str, str], str]  # comments on what a tree has beyond another one


def no_note(before: str, tree: str) -> str:
    """Return an empty note."""
    return ""


def note_text(objects: Objects, talk: TeamTalk, branches: Collection[str], before: str, tree: str) -> str:
    """Return the comments on branches about lines that a tree has and another one does not; empty: none."""
    finder, lines = PositionFinder(objects, PositionMemory()), list[str]()
    changed = {path: (old, new) for path, old, new in finder.changed(before, tree)}
    for thread in talk.threads():
        if thread.remark.branch not in branches:
            continue
        position = finder.position(thread.remark.anchor, tree, thread.digest)
        if position is None or position.path not in changed:
            continue
        old, new = changed[position.path]
        hunks = finder.hunks(old, new) if old is not None else None
        at = position.lines.first - 1
        if hunks is None or any(hunk.new_start <= at < hunk.new_end for hunk in hunks):
            lines += _lines(talk, thread, f"{printable(position.path)}:{position.lines.first}")
    return "\n".join(lines)


def _lines(talk: TeamTalk, thread: Thread, where: str) -> list[str]:
    name_of = talk.logs.roster.name_of
    said = [(f"{where} {name_of(thread.by)}", thread.remark.text)]
    said += [(f"  {name_of(reply.by)}", reply.text) for reply in thread.replies]
    lines = list[str]()
    for head, text in said:
        first, *rest = text.splitlines() or [""]
        lines += [f"{head}: {printable(first)}", *(f"    {printable(line)}" for line in rest)]
    return lines


def note_move(live: LiveWorktree, commit: str, text: str, ref: str = NOTES) -> Moves:
    """Return the move of a notes reference for a note on a commit; its objects are copied to the user's repository.

    On the store's thread. The note has the flat name that Git reads, whatever the depth of the others.
    """
    if not text:
        return {}
    there = live.worktree.git.run("for-each-ref", "--format=%(objecttype)", ref).split()
    if there not in ([], [b"commit"]):  # something else has the name, and a landing must not fail for that
        return {}
    objects, old = live.store.objects, commit_of(live.worktree, ref)
    if there and old is None:
        return {}
    tree = objects.commit(old).tree if old is not None else EMPTY_TREE
    note = TreeEntry(FILE, objects.write("blob", f"{text}\n".encode(errors="replace")))
    noted = objects.splice(tree, {commit: note})
    parents = [old] if old is not None else []
    new = objects.write_commit(
        noted, parents, live.worktree.author(), int(time.time()), "Notes added by 'bough land'\n"
    )
    live.store.give([new])
    return {ref: (old, new)}
