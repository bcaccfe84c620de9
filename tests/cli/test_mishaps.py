"""What happens to a member whom something happens to."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bough_cli.screen import drawn
from bough_daemon.api.client import Client
from bough_daemon.git.paths import STAGE
from bough_daemon.home import Home
from bough_daemon.transaction import swap_in
from rich.console import Console

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join, remote_for
from tests.daemon.support import copy_tree, git, remove_tree, tree_by_git, write_files


def test_a_removed_repository_is_let_go_and_not_made_anew(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    remove_tree(alice.tree)
    until(lambda: str(alice.tree) not in (alice.home / "live.json").read_text())
    assert not alice.tree.exists()


def test_a_moved_repository_goes_on_at_its_new_place(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    (alice.tree / "a.txt").write_bytes(b"before the move\n")
    alice.bough("save")
    alice.tree.rename(tmp_path / "moved")
    moved = Member("alice", tmp_path / "moved", alice.home)
    moved.bough("up")
    (moved.tree / "a.txt").write_bytes(b"after the move\n")
    moved.bough("save")
    assert len(moved.bough("log", "--json").splitlines()) >= 3


def test_the_store_may_be_moved_away_and_back(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    (alice.tree / ".git/bough").rename(tmp_path / "away")
    assert git(alice.tree, "status", "--porcelain") == "" and git(alice.tree, "fsck") == ""
    typed = alice.types("save")
    assert typed.code == 1 and "was moved or removed" in typed.err and not (alice.tree / ".git/bough").exists()
    (tmp_path / "away").rename(alice.tree / ".git/bough")
    alice.bough("save")


def test_what_a_command_of_git_made_again_after_the_store_was_moved_is_removed(alice: Member, tmp_path: Path) -> None:
    """A `git update-ref` that was running when the store was moved makes the folders of its reference again."""
    alice.bough("up")
    alice.bough("save")
    store = alice.tree / ".git/bough"
    store.rename(tmp_path / "away")
    (store / "store.git/refs/copied").mkdir(parents=True)
    assert "was moved or removed" in alice.types("save").err and not store.exists()
    (store / "store.git/refs").mkdir(parents=True)
    (store / "journal").mkdir()
    (store / "journal/notes.txt").write_bytes(b"of somebody")
    assert "was moved or removed" in alice.types("save").err
    assert (store / "journal/notes.txt").read_bytes() == b"of somebody" and (store / "store.git/refs").is_dir()


def test_what_a_hop_places_has_the_usual_permissions(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    write_files(alice.tree, {"new/file.txt": b"1"})
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    umask = os.umask(0o022)
    os.umask(umask)
    assert (bob.tree / "new/file.txt").stat().st_mode & 0o777 == 0o666 & ~umask
    assert (bob.tree / "new").stat().st_mode & 0o777 == 0o777 & ~umask


def test_the_folder_that_a_command_is_typed_in_stays(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    write_files(bob.tree, {"only mine/x.txt": b"x"})
    inside = bob.tree / "only mine"
    number = inside.stat().st_ino
    assert bob.types("hop", "alice", where=inside).code == 0
    assert inside.stat().st_ino == number and not list(inside.iterdir())
    assert bob.types("back", where=inside).code == 0
    assert inside.stat().st_ino == number and (inside / "x.txt").read_bytes() == b"x"


def test_a_folder_that_is_gone_is_told_with_the_way_out(alice: Member) -> None:
    gone = alice.tree / "it's gone" / "deep"
    gone.mkdir(parents=True)
    shell = f"{shlex.quote(sys.executable)} -P -m bough_cli status"
    left = 'cd "$1" && rm -r ../../"it\'s gone" && '
    done = subprocess.run(
        ["bash", "-c", left + shell, "bash", str(gone)], capture_output=True, text=True, cwd=alice.tree, check=False
    )
    assert done.returncode == 1, done
    assert done.stderr.splitlines() == [
        f"Error: the folder you are in was removed: {gone}",
        f"Hint: Run `cd {shlex.quote(str(alice.tree))}`, then try again.",
    ]


def test_a_file_that_is_being_written_is_not_replaced(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    write_files(alice.tree, {"a.txt": b"hers\n"})
    alice.bough("save", "--wait", "bob")
    with (bob.tree / "a.txt").open("ab") as writer:
        typed = bob.types("hop", "alice")
        writer.write(b"precious\n")
    assert typed.code == 1 and "Error: " in typed.err, typed
    assert (bob.tree / "a.txt").read_bytes().endswith(b"precious\n")
    bob.bough("hop", "alice")
    assert (bob.tree / "a.txt").read_bytes() == b"hers\n"


def test_what_landed_from_a_hop_is_not_taken_back_by_going_home(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    remote = remote_for(alice, bob)
    write_files(alice.tree, {"a.txt": b"hers\n"})
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    write_files(bob.tree, {"src/b.py": b"# bob, as a guest\n"})
    bob.bough("land", "-m", "from the hop")
    said = bob.told("back")
    assert said["left"] == "main" and bob.git("status", "--porcelain") == ""
    write_files(bob.tree, {"z": b"z\n"})
    bob.bough("land", "-m", "only z")
    assert git(remote, "show", "--format=", "--name-only", "main") == "z"
    assert git(remote, "show", "main:a.txt") == "hers"


def test_forgetting_is_refused_while_what_was_before_a_hop_lies_in_the_store(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    write_files(bob.tree, {"mine": b"not committed"})
    bob.bough("hop", "alice")
    typed = bob.types("down", "--forget", "--yes")
    assert typed.code == 1 and "bough back" in typed.err
    bob.bough("back")
    assert (bob.tree / "mine").read_bytes() == b"not committed"
    bob.bough("down", "--forget", "--yes")
    assert not (bob.tree / ".git/bough").exists() and not list((bob.home / "teams").iterdir())


def test_a_repository_that_was_put_back_or_made_anew_goes_on(alice: Member, tmp_path: Path) -> None:
    alice.bough("up")
    alice.bough("save")
    copy_tree(alice.tree, tmp_path / "backup")
    write_files(alice.tree, {"a.txt": b"after the backup\n"})
    alice.bough("save")
    alice.tree.rename(tmp_path / "gone")
    remove_tree(tmp_path / "gone")
    (tmp_path / "backup").rename(alice.tree)
    alice.bough("up")
    write_files(alice.tree, {"a.txt": b"after it was put back\n"})
    saved = alice.told("save")
    assert alice.bough("git", "show", f"{saved['tip']}:a.txt") == "after it was put back"


def test_names_that_are_no_text_are_written_out(alice: Member) -> None:
    alice.bough("up")
    write_files(alice.tree, {os.fsdecode(b"\xff\x1b[31m\n"): b"1"})
    alice.bough("save")
    assert "\\377\\033[31m\\n" in alice.bough("status") and "\x1b" not in alice.bough("status")
    assert alice.told("status")["files"] == ["\\377\\033[31m\\n"]


def test_damaged_records_are_named(alice: Member) -> None:
    alice.bough("up")
    alice.bough("down", "--all")
    (alice.home / "identity.json").write_bytes(b"")
    typed = alice.types("status")
    assert typed.code == 1 and "identity.json" in typed.err and "Traceback" not in typed.err


def test_conflict_markers_do_not_land(alice: Member) -> None:
    alice.bough("up")
    write_files(alice.tree, {"a.txt": b"<<<<<<< ours\n1\n||||||| base\n0\n=======\n2\n>>>>>>> theirs\n"})
    typed = alice.types("land", "-m", "x")
    assert typed.code == 1 and "conflict markers" in typed.err


def test_keys_in_a_home_inside_the_tree_are_not_recorded(alice: Member) -> None:
    alice.home = alice.tree / "inner home"
    alice.bough("up")
    alice.bough("save")
    assert "inner" not in alice.bough("git", "ls-tree", "-r", "--name-only", "alice")


def test_a_home_that_cannot_be_made_is_named(alice: Member, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    alice.home = tmp_path / "file"
    typed = alice.types("up")
    assert typed.code == 1 and str(alice.home) in typed.err


def test_an_address_once_chosen_stays(alice: Member) -> None:
    alice.bough("up")
    alice.bough("invite", "--listen", "127.0.0.1:0")
    assert "open" not in alice.types("invite").err.lower().replace("opened", "")


def test_nothing_is_started_outside_of_a_repository(alice: Member, tmp_path: Path) -> None:
    place = tmp_path / "plain"
    place.mkdir()
    assert alice.types("up", where=place).code == 1
    assert not (alice.home / "daemon.lock").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system takes root")
def test_a_full_disk_loses_nothing_and_the_next_save_goes_on(alice: Member, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("a small file system cannot be mounted here")
    try:
        git(tmp_path, "clone", "-q", str(alice.tree), str(small / "r"))
        full = Member("alice", small / "r", alice.home)
        full.bough("up")
        (small / "filler").write_bytes(b"\0" * 1_500_000)
        (full.tree / "big").write_bytes(os.urandom(400_000))
        typed = full.types("save")
        while typed.code == 0:
            (small / f"filler{time.monotonic_ns()}").write_bytes(os.urandom(100_000))
            (full.tree / "big").write_bytes(os.urandom(400_000))
            typed = full.types("save")
        assert typed.code == 1 and "disk is full" in typed.err, typed
        for filler in small.glob("filler*"):
            filler.unlink()
        saved = full.told("save")
        branch = full.told("status")["branch"]
        assert full.bough("git", "rev-parse", f"{branch}:big") == git(full.tree, "hash-object", "big")
        assert saved["tip"]
        full.bough("down")
    finally:
        alice.types("down", "--all")
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.lengthy
def test_what_is_saved_while_commands_run_is_in_the_next_save(members: Callable[[str], Member], tmp_path: Path) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    remote_for(alice, bob)
    for number, words in enumerate((["merge", "alice"], ["undo"], ["hop", "alice"], ["back"], ["land", "-m", "x"])):
        write_files(alice.tree, {"a.txt": b"hers %d\n" % number})
        alice.bough("save", "--wait", "bob")
        stop = threading.Event()
        writer = threading.Thread(target=_keep_saving, args=(bob.tree, words[0], stop))
        writer.start()
        try:
            typed = bob.types(*words)
        finally:
            stop.set()
            writer.join()
        assert typed.code == 0, (words, typed)
        assert bob.told("save")["tree"] == tree_by_git(bob.tree, tmp_path), words


def _keep_saving(tree: Path, word: str, stop: threading.Event) -> None:
    number = 0
    while not stop.wait(0.02):
        number += 1
        (tree / f"new-{word}-{number}").write_bytes(b"x")


def test_names_that_are_no_text_can_land_and_conflict(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    remote_for(alice, bob)
    odd = os.fsdecode(b"\xff\xfe odd")
    write_files(alice.tree, {odd: b"hers\n"})
    alice.bough("save", "--wait", "bob")
    write_files(bob.tree, {odd: b"mine\n"})
    typed = bob.types("merge", "alice", "--json")
    assert typed.code == 3, typed
    assert json.loads(typed.out)["files"][0]["path"] == "\\377\\376 odd"
    bob.bough("undo")
    assert bob.types("land", "-m", "an odd name").code == 0
    assert (bob.tree / odd).read_bytes() == b"mine\n"


def test_what_was_saved_while_a_command_was_killed_is_told_with_the_command_that_brings_it_back(alice: Member) -> None:
    alice.bough("up")
    alice.bough("down", "--all")
    stage = alice.tree / ".git/bough/stage/.git" / (STAGE + "x")
    names = ["a.txt", "src/ü b.py"]
    write_files(stage, {swap_in.MANIFEST: json.dumps(names).encode(), "0": b"nobody has this\n", "1": b"nor this\n"})
    alice.bough("up")
    told = {one["path"]: one["reason"] for one in alice.told("status")["withheld"]}
    assert told.keys() == set(names)
    assert "saved at the moment when Bough changed it" in alice.bough("status")
    for name, words in told.items():
        command = words.split("`")[1]
        assert command.startswith("bough restore --from ") and shlex.split(command)[-1] == name
        alice.bough(*shlex.split(command)[1:])
    assert (alice.tree / "a.txt").read_text() == "nobody has this\n"
    assert (alice.tree / "src/ü b.py").read_text() == "nor this\n"
    assert (alice.tree / "src/b.py").exists()
    (alice.tree / "a.txt").write_text("another edit\n")
    alice.bough("save")
    assert alice.told("status")["withheld"] == []


@pytest.mark.parametrize(
    ("mishap", "paths"),
    [
        (("clean", "-qfd"), [f"new/{letter} ü" for letter in "abcde"]),
        (("reset", "-q", "--hard"), ["a.txt"]),
    ],
)
def test_status_says_what_a_git_command_threw_away_and_how_to_get_it_back(
    alice: Member, mishap: tuple[str, ...], paths: list[str]
) -> None:
    alice.bough("up")
    text = "".join(f"line {number}\n" for number in range(150)).encode()
    write_files(alice.tree, dict.fromkeys(paths, text))
    alice.bough("save")
    assert alice.told("status")["notices"] == []
    alice.git(*mishap)
    alice.bough("save")
    told = alice.told("status")["notices"][0]
    assert (told["kind"], told["paths"]) == ("MuchRemoved", paths) and told["lines"] > 140 * len(paths)
    shown = alice.bough("status")
    remedy = next(line.split("`")[1] for line in shown.splitlines() if "`bough restore" in line)
    with Client(Home(str(alice.home), str(alice.home))) as daemon:
        console = Console(width=200, file=io.StringIO())
        console.print(drawn(daemon.status(str(alice.tree)), []))
        assert remedy in console.file.getvalue()  # type: ignore[attr-defined]
    alice.bough(*shlex.split(remedy)[1:])
    assert all((alice.tree / path).read_bytes() == text for path in paths)
    assert alice.told("status")["notices"] == []
