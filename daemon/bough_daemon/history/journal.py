"""The journal of commands that changed the user's files, so that they can be undone.

One file per worktree, one JSON object per line, only ever appended to and synced before anything it names happens. A
line that a kill truncated does not count.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from bough_daemon.errors import StoreDamaged
from bough_daemon.git.object_id import IN_BYTES
from bough_daemon.git.refs import Ways
from bough_daemon.git.worktree import Worktree
from bough_daemon.system.durable import write_whole
from bough_daemon.system.json_records import BadRecord, parsed, record_of

FOLDER, ENDING = "journal", ".jsonl"
State = Literal["begun", "done", "undone", "dropped"]
HopKind = Literal["together", "follow", "solid", "still"]
FOLLOWING: frozenset[HopKind] = frozenset({"follow", "solid"})


@dataclass(frozen=True)
class Hop:
    """A visit to a teammate's branch. `home`: the checkpoint to return to. `mine`: this member's tip at that time.

    `kind`: whether edits are folded both ways, or only their changes come here (all of them, or only solid states), or
    neither.
    """

    name: str
    base: str
    tip: str
    home: str
    mine: str
    kind: HopKind = "still"

    @property
    def follows(self) -> bool:
        """Whether the teammate's changes come here, and nothing goes to them."""
        return self.kind in FOLLOWING


@dataclass(frozen=True)
class Operation:
    """One command that changes files. `command`: as it was typed (`hop alice`).

    `before`: the checkpoint that it started from. `toward`: the tree that it aims for; `by_way_of`: those that its
    earlier parts aimed for. `refs`: what it moves, each from one commit to another, possibly through several (None: no
    such ref). `moves_head`, `moves_index`: whether it changes those. `hop`: the hop after it, None for one's own
    branch; `keeps_hop`: it does not change the hop. `undoes`: the operation that it undoes. `origins`: of what
    `restore` brought, the snapshot by path. `made`: the snapshot that it ended with. `lost`: it can no longer be
    undone, because its checkpoint was purged.
    """

    number: int
    command: str
    before: str
    toward: str
    at: float
    by_way_of: tuple[str, ...] = ()
    refs: Ways = field(default_factory=dict)
    moves_head: bool = False
    moves_index: bool = False
    hop: Hop | None = None
    keeps_hop: bool = True
    undoes: int | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    made: str = ""
    state: State = "begun"
    lost: bool = False


@dataclass(frozen=True)
class _Ending:
    """A later line of an operation: its fields replace those of the operation."""

    number: int
    state: State | None = None
    made: str | None = None
    lost: bool | None = None

    def of(self, operation: Operation) -> Operation:
        """Return the operation with this line applied."""
        return replace(
            operation,
            state=operation.state if self.state is None else self.state,
            made=operation.made if self.made is None else self.made,
            lost=operation.lost if self.lost is None else self.lost,
        )


class Journal:
    """The operations of one worktree, oldest first. On the store's thread only."""

    def __init__(self, path: str) -> None:
        self.path = path

    @classmethod
    def of(cls, folder: str, worktree: Worktree) -> Journal:
        """Return the journal of a worktree, below `folder`, which has to be there; each linked worktree has its own."""
        with suppress(FileExistsError):
            os.mkdir(os.path.join(folder, FOLDER), mode=0o700)
        return cls(os.path.join(folder, FOLDER, worktree.record_name + ENDING))

    @classmethod
    def every(cls, folder: str) -> list[Journal]:
        """Return the journals of all worktrees of a repository."""
        below = os.path.join(folder, FOLDER)
        names = sorted(os.listdir(below)) if os.path.isdir(below) else []
        return [cls(os.path.join(below, name)) for name in names if name.endswith(ENDING)]

    def operations(self) -> list[Operation]:
        """Return every operation in its latest state."""
        found: dict[int, Operation] = {}
        try:
            for line in self._lines():
                said = parsed(line)
                if isinstance(said, dict) and "before" in said:
                    # `kind`: the former name of the command
                    operation = record_of({"command": said.get("kind"), **said}, Operation)
                    found[operation.number] = operation
                else:
                    ending = record_of(said, _Ending)
                    found[ending.number] = ending.of(found[ending.number])
            # Newest first: an operation that a later one undid undoes nothing itself.
            for number in reversed(found):
                undoes = found[number].undoes
                if undoes is not None and found[number].state == "done":
                    found[undoes] = replace(found[undoes], state="undone")
        except (BadRecord, KeyError) as damage:
            raise StoreDamaged(f"{self.path} is damaged: {damage}", path=self.path) from damage
        return list(found.values())

    def begin(self, operation: Operation) -> Operation:
        """Record what is about to happen and return it with its number."""
        operations = self.operations()
        numbered = replace(
            operation, number=operations[-1].number + 1 if operations else 1, at=time.time(), state="begun"
        )
        self._append(asdict(numbered))
        return numbered

    def go_on(self, operation: Operation) -> Operation:
        """Record what a started operation is about to do next."""
        self._append(asdict(operation))
        return operation

    def finish(self, operation: Operation, made: str = "") -> None:
        """Record that it is done, and the snapshot that it ended with."""
        self.close(operation, "done", made)

    def drop(self, operation: Operation) -> None:
        """Record that it had no effect, and everything is as before."""
        self.close(operation, "dropped")

    def close(self, operation: Operation, state: State, made: str = "") -> None:
        """Record how it ended, and with which snapshot."""
        self._append({"number": operation.number, "state": state, "made": made})

    def interrupted(self) -> Operation | None:
        """Return the operation that a kill interrupted, None if the newest is complete."""
        operations = self.operations()
        return operations[-1] if operations and operations[-1].state == "begun" else None

    def newest(self) -> Operation | None:
        """Return the newest operation that could be undone."""
        standing = (one for one in reversed(self.operations()) if one.state in ("begun", "done") and not one.lost)
        return next(
            (one for one in standing if one.before and (one.undoes is None or one.state == "begun")),
            None,
        )

    def redoable(self) -> Operation | None:
        """Return the newest undo that only redos have followed, None if there is nothing to redo."""
        operations = self.operations()
        undos = {one.number for one in operations if one.undoes is not None}
        for operation in reversed(operations):
            if operation.state != "done":
                continue
            if operation.undoes is None or operation.lost:
                return None
            if operation.undoes not in undos:
                return operation
        return None

    def hop(self) -> Hop | None:
        """Return the current hop according to the valid operations, None on one's own branch."""
        standing = (one for one in reversed(self.operations()) if one.state == "done" and one.undoes is None)
        return next((one.hop for one in standing if not one.keeps_hop), None)

    def end_hop(self) -> None:
        """Record that a plain `git switch` has ended the hop; this cannot be undone."""
        ended = self.begin(Operation(0, "switch", before="", toward="", at=0.0, keeps_hop=False))
        self.finish(ended)

    def follow(self, became: Mapping[str, str], lost: Collection[int]) -> None:
        """Replace the ids of commits and trees that were rewritten; `lost`: operations that can no longer be undone."""
        with suppress(FileNotFoundError):
            with open(self.path, "rb") as source:
                before = source.read()
            now = IN_BYTES.sub(lambda found: became.get(found[0].decode(), found[0].decode()).encode(), before)
            if now != before:
                write_whole(self.path, now)
        for operation in self.operations() if lost else ():
            if operation.number in lost and not operation.lost:
                self._append({"number": operation.number, "lost": True})

    def _lines(self) -> list[bytes]:
        try:
            with open(self.path, "rb") as source:
                whole, found, _ = source.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        return whole.split(b"\n") if found else []

    def _append(self, line: Mapping[str, Any]) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as out:
            end = out.read().rfind(b"\n") + 1  # the rest was truncated
            out.seek(end)
            out.truncate()
            out.write(json.dumps(line).encode() + b"\n")
            out.flush()
            os.fsync(out.fileno())
