"""Every loop of the daemon is killed once, and comes back to do its work."""

from __future__ import annotations

import asyncio
import errno
import importlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.api.notices import OwnedElsewhere
from bough_daemon.completion.feeder import Feeder
from bough_daemon.completion.usage import UseLog
from bough_daemon.control.daemon import Daemon
from bough_daemon.control.repository import Repository, Where
from bough_daemon.errors import StoreOwned
from bough_daemon.history.shared_chain import SharedChain
from bough_daemon.history.timeline import Snapshot, timeline
from bough_daemon.home import Home
from bough_daemon.recording.recorder import Recorder
from bough_daemon.store.fsck import Fsck
from bough_daemon.sync.calls import Calls
from bough_daemon.sync.connections import Connections
from bough_daemon.sync.exchange import Exchange
from bough_daemon.sync.team_sync import TeamSync
from bough_daemon.system.environment import NOTHING
from bough_daemon.together.together import Together

from tests.daemon.machines import LOOPBACK, machines, run
from tests.daemon.support import git, make_repository
from tests.daemon.team_support import eventually

HOSTILE_MODULES = b'[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n'


class Trap:
    """A method that fails as often as is asked, and then works. `sprung`: how often it has failed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, times: float = 1) -> None:
        self.sprung = 0
        self.set = False
        real = getattr(owner, name)

        def trapped(*arguments: Any, **named: Any) -> Any:
            if self.set and self.sprung < times and self.meant(*arguments):
                self.sprung += 1
                raise RuntimeError("killed by the test")
            return real(*arguments, **named)

        monkeypatch.setattr(owner, name, trapped)

    def meant(self, *_: Any) -> bool:
        """Return whether a call is one that should fail."""
        return True


@asynccontextmanager
async def daemon_of(folder: Path, name: str, origin: Path | None = None) -> AsyncIterator[tuple[Daemon, Path]]:
    """A daemon in this process with one live working tree, a clone of `origin` where there is one."""
    root = folder / name
    if origin is None:
        make_repository(root, {"a.txt": b"one\n"})
    else:
        git(folder, "clone", "-q", str(origin), str(root))
    home = Home(str(folder / f"home-{name}"), str(folder))
    home.make()
    async with Daemon.open(home) as daemon:
        await daemon.up(str(root), name)
        yield daemon, root


@asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[Daemon, Path, Daemon, Path]]:
    """Alice and bob, each with a daemon, in one team and connected."""
    async with daemon_of(folder, "alice") as (alice, at_alice), daemon_of(folder, "bob", at_alice) as (bob, at_bob):
        repository, _ = await alice.session(str(at_alice))
        ticket = (await repository.invite(Where(LOOPBACK), 0, 1)).ticket
        await bob.join(str(at_bob), ticket, "bob", NOTHING, Where(LOOPBACK))
        await eventually(lambda: "bob" in repository.sync._conversations.connected())
        yield alice, at_alice, bob, at_bob


def shared_tip(session: Recorder) -> str | None:
    """Return the newest tip that the team may have."""
    return session.branch.tip.shared if session.branch.tip else None


async def sees(daemon: Daemon, root: Path, branch: str, tip: Callable[[], str | None]) -> None:
    """Wait until a daemon knows a branch at the newest tip."""
    repository, _ = await daemon.session(str(root))
    await eventually(lambda: any(one.branch == branch and one.tip == tip() for one in repository.sync.teammates()))


def test_a_save_reaches_the_team_though_the_loop_that_shares_it_was_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = Trap(monkeypatch, TeamSync, "publish", times=2)

    async def test() -> None:
        async with two(folder) as (alice, at_alice, bob, at_bob):
            repository, session = await alice.session(str(at_alice))
            trap.set = True
            (at_alice / "a.txt").write_bytes(b"two\n")
            await eventually(lambda: trap.sprung == 2)
            told = await alice.status(str(at_alice))
            assert (
                told.state == "live, but sharing failed 2 times and is being retried: RuntimeError: killed by the test"
            )
            (failing,) = told.failing
            assert (failing.work, failing.failures, failing.recovered) == ("sharing", 2, False)
            await sees(bob, at_bob, "alice", lambda: shared_tip(session))
            (at_alice / "a.txt").write_bytes(b"three\n")
            await session.save()
            await sees(bob, at_bob, "alice", lambda: shared_tip(session))
            assert repository.sync.failing() == []

    run(test())


def test_nothing_is_shared_before_what_was_folded_into_it_is_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, known = Together.look, list[bool]()

    async def looks(self: Together, root: str) -> Snapshot | None:
        known.append(root in self._foldings)
        return await look(self, root)

    monkeypatch.setattr(Together, "look", looks)

    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, root):
            await alice.down(str(root), False)
            (root / "a.txt").write_bytes(b"saved while nothing was recorded\n")
            await alice.up(str(root), "alice")
            await eventually(lambda: len(known) >= 2)  # the first of each start
            assert all(known)

    run(test())


def test_watchers_hear_of_teammates_again_after_the_loop_that_tells_them_was_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = Trap(monkeypatch, Repository, "_seen")
    trap.meant = lambda repository, *_: repository.member == "bob"  # type: ignore[method-assign]

    async def test() -> None:
        async with two(folder) as (alice, at_alice, bob, at_bob):
            repository, _ = await bob.session(str(at_bob))
            _, session = await alice.session(str(at_alice))
            trap.set = True
            (at_alice / "a.txt").write_bytes(b"two\n")
            await eventually(lambda: trap.sprung)
            with repository.subscribe() as events:
                (at_alice / "a.txt").write_bytes(b"three\n")
                saved = await session.save()
                while (await events.get()).tip != saved.shared:
                    pass
            assert [one.work for one in (await bob.status(str(at_bob))).failing] == ["following teammates"]

    run(test())


@pytest.mark.parametrize("killed", ["wake", "_settle"])
def test_a_working_tree_is_learned_again_after_the_loop_was_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    trap, caught_up = Trap(monkeypatch, Feeder, killed), list[int]()
    real = Feeder._catch_up

    async def catch_up(self: Feeder) -> None:
        caught_up.append(trap.sprung)
        await real(self)

    monkeypatch.setattr(Feeder, "_catch_up", catch_up)

    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, at_alice):
            repository, _ = await alice.session(str(at_alice))
            trap.set = True

            def told() -> bool:
                repository.tell("tip", "bob")
                return 1 in caught_up

            await eventually(told)
            assert [one.work for one in alice.completing.failing()] == ["learning for suggestions"]

    run(test())


def test_the_use_of_suggestions_is_written_down_after_a_full_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bough_daemon.completion.manager.SAVE_EVERY", 0.005)
    saves, trap = list[int](), Trap(monkeypatch, UseLog, "save", times=2)
    real = UseLog.save

    def counted(self: UseLog) -> None:
        real(self)
        saves.append(1)

    monkeypatch.setattr(UseLog, "save", counted)

    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, _):
            trap.set = True
            await eventually(lambda: trap.sprung == 2 and len(saves) > 2)
            assert alice.completing.failing()[0].failures == 2

    run(test())


def test_a_tree_that_cannot_be_brought_back_keeps_no_other_from_it_and_is_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        make_repository(folder / "other", {"b": b"1"})
        async with daemon_of(folder, "alice") as (alice, at_alice):
            await alice.up(str(folder / "other"), "alice")
        trap = Trap(monkeypatch, Repository, "open")
        trap.set = True
        async with Daemon.open(alice.home) as again:
            assert not await again._bring_back()
            assert [list(one.sessions) for one in again.repositories.values()] == [[str(folder / "other")]]
            (failing,) = again._background.failing()
            assert (failing.work, failing.recovered) == (f"resuming {at_alice}", False)
            trap.sprung = 0
            await again._revive()
            assert again._find(str(at_alice)) is not None and trap.sprung == 1
            assert (await again.status(str(at_alice))).state == "live"

    run(test())


def test_a_copied_home_does_not_try_without_end_to_bring_back_what_the_other_has(folder: Path) -> None:
    async def test() -> None:
        async with daemon_of(folder, "alice") as (alice, at_alice):
            copied = Home(str(folder / "copied"), str(folder))
            await asyncio.to_thread(
                shutil.copytree, alice.home.root, copied.root, ignore=shutil.ignore_patterns("*.sock*")
            )
            async with Daemon.open(copied) as other:
                async with asyncio.timeout(20):
                    await other._revive()  # it ends
                assert other.repositories == {} and other._background.failing() == []
                with pytest.raises(StoreOwned, match="live under another home"):
                    await other.status(str(at_alice))
                make_repository(folder / "third", {"c": b"1"})
                await other.up(str(folder / "third"), "alice")
                (notice,) = (await other.status(str(folder / "third"))).notices
                assert isinstance(notice, OwnedElsewhere) and notice.root == str(at_alice)
                await other.down(str(at_alice), False)
                assert (await other.status(str(folder / "third"))).notices == []

    run(test())


TEAM_LOOPS = [
    (Calls, "_conversation"),
    (Connections, "_talk"),
    (Connections, "_do"),
    (Connections, "_take"),
    (Exchange, "hear"),
    (Exchange, "next_word"),
    (Connections, "_make"),
    (Exchange, "pack_taken"),
    (Exchange, "ask"),
    (TeamSync, "_save_states"),
    (TeamSync, "_took"),
]


@pytest.mark.parametrize(("owner", "name"), TEAM_LOOPS, ids=[name for _, name in TEAM_LOOPS])
def test_saves_reach_the_team_though_a_loop_was_killed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    trap = Trap(monkeypatch, owner, name)
    monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.3)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")

            async def saved(text: bytes) -> None:
                try:
                    tip = await alice.save({"a.txt": text})
                except RuntimeError:  # the user was told
                    tip = await alice.save({"a.txt": text + b"again"})
                await eventually(lambda: bob.tip_of("alice") == tip, f"the save with {name} killed")

            trap.set = True
            await saved(b"1")
            await saved(b"2")
            await all_of.stop(alice)
            await eventually(lambda: not bob.is_connected("alice"))
            alice = await all_of.start("alice")
            await saved(b"3")
            assert trap.sprung

    run(test())


def test_what_was_taken_is_written_down_after_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = Trap(monkeypatch, TeamSync, "_save_states", times=3)
    monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.3)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            trap.meant = lambda side, *_: side is bob.sync  # type: ignore[method-assign]
            trap.set = True
            tip = await alice.save({"a.txt": b"x\n"})
            states = Path(bob.home.path("teams", bob.sync.team_id)) / "states.json"
            await eventually(lambda: states.exists() and tip in states.read_text(), "the write")
            assert trap.sprung == 3
            assert [one.work for one in bob.sync.failing()] == ["taking what came from alice"]
            json.loads(states.read_text())

    run(test())


def test_a_failure_in_the_talk_with_one_leaves_the_others_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = Trap(monkeypatch, Exchange, "hear", times=float("inf"))
    trap.meant = lambda exchange, peer, *_: exchange.member == "alice" and peer == "bob"  # type: ignore[method-assign]

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _, carol = await all_of.team("alice", "bob", "carol")
            trap.set = True
            for number in range(5):
                if number == 1:  # by now one of two who called each other at once has hung up
                    with_carol = alice.sync._conversations._sessions["carol"]
                tip = await alice.save({"a.txt": os.urandom(10)})
                await eventually(lambda: carol.tip_of("alice") == tip)
                tip = await carol.save({"a.txt": b"%d\n" % number})
                await eventually(lambda: alice.tip_of("carol") == tip)
            await eventually(lambda: trap.sprung > 1)
            assert alice.sync._conversations._sessions["carol"] is with_carol
            assert "the connection to bob" in {one.work for one in alice.sync.failing()}

    run(test())


def test_a_chain_with_a_snapshot_that_nobody_takes_begins_again_by_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with two(folder) as (alice, at_alice, bob, at_bob):
            repository, session = await alice.session(str(at_alice))

            def shared() -> str | None:
                return shared_tip(session)

            await sees(bob, at_bob, "alice", shared)
            held = shared()
            with monkeypatch.context() as older:
                older.setattr(Fsck, "refused", lambda *_: {})
                older.setattr(SharedChain, "refuse", lambda *_: False)
                (at_alice / ".gitmodules").write_bytes(HOSTILE_MODULES)
                await session.save()
                refused = session.branch.tip
                assert refused is not None
                await eventually(lambda: repository.sync.refusals_of("alice"))
            assert "gitmodulesUrl" in repository.sync.refusals_of("alice")["bob"]
            (at_alice / "a.txt").write_bytes(b"after\n")
            await session.save()
            await sees(bob, at_bob, "alice", shared)
            await eventually(lambda: repository.sync.refusals_of("alice") == {})
            there, _ = await bob.session(str(at_bob))
            history = git(Path(there.store.path), "rev-list", "refs/heads/alice").split()
            assert held in history and refused.shared not in history
            status = await alice.status(str(at_alice))
            assert [(one.path, "gitmodulesUrl" in one.reason) for one in status.withheld] == [(".gitmodules", True)]
            assert [one.oid for one in timeline(repository.store.objects, status.tip)].count(refused.oid) == 1

    run(test())


def test_what_was_refused_is_shared_without_it_before_the_next_save(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with two(folder) as (alice, at_alice, bob, at_bob):
            repository, session = await alice.session(str(at_alice))
            real = Fsck.refused

            def from_the_second_on(self: Fsck, base: str, tree: str) -> dict[str, str]:
                return real(self, base, tree) if repository.sync.refusals_of("alice") else {}

            monkeypatch.setattr(Fsck, "refused", from_the_second_on)
            (at_alice / ".gitmodules").write_bytes(HOSTILE_MODULES)
            await session.save()
            await eventually(lambda: ".gitmodules" in session.branch.withheld)
            await sees(bob, at_bob, "alice", lambda: shared_tip(session))
            await eventually(lambda: repository.sync.refusals_of("alice") == {})

    run(test())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE], ids=os.strerror)
@pytest.mark.parametrize("what", ["bough_daemon.store.packs.check_room", "tempfile.TemporaryDirectory"])
def test_a_save_comes_by_itself_once_there_is_room_again_and_the_conversation_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, what: str, number: int
) -> None:
    module, name = what.rsplit(".", 1)
    whole, full = getattr(importlib.import_module(module), name), set[str]()
    monkeypatch.setattr("bough_daemon.sync.connections.LONGEST_PAUSE", 0.2)

    def short_of_room(at: str | None = None, **named: Any) -> object:
        if {at, named.get("dir")} & full:
            raise OSError(number, os.strerror(number))
        return whole(at, **named) if at is not None else whole(**named)

    monkeypatch.setattr(what, short_of_room)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            full.add(bob.store.folder)
            tip = await alice.save({"a.txt": b"one\n"})
            await eventually(lambda: alice.sync.refusals(tip), "the refusal")
            assert not alice.sync.refusals(tip)["bob"].startswith("OSError") and bob.tip_of("alice") != tip
            full.clear()
            await eventually(lambda: bob.tip_of("alice") == tip, "the save")
            await eventually(lambda: "bob" in alice.sync.holders(tip), "the confirmation")
            assert "disconnected" not in [event.kind for event in bob.events]

    run(test())
