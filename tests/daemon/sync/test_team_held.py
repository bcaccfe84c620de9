"""What a member is said to hold is there after they were killed, whenever that was."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from bough_daemon.store.store import LIVE
from bough_daemon.system import durable
from bough_daemon.team.branch_state import State
from bough_daemon.team.team_files import Team

from tests import ready
from tests.daemon.machines import machines, run
from tests.daemon.support import git
from tests.daemon.team_support import Side, eventually

LAST_STEPS = 14  # of taking a state in: its pack, its reference and its record


class Holder:
    """Bob, in a process that is killed at a step while alice saves once."""

    def __init__(self, folder: Path, step: int, number: int) -> None:
        self.done = folder / f"done-{number}"
        words = [str(folder), "bob", "alice", str(step), str(self.done)]
        holding = partial(ready.run, words, folder, os.environ, program="tests.daemon.holder_killed")
        self.ended = asyncio.ensure_future(asyncio.to_thread(holding))

    async def is_ready(self) -> None:
        """Wait until it is connected and counts its steps."""
        await eventually(lambda: Path(f"{self.done}.ready").exists() or self.ended.done(), "the connection")
        assert not self.ended.done(), self.ended.result()

    async def steps(self) -> int:
        """Have it end, unless it was killed; return how many steps there were, 0 where it was killed."""
        self.done.touch()
        code, out, said = await self.ended
        assert code in (0, -9), said
        return int(out) if code == 0 else 0


def kept_by_bob(folder: Path, team: str, tip: str) -> bool:
    """Return whether bob knows a state of alice's after a restart, with its commit and its reference."""
    store = folder / "bob/.git/bough/store.git"
    states = Team.load(str(folder / "home-bob/teams" / team)).states.values()
    here = subprocess.run(["git", f"--git-dir={store}", "cat-file", "-e", f"{tip}^{{tree}}"], check=False)
    return (
        any(one.tip == tip for one in states)
        and here.returncode == 0
        and git(store, "rev-parse", LIVE + "alice") == tip
    )


def test_whatever_was_confirmed_is_there_after_a_kill_at_each_step(folder: Path) -> None:
    async def saved(alice: Side, step: int, number: int) -> tuple[str, bool, int]:
        bob = Holder(folder, step, number)
        await bob.is_ready()
        tip = await alice.save({"a.txt": b"%d\n" % number})
        await eventually(lambda: "bob" in alice.sync.holders(tip) or bob.ended.done(), "the answer or the kill")
        await eventually(lambda: not bob.ended.done() or not alice.is_connected("bob"))
        return tip, "bob" in alice.sync.holders(tip), await bob.steps()

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            first = await alice.save({"a.txt": b"first\n"})
            await eventually(lambda: bob.tip_of("alice") == first)
            await all_of.stop(bob)
            tip, is_held, steps = await saved(alice, 0, 0)
            assert is_held and kept_by_bob(folder, alice.sync.team_id, tip)
            answers = set[bool]()
            for number, step in enumerate(range(max(1, steps - LAST_STEPS), steps + 1), 1):
                tip, is_held, _ = await saved(alice, step, number)
                assert not is_held or kept_by_bob(folder, alice.sync.team_id, tip), f"killed at step {step} of {steps}"
                answers.add(is_held)
            assert False in answers  # otherwise no kill came before the answer

    run(test())


def test_one_write_records_everything_that_came_during_the_one_before(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            (alice,) = await all_of.team("alice")
            tip = await alice.save({"a.txt": b"1\n"})
            (mine,) = alice.sync._exchange.known.values()
            written, real = list[set[bytes]](), Team.save_states

            def save_states(team: Team, states: list[State]) -> None:
                real(team, states)
                written.append({one.key.branch for one in states})

            monkeypatch.setattr(Team, "save_states", save_states)
            coming = [replace(mine, key=replace(mine.key, branch=b"alice+%d" % number)) for number in range(50)]
            await asyncio.gather(*map(alice.sync._record, coming))
            assert len(written) == 2 and written[-1] == {b"alice", *(one.key.branch for one in coming)}
            # None of them is known yet, and another write does not forget them.
            await alice.sync._save_states()
            kept = Team.load(alice.home.path("teams", alice.sync.team_id)).states
            assert {one.key for one in coming} < kept.keys() and kept[mine.key].tip == tip

    run(test())


def test_a_state_that_cannot_be_written_down_is_neither_known_nor_confirmed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.3)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            first = await alice.save({"a.txt": b"1\n"})
            await eventually(lambda: "bob" in alice.sync.holders(first))
            real = bob.sync._team.save_states
            is_full = True

            def save_states(states: list[State]) -> None:
                if is_full:
                    raise OSError(28, "No space left on device")
                real(states)

            monkeypatch.setattr(bob.sync._team, "save_states", save_states)
            tip = await alice.save({"a.txt": b"2\n"})
            await eventually(lambda: "bob" in alice.sync.refusals(tip))
            assert "bob" not in alice.sync.holders(tip) and bob.tip_of("alice") == first
            is_full = False
            await eventually(lambda: "bob" in alice.sync.holders(tip) and bob.tip_of("alice") == tip)

    run(test())


def test_a_replaced_file_and_its_name_are_both_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, real_sync, real_replace = list[str](), os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        real_sync(descriptor)

    def replace_file(source: str, target: str) -> None:
        done.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace_file)
    durable.write_whole(str(tmp_path / "a"), b"1")
    assert done == ["file", "rename", "folder"] and (tmp_path / "a").read_bytes() == b"1"
