"""Steps that the tests of hopping share."""

from __future__ import annotations

from bough_daemon.commands.hop import back, hop
from bough_daemon.commands.undo import undo

from tests.daemon.moves_support import Desk, everything, merge_both


def enter(here: Desk, name: str = "alice") -> None:
    here.do(hop(here.live, here.terminal, name, merge_both))


def leave(here: Desk) -> str | None:
    return here.do(back(here.live, here.terminal)).commits


def assert_back_and_undo_lead_home(here: Desk) -> None:
    before = everything(here.root)
    enter(here)
    leave(here)
    assert everything(here.root) == before
    enter(here)
    here.do(undo(here.live))
    assert everything(here.root) == before
