"""Over a slow line that breaks, what has arrived stays, and the rest follows; what is small does not wait for it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import pytest

from tests.cli.conftest import Member, until
from tests.network.networks import Network

RATE, DELAY = 750_000 / 8, 0.15  # bytes a second, and seconds one way: 750 kbit/s and 300 ms there and back
SIZE = 1_000_000
TENTHS = 10
NOTICED = 20.0  # seconds in which both sides notice that the line is cut
FIRST_SYNC = 2_000_000
SMALL_SAVE = 2.0  # seconds: the bar for a small save during a large first sync
SAVES = 2


def connected(member: Member) -> bool:
    """Return whether a member is connected with anybody."""
    return any(one["connected"] for one in member.told("status")["teammates"])


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("long_form")
def test_a_large_transfer_that_is_cut_at_every_tenth_goes_on_where_it_stopped(
    member: Callable[..., Member], net: Network
) -> None:
    alice = member("alice")
    alice.bough("up", "--as", "alice")
    line = net.behind("bob", rate=RATE, delay=DELAY)
    bob = member("bob", net.variables("bob"))
    bob.bough("join", alice.bough("invite"), "--as", "bob")
    until(lambda: connected(bob))
    before = line.carried
    (alice.tree / "large.bin").write_bytes(os.urandom(SIZE))
    alice.bough("save")
    for tenth in range(1, TENTHS):
        until(lambda: line.carried - before >= tenth * SIZE / TENTHS)
        line.cut = True
        until(lambda: not connected(alice) and not connected(bob), NOTICED)
        line.cut = False
    alice.bough("save", "--wait", "bob", "--patience", "120")
    assert bob.bough("git", "show", "--stat", "--format=", "alice").count("large.bin") == 1
    assert line.carried - before < 2 * SIZE, "it goes on where it stopped"


@pytest.mark.timeout(300)
def test_a_small_save_does_not_wait_behind_a_large_first_sync(member: Callable[..., Member], net: Network) -> None:
    alice, carol = member("alice"), member("carol")
    alice.bough("up", "--as", "alice")
    alice.git("worktree", "add", "-q", "--detach", str(alice.tree.parent / "second"))
    second = Member("alice+second", alice.tree.parent / "second", alice.home, alice.variables)
    second.bough("up")
    line = net.behind("bob", rate=RATE, delay=DELAY)
    bob = member("bob", net.variables("bob"))
    for one in (bob, carol):
        one.bough("join", alice.bough("invite"), "--as", one.name)
    for one in (second, carol):
        one.bough("save", "--wait", "bob")
    before = line.carried
    for number in range(FIRST_SYNC // SIZE):
        (alice.tree / f"large{number}.bin").write_bytes(os.urandom(SIZE))
    alice.bough("save")
    until(lambda: line.carried - before > SIZE / TENTHS)
    took, begun = list[float](), line.carried
    for number in range(SAVES):
        for one in (second, carol):  # on the same connection as what is large, and on another one over the same line
            (one.tree / "a.txt").write_text(f"{number}\n")
            began = time.monotonic()
            one.bough("save", "--wait", "bob")
            took.append(time.monotonic() - began)
    assert statistics.median(took) < SMALL_SAVE
    assert line.carried - before < FIRST_SYNC, "the large one is still on its way"
    assert line.carried - begun > sum(took) * RATE / 2, "and it goes on meanwhile"
