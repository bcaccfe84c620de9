"""The loop that keeps branches folded into one another, and what it does where a fold fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from bough_daemon.history.timeline import Snapshot
from bough_daemon.recording.recorder import Recorder
from bough_daemon.system.supervisor import Supervisor
from bough_daemon.together import together as loops
from bough_daemon.together.folder import Attempt, WorktreeFolder
from bough_daemon.together.folding import Surroundings
from bough_daemon.together.guest_rules import GuestRules
from bough_daemon.together.together import Together

from tests.daemon.moves_support import merge_both
from tests.daemon.together.company_support import Company, SeatedMember, company

PATIENCE = 20.0
LATE = 0.05  # seconds for what takes seconds elsewhere


class Announcing:
    """What a recorder offers to the loop. `told`: the tips that it was told to announce."""

    is_acting = False

    def __init__(self, member: SeatedMember) -> None:
        self._member = member
        self._commands = asyncio.Lock()
        self.told: list[Snapshot | None] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._member, name)

    def announce(self) -> None:
        self.told.append(self.branch.tip)

    @asynccontextmanager
    async def without_commands(self) -> AsyncIterator[None]:
        async with self._commands:
            yield


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it never was"
        await asyncio.sleep(0.01)


def has(member: SeatedMember, line: bytes) -> bool:
    return line in (member.root / "a.txt").read_bytes().splitlines()


Scene = Callable[[Together, Announcing, SeatedMember], Coroutine[Any, Any, None]]


def play(folder: Path, scene: Scene) -> None:
    """Let a scene happen between the loop of alice, and bob, her guest, whose newest tip is always known to it."""
    with company(folder, "alice", "bob") as made:
        alice, bob = made.members.values()
        made.deliver(bob, alice)
        bob.hop("alice")
        asyncio.run(_played(made, alice, bob, scene))


async def _played(made: Company, alice: SeatedMember, bob: SeatedMember, scene: Scene) -> None:
    background, session = Supervisor(), Announcing(alice)

    def tips() -> dict[str, str]:
        return {member.name: member.tip for member in (alice, bob)}

    rules = GuestRules(made.store.folder, lambda _: "", lambda _: False)
    around = Surroundings(lambda _: alice.live, tips, merge_both, lambda: None, rules)
    together = Together(made.store, made.owner, background, around)
    try:
        together.begin(cast(Recorder, session))
        await scene(together, session, bob)
    finally:
        await together.end(session.worktree.root)
        await background.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again soon."""
    monkeypatch.setattr(loops, "APART_PAUSE", LATE)


def test_a_fold_that_fails_is_tried_again_though_nobody_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fold, failures = WorktreeFolder.fold, 5 * [KeyError("gone for a moment"), OSError("busy")]

    def failing(self: WorktreeFolder, *arguments: Any, **named: Any) -> Attempt:
        if failures:
            raise failures.pop()
        return fold(self, *arguments, **named)

    monkeypatch.setattr(WorktreeFolder, "fold", failing)

    async def scene(together: Together, session: Announcing, bob: SeatedMember) -> None:
        bob.add("a.txt", b"bob", 3)
        await session.owner.run(bob.save)
        together.wake()
        await until(lambda: has(session._member, b"bob"))

    play(tmp_path, scene)
    assert not failures


def test_files_that_stay_apart_are_folded_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt, missed = WorktreeFolder._attempt, list[str]()

    def blind(self: WorktreeFolder, *arguments: Any, **named: Any) -> Attempt:
        tip = arguments[0].tip
        if missed.count(tip) < 2:
            missed.append(tip)
            return Attempt()  # as if there were nothing to fold
        return attempt(self, *arguments, **named)

    async def scene(together: Together, session: Announcing, bob: SeatedMember) -> None:
        monkeypatch.setattr(WorktreeFolder, "_attempt", blind)
        bob.add("a.txt", b"bob", 3)
        await session.owner.run(bob.save)
        together.wake()
        await until(lambda: has(session._member, b"bob"))
        assert missed.count(bob.tip) == 2

    play(tmp_path, scene)


def test_what_a_look_makes_of_a_save_is_told_however_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair = WorktreeFolder.repair
    monkeypatch.setattr(loops, "LOOK_PATIENCE", LATE)

    def slow(self: WorktreeFolder) -> Snapshot | None:
        time.sleep(4 * LATE)
        return repair(self)

    async def scene(together: Together, session: Announcing, bob: SeatedMember) -> None:
        alice = session._member
        bob.add("a.txt", b"bob", 3)
        await session.owner.run(bob.save)
        old = (alice.root / "a.txt").read_bytes()
        together.wake()
        await until(lambda: has(alice, b"bob"))
        loop = together._foldings[alice.worktree.root].task
        assert loop is not None and loop.cancel()  # nothing else is to tell of it
        await asyncio.wait([loop])
        monkeypatch.setattr(WorktreeFolder, "repair", slow)
        alice.write("a.txt", old + b"alice\n")
        await session.owner.run(alice.save)
        await together.look(alice.worktree.root)
        await until(lambda: session.told[-1:] == [alice.branch.tip] and has(alice, b"bob"))
        assert has(alice, b"alice")

    play(tmp_path, scene)


async def saves_over_a_fold(together: Together, session: Announcing, bob: SeatedMember) -> bytes:
    """Let a save overwrite a fold, with nobody looking; return the text that it was made from."""
    alice = session._member
    bob.add("a.txt", b"bob", 3)
    await session.owner.run(bob.save)
    old = (alice.root / "a.txt").read_bytes()
    together.wake()
    await until(lambda: has(alice, b"bob"))
    loop = together._foldings[alice.worktree.root].task
    assert loop is not None and loop.cancel()
    await asyncio.wait([loop])
    alice.write("a.txt", old + b"alice\n")
    await session.owner.run(alice.save)
    return old


def test_a_look_at_a_file_that_is_being_saved_again_goes_on_with_that_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair, calls = WorktreeFolder.repair, list[str]()

    async def scene(together: Together, session: Announcing, bob: SeatedMember) -> None:
        alice = session._member
        old = await saves_over_a_fold(together, session, bob)
        alice.write("a.txt", old + b"alice\nalice again\n")

        def recorded_late(self: WorktreeFolder) -> Snapshot | None:
            calls.append("repair")
            if len(calls) == 3:
                alice.save()
            return repair(self)

        monkeypatch.setattr(WorktreeFolder, "repair", recorded_late)
        await together.look(alice.worktree.root)
        assert all(has(alice, line) for line in (b"bob", b"alice", b"alice again")) and len(calls) == 3
        assert session.told[-1] == alice.branch.tip

    play(tmp_path, scene)


def test_what_was_saved_during_a_look_is_not_shared_in_place_of_what_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repair = WorktreeFolder.repair

    async def scene(together: Together, session: Announcing, bob: SeatedMember) -> None:
        alice = session._member
        old = await saves_over_a_fold(together, session, bob)

        def overtaken(self: WorktreeFolder) -> Snapshot | None:
            made = repair(self)
            alice.write("a.txt", old + b"alice again\n")
            alice.save()
            return made

        with monkeypatch.context() as patched:
            patched.setattr(WorktreeFolder, "repair", overtaken)
            looked = await together.look(alice.worktree.root)
        entry = looked and alice.store.objects.entry(looked.tree, "a.txt")
        assert entry and b"bob\n" in alice.store.objects.blob(entry.oid) and looked is not alice.branch.tip
        looked = await together.look(alice.worktree.root)
        # Looked at again, though nothing recent is left that it could lack.
        assert looked is alice.branch.tip is await together.look(alice.worktree.root) and has(alice, b"bob")

    play(tmp_path, scene)
