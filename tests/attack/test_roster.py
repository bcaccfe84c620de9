"""Who is in the team is not for one member to say: names, keys and certificates that a member admits, over the wire."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.api.notices import NameAdmittedTwice
from bough_daemon.errors import NameTaken
from bough_daemon.home import Home
from bough_daemon.sync.messages import Gossip, Held, Refused
from bough_daemon.team.identity import VOUCHED, Identity, load_identity
from bough_daemon.team.roster import Admission
from bough_daemon.team.team_files import now_ms

from tests.attack.mallory import LOOPBACK, Conversation, Mallory, invited_by
from tests.daemon.machines import Machines, machines, run
from tests.daemon.support import git
from tests.daemon.team_support import Side, eventually


async def team_of_four(all_of: Machines, folder: Path) -> tuple[Side, Side, Mallory]:
    """Return alice, bob and mallory, who was let in before bob; carol, whom bob let in, is there as well."""
    alice = await all_of.start("alice")
    mallory = await invited_by(alice, folder)
    bob, carol = await all_of.start("bob"), await all_of.start("carol")
    await bob.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "bob")
    await carol.sync.join((await bob.sync.invite(LOOPBACK)).ticket, "carol")
    for side in (alice, bob, carol):
        await eventually(lambda: {"alice", "bob", "carol", "mallory"} == set(side.sync.roster.members))
    return alice, bob, mallory


async def heard(talk: Conversation, *entries: Admission) -> None:
    """Say admissions, and wait until what was said before the next state is taken in."""
    head = git(talk.mallory.root, "rev-parse", "HEAD")
    await talk.say(Gossip(entries))
    assert isinstance(await talk.offer(talk.mallory.state(head), await talk.mallory.pack([head])), Held)


def new_identity(folder: Path, name: str) -> Identity:
    return load_identity(Home(str(folder / f"home-{name}"), str(folder)))


@pytest.mark.parametrize("time", [0, None, 2**62])
def test_a_members_name_and_key_are_not_given_to_another(folder: Path, time: int | None) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team_of_four(all_of, folder)
            before = dict(alice.sync.roster.members)
            fake = new_identity(folder, "fake")
            when = before["bob"].time - 1 if time is None else time
            entries = [mallory.admission(fake, name, time=when) for name in ("bob",)]
            entries += [mallory.resigned(replace(before["carol"], name="loser", time=when))]
            async with mallory.calls("alice") as talk:
                await heard(talk, *entries)
            assert alice.sync.roster.members == before
            dave = await all_of.start("dave")
            await dave.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "dave")
            for side in (alice, bob, dave):
                await eventually(lambda: len(side.sync.disputes()) == 2)
                await eventually(lambda: "dave" in side.sync.roster.members)
                assert {name: side.sync.roster.members[name] for name in before} == before
                assert NameAdmittedTwice("mallory", "bob", "alice", "bob") in side.sync.disputes()
            tip = await bob.save({"b.txt": b"still bob\n"})
            for side in (alice, dave):
                await eventually(lambda: side.tip_of("bob") == tip)

    run(test())


def test_a_further_worktree_is_its_members_alone(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team_of_four(all_of, folder)
            fake = new_identity(folder, "fake")
            async with mallory.calls("alice") as talk:
                await heard(talk, mallory.admission(fake, "alice+docs"), mallory.admission(fake, "bob+docs"))
                stolen = mallory.state(git(mallory.root, "rev-parse", "HEAD"), branch=b"alice+docs")
                assert isinstance(await talk.offer(stolen, await mallory.pack([])), Refused)
            assert set(alice.sync.roster.members) == {"alice", "bob", "carol", "mallory"}
            docs = await all_of.start("docs")
            with pytest.raises(NameTaken, match="only alice can admit"):
                await docs.sync.join((await bob.sync.invite(LOOPBACK)).ticket, "alice+docs")

    run(test())


def test_a_certificate_that_nobody_can_read_ends_nobodys_conversations(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob, mallory = await team_of_four(all_of, folder)
            size = len(alice.sync.roster.admissions)
            who = new_identity(folder, "fake")
            odd = [who.certificate[:-1], b"0" + who.certificate, who.certificate + bytes(1 << 20)]
            odd.append(who.certificate.replace(b"\x06\x08\x2a\x86\x48", b"\x06\x08\x2a\x86\x49"))
            entries = []
            for number, certificate in enumerate(odd):
                entry = Admission(
                    f"m{number}", who.key, certificate, who.signing_key.sign(VOUCHED + certificate), b"", 1
                )
                entries.append(mallory.resigned(entry))
            async with mallory.calls("alice") as talk:
                await heard(talk, *entries)
            assert len(alice.sync.roster.admissions) == size
            # One that an older version had written down is left out.
            alice.sync.roster.admissions[entries[0].digest] = entries[0]
            alice.sync.roster.seen[entries[0].digest] = now_ms()
            await all_of.stop(alice)
            alice = await all_of.start("alice")
            assert len(alice.sync.roster.admissions) == size
            await eventually(lambda: alice.is_connected("bob") and bob.is_connected("alice"))

    run(test())


def test_nobody_fills_the_team_with_admissions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bough_daemon.team.roster.MOST_BELOW", 5)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, _, mallory = await team_of_four(all_of, folder)
            one = new_identity(folder, "fake")
            many = [new_identity(folder, f"m{number}") for number in range(7)]
            async with mallory.calls("alice") as talk:
                await heard(talk, *(mallory.admission(one, f"x{number}") for number in range(99)))
                assert len(alice.sync.roster.members) == 5
                await heard(talk, *(mallory.admission(who, f"y{n}") for n, who in enumerate(many)))
            assert len(alice.sync.roster.members) == 4 + 5
            dave = await all_of.start("dave")
            await dave.sync.join((await alice.sync.invite(LOOPBACK)).ticket, "dave")

    run(test())
