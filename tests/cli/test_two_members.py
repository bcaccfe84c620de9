"""What two members see who are live on one repository."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Member, until
from tests.daemon.support import git, make_repository, write_files

Pair = tuple[Member, Member]


def join(host: Member, guest: Member, *options: str) -> None:
    """Let `guest` join the team of `host`."""
    ticket = host.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
    guest.bough("join", "-", *options, stdin=ticket)


@pytest.fixture
def pair(members: Callable[[str], Member]) -> Pair:
    """Two members of one team, both live."""
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    return alice, bob


def teammate(member: Member, name: str) -> dict[str, Any]:
    """Return what a member's status says of a teammate."""
    return next(one for one in member.told("status")["teammates"] if one["name"] == name)


def check_without_bough(member: Member) -> None:
    """Check that Git misses nothing without Bough's folder."""
    kept, away = member.tree / ".git/bough", member.tree / ".git/away"
    with member.stopped():  # or it may put something into the folder that is not there
        kept.rename(away)
        assert git(member.tree, "fsck", "--no-dangling") == ""
        away.rename(kept)


def state_of(member: Member) -> dict[str, Any]:
    """Return everything of the user's that a command might change: files, index, HEAD, references."""
    files = {}
    for folder, folders, names in os.walk(member.tree):
        if ".git" in folders:
            folders.remove(".git")
        for name in names:
            path = Path(folder) / name
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            files[str(path.relative_to(member.tree))] = (path.lstat().st_mode, data)
    index = (member.tree / ".git/index").read_bytes()
    return {
        "files": files,
        "index": index,
        "head": (member.tree / ".git/HEAD").read_text(),
        "refs": member.git("for-each-ref"),
    }


def test_a_save_is_at_the_teammate_with_the_same_blobs(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"n/ew": b"new", "a.txt": b"changed"})
    saved = alice.told("save", "--wait", "bob")
    assert saved["holders"] == ["bob"]
    seen = teammate(bob, "alice")
    assert (seen["tip"], seen["tree"], seen["connected"]) == (saved["tip"], saved["tree"], True)
    assert seen["files"] == ["a.txt", "n/ew"]
    assert bob.bough("git", "ls-tree", "-r", "alice") == alice.bough("git", "ls-tree", "-r", "alice")
    titles = bob.bough("git", "log", "--format=%s", "main..alice")  # one snapshot or two, as the machine is busy
    assert "a.txt" in titles and "n/ew" in titles
    (bob.tree / "b").write_bytes(b"his")
    assert bob.told("save", "--wait", "alice")["tip"] == teammate(alice, "bob")["tip"]


def test_secrets_do_not_leave(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {".env": b"KEY=1", "ok": b"1"})
    saved = alice.told("save", "--wait", "bob")
    assert alice.told("status")["withheld"] == [{"path": ".env", "reason": "named like a secret"}]
    assert teammate(bob, "alice")["tip"] == saved["shared_tip"] != saved["tip"]
    assert ".env" not in bob.bough("git", "ls-tree", "-r", "--name-only", "alice").splitlines()
    blob = alice.git("hash-object", ".env")
    assert bob.types("git", "cat-file", "-e", blob).code != 0


def commit_what_fsck_refuses(member: Member) -> str:
    """Put a commit on the branch that has a file named `git~1`, and return the commit before it."""
    before = member.git("rev-parse", "HEAD")
    blob = member.git("hash-object", "-w", "a.txt")
    inner = git(member.tree, "mktree", stdin=f"100644 blob {blob}\tgit~1\n".encode())
    listed = f"100644 blob {blob}\ta.txt\n040000 tree {inner}\tsrc\n"
    tree = git(member.tree, "mktree", stdin=listed.encode())
    member.git("update-ref", "HEAD", member.git("commit-tree", tree, "-p", "HEAD", "-m", "imported long ago"))
    return before


def test_a_refusal_is_told_at_once_and_shown_until_it_is_over(pair: Pair) -> None:
    alice, bob = pair
    before = commit_what_fsck_refuses(alice)
    began = time.monotonic()
    typed = alice.types("save", "--wait", "bob")
    assert time.monotonic() - began < 20, "not at the end of the patience"
    assert typed.code == 1 and "Error: bob refused it: " in typed.err and "hasDotgit" in typed.err, typed
    assert "hasDotgit" in teammate(alice, "bob")["refused"]
    until(lambda: "it is in src of your commit " in teammate(alice, "bob")["refused"])
    assert "hasDotgit" in teammate(bob, "alice")["not_taken"]
    assert "bob refused your latest snapshot: " in alice.bough("status")
    checks = {check["name"]: check for check in map(json.loads, alice.types("doctor", "--json").out.splitlines())}
    assert not checks["bob"]["well"] and "hasDotgit" in checks["bob"]["found"] and checks["bob"]["remedy"]
    alice.git("reset", "-q", "--soft", before)
    alice.bough("save", "--wait", "bob")
    assert teammate(alice, "bob")["refused"] == teammate(bob, "alice")["not_taken"] == ""


def test_who_merged_what_a_third_refuses_is_heard_by_the_third(pair: Pair, members: Callable[[str], Member]) -> None:
    alice, bob = pair
    carol = members("carol")
    join(alice, carol)
    before = commit_what_fsck_refuses(alice)
    assert alice.types("save", "--wait", "bob").code == 1
    bob.git("fetch", "-q", str(alice.tree), "main:refs/remotes/alice/main")
    bob.git("update-ref", "HEAD", "refs/remotes/alice/main")
    bob.bough("save")
    alice.bough("save", "--wait", "bob")  # it is offered again, and bob works on the commit that he refused by now
    bob.git("reset", "-q", "--soft", before)
    bob.bough("save")
    alice.git("rm", "-q", "-r", "--cached", "src")
    alice.git("commit", "-qm", "without it")
    (alice.tree / "a.txt").write_bytes(b"alice\n")
    alice.bough("save", "--wait", "bob")
    bob.bough("merge", "alice", "--yes")
    (bob.tree / "his.txt").write_bytes(b"bob\n")
    bob.types("save", "--wait", "carol")
    until(lambda: teammate(bob, "carol")["refused"] == "")
    until(lambda: "his.txt" in teammate(carol, "bob")["files"])
    assert carol.bough("git", "show", "bob:a.txt") == "alice"


def test_what_no_git_takes_is_withheld_and_everything_else_goes_on(pair: Pair) -> None:
    alice, bob = pair
    hostile = b'[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n'
    write_files(alice.tree, {"git~1": b"x\n", ".gitmodules": hostile, "a.txt": b"with them\n"})
    alice.bough("save", "--wait", "bob")
    assert bob.bough("git", "show", "alice:a.txt") == "with them"
    assert bob.bough("git", "ls-tree", "-r", "--name-only", "alice").splitlines() == ["a.txt", "src/b.py"]
    reasons = {one["path"]: one["reason"] for one in alice.told("status")["withheld"]}
    assert reasons.keys() == {"git~1", ".gitmodules"} and "gitmodulesUrl" in reasons[".gitmodules"], reasons
    for name in reasons:
        (alice.tree / name).unlink()
    (alice.tree / "a.txt").write_bytes(b"without them\n")
    alice.bough("save", "--wait", "bob")
    assert bob.bough("git", "show", "alice:a.txt") == "without them" and alice.told("status")["withheld"] == []


def test_after_a_restart_it_is_known_who_holds_what(pair: Pair) -> None:
    alice, _ = pair
    write_files(alice.tree, {"a.txt": b"held\n"})
    tip = alice.told("save", "--wait", "bob")["tip"]
    alice.bough("down", "--all")
    alice.bough("up")
    assert alice.told("save", "--wait", "bob")["tip"] == tip


def test_one_who_was_away_catches_up(pair: Pair) -> None:
    alice, bob = pair
    bob.bough("down", "--all")
    (alice.tree / "a.txt").write_bytes(b"while bob was away")
    saved = alice.told("save")
    until(lambda: teammate(bob, "alice")["tip"] == saved["tip"])
    alice.is_killed()
    (alice.tree / "a.txt").write_bytes(b"after a kill")
    again = alice.told("save")
    until(lambda: teammate(bob, "alice")["tip"] == again["tip"])


def test_hop_and_back_restore_every_byte(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"src/b.py": b"hers\n", "hers.txt": b"1", "ignored-here": b"hers"})
    alice.bough("save", "--wait", "bob")
    write_files(
        bob.tree,
        {
            ".git/info/exclude": b"ignored-here\n*.log\n",
            "ignored-here": b"mine, ignored",
            "x.log": b"log",
            "staged.txt": b"staged\n",
            "a.txt": b"staged and\n",
        },
    )
    bob.git("add", "staged.txt", "a.txt")
    write_files(bob.tree, {"a.txt": b"staged and edited\n", "untracked": b"u"})
    (bob.tree / "staged.txt").chmod(0o755)
    bob.git("status")
    before = state_of(bob)
    bob.bough("hop", "alice")
    assert (bob.tree / "src/b.py").read_bytes() == b"hers\n" and (bob.tree / "ignored-here").read_bytes() == b"hers"
    assert bob.git("diff", "src") == alice.git("diff", "src")
    assert bob.told("status")["hopped_to"] == "alice"
    write_files(bob.tree, {"src/b.py": b"bob was here\n", "fresh": b"f"})
    bob.git("commit", "-qam", "made there")
    made = bob.git("rev-parse", "HEAD")
    said = bob.told("back")
    after = state_of(bob)
    assert bob.git("rev-parse", said["commits"]) == made
    assert {**after, "refs": ""} == {**before, "refs": ""}
    assert "bob was here" in bob.bough("git", "log", "--all", "-p", "-S", "bob was here")
    check_without_bough(bob)


def test_undo_takes_back_hop_merge_and_restore(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"a.txt": b"hers\n"})
    alice.bough("save", "--wait", "bob")
    write_files(bob.tree, {"src/b.py": b"mine\n"})
    bob.git("status")
    before = state_of(bob)
    first = json.loads(bob.bough("log", "--json", "-n", "100").splitlines()[-1])["tip"]
    for words in (["hop", "alice"], ["merge", "alice"], ["restore", "--all", "--from", first]):
        bob.bough(*words)
        assert state_of(bob) != before, words
        bob.bough("undo")
        assert state_of(bob) == before, words
    typed = bob.types("undo")
    assert typed.code == 1 and "Error: " in typed.err


def test_what_a_command_made_is_at_the_teammate_without_a_further_save(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"a.txt": b"hers\n"})
    alice.bough("save", "--wait", "bob")
    first = json.loads(bob.bough("log", "--json", "-n", "100").splitlines()[-1])["tip"]
    for words in (["hop", "alice"], ["back"], ["merge", "alice"], ["restore", "--all", "--from", first], ["undo"]):
        bob.bough(*words)
        tip = json.loads(bob.bough("log", "--json", "-n", "1"))["tip"]
        until(lambda: teammate(alice, "bob")["tip"] == tip)


def test_off_makes_a_branch_of_where_i_am(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"a.txt": b"hers\n"})
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    bob.bough("off", "mine-now")
    assert bob.git("symbolic-ref", "HEAD") == "refs/heads/mine-now"
    assert bob.git("status", "--porcelain") == "M a.txt"
    assert bob.told("status")["hopped_to"] == ""


def test_merge_brings_both_and_leaves_conflicts_for_git_mergetool(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"a.txt": b"ONE\ntwo\nthree\n", "src/b.py": b"def b():\n    return 'alice'\n"})
    alice.bough("save", "--wait", "bob")
    write_files(bob.tree, {"a.txt": b"one\ntwo\nTHREE\n", "src/b.py": b"def b():\n    return 'bob'\n", "kept": b"k"})
    bob.git("add", "kept")
    preview = bob.types("merge", "alice", "--preview", "--json")
    assert preview.code == 0 and json.loads(preview.out)["result"] == "conflict"
    assert (bob.tree / "a.txt").read_bytes() == b"one\ntwo\nTHREE\n"
    typed = bob.types("merge", "alice", "--json")
    assert typed.code == 3
    assert (bob.tree / "a.txt").read_bytes() == b"ONE\ntwo\nTHREE\n"
    assert b"<<<<<<< " in (bob.tree / "src/b.py").read_bytes() and b"||||||| " in (bob.tree / "src/b.py").read_bytes()
    assert bob.git("ls-files", "-u", "--format=%(stage) %(path)").splitlines() == [
        "1 src/b.py",
        "2 src/b.py",
        "3 src/b.py",
    ]
    assert set(bob.git("status", "--porcelain").splitlines()) == {"M a.txt", "A  kept", "UU src/b.py"}
    check_without_bough(bob)
    (bob.tree / "src/b.py").write_bytes(b"def b():\n    return 'both'\n")
    bob.git("add", "src/b.py")
    write_files(alice.tree, {"src/b.py": b"def b():\n    return 'alice'\n\n\ndef c(): ...\n"})
    alice.bough("save", "--wait", "bob")
    assert bob.told("merge", "alice")["result"] == "clean"
    assert b"both" in (bob.tree / "src/b.py").read_bytes() and b"def c()" in (bob.tree / "src/b.py").read_bytes()


def remote_for(*who: Member) -> Path:
    """Make a bare remote that both push to."""
    remote = who[0].tree.parent / "remote.git"
    git(who[0].tree.parent, "clone", "-q", "--bare", str(who[0].tree), str(remote))
    for member in who:
        if "origin" in member.git("remote"):
            member.git("remote", "remove", "origin")
        member.git("remote", "add", "origin", str(remote))
        member.git("fetch", "-q", "origin")
        member.git("branch", "-q", "--set-upstream-to=origin/main", "main")
    return remote


def test_land_publishes_one_commit_with_everyone_in_it(pair: Pair) -> None:
    alice, bob = pair
    remote = remote_for(alice, bob)
    write_files(alice.tree, {"a.txt": b"ONE\ntwo\nthree\n"})
    alice.bough("save", "--wait", "bob")
    write_files(bob.tree, {"a.txt": b"one\ntwo\nTHREE\n", "new.txt": b"n", ".env": b"SECRET"})
    bob.git("commit", "-qam", "bob's own")
    own = bob.git("rev-parse", "HEAD")
    bob.bough("merge", "alice")
    landed = bob.told("land", "-m", "both of us")
    assert git(remote, "rev-parse", "main") == landed["commit"] == bob.git("rev-parse", "HEAD")
    message = git(remote, "log", "-1", "--format=%an|%B", "main")
    assert message.startswith("Bob|both of us") and "Co-authored-by: Alice <alice@example.org>" in message
    assert git(remote, "ls-tree", "-r", "--name-only", "main").splitlines() == ["a.txt", "new.txt", "src/b.py"]
    assert bob.git("status", "--porcelain") == "?? .env"
    assert bob.git("rev-parse", landed["kept"]) == own
    check_without_bough(bob)
    alice.bough("land", "-m", "mine")
    assert alice.git("status", "--porcelain") == "" and alice.git("rev-parse", "HEAD") == git(
        remote, "rev-parse", "main"
    )
    assert alice.types("land", "-m", "again").code == 1


def test_a_refused_push_and_a_failing_hook_change_nothing(pair: Pair) -> None:
    alice, _ = pair
    remote = remote_for(alice)
    write_files(alice.tree, {"a.txt": b"new\n"})
    for place, code in ((remote / "hooks/pre-receive", 1), (alice.tree / ".git/hooks/pre-commit", 1)):
        place.parent.mkdir(exist_ok=True)
        place.write_text("#!/bin/sh\necho no, says the hook >&2\nexit 1\n")
        place.chmod(0o755)
        before = state_of(alice)
        typed = alice.types("land", "-m", "x")
        assert typed.code == code and "no, says the hook" in typed.err, typed
        assert state_of(alice) == before
        place.unlink()
    assert alice.types("land", "-m", "x").code == 0


def test_without_a_remote_landed_work_reaches_the_team(pair: Pair) -> None:
    alice, bob = pair
    bob.git("remote", "remove", "origin")
    write_files(alice.tree, {"a.txt": b"landed by alice\n"})
    landed = alice.told("land", "-m", "alice's")
    assert landed["remote"] is None and alice.git("rev-parse", "main") == landed["commit"]
    until(lambda: [one["commit"] for one in bob.told("status")["landed"]] == [landed["commit"]])
    write_files(bob.tree, {"b.txt": b"landed by bob\n"})
    his = bob.told("land", "-m", "bob's")
    assert bob.git("rev-parse", f"{his['commit']}^") == landed["commit"]
    assert (bob.tree / "a.txt").read_bytes() == b"landed by alice\n"


def test_complete_answers_from_the_repository(pair: Pair) -> None:
    alice, _ = pair
    write_files(
        alice.tree,
        {"c.py": b"import os\n\nfor name in os.listdir(folder):\n    print(name)\n" * 3 + b"for name in os.l"},
    )
    alice.bough("save")
    said = alice.told("complete", "c.py:13:17")
    assert said["engine"] == "repository engine, no model"
    assert said["continuations"][0]["text"].startswith("istdir(folder):")
    assert alice.types("complete", "c.py:99:1").code == 2
    assert alice.types("complete", "c.py").code == 2
    assert alice.types("complete", "nowhere.py:1:1").code == 1


def test_a_ticket_works_once_and_whole(pair: Pair, members: Callable[[str], Member], tmp_path: Path) -> None:
    alice, _ = pair
    carol = members("carol")
    ticket = alice.bough("invite").splitlines()[-1]
    for bad in (ticket[:-5], ticket.swapcase(), "", "x" * 200):
        typed = carol.types("join", "-", stdin=bad)
        assert typed.code == 1 and "Error: " in typed.err and "Hint: " in typed.err, typed
    assert not (carol.home / "live.json").exists() or json.loads((carol.home / "live.json").read_text()) == []
    carol.bough("join", ticket)
    dave = members("dave")
    typed = dave.types("join", ticket)
    assert typed.code == 1 and "Error: " in typed.err, typed
    again = alice.bough("invite").splitlines()[-1]
    typed = dave.types("join", again, "--as", "carol")
    assert typed.code == 1 and "carol" in typed.err, typed
    stranger = Member("eve", make_repository(tmp_path / "other", {"x": b"unrelated"}), tmp_path / "home-eve")
    try:
        typed = stranger.types("join", again)
        assert typed.code == 1 and "share no commit" in typed.err, typed
        dave.bough("join", again)
    finally:
        stranger.types("down", "--all")
    until(lambda: {one["name"] for one in dave.told("status")["teammates"] if one["tip"]} == {"alice", "bob", "carol"})


def test_words_that_are_off_get_one_clear_error(pair: Pair) -> None:
    alice, _ = pair
    for words, code in (
        (["hop", "nobody"], 1),
        (["hop", "alice"], 1),
        (["hop"], 2),
        (["back"], 1),
        (["off", "x"], 1),
        (["merge", "nobody"], 1),
        (["log", "nobody"], 1),
        (["restore"], 2),
        (["restore", "nowhere"], 1),
        (["restore", "a.txt", "--from", "ffffffff"], 1),
        (["land", "-m", " "], 2),
        (["invite", "--listen", "nonsense:port"], 2),
        (["save", "--wait", "nobody"], 1),
    ):
        typed = alice.types(*words)
        assert typed.code == code and typed.err.count("Error: ") == 1 and "Traceback" not in typed.err, (words, typed)


def test_a_taken_port_is_named(pair: Pair) -> None:
    alice, _ = pair
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        typed = alice.types("invite", "--listen", f"127.0.0.1:{port}")
    assert typed.code == 1 and str(port) in typed.err, typed


def test_watch_tells_of_saves_here_and_there(pair: Pair) -> None:
    alice, bob = pair
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "bough_cli", "watch", "--json"],
        cwd=bob.tree,
        env=dict(os.environ) | {"BOUGH_HOME": str(bob.home)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        child.stdout.readline()
        (alice.tree / "a.txt").write_bytes(b"seen")
        event = json.loads(child.stdout.readline())
        assert event["member"] == "alice" and set(event) == {"at", "event", "member", "tip", "tree", "about"}
        (bob.tree / "a.txt").write_bytes(b"own")
        while json.loads(child.stdout.readline())["member"] != "bob":
            pass
    finally:
        child.terminate()
        child.wait()
        child.stdout.close()


@pytest.mark.parametrize("count", [1, 30])
def test_the_command_that_back_names_brings_the_edits(pair: Pair, count: int) -> None:
    alice, bob = pair
    write_files(alice.tree, {"a.txt": b"hers\n"})
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice", "--at", "0s")  # so that alice does not have them either
    odd = ["a.txt", "it's here", "-x", "ünder/n\new", os.fsdecode(b"\xff\\'$`x"), "src/b.py"]
    edited = {name: b"edited as a guest, %d" % number for number, name in enumerate(odd)}
    edited |= {f"many/{number}": b"%d" % number for number in range(count)}
    write_files(bob.tree, edited)
    said = bob.types("back", where=bob.tree / "src")
    assert said.code == 0 and f"{len(edited)} files you edited on alice's branch, kept in the timeline" in said.out
    command = re.search(r"; `(.*)` restores them$", said.out)
    assert command is not None and said.out.replace("\n", "").isprintable(), said
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command[1]],
        cwd=bob.tree / "src",
        env=os.environ | {"BOUGH_HOME": str(bob.home), "PATH": path},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    assert {name: (bob.tree / name).read_bytes() for name in edited} == edited
    bob.bough("undo")
    bob.bough("hop", "alice", "--at", "0s")  # so that alice does not have them either
    (bob.tree / "-x").write_bytes(b"x")
    told = bob.told("undo")["edits"]
    assert told["paths"] == ["-x"] and told["command"].endswith(" ./-x")


def test_a_rule_of_a_teammate_takes_no_file_from_anybody(pair: Pair) -> None:
    alice, bob = pair
    write_files(bob.tree, {"two.log": b"bob's\n"})
    bob.bough("save", "--wait", "alice")
    alice.bough("merge", "bob")
    write_files(alice.tree, {".gitignore": b"*.log\n"})
    alice.bough("save", "--wait", "bob")
    bob.bough("merge", "alice")
    write_files(bob.tree, {"two.log": b"bob's\nmore\n", "new.log": b"ignored"})
    bob.bough("save")
    bob.bough("down", "--all")  # the next start looks at everything
    bob.bough("up")
    bob.bough("save", "--wait", "alice")
    snapshot = git(bob.tree / ".git/bough/store.git", "ls-tree", "-r", "--name-only", "refs/heads/bob").split("\n")
    assert "two.log" in snapshot and "new.log" not in snapshot
    alice.bough("merge", "bob")
    assert (alice.tree / "two.log").read_bytes() == b"bob's\nmore\n"
    assert (bob.tree / "two.log").read_bytes() == b"bob's\nmore\n"


def test_the_status_counts_what_a_teammate_saved_since_i_merged_them(pair: Pair) -> None:
    alice, bob = pair
    assert teammate(bob, "alice")["since_merge"] is None
    for number in range(3):
        write_files(alice.tree, {"mine.txt": b"%d\n" % number})
        alice.bough("save", "--wait", "bob")
        if number == 0:
            bob.bough("merge", "alice")
            assert teammate(bob, "alice")["since_merge"] == 0 and "since you" not in bob.bough("status")
    write_files(bob.tree, {"bobs.txt": b"x\n"})
    bob.bough("save")
    assert teammate(bob, "alice")["since_merge"] == 2
    assert "  2 snapshots since you merged alice" in bob.bough("status")
    bob.bough("merge", "alice")
    assert teammate(bob, "alice")["since_merge"] == 0
