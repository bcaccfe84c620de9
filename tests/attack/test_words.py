"""No word of a member's, however strange, does more than be refused. `tests/fuzz/words.py` tries many more of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from bough_daemon.sync.messages import Announce, Held, Hello
from bough_daemon.team.branch_state import BranchKind
from bough_proto.v1 import peer_pb2 as pb

from tests.attack.honest import Pair, check_alive, live_pair
from tests.attack.mallory import Mallory, invited
from tests.cli.conftest import Member
from tests.daemon.support import git
from tests.fuzz.words import COMMITS, Strange


@pytest.fixture
def pair(members: Callable[[str], Member]) -> Pair:
    """Two honest members of one team, both live."""
    return live_pair(members("alice"), members("bob"))


async def say_until_it_ends(mallory: Mallory, strange: Strange) -> None:
    """Say random words to alice until she ends the conversation."""
    try:
        async with mallory.calls("alice") as talk:
            for _ in range(200):
                await talk.say_raw(strange.word())
            await talk.hears(Hello)
    except (AssertionError, grpc.RpcError, asyncio.InvalidStateError):
        pass  # she has refused to go on


def test_strange_words_end_no_conversation_but_the_one_that_they_are_said_in(pair: Pair, tmp_path: Path) -> None:
    async def attack() -> str:
        mallory = await invited(pair[0], tmp_path)
        head = git(mallory.root, "rev-parse", "HEAD")
        async with mallory.calls("alice") as talk:
            for commit in COMMITS:
                want = pb.Want(
                    key=pb.StateKey(member="alice", kind=pb.STATE_KIND_LIVE, branch=b"alice"), haves=[commit] * 10
                )
                want.shallow.append(commit)
                await talk.say_raw(pb.Word(want=want))
                await talk.say(Announce(mallory.state(commit, head, kind=BranchKind.LANDED, branch=b"main")))
            answer = await talk.offer(mallory.state(head), await mallory.pack([]))
            assert isinstance(answer, Held), answer
        signed = mallory.identity
        strange = Strange(random.Random(7), mallory.roster.team, lambda state: state.signed(signed))
        for _ in range(20):
            await say_until_it_ends(mallory, strange)
        async with mallory.calls("alice") as talk:
            await talk.say_raw(pb.Word(held=pb.Held(key=pb.StateKey(member="x" * 1000, kind=pb.STATE_KIND_LIVE))))
            return await talk.ends()

    assert "name that is too long" in asyncio.run(attack())
    assert not [one for one in pair[0].told("status")["failing"] if not one["recovered"]]
    check_alive(pair)
