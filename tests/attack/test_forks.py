"""A member who tells different members different things, with one number: all of it is kept and told, up to a bound."""

from __future__ import annotations

from pathlib import Path

from bough_daemon.store.store import LIVE
from bough_daemon.sync.messages import Held, Refused
from bough_daemon.team.branch_state import MOST_ASIDES, State

from tests.attack.mallory import Conversation, Mallory, invited_by
from tests.daemon.machines import LOOPBACK, Machines, machines, run
from tests.daemon.support import git
from tests.daemon.team_support import Side, eventually


async def team(all_of: Machines, folder: Path) -> tuple[Side, Side, Mallory]:
    """Return alice, bob, and mallory."""
    alice = await all_of.start("alice")
    mallory = await invited_by(alice, folder)
    bob = await all_of.start("bob")
    await bob.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "bob")
    await eventually(lambda: alice.is_connected("bob") and bob.is_connected("alice"))
    return alice, bob, mallory


async def sends(talk: Conversation, state: State) -> None:
    """Send a state with its pack; where it is refused, again as one to be kept beside the other."""
    since, pack = len(talk.heard), await talk.mallory.pack([state.tip])
    await talk.send(state, pack)
    answer = await talk.hears(Held | Refused, since, lambda word: word.key == state.key)
    if isinstance(answer, Refused):
        await talk.send(state.as_aside(), pack)


def kept(side: Side) -> set[str]:
    """Return the tips of mallory's that are here under any name."""
    return {tip for name, tip in side.store.refs(LIVE).items() if name.partition("@")[0] == "mallory"}


def test_who_tells_members_of_different_newest_snapshots_is_told_of_and_both_are_kept(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team(all_of, folder)
            head = git(mallory.root, "rev-parse", "HEAD")
            tips = dict[str, str]()
            for name, text in (("alice", b"for alice"), ("bob", b"for bob")):
                tips[name] = mallory.commit({"a.txt": text}, head)
                async with mallory.calls(name) as talk:
                    await sends(talk, mallory.state(tips[name], head, sequence=7))
            await eventually(lambda: kept(alice) == kept(bob) == set(tips.values()))
            await eventually(lambda: alice.sync.asides() and bob.sync.asides())
            for side in (alice, bob):
                assert {one.name for one in side.sync.asides()} == {"mallory"}

    run(test())


def test_a_member_fills_no_disk_with_states_that_contradict_each_other(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team(all_of, folder)
            head = git(mallory.root, "rev-parse", "HEAD")
            async with mallory.calls("alice") as talk:
                for number in range(3 * MOST_ASIDES):
                    tip = mallory.commit({"a.txt": b"%d" % number}, head)
                    # Half of them with one number; and half of them, with the next one, lead to nothing before.
                    await sends(talk, mallory.state(tip, head, sequence=7 if number % 2 else number + 8))
            assert 1 < len(kept(alice)) <= MOST_ASIDES + 1
            since = await alice.save({"a.txt": b"alice goes on\n"})
            await eventually(lambda: bob.tip_of("alice") == since)
            await eventually(lambda: 0 < len(kept(bob)) <= MOST_ASIDES + 1)
            assert len(alice.sync.asides()) <= MOST_ASIDES

    run(test())
