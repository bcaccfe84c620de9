"""The state of a branch that its member marked as solid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bough_daemon.commands.merge_source import solid_state
from bough_daemon.errors import NothingSolid
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
            with pytest.raises(NothingSolid, match="is not here"):
                solid_state(marked(bob, tip), known(bob, "alice"))
