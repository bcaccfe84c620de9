"""However much a member sends, the others go on: what is over a budget is refused, and why is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.budgets import LARGEST_FILE_BYTES, WASTED_COST
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.sync import connections
from bough_daemon.sync.messages import Announce, Held, Message, Refused

from tests.attack import bombs
from tests.attack.bombs import Bomb
from tests.attack.honest import SOON, Pair, check_alive, live_pair, while_attacked
from tests.attack.mallory import Mallory, invited, invited_by
from tests.cli.conftest import Member
from tests.daemon.machines import machines, run
from tests.daemon.support import git
from tests.daemon.team_support import eventually


@pytest.fixture
def pair(members: Callable[[str], Member]) -> Pair:
    """Two honest members of one team, both live."""
    return live_pair(members("alice"), members("bob"))


def bombs_on(root: Path) -> dict[str, Bomb]:
    """Return what is too much, by the words of the refusal."""
    head = git(root, "rev-parse", "HEAD")
    known = TreeEntry(FILE, git(root, "rev-parse", "HEAD:a.txt"))
    return {
        "211,111,113 more paths than yours": bombs.many_paths(head, known),
        "more paths than yours": bombs.many_paths(head, None, 30),
        "GiB more than yours": bombs.many_bytes(head),
        "levels deep": bombs.deep(head, 1000),
        "a folder with 250,000 entries": bombs.wide(head, 250_000),
        "a file of 100 MiB": bombs.large_file(head, LARGEST_FILE_BYTES + 1),
        "a commit of 2 MiB": bombs.large_message(head, 2 << 20),
    }


def test_what_is_over_a_budget_is_refused_and_nobody_waits_for_it(pair: Pair, tmp_path: Path) -> None:
    async def attack(mallory: Mallory) -> dict[str, Message]:
        answers: dict[str, Message] = {}
        async with mallory.calls("alice") as talk:
            for words, bomb in bombs_on(mallory.root).items():
                answers[words] = await talk.offer(mallory.state(bomb.tip), bomb.pack())
        return answers

    async def under_attack() -> tuple[dict[str, Message], list[float]]:
        return await while_attacked(pair, attack(await invited(pair[0], tmp_path)))

    answers, took = asyncio.run(under_attack())
    for words, answer in answers.items():
        assert isinstance(answer, Refused) and words in answer.reason and not answer.for_now, answer
    assert sorted(took)[len(took) // 2] < SOON, took
    check_alive(pair)
    began = time.monotonic()
    pair[0].bough("down", "--all")
    assert time.monotonic() - began < 30


def test_a_tree_that_is_just_not_too_much_keeps_nobody_from_recording(pair: Pair, tmp_path: Path) -> None:
    async def attack() -> Message:
        mallory = await invited(pair[0], tmp_path)
        head = git(mallory.root, "rev-parse", "HEAD")
        bomb = bombs.many_paths(head, None, 5)
        async with mallory.calls("alice") as talk:
            return await talk.offer(mallory.state(bomb.tip, head), bomb.pack())

    assert isinstance(asyncio.run(attack()), Held)
    for _ in range(2):
        began = time.monotonic()
        told = next(one for one in pair[0].told("status")["teammates"] if one["name"] == "mallory")
        assert time.monotonic() - began < 30
    assert told["more_files"] and set(told["files"]) <= {"a.txt", "src/b.py"}
    check_alive(pair)


def test_what_is_asked_for_again_is_sent_after_a_pause_and_nobody_else_waits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REPEATED_SECONDS", 1000.0)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            mallory = await invited_by(alice, folder)
            tip = await alice.save({"a.txt": b"one\n"})
            async with mallory.calls("alice") as talk:
                said: Announce = await talk.hears(Announce, 0, lambda word: word.state.tip == tip)
                key, number = said.state.key, said.state.sequence
                assert isinstance(await talk.ask(key, number), bytes)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await talk.ask(key, number)
                newer = await alice.save({"a.txt": b"two\n"})
                await eventually(lambda: bob.tip_of("alice") == newer)

    run(test())


def test_whose_words_are_refused_is_listened_to_less_and_nobody_else_waits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WORDS_AT_ONCE", 5.0 * WASTED_COST)
    monkeypatch.setattr(connections, "WORDS_A_SECOND", 0.001)

    async def test() -> None:
        async with machines(folder) as all_of:
            alice, bob = await all_of.team("alice", "bob")
            mallory = await invited_by(alice, folder)
            async with mallory.calls("alice") as talk:
                forged = [replace(mallory.state("1" * 40), team=f"team {number}") for number in range(40)]
                await talk.say(*map(Announce, forged))
                await talk.hears(Refused)
                tip = await alice.save({"a.txt": b"one\n"})
                await eventually(lambda: bob.tip_of("alice") == tip)
                assert sum(isinstance(word, Refused) for word in talk.heard) <= 5

    run(test())
