"""Two members without daemons: one does something, is killed, and opens everything again."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bough_daemon.commands.hop import back, hop, off
from bough_daemon.commands.merge import merge
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import undo
from bough_daemon.git.index import unmerged_paths
from bough_daemon.privacy.chosen_paths import AllowedPaths
from bough_daemon.store import gathering, packs
from bough_daemon.store.leftovers import clear_leftovers
from bough_daemon.store.negotiation import haves_of, known_commits
from bough_daemon.store.store import LIVE, SHARED
from bough_daemon.transaction.context import LiveBranch
from bough_daemon.transaction.transaction import journal_of, recover

from tests.daemon.crew import Mate, found_crew
from tests.daemon.moves_support import Desk, check_whole, everything, git, merge_both
from tests.kills.steps import Killer, Say

NAMES = ("alice", "bob")
PATHS = ["a.txt", "b.txt", "d/c.txt", "e.txt", "new.txt", "d/other.txt"]
ROUNDS_OF_A_CREW = 30  # then there is a new one: its histories are short, and so its rounds

Crew = dict[str, Mate]


class CrewMember(Mate):
    """A member who sees of teammates what is in the store, as a daemon does."""

    def teammate(self, name: str) -> LiveBranch | None:
        """Return what is known of a teammate's branch."""
        return Desk.teammate(self, name)


Act = Callable[[Mate, str, random.Random, Say], None]


def _save(mate: Mate, other: str, chance: random.Random, say: Say) -> None:
    for _ in range(3):
        say(f"saved {mate.snapshot().oid}")
        mate.edit(chance.choice(PATHS), chance.randrange(12), True)


def _land(mate: Mate, other: str, chance: random.Random, say: Say) -> None:
    mate.land()


def _receive(mate: Mate, other: str, chance: random.Random, say: Say) -> None:
    take_from(mate, mate.crew[other])


def _gather(mate: Mate, other: str, chance: random.Random, say: Say) -> None:
    gathering.MANY_PACKS = 2
    asyncio.run(gathering.gather(mate.store, mate.owner))


def _restore(mate: Mate, other: str, chance: random.Random, say: Say) -> None:
    assert mate.branch.tip is not None
    mate.do(restore(mate.live, [chance.choice(PATHS[:4])], since=mate.branch.tip.previous or mate.branch.tip.oid))


def _allow(mate: Mate, other: str, chance: random.Random, say: Say) -> None:
    for number in range(5):
        AllowedPaths(mate.store.folder).set(f"{chance.random()}", chosen=True)
        say(f"allowed {number}")


ACTS: Mapping[str, Act] = {
    "save": _save,
    "hop": lambda mate, other, chance, say: mate.do(_nothing(hop(mate.live, mate.terminal, other, merge_both))),
    "back": lambda mate, other, chance, say: mate.do(_nothing(back(mate.live, mate.terminal))),
    "off": lambda mate, other, chance, say: mate.do(
        _nothing(off(mate.live, mate.terminal, f"b{chance.randrange(10**9)}"))
    ),
    "merge": lambda mate, other, chance, say: mate.do(_nothing(_merged(mate, other))),
    "land": _land,
    "restore": _restore,
    "undo": lambda mate, other, chance, say: mate.do(_nothing(undo(mate.live))),
    "receive": _receive,
    "send": lambda mate, other, chance, say: take_from(mate.crew[other], mate),
    "gather": _gather,
    "allow": _allow,
}
EXACT = ("hop", "back", "off", "merge", "restore")  # what `undo` takes back to the byte
WITH_BOTH = ("receive", "send")
WEIGHTS = {"save": 3, "hop": 3, "back": 6, "merge": 4, "land": 3, "undo": 3, "receive": 3}


async def _nothing(work: Any) -> None:
    await work


async def _merged(mate: Mate, other: str) -> None:
    await merge(mate.live, mate.terminal, other, merge_both)


def take_from(mate: Mate, other: Mate) -> None:
    """Let a member take the branch of another, as a conversation of theirs would."""
    tip = other.store.ref(SHARED + other.name)
    assert tip is not None and other.branch.tip is not None
    bases = list(dict.fromkeys([tip, other.branch.tip.shared_base]))
    haves = haves_of(mate.store, [])
    spool, _ = asyncio.run(packs.make_pack(other.store, bases, known_commits(other.store, haves)))
    try:
        shared = [oid for oid in haves if other.store.objects.exists(oid)]
        asyncio.run(packs.take_pack(mate.store, mate.owner, spool, bases, shared, LIVE + other.name))
    finally:
        spool.close()


@contextmanager
def opened(folder: Path) -> Iterator[Crew]:
    """Open both stores, which cleans them."""
    crew: Crew = {}
    for name in NAMES:
        crew[name] = CrewMember(folder / name, name, crew)
    try:
        yield crew
    finally:
        for mate in crew.values():
            mate.close()


@dataclass(frozen=True)
class _Next:
    """What is to be done next, and what was there before it."""

    kind: str
    name: str
    other: str
    files: dict[str, Any]
    commands: int


class Rounds:
    """Kill one thing after the other. `kills`, `ends`: how many were killed and how many were not, by what they did."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.killer = Killer(self.chance)
        self.kills: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self._folder = Path()
        self._left = 0
        self._saved: dict[str, list[str]] = {}
        self._next: _Next | None = None

    def close(self) -> None:
        """Remove what the rounds were played in."""
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)

    def round(self) -> None:
        """Do one thing, and check that all is well and goes on, whether it was killed or not."""
        if not self._left or self._next is None:
            self._begin()
        self._left -= 1
        doing = self._next
        assert doing is not None
        chance = random.Random(self.chance.random())

        def work(say: Say) -> None:
            crew: Crew = {}
            for name in (doing.name, doing.other) if doing.kind in WITH_BOTH else (doing.name,):
                crew[name] = CrewMember(self._folder / name, name, crew)
            ACTS[doing.kind](crew[doing.name], doing.other, chance, say)

        ended = self.killer.run(doing.kind, work)
        self._saved[doing.name] += [line.split(" ")[1] for line in ended.said if line.startswith("saved ")]
        try:
            with opened(self._folder) as crew:
                self._check(crew, doing)
                self._go_on(crew[doing.name], crew[doing.other])
                self._next = self._prepare(crew)
        except BaseException as found:
            found.add_note(f"{doing.kind} by {doing.name}, {ended}; kept in {self._folder}")
            self._folder = Path()
            raise
        counted = self.kills if ended.killed else self.ends
        counted[doing.kind if not ended.refused else f"{doing.kind} (refused)"] += 1

    def _begin(self) -> None:
        self.close()
        self._folder = Path(tempfile.mkdtemp(prefix="kills-"))
        for mate in found_crew(self._folder, NAMES).values():
            mate.close()
        with opened(self._folder) as crew:
            for mate in crew.values():
                mate.edit(f"{mate.name}.txt", 0, True)
            self._saved = {name: [mate.snapshot().oid] for name, mate in crew.items()}
            take_from(crew["alice"], crew["bob"])
            take_from(crew["bob"], crew["alice"])
            self._next = self._prepare(crew)
        self._left = ROUNDS_OF_A_CREW

    def _prepare(self, crew: Crew) -> _Next:
        """Decide what is done next; let both edit something before, and one of them commit now and then."""
        for mate in crew.values():
            _resolve(mate)
            for _ in range(self.chance.randrange(3)):
                mate.edit(self.chance.choice([f"{mate.name}.txt", *PATHS]), self.chance.randrange(12), True)
            if self.chance.random() < 0.1:
                mate.git("commit", "-qam", "work")
        name, other = self.chance.sample(NAMES, 2)
        in_vain = set() if journal_of(crew[name].live).hop() is not None else {"back", "off"}
        in_vain |= set() if _commands(crew[name]) else {"undo"}
        kind = self.chance.choice([kind for kind in ACTS if kind not in in_vain for _ in range(WEIGHTS.get(kind, 1))])
        if kind in ("merge", "hop", "receive", "send"):
            self._saved[other].append(crew[other].snapshot().oid)
        if kind in ("merge", "hop"):
            take_from(crew[name], crew[other])
        return _Next(kind, name, other, everything(crew[name].root), _commands(crew[name]))

    def _check(self, crew: Crew, done: _Next) -> None:
        mate = crew[done.name]
        recover(mate.live)
        if done.kind in EXACT:
            while _commands(mate) > done.commands:
                mate.do(undo(mate.live))
            assert everything(mate.root) == done.files, "not as before"
        elif any(one.state == "begun" for one in journal_of(mate.live).operations()):
            mate.do(undo(mate.live))
        _check_nothing_lost(mate, done.files["files"])
        for name in (done.name, done.other) if done.kind in WITH_BOTH else (done.name,):
            one = crew[name]
            missing = [oid for oid in self._saved[name] if not one.store.objects.exists(oid)]
            assert not missing, f"{name}'s saves are gone: {missing}"
            assert clear_leftovers(one.store.folder, one.store.path) == []
            git(Path(one.store.path), "fsck", "--full", "--strict", "--no-dangling")
            check_whole(one.root)

    def _go_on(self, mate: Mate, other: Mate) -> None:
        """Save, send and merge, as if nothing had been."""
        mate.edit(f"{mate.name}.txt", 0, True)
        self._saved[mate.name].append(mate.snapshot().oid)
        take_from(other, mate)
        assert other.store.ref(LIVE + mate.name) == mate.store.ref(SHARED + mate.name)
        if self.chance.random() < 0.25:
            _resolve(mate)
            mate.do(_merged(mate, other.name))


def _commands(mate: Mate) -> int:
    """Return how many commands could be undone."""
    operations = journal_of(mate.live).operations()
    return sum(
        bool(one.before) and (one.state == "begun" or (one.state == "done" and not one.undoes)) for one in operations
    )


def _resolve(mate: Mate) -> None:
    """Take the conflicts of a merge as they are."""
    if unmerged_paths(mate.worktree):
        mate.git("add", "-A")


def _check_nothing_lost(mate: Mate, files: Mapping[str, tuple[str, bytes]]) -> None:
    """Check that each file that was on disk still is, or is in the store as it was."""
    for path, (_, data) in files.items():
        at = mate.root / path
        if at.is_file() and at.read_bytes() == data:
            continue
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        assert mate.store.objects.exists(oid), f"{path} is lost: {data!r}"


def play(rounds: int, seed: int, told: Callable[[Rounds], None] = lambda _: None) -> Rounds:
    """Play until so many were killed."""
    made = Rounds(seed)
    try:
        while made.kills.total() < rounds:
            made.round()
            told(made)
    finally:
        made.close()
    return made
