"""A history that takes Git minutes to look through keeps nobody from recording, whatever is asked of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.sync.messages import Held
from bough_daemon.team.branch_state import BranchKind

from tests.attack import bombs
from tests.attack.honest import SOON, Pair, check_alive, live_pair, while_attacked
from tests.attack.mallory import Mallory, invited
from tests.cli.conftest import Member
from tests.daemon.support import git

COMMITS = 4000  # it takes git 9 seconds to find where the two of them parted, on a machine without other work
CLAIMS = 20_000  # commits that one snapshot names, in 820 kB
LARGEST_SNAPSHOT = 100_000  # bytes of the commit of a save: each one names them again
FEWER = 1500  # a second for each question
TOO_LONG = "takes Git too long to compare with yours"
PATIENCE = 8.0  # seconds until a status must have come: what is known soon, and no more than that


@pytest.fixture
def pair(members: Callable[[str], Member]) -> Pair:
    """Two honest members of one team, both live."""
    return live_pair(members("alice"), members("bob"))


async def offer_entangled(mallory: Mallory) -> None:
    """Have alice take a landing on her shared branch, and a branch beside it, that Git cannot compare soon."""
    head = git(mallory.root, "rev-parse", "HEAD")
    bomb, other = bombs.entangled(head, git(mallory.root, "rev-parse", "HEAD^{tree}"), COMMITS)
    async with mallory.calls("alice") as talk:
        landed = mallory.state(other, kind=BranchKind.LANDED, branch=b"main")
        assert isinstance(await talk.offer(landed, bomb.pack()), Held)
        assert isinstance(await talk.offer(mallory.state(bomb.tip), bomb.pack()), Held)


def test_histories_that_are_long_to_compare_hold_up_neither_saves_nor_status(pair: Pair, tmp_path: Path) -> None:
    alice, _ = pair

    async def looks() -> list[float]:
        await offer_entangled(await invited(alice, tmp_path))
        took = list[float]()
        for _ in range(2):
            began = time.monotonic()
            told = await asyncio.to_thread(alice.told, "status")
            took.append(time.monotonic() - began)
            mallory = next(one for one in told["teammates"] if one["name"] == "mallory")
            # What would land is missing where git takes too long on this machine to find it out.
            assert mallory["files"] == [] and told["shared_branch"] == "main"
        return took

    async def under_attack() -> tuple[list[float], list[float]]:
        return await while_attacked(pair, looks())

    looked, saved = asyncio.run(under_attack())
    assert max(looked) < PATIENCE, looked
    assert sorted(saved)[len(saved) * 9 // 10] < SOON and max(saved) < PATIENCE, saved
    check_alive(pair)


async def offer_both_sides(alice: Member, mallory: Mallory) -> None:
    """Have alice merge one side of two histories that Git cannot compare soon, then give her the other one.

    It is what mallory landed, and what their branch is at, with the first one as its base.
    """
    head = git(mallory.root, "rev-parse", "HEAD")
    bomb, other = bombs.entangled(head, git(mallory.root, "rev-parse", "HEAD^{tree}"), FEWER)
    async with mallory.calls("alice") as talk:
        assert isinstance(await talk.offer(mallory.state(bomb.tip, head), bomb.pack()), Held)
        await asyncio.to_thread(alice.bough, "merge", "mallory")
        landed = mallory.state(other, kind=BranchKind.LANDED, branch=b"main")
        assert isinstance(await talk.offer(landed, bomb.pack()), Held)
        assert isinstance(await talk.offer(mallory.state(other, bomb.tip), bomb.pack()), Held)


def test_commands_for_a_branch_that_is_long_to_compare_hold_up_no_saves(pair: Pair, tmp_path: Path) -> None:
    alice, _ = pair

    async def types(*arguments: str) -> str:
        typed = await asyncio.to_thread(alice.types, *arguments)
        return typed.out + typed.err

    async def commands() -> None:
        assert TOO_LONG in await types("merge", "mallory")
        assert TOO_LONG in await types("land", "-m", "all of it", "--dry-run")
        await types("stay", "mallory")
        assert "mallory" in await types("hop", "mallory")
        await types("back")

    async def under_attack() -> tuple[None, list[float]]:
        await offer_both_sides(alice, await invited(alice, tmp_path))
        return await while_attacked(pair, commands())

    _, saved = asyncio.run(under_attack())
    assert sorted(saved)[len(saved) * 9 // 10] < SOON and max(saved) < PATIENCE, saved
    check_alive(pair)


def test_a_branch_that_claims_to_contain_very_much_burdens_nobody_who_is_in_it(pair: Pair, tmp_path: Path) -> None:
    alice, _ = pair
    store = alice.tree / ".git/bough/store.git"

    async def visit() -> int:
        mallory = await invited(alice, tmp_path)
        head = git(mallory.root, "rev-parse", "HEAD")
        brought = b" ".join(b"%040x" % number for number in range(CLAIMS))
        trailers = b"Bough-Base: %s\nBough-Event: save\nBough-Brought: %s\n" % (head.encode(), brought)
        bomb = bombs.Bomb([])
        bomb.commit({"a.txt": bomb.file(b"theirs")}, head, b"save\n\n" + trailers)
        async with mallory.calls("alice") as talk:
            assert isinstance(await talk.offer(mallory.state(bomb.tip, head), bomb.pack()), Held)
        await asyncio.to_thread(alice.bough, "hop", "mallory")
        (alice.tree / "new").write_text("1")
        await asyncio.to_thread(alice.bough, "save")
        return int(git(store, "cat-file", "-s", "refs/heads/alice"))

    async def under_attack() -> tuple[int, list[float]]:
        return await while_attacked(pair, visit())

    size, saved = asyncio.run(under_attack())
    assert size < LARGEST_SNAPSHOT
    assert "missing" not in git(alice.tree / ".git/bough/store.git", "fsck", "--connectivity-only")
    assert max(saved) < PATIENCE, saved
    alice.bough("back")
    check_alive(pair)
