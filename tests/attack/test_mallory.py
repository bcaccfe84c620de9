"""The hostile member of these tests is a real one: what is right is taken from them, and they hear what others say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bough_daemon.sync.messages import Announce, Held
from bough_daemon.team.branch_state import BranchKind, Key

from tests.attack.mallory import invited, unpacked
from tests.cli.conftest import Member, until
from tests.daemon.support import git


def test_what_mallory_says_rightly_is_taken_and_what_a_daemon_says_is_read(
    members: Callable[[str], Member], tmp_path: Path
) -> None:
    alice = members("alice")
    alice.bough("up")
    (alice.tree / "a.txt").write_bytes(b"alice was here\n")
    tip = alice.told("save")["shared_tip"]

    async def talk() -> str:
        mallory = await invited(alice, tmp_path)
        head = git(mallory.root, "rev-parse", "HEAD")
        mine = mallory.commit({"m.txt": b"work\n"}, head)
        async with mallory.calls("alice") as talk:
            told = await talk.hears(Announce, which=lambda word: word.state.tip == tip)
            pack = await talk.ask(Key("alice", BranchKind.LIVE, b"alice"), told.state.sequence, [head])
            assert isinstance(pack, bytes) and tip in unpacked(mallory.root, pack)
            assert git(mallory.root, "show", f"{tip}:a.txt") == "alice was here"
            answer = await talk.offer(mallory.state(mine, head), await mallory.pack([mine], [head]))
            assert isinstance(answer, Held)
        return mine

    made = asyncio.run(talk())
    until(lambda: alice.told("status")["teammates"][0]["tip"] == made)
