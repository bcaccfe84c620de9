"""An honest pair at work while somebody attacks: their saves arrive, and `status` answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.cli.conftest import Member
from tests.cli.test_two_members import join

T = TypeVar("T")
Pair = tuple[Member, Member]
PATIENCE = 20.0  # seconds until a save must have arrived
PAUSE = 0.1  # seconds between two saves
SOON = 2.0  # seconds in which saves arrive, on a machine that does other things as well


def live_pair(alice: Member, bob: Member) -> Pair:
    """Return two members of one team, both live, who hold what the other saved."""
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    bob.bough("save", "--wait", "alice")
    return alice, bob


def seconds_to_arrive(pair: Pair, text: str, path: str = "a.txt") -> float:
    """Let bob save a file, and return how long it takes until alice holds it."""
    alice, bob = pair
    ref = alice.tree / ".git/bough/store.git/refs/heads/bob"
    before, began = _read(ref), time.monotonic()
    (bob.tree / path).write_text(text)
    while _read(ref) == before:
        assert time.monotonic() - began < PATIENCE, "a save of an honest pair did not arrive"
        time.sleep(0.002)
    return time.monotonic() - began


def _read(ref: Path) -> str:
    return ref.read_text() if ref.exists() else ""


async def while_attacked(pair: Pair, attack: Coroutine[Any, Any, T]) -> tuple[T, list[float]]:
    """Let an attack go on to its end, and bob save all the while; return both outcomes, the latter in seconds."""
    attacking = asyncio.create_task(attack)
    took = list[float]()
    try:
        while not attacking.done() or not took:
            took.append(await asyncio.to_thread(seconds_to_arrive, pair, f"{time.monotonic_ns()}\n"))
            await asyncio.wait({attacking}, timeout=PAUSE)
    finally:
        attacking.cancel()
        await asyncio.wait({attacking})
    return attacking.result(), took


def check_alive(pair: Pair) -> None:
    """See that a status answers, that the others are connected, and that a save is held."""
    alice, bob = pair
    for member, other in ((alice, "bob"), (bob, "alice")):
        told = member.told("status")
        assert any(one["name"] == other and one["connected"] for one in told["teammates"]), told
        member.bough("save", "--wait", other)
