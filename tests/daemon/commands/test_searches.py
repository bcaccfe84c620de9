"""Commands search through timelines and histories where no save waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from bough_daemon.commands.hop import back, hop
from bough_daemon.commands.merge import _combined, merge_commits
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import redo, undo
from bough_daemon.commands.versions import Versions
from bough_daemon.errors import UnknownPath, UnknownSnapshot
from bough_daemon.history.ancestry import walk_back_ahead
from bough_daemon.history.timeline import timeline
from bough_daemon.store.store import Store

from tests.daemon.gate import Gate
from tests.daemon.moves_support import Desk, check_whole, git, merge_both

Typed = Callable[[Desk], Coroutine[Any, Any, object]]


def typed(here: Desk, gate: Gate, command: Typed) -> None:
    async def both() -> None:
        done, _ = await asyncio.gather(command(here), gate.opens(), return_exceptions=True)
        if isinstance(done, BaseException):
            raise done

    here.do(both())


def test_a_snapshot_is_searched_in_a_teammates_timeline_beside_saves(
    here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.teammate_at("alice", {"x": b"1"})
    gate = Gate(here.owner)
    monkeypatch.setattr("bough_daemon.commands.restore.timeline", gate.before(timeline))
    with pytest.raises(UnknownSnapshot):
        typed(here, gate, lambda here: restore(here.live, ["x"], since="0123456", name="alice"))


def test_the_versions_of_a_file_are_searched_beside_saves(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    here.teammate_at("alice", {"x": b"1"})
    gate = Gate(here.owner)
    monkeypatch.setattr("bough_daemon.commands.restore.Versions", gate.before(Versions))
    with pytest.raises(UnknownPath):
        typed(here, gate, lambda here: restore(here.live, ["y"], name="alice"))


def test_the_result_of_a_merge_is_put_together_beside_saves(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tip, mine = here.teammate_at("alice", {"x": b"1"}), here.snapshot()
    gate = Gate(here.owner)
    monkeypatch.setattr("bough_daemon.commands.merge._combined", gate.before(_combined))
    typed(here, gate, lambda here: merge_commits(here.live, mine.oid, tip, merge_both))


def test_the_history_below_a_teammates_base_is_copied_beside_saves(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    base = git(here.root, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", "only theirs")
    here.teammate_at("alice", {"x": b"1"}, base)
    gate = Gate(here.owner)
    monkeypatch.setattr(Store, "give_ahead", gate.before(Store.give_ahead))
    typed(here, gate, lambda here: hop(here.live, here.terminal, "alice", merge_both))
    assert git(here.root, "rev-parse", "HEAD") == base
    check_whole(here.root)


@pytest.mark.parametrize("again", [False, True])
def test_what_an_undo_goes_back_to_is_compared_beside_saves(
    here: Desk, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    here.teammate_at("alice", {"x": b"1"})
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    here.do(back(here.live, here.terminal))
    if again:
        here.do(undo(here.live))
    gate = Gate(here.owner)
    monkeypatch.setattr("bough_daemon.commands.undo.walk_back_ahead", gate.before(walk_back_ahead))
    typed(here, gate, lambda here: redo(here.live) if again else undo(here.live))
    assert (here.root / "x").exists() == (not again)
