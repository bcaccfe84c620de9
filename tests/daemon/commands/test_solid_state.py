"""The state of a branch that its member marked as solid."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from bough_daemon.commands import merge_source
from bough_daemon.commands.merge_source import solid_state
from bough_daemon.errors import NothingSolid
from bough_daemon.together import together as together_module
from bough_daemon.together.folder import Other
from bough_daemon.together.folding import Folding, SolidSearch
from bough_daemon.together.together import Together
from bough_daemon.transaction.context import LiveBranch, LiveWorktree

from tests.daemon.together.company_support import SeatedMember, company


def marked(member: SeatedMember, tip: str) -> LiveWorktree:
    """Return a member's working tree where everyone's last mark names a snapshot."""
    return replace(member.live, solid=lambda name: tip)


def known(member: SeatedMember, name: str) -> LiveBranch:
    found = member.teammate(name)
    assert found is not None
    return found


def test_it_is_what_the_mark_names_however_much_came_since(tmp_path: Path) -> None:
    with company(tmp_path, "alice", "bob") as made:
        alice, bob = made.members.values()
        tips = [alice.tip]
        for number in range(3):
            alice.add("a.txt", b"alice %d" % number, 0)
            alice.save()
            tips.append(alice.tip)
        made.deliver(bob, alice)
        for tip in tips:
            assert solid_state(marked(bob, tip), known(bob, "alice")).tip == tip
        with pytest.raises(NothingSolid, match="has not marked"):
            solid_state(bob.live, known(bob, "alice"))


def test_a_mark_that_names_what_is_not_of_that_branch_brings_nothing_to_light(tmp_path: Path) -> None:
    with company(tmp_path, "alice", "bob") as made:
        alice, bob = made.members.values()
        (bob.root / ".env").write_bytes(b"TOKEN=1\n")
        private = bob.save()
        made.deliver(bob, alice)
        assert private.oid != private.shared, "the secret is withheld"
        for tip in (private.oid, private.shared, "0" * 40, alice.branch.tip.base if alice.branch.tip else "", "HEAD"):
            with pytest.raises(NothingSolid, match=r"is not (here|among the newest)"):
                solid_state(marked(bob, tip), known(bob, "alice"))


def test_a_mark_further_back_than_is_searched_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_source, "MOST_SEARCHED", 2)
    with company(tmp_path, "alice", "bob") as made:
        alice, bob = made.members.values()
        tip = alice.tip
        for number in range(3):
            alice.add("a.txt", b"alice %d" % number, 0)
            alice.save()
        made.deliver(bob, alice)
        with pytest.raises(NothingSolid, match="is not among the newest 2 of alice's branch"):
            solid_state(marked(bob, tip), known(bob, "alice"))
        searched = alice.tip
        alice.add("a.txt", b"newer", 0)
        alice.save()
        made.deliver(bob, alice)
        assert solid_state(marked(bob, alice.tip), known(bob, "alice"), searched).tip == alice.tip
        monkeypatch.setattr(merge_source, "MOST_SEARCHED", 20)
        with pytest.raises(NothingSolid):
            solid_state(marked(bob, tip), known(bob, "alice"), searched)


def test_the_state_of_a_mark_is_searched_once_however_often_its_member_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def search(live: LiveWorktree, theirs: LiveBranch, searched: str) -> LiveBranch:
        asked.append(theirs.tip)
        return solid_state(live, theirs, searched)

    monkeypatch.setattr(together_module, "solid_state", search)
    with company(tmp_path, "alice", "bob") as made:
        alice, bob = made.members.values()
        first, there = alice.tip, Together.__new__(Together)
        there._owner, there._store = made.owner, made.store
        folding = SimpleNamespace(folder=SimpleNamespace(live=marked(bob, first)), solid=SolidSearch())

        def look() -> str | None:
            return asyncio.run(there._solid_tip(cast(Folding, folding), Other("alice", alice.tip, "followed", True)))

        for number in range(3):
            alice.add("a.txt", b"alice %d" % number, 0)
            alice.save()
            assert look() == first
        assert len(asked) == 1
        folding.folder.live = marked(bob, "1" * 40)
        assert look() is None and folding.solid.why == "the state that alice marked as solid is not here"
        folding.folder.live = marked(bob, alice.tip)
        assert look() == alice.tip and len(asked) == 3
