"""A member who has things purged: their own content goes, nobody else's, and recording goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bough_daemon.git.objects import EMPTY_BLOB
from bough_daemon.sync.messages import Announce, Gossip, Held, Refused
from bough_daemon.team.purges import Purge, PurgeAnswer, PurgeOutcome
from bough_daemon.team.team_files import now_ms
from bough_proto.v1 import peer_pb2 as pb

from tests.attack.mallory import Conversation, Mallory, invited
from tests.cli.conftest import Member, until
from tests.cli.test_purge import check_store, has
from tests.daemon.support import git, write_files

MINE = b"what alice wrote\n"
THEIRS = b"what mallory wrote\n"


def purge_of(mallory: Mallory, *ids: str) -> Purge:
    return Purge.of(ids, mallory.roster.team, mallory.identity, now_ms())


async def answer_to(talk: Conversation, purge: Purge, outcome: PurgeOutcome | None = None) -> PurgeOutcome:
    """Say a purge, and return what alice says came of it."""

    def counts(answer: PurgeAnswer) -> bool:
        by_alice = answer.by == talk.mallory.roster.member("alice").key
        return by_alice and answer.purge == purge.digest and outcome in (None, answer.outcome)

    await talk.say(Gossip(purges=(purge,)))
    word = await talk.hears(Gossip, 0, lambda word: any(map(counts, word.purge_answers)))
    found: PurgeAnswer = next(filter(counts, word.purge_answers))
    return found.outcome


async def typed(alice: Member, *words: str) -> str:
    return await asyncio.to_thread(alice.bough, *words)


def test_what_others_recorded_stays_whoever_copies_it(members: Callable[[str], Member], tmp_path: Path) -> None:
    alice = members("alice")
    alice.bough("up")
    write_files(alice.tree, {"work.txt": MINE})
    alice.bough("save")
    snapshots = alice.bough("log")

    async def attack() -> None:
        mallory = await invited(alice, tmp_path)
        root = mallory.root
        copied, tree = git(root, "hash-object", "-w", "--stdin", stdin=MINE), git(root, "rev-parse", "HEAD^{tree}")
        head = git(root, "rev-parse", "HEAD")
        committed = git(root, "rev-parse", "HEAD:a.txt")
        tip = mallory.commit({"copied.txt": MINE}, head)
        async with mallory.calls("alice") as talk:
            assert isinstance(await talk.offer(mallory.state(tip, head), await mallory.pack([tip], [head])), Held)
            assert await answer_to(talk, purge_of(mallory, copied)) is PurgeOutcome.ASKED
            assert await answer_to(talk, purge_of(mallory, committed)) in (PurgeOutcome.DONE, PurgeOutcome.IN_GIT)
            # Trees, commits, the empty file, and what was never here: there is nothing to do.
            ids = [tree, head, EMPTY_BLOB, "1" * 40]
            assert await answer_to(talk, purge_of(mallory, *ids)) is PurgeOutcome.DONE
            assert isinstance(
                await talk.offer(mallory.state(tip, head), await mallory.pack([tip], [head])), Held | Refused
            )
        write_files(alice.tree, {"empty.txt": b"", "again.txt": MINE, "a.txt": b"edited\n"})
        await typed(alice, "save")

    asyncio.run(attack())
    assert has(alice, MINE) and snapshots.splitlines()[-1][:10] in alice.bough("log", "--each")
    assert git(alice.tree / ".git/bough/store.git", "show", "refs/heads/alice:again.txt").encode() + b"\n" == MINE
    git(alice.tree / ".git/bough/store.git", "show", "refs/heads/alice:empty.txt")
    assert "mallory asks to purge 1 content" in alice.bough("status")
    check_store(alice)


def test_a_purged_content_does_not_come_back_and_bars_nobody_else(
    members: Callable[[str], Member], tmp_path: Path
) -> None:
    alice = members("alice")
    alice.bough("up")

    async def attack() -> None:
        mallory = await invited(alice, tmp_path)
        head = git(mallory.root, "rev-parse", "HEAD")
        theirs = git(mallory.root, "hash-object", "-w", "--stdin", stdin=THEIRS)
        leaky, clean = mallory.commit({"t.txt": THEIRS}, head), mallory.commit({"t.txt": b"other\n"}, head)
        async with mallory.calls("alice") as talk:
            state = mallory.state(leaky, head)
            assert isinstance(await talk.offer(state, await mallory.pack([leaky], [head])), Held)
            assert has(alice, THEIRS)
            purge = purge_of(mallory, theirs)
            assert await answer_to(talk, purge) is PurgeOutcome.WAITS  # their branch still has it
            assert isinstance(await talk.offer(mallory.state(clean, head), await mallory.pack([clean], [head])), Held)
        await asyncio.to_thread(until, lambda: not has(alice, THEIRS))
        await typed(alice, "status")  # everything goes on again
        async with mallory.calls("alice") as talk:
            await answer_to(talk, purge, PurgeOutcome.DONE)  # again: nothing happens
            answer = await talk.offer(mallory.state(leaky, head), await mallory.pack([leaky], [head]))
            assert isinstance(answer, Refused) and "was purged" in answer.reason
            await talk.say(Announce(state))
            await talk.send(state, await mallory.pack([leaky], [head]))
        assert not has(alice, THEIRS)
        # That mallory has purged it does not keep alice from writing the same.
        write_files(alice.tree, {"same.txt": THEIRS})
        await typed(alice, "save")
        assert has(alice, THEIRS)

    asyncio.run(attack())
    assert "was purged" in alice.told("status")["teammates"][0]["not_taken"]
    check_store(alice)


def test_too_much_and_what_is_not_well_formed_is_not_taken(members: Callable[[str], Member], tmp_path: Path) -> None:
    alice = members("alice")
    alice.bough("up")

    async def attack() -> None:
        mallory = await invited(alice, tmp_path)
        many = [f"{number:040x}" for number in range(190_000)]
        async with mallory.calls("alice") as talk:
            await talk.say(Gossip(purges=(purge_of(mallory, *many),)))
            forged = Purge(mallory.roster.member("alice").key, bytes(20), now_ms(), bytes(64))
            await talk.say(Gossip(purges=(forged,)))
            strange = pb.Gossip(purges=[pb.Purge(contents=b"odd")], purge_answers=[pb.PurgeAnswer(outcome=9)])  # type: ignore[arg-type]
            await talk.say_raw(pb.Word(gossip=strange))
            for number in range(300):
                await talk.say(Gossip(purges=(purge_of(mallory, f"{number:040x}"),)))
            write_files(alice.tree, {"a.txt": b"meanwhile\n"})
            await typed(alice, "save")
        await asyncio.to_thread(alice.told, "remove", "mallory", "--yes")

    asyncio.run(attack())
    assert has(alice, b"meanwhile\n")
    assert alice.types("purge", "--list").out == ""
    alice.ends()
    alice.bough("save")
    assert alice.told("status")["state"] == "live"
