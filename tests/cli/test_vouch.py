"""A member who lost their key is back under their name once two teammates have vouched for a new one."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.cli.conftest import Member, until
from tests.daemon.support import git

Members = Callable[[str], Member]
LISTEN = ("--listen", "127.0.0.1:0")


def members_of(member: Member) -> dict[str, str]:
    """Return the fingerprint of each who is in the team, for a member."""
    told = map(json.loads, member.bough("team", "--json").splitlines())
    return {one["name"]: one["fingerprint"] for one in told if not one.get("removed_by")}


def is_back(member: Member, fingerprint: str) -> bool:
    """Return whether alice is in the team with a key, and nobody under the other name, for a member."""
    known = members_of(member)
    return known.keys() == {"alice", "bob", "carol"} and known["alice"] == fingerprint


def test_two_teammates_vouch_for_a_new_key_and_the_lost_one_is_refused(members: Members, tmp_path: Path) -> None:
    alice, bob, carol = (members(name) for name in ("alice", "bob", "carol"))
    alice.bough("up")
    ticket = str(alice.told("invite", *LISTEN, "--uses", "9")["ticket"])
    for one in (bob, carol):
        one.bough("join", ticket, *LISTEN)
    (alice.tree / "work.txt").write_text("before the key was lost\n")
    alice.bough("save", "--wait", "bob", "carol")
    old = str(alice.told("status")["shared_tip"])
    alice.ends()
    rejoined = Member("alice-2", tmp_path / "new clone", tmp_path / "new home")
    git(tmp_path, "clone", "-q", str(bob.tree), str(rejoined.tree))
    try:
        rejoined.git("config", "user.name", "Alice")
        rejoined.bough("join", str(bob.told("invite", *LISTEN)["ticket"]), "--as", "alice-2", *LISTEN)
        until(lambda: "before the key was lost" in rejoined.types("git", "show", "alice:work.txt").out)
        until(lambda: "alice-2" in members_of(carol))
        said = bob.bough("vouch", "alice-2", "--as", "alice", "--yes")
        assert "You vouched that alice-2 is alice" in said and "alice-2" in members_of(bob)
        again = bob.types("vouch", "alice-2", "--as", "alice", "--yes")
        assert again.code == 1 and "you vouched for a new key of alice already" in again.err
        until(lambda: "bob says that alice-2" in carol.bough("status"))
        assert "alice-2 is alice now: bob and carol vouched" in carol.bough(
            "vouch", "alice-2", "--as", "alice", "--yes"
        )
        mine = rejoined.bough("key", "show").strip()
        for one in (bob, carol, rejoined):
            until(partial(is_back, one, mine))
        until(lambda: rejoined.told("status")["member"] == "alice")
        (rejoined.tree / "more.txt").write_text("with the new key\n")
        rejoined.bough("save", "--wait", "bob", "carol")
        assert "with the new key" in bob.bough("git", "show", "alice:more.txt")
        # What the old key signed is kept, and the old machine is told that it is out.
        assert git(bob.tree / ".git/bough/store.git", "for-each-ref", f"--contains={old}", "--format=%(refname)")
        alice.bough("up")
        until(lambda: "carol removed you from the team" in alice.bough("status"))
        (alice.tree / "work.txt").write_text("by a thief\n")
        alice.bough("save")
        assert "by a thief" not in bob.types("git", "show", "alice:work.txt").out and is_back(bob, mine)
    finally:
        rejoined.ends()
