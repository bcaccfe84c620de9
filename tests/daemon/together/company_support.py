"""Members who are together, without daemons: working trees of one repository, each with a live branch of its own.

What a member knows of the others is what was delivered last, so states pass each other on the way, arrive late, or are
overtaken. Folding, hops and undo are the product's own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from bough_daemon.commands.hop import back, hop, hop_now, off
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import undo
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.git.reflog import HeadReader
from bough_daemon.git.worktree import Head, Worktree
from bough_daemon.history.branches import Branch
from bough_daemon.history.journal import HopKind
from bough_daemon.history.timeline import Snapshot, read_snapshot
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.store import Store
from bough_daemon.system.threads import StoreThread
from bough_daemon.together import unrecorded_fold
from bough_daemon.together.crossings import Crossings
from bough_daemon.together.folder import Other, Role, WorktreeFolder
from bough_daemon.together.links import guests_of, host_of
from bough_daemon.transaction.context import LiveBranch, LiveWorktree
from bough_daemon.transaction.transaction import recover

from tests.daemon.moves_support import Typist, merge_both
from tests.daemon.support import git, make_repository

T = TypeVar("T")
LINES = b"".join(b"line %d\n" % number for number in range(12))
FILES = {"a.txt": LINES, "b.txt": LINES, "d/c.txt": b"c\n"}


class SeatedMember:
    """One working tree with its live branch. `known`: the tips of the others that were delivered."""

    def __init__(self, name: str, root: Path, store: Store, owner: StoreThread, room: Company) -> None:
        self.name = name
        self.root = root
        self.room = room
        self.known: dict[str, str] = {}
        self.hidden: frozenset[str] = frozenset()  # files that are not recorded, as if Git ignored them
        self.worktree = Worktree.find(str(root))
        self.store = store
        self.owner = owner
        self.head_reader = HeadReader(self.worktree)
        self.terminal = Typist()
        self.start()

    def start(self) -> None:
        """Be as after a start of the daemon."""
        self.branch = Branch(self.store, self.name, f"{self.name} <{self.name}@example.org>")
        self.live = LiveWorktree(self.worktree, self.store, self.branch, self.owner, self.saved, self.teammate)
        self.folder = WorktreeFolder(cast(Recorder, self), self.live, Crossings(self.store))
        recover(self.live)
        unrecorded_fold.reverse(self.live)
        self.save()

    # What a recorder offers.

    def head_now(self) -> Head:
        return self.head_reader.read()

    def is_git_at_work(self) -> bool:
        return False

    def unconverted(self, contents: Mapping[str, object]) -> frozenset[str]:
        return frozenset(contents)

    async def saved(self) -> Snapshot:
        return await self.owner.run(self.save)

    def save(self) -> Snapshot:
        """Record the files."""
        head, objects = self.head_reader.read(), self.store.objects
        if self.branch.tip is None or self.branch.tip.base != head.commit:
            self.store.arrive(head.commit)
        files = {path: data for path, data in self.files().items() if path not in self.hidden}
        old = objects.commit(head.commit).tree
        there = {path: TreeEntry(FILE, objects.write_blob(data)) for path, data in files.items()}
        gone: dict[str, TreeEntry | None] = {path: None for path, _ in objects.walk(old) if path not in files}
        return self.branch.save(
            objects.splice(old, {**gone, **there}),
            head.commit,
            rewritten=self.head_reader.left_by_rewriting,
            discarded=self.head_reader.has_discarded(),
            on_branch=head.branch is not None,
            index_written=self.head_reader.has_written_index(),
        )

    def teammate(self, name: str) -> LiveBranch | None:
        tip = self.known.get(name)
        snapshot = read_snapshot(self.store.objects, tip) if tip is not None else None
        return LiveBranch(name, snapshot.oid, snapshot.base) if snapshot is not None else None

    # What its user does.

    def files(self) -> dict[str, bytes]:
        """Return every file, by its path."""
        found: dict[str, bytes] = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".git"]
            found |= {os.path.relpath(os.path.join(folder, n), self.root): Path(folder, n).read_bytes() for n in names}
        del found[".git"]
        return found

    def write(self, path: str, content: bytes) -> None:
        """Save a file by a temporary file and a rename."""
        beside = self.root / f"{path}~"
        beside.parent.mkdir(exist_ok=True)
        beside.write_bytes(content)
        beside.replace(self.root / path)

    def add(self, path: str, line: bytes, at: int) -> None:
        """Add a line to a file."""
        file = self.root / path
        lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        lines.insert(at % (len(lines) + 1), line + b"\n")
        self.write(path, b"".join(lines))

    def type(self, command: Coroutine[Any, Any, T]) -> T:
        """Run a command to its end."""
        return asyncio.run(command)

    def hop(self, name: str, kind: HopKind = "together") -> None:
        self.type(hop(self.live, self.terminal, name, merge_both, kind=kind))

    def back(self) -> None:
        self.type(back(self.live, self.terminal))

    def off(self, branch: str) -> None:
        self.type(off(self.live, self.terminal, branch))

    def restore_from_first(self, path: str, content: bytes) -> None:
        """Restore a file that was something else for a moment: a command that can be undone."""
        before = (self.root / path).read_bytes()
        self.write(path, content)
        self.save()
        self.write(path, before)
        self.save()
        self.type(restore(self.live, [path]))

    def undo(self) -> None:
        self.type(undo(self.live))

    # What the daemon does.

    def fold(self) -> bool:
        """Fold what is known of the others; return whether anything came of it."""
        hosts = {name: self.guest_of(tip) for name, tip in self.known.items()}
        hosts[self.name] = self.branch.tip.company.guest_of if self.branch.tip is not None else ""
        host, guests, hop = host_of(self.name, hosts), guests_of(self.name, hosts), hop_now(self.live)
        roles: list[tuple[str, Role]] = [(host, "host"), *((name, "guest") for name in guests)]
        if hop is not None and hop.kind == "follow" and hop.name not in guests:
            roles.append((hop.name, "followed"))
        others = [Other(name, self.known[name], role) for name, role in roles if name in self.known]
        present = {one.branch for one in others}
        made = [self._fold(one, present) for one in others]
        return any(made)

    def guest_of(self, tip: str) -> str:
        snapshot = read_snapshot(self.store.objects, tip)
        return snapshot.company.guest_of if snapshot is not None else ""

    def _fold(self, other: Other, present: set[str]) -> bool:
        for _ in range(8):
            attempt = self.folder.fold(other, present)
            if attempt.disturbed:
                self.save()
            for one in attempt.undecided:
                self.folder.crossings.folder.decide(one, None)
            if not (attempt.disturbed or attempt.undecided or attempt.again):
                return attempt.made is not None
        raise AssertionError(f"{self.name} does not come to an end with {other}: {attempt}")

    @property
    def tip(self) -> str:
        """The newest tip, as the team sees it."""
        assert self.branch.tip is not None
        return self.branch.tip.shared

    def paused(self) -> set[str]:
        """Return the paths that are paused, with whomever."""
        assert self.branch.tip is not None
        return {path for paths in self.branch.tip.company.paused.values() for path in paths}


class Company:
    """The members of one team, in working trees of one repository."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder = folder
        first = make_repository(folder / "first", FILES)
        self.store = Store(str(first / ".git"), str(folder))
        self.owner = StoreThread("store")
        self.members: dict[str, SeatedMember] = {}
        for name in names:
            git(first, "worktree", "add", "-q", "-b", f"{name}-work", str(folder / name))
            self.members[name] = SeatedMember(name, folder / name, self.store, self.owner, self)

    def close(self) -> None:
        self.owner.close()
        self.store.close()

    def deliver(self, member: SeatedMember, sender: SeatedMember) -> None:
        """Let a member have the newest tip of another."""
        member.known[sender.name] = sender.tip

    def settle(self) -> None:
        """Let everything arrive, and be folded, until nothing comes of it."""
        everyone = list(self.members.values())
        for member in everyone:
            member.save()
        for _ in range(20 * len(everyone)):
            for member in everyone:
                for sender in everyone:
                    if sender is not member:
                        self.deliver(member, sender)
            made = [member.fold() for member in everyone]
            if not any(made):
                return
        raise AssertionError("they never come to an end")


@contextmanager
def company(folder: Path, *names: str) -> Iterator[Company]:
    """Have members of these names."""
    made = Company(folder, list(names))
    try:
        yield made
    finally:
        made.close()
