"""What leaves: nothing that is a secret by its name or content, that was ignored, or that is in a commit of those."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_daemon.sync.messages import Announce

from tests.attack.mallory import Mallory, invited, unpacked
from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join
from tests.daemon.secrets_made import CONTENTS, NAMES
from tests.daemon.support import git, write_files

Pair = tuple[Member, Member]
RULES = b"private/\n*.dump\n"


@pytest.fixture
def pair(members: Callable[..., Member]) -> Pair:
    """Two members of one team, both live, whose repository has an ignore file."""
    alice = members("alice", {"a.txt": b"one\ntwo\nthree\n", ".gitignore": RULES})
    bob = members("bob")
    git(bob.tree, "remote", "remove", "origin")  # neither has pushed anything
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    bob.bough("save", "--wait", "alice")
    return alice, bob


def has(member: Member, *oids: str) -> set[str]:
    """Return which objects are anywhere in a member's repository or store."""
    found = set[str]()
    for folder in (member.tree, member.tree / ".git/bough/store.git"):
        asked = git(folder, "cat-file", "--batch-check", stdin="".join(f"{oid}\n" for oid in oids).encode())
        found |= {line.split(" ")[0] for line in asked.splitlines() if not line.endswith("missing")}
    return found


def withheld(member: Member) -> dict[str, str]:
    return {one["path"]: one["reason"] for one in member.told("status")["withheld"]}


def blobs(member: Member, *paths: str) -> list[str]:
    return git(member.tree, "hash-object", "--no-filters", "--", *paths).split()


def shared(member: Member, name: str) -> set[str]:
    """Return the paths that a member sees on a teammate's branch."""
    return set(member.bough("git", "ls-tree", "-r", "-z", "--name-only", name).strip("\0").split("\0"))


def test_no_planted_secret_leaves_whether_saved_or_committed(pair: Pair) -> None:
    alice, bob = pair
    planted = {name: f"{name} is secret\n".encode() for name in NAMES}
    planted |= {f"plain/{name}": text.encode() for name, text in CONTENTS.items()}
    assert len(planted) > 80
    write_files(alice.tree, {**planted, "plain/readme.md": b"hello\n", "plain/code.py": b"x = 1\n"})
    alice.bough("save", "--wait", "bob")
    fine = blobs(alice, "plain/readme.md", "plain/code.py")
    assert has(bob, *fine) == set(fine), "the rest goes"
    assert has(bob, *blobs(alice, *planted)) == set()
    told = withheld(alice)
    assert planted.keys() <= told.keys() and not {"plain/readme.md", "plain/code.py"} & told.keys()
    assert told["plain/pay.py"] == "it contains a Stripe key" and told["id_rsa"] == "named like a secret"
    alice.git("add", "-Af")
    alice.git("commit", "-qm", "all of it")
    (alice.tree / "plain/code.py").write_bytes(b"x = 2\n")
    alice.bough("save", "--wait", "bob")
    assert has(bob, *blobs(alice, "plain/code.py"))
    assert has(bob, *blobs(alice, *planted), alice.git("rev-parse", "HEAD")) == set()
    assert "your commit" in withheld(alice)["id_rsa"]


def test_a_secret_in_a_file_that_is_shared_keeps_its_last_content_at_the_team(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"config.py": b"debug = True\n"})
    alice.bough("save", "--wait", "bob")
    alice.git("add", "config.py")
    alice.git("commit", "-qm", "config")
    (alice.tree / "config.py").write_text("debug = True\n" + CONTENTS["pay.py"])
    alice.bough("save", "--wait", "bob")
    assert bob.bough("git", "show", "alice:config.py") == "debug = True"
    (alice.tree / "config.py").write_text("debug = False\n")
    alice.bough("save", "--wait", "bob")
    assert bob.bough("git", "show", "alice:config.py") == "debug = False"
    assert withheld(alice) == {}


def test_committed_secrets_stay_home_until_pushed_and_merges_are_right_meanwhile(pair: Pair, tmp_path: Path) -> None:
    alice, bob = pair
    write_files(alice.tree, {"server.key": b"k\n", "feature.py": b"f = 1\n"})
    alice.git("add", "-Af")
    alice.git("commit", "-qm", "a feature, and a key")
    (alice.tree / "a.txt").write_bytes(b"one\ntwo\nthree\nfour\n")
    alice.bough("save", "--wait", "bob")
    bad, key = alice.git("rev-parse", "HEAD"), blobs(alice, "server.key")[0]
    (bob.tree / "b.txt").write_bytes(b"mine\n")
    bob.bough("merge", "alice")
    assert (bob.tree / "feature.py").exists() and (bob.tree / "a.txt").read_bytes().endswith(b"four\n")
    bob.bough("save", "--wait", "alice")
    alice.bough("merge", "bob")
    assert (alice.tree / "server.key").read_bytes() == b"k\n" and (alice.tree / "b.txt").exists()
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    assert not (bob.tree / "server.key").exists() and (bob.tree / "feature.py").exists()
    bob.bough("back")
    assert has(bob, bad, key) == set()
    git(tmp_path, "init", "-q", "--bare", "remote.git")
    alice.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    alice.git("push", "-q", "origin", "main")
    until(lambda: has(bob, bad, key) == {bad, key})
    assert withheld(alice) == {}
    bob.bough("merge", "alice")
    assert (bob.tree / "server.key").read_bytes() == b"k\n"


def test_an_amended_commit_goes_and_the_old_one_never_does(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"prod.env": b"k\n", "f.py": b"f\n"})
    alice.git("add", "-Af")
    alice.git("commit", "-qm", "oh no")
    bad, key = alice.git("rev-parse", "HEAD"), blobs(alice, "prod.env")[0]
    alice.bough("save", "--wait", "bob")
    alice.git("rm", "-q", "--cached", "prod.env")
    alice.git("commit", "-q", "--amend", "-m", "better")
    alice.bough("save", "--wait", "bob")
    assert has(bob, alice.git("rev-parse", "HEAD")) and has(bob, bad, key) == set()
    assert withheld(alice) == {"prod.env": "named like a secret"}


def test_land_without_a_remote_does_not_bring_a_secret_along(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"server.key": b"k\n", "f.py": b"f\n"})
    alice.git("add", "-Af")
    alice.git("commit", "-qm", "a key")
    (alice.tree / "g.py").write_bytes(b"g\n")
    refused = alice.types("land", "-m", "work")
    assert refused.code == 1 and "server.key" in refused.err and "bough allow server.key" in refused.err
    alice.git("rm", "-q", "--cached", "server.key")
    alice.git("commit", "-q", "--amend", "--no-edit")
    alice.bough("land", "-m", "work")
    alice.bough("save", "--wait", "bob")
    assert has(bob, *blobs(alice, "server.key", "g.py")) == set(blobs(alice, "g.py"))


def test_a_hostile_member_cannot_ask_for_a_commit_that_stays_home(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")

    async def scene(mallory: Mallory) -> None:
        write_files(alice.tree, {"id_rsa": b"k\n", "work.py": b"w\n"})
        alice.git("add", "-Af")
        alice.git("commit", "-qm", "a key")
        saved = await asyncio.to_thread(alice.told, "save")
        async with mallory.calls("alice") as talk:
            told = await talk.hears(Announce, which=lambda word: word.state.tip == saved["shared_tip"])
            assert told.state.base != alice.git("rev-parse", "HEAD")
            pack = await talk.ask(told.state.key, told.state.sequence)
            assert isinstance(pack, bytes)
            got = set(unpacked(mallory.root, pack))
            assert blobs(alice, "work.py")[0] in got
            assert not got & {alice.git("rev-parse", "HEAD"), *blobs(alice, "id_rsa")}

    asyncio.run(scene(asyncio.run(invited(alice, tmp_path))))


@pytest.mark.parametrize("command", ["hop", "merge"])
def test_what_was_ignored_stays_when_a_teammate_weakened_the_rules(pair: Pair, command: str) -> None:
    alice, bob = pair
    write_files(alice.tree, {"private/x.csv": b"mine\n", "private/ü/y": b"mine, too\n", "db.dump": b"d\n"})
    secret = blobs(alice, "private/x.csv", "private/ü/y", "db.dump")
    (bob.tree / ".gitignore").write_bytes(b"")
    bob.bough("save", "--wait", "alice")
    alice.bough(command, "bob")
    assert (alice.tree / ".gitignore").read_bytes() == b""
    write_files(alice.tree, {"private/later.csv": b"later\n", "fine.txt": b"fine\n"})
    alice.bough("save", "--wait", "bob")
    assert "fine.txt" in shared(bob, "alice")
    told = withheld(alice)
    assert told.keys() == {"private", "db.dump"} and f"`bough {command} bob` weakened" in told["private"]
    assert told["private"].startswith("3 files")
    alice.ends()
    alice.bough("up")
    (alice.tree / "fine.txt").write_bytes(b"finer\n")
    alice.bough("save", "--wait", "bob")
    assert withheld(alice).keys() == {"private", "db.dump"}
    assert has(bob, *secret, *blobs(alice, "private/later.csv")) == set()
    alice.bough("allow", "private/x.csv")
    alice.bough("save", "--wait", "bob")
    until(lambda: "private/x.csv" in shared(bob, "alice"))
    assert has(bob, *secret) == {secret[0]}
    alice.bough("back" if command == "hop" else "undo")
    alice.bough("save", "--wait", "bob")
    assert withheld(alice) == {}


def test_bough_allow_lets_a_path_go_and_takes_it_back(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"tests/data/key.pem": b"of a test\n", ".env": b"k\n"})
    alice.bough("save", "--wait", "bob")
    assert alice.bough("allow") == "No withheld path is allowed"
    inside = alice.types("allow", "data", where=alice.tree / "tests")
    assert (inside.code, inside.out.strip()) == (0, "tests/data can now be shared")
    alice.bough("save", "--wait", "bob")
    assert "tests/data/key.pem" in shared(bob, "alice") and withheld(alice).keys() == {".env"}
    alice.ends()
    assert alice.told("allow")["allowed"] == ["tests/data"]
    alice.git("add", "-f", "tests/data/key.pem")
    alice.git("commit", "-qm", "a test")
    alice.bough("save", "--wait", "bob")
    assert has(bob, alice.git("rev-parse", "HEAD")), "a commit of it is held back by nothing"
    assert alice.bough("allow", "--stop", "tests/data") == "tests/data is withheld again"
    (alice.tree / "tests/data/key.pem").write_bytes(b"another\n")
    alice.bough("save", "--wait", "bob")
    assert not has(bob, *blobs(alice, "tests/data/key.pem"))
    assert alice.types("allow", ".").code == 2 and alice.types("allow", "../x").code == 2
    assert "allowed.json" not in os.fsdecode(alice.git("status", "--porcelain", "--ignored").encode())
