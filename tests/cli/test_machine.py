"""What the machine does to a user, told in its own words: another PATH, closed folders, read-only disks, limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Member, Typed, until
from tests.daemon.support import git, make_repository, write_files

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="taking rights away takes root")
WITHOUT_RIGHTS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner,-chown"]


def types_without_rights(member: Member, *arguments: str) -> Typed:
    """Type a `bough` command as a user whom permissions bind, which root is not."""
    done = subprocess.run(
        [*WITHOUT_RIGHTS, sys.executable, "-P", "-m", "bough_cli", *arguments],
        cwd=member.tree,
        env=dict(os.environ) | {"BOUGH_HOME": str(member.home)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return Typed(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))


def content(member: Member, path: str) -> str:
    """Return what the live branch has for a file."""
    return member.bough("git", "show", f"{member.told('status')['branch']}:{path}")


def test_filters_run_with_the_environment_of_the_latest_command(alice: Member, tmp_path: Path) -> None:
    tools = tmp_path / "tööls"
    write_files(tools, {"upper": b'#!/bin/sh\necho "$LANG $LC_ALL" >&2\nexec tr a-z A-Z\n'})
    (tools / "upper").chmod(0o755)
    alice.git("config", "filter.up.clean", "upper")
    alice.git("config", "filter.up.required", "true")
    write_files(alice.tree, {".gitattributes": b"*.up filter=up\n", "x.up": b"words\n"})
    alice.bough("up")
    until(lambda: alice.told("status")["withheld"] != [])  # a new file waits until its name has lasted
    (withheld,) = alice.told("status")["withheld"]
    assert withheld["path"] == "x.up"
    assert "upper: not found" in withheld["reason"] or "cannot run upper" in withheld["reason"]
    assert "clean filter 'up' failed" in withheld["reason"] and "exit code" not in withheld["reason"]
    alice.variables["PATH"] = f"{tools}:{os.environ['PATH']}"
    until(lambda: alice.told("status")["withheld"] == [])
    assert content(alice, "x.up") == "WORDS"
    # The daemon remembers it, also for a tree in which no command is typed after a restart.
    alice.types("down", "--all", where=tmp_path)
    del alice.variables["PATH"]
    other = Member("alice", tmp_path / "other", alice.home)
    make_repository(other.tree, {"a": b"1"})
    write_files(alice.tree, {"x.up": b"more words\n"})
    other.bough("up")
    alice.variables["PATH"] = f"{tools}:{os.environ['PATH']}"
    assert content(alice, "x.up") == "MORE WORDS"


@AS_ROOT
def test_a_folder_that_cannot_be_read_is_withheld_and_stops_nothing(alice: Member) -> None:
    assert types_without_rights(alice, "up").code == 0
    write_files(alice.tree, {"closed/new.txt": b"x", "plain.txt": b"1"})
    (alice.tree / "closed").chmod(0)
    (alice.tree / "src").chmod(0)
    try:
        for rules in (b"*.log\n", b"*.tmp\n"):
            write_files(alice.tree, {".gitignore": rules, "plain.txt": rules})
            alice.bough("save")
            status = alice.told("status")
            assert status["state"] == "live"
            told = {one["path"]: one["reason"] for one in status["withheld"]}
            assert told == {"closed": "Permission denied", "src": "Permission denied"}
            assert content(alice, "plain.txt") == rules.decode().strip()
            assert content(alice, "src/b.py").startswith("def b")
    finally:
        (alice.tree / "closed").chmod(0o755)
        (alice.tree / "src").chmod(0o755)
    alice.bough("save")
    assert alice.told("status")["withheld"] == []
    assert content(alice, "closed/new.txt") == "x"
    assert "Traceback" not in (alice.home / "daemon.log").read_text()


@AS_ROOT
def test_a_store_of_another_user_is_named_with_its_owner_by_every_command(alice: Member) -> None:
    alice.bough("up")
    alice.bough("down", "--all")
    subprocess.run(["chown", "-R", "12345:12345", str(alice.tree / ".git/bough")], check=True)
    (alice.tree / ".git/bough").chmod(0o700)
    typed = types_without_rights(alice, "up")
    assert typed.code == 1, typed
    assert f"{alice.tree / '.git/bough'} belongs to 12345" in typed.err and "sudo chown -R root" in typed.err
    assert "bug" not in typed.err
    typed = types_without_rights(alice, "doctor")
    assert typed.code == 1 and "belongs to 12345" in typed.out and "sudo chown" in typed.out
    assert "Run `bough up`" not in typed.out


@AS_ROOT
def test_folders_of_the_store_that_another_user_owns_are_named_and_a_save_says_so(alice: Member) -> None:
    assert types_without_rights(alice, "up").code == 0
    objects = alice.tree / ".git/bough/store.git/objects"
    for number in range(256):  # as `sudo git gc` or a container leaves them
        (objects / f"{number:02x}").mkdir(exist_ok=True)
    subprocess.run(["chown", "12345:12345", *objects.glob("??")], check=True)
    tip = alice.told("status")["tip"]
    for rules in (b"*.log\n", b"*.tmp\n"):  # one file, and a look at everything
        write_files(alice.tree, {"a.txt": rules})
        typed = types_without_rights(alice, "save")
        assert typed.code == 1 and "belongs to 12345" in typed.err and "sudo chown" in typed.err, typed
        write_files(alice.tree, {".gitignore": rules})
    status = types_without_rights(alice, "status").out
    assert "not recording" in status and "belongs to 12345" in status, status
    doctor = types_without_rights(alice, "doctor")
    assert doctor.code == 1 and "sudo chown" in doctor.out and "bug" not in doctor.out, doctor
    assert alice.told("status")["tip"] == tip
    subprocess.run(["chown", "-R", "0:0", str(objects)], check=True)
    alice.bough("save")
    assert content(alice, "a.txt") == "*.tmp" and alice.told("status")["failure"] == ""


@AS_ROOT
def test_a_read_only_disk_is_named_and_recording_goes_on_when_it_is_writable_again(
    alice: Member, tmp_path: Path
) -> None:
    mount = tmp_path / "mount"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(mount)], check=False, capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        git(tmp_path, "clone", "-q", str(alice.tree), str(mount / "r"))
        there = Member("alice", mount / "r", alice.home)
        there.bough("up")
        there.bough("down", "--all")
        subprocess.run(["mount", "-o", "remount,ro", str(mount)], check=True)
        for command in ("up", "save", "status"):
            typed = there.types(command)
            assert typed.code == 1 and "is on a read-only file system" in typed.err, typed
            assert "Mount it read-write" in typed.err and "bug" not in typed.err
        doctor = there.types("doctor")
        assert doctor.code == 1 and "is on a read-only file system" in doctor.out
        assert "Mount it read-write" in doctor.out and "Run `bough up`" not in doctor.out
        subprocess.run(["mount", "-o", "remount,rw", str(mount)], check=True)
        write_files(there.tree, {"a.txt": b"again\n"})
        there.bough("save")
        assert there.told("status")["failure"] == "" and content(there, "a.txt") == "again"
    finally:
        alice.types("down", "--all")
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_home_that_another_user_owns_is_named(alice: Member, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("taking rights away takes root")
    alice.bough("up")
    alice.bough("down", "--all")
    subprocess.run(["chown", "-R", "12345:12345", str(alice.home)], check=True)
    typed = types_without_rights(alice, "up")
    assert typed.code == 1 and "belongs to 12345" in typed.err and "Traceback" not in typed.err
    subprocess.run(["chown", "-R", "0:0", str(alice.home)], check=True)


def test_a_repository_of_another_user_is_named_without_escapes(alice: Member) -> None:
    if os.geteuid() != 0:
        pytest.skip("giving a repository away takes root")
    subprocess.run(["chown", "-R", "12345:12345", str(alice.tree)], check=True)
    typed = alice.types("up")
    assert typed.code == 1 and "it belongs to another user" in typed.err
    assert f"git config --global --add safe.directory '{alice.tree}'" in typed.err
    assert "\\t" not in typed.err and "git init" not in typed.err


def test_layouts_without_files_beside_the_repository_are_told_as_they_are(alice: Member, tmp_path: Path) -> None:
    top = tmp_path / "bare top"
    top.mkdir()
    git(tmp_path, "clone", "-q", "--bare", str(alice.tree), str(top / ".bare"))
    (top / ".git").write_text("gitdir: ./.bare\n")
    git(top, "worktree", "add", "-q", "main tree", "main")
    typed = alice.types("up", where=top)
    assert typed.code == 1 and "is a bare repository" in typed.err
    assert f"in one of its working trees: {top / 'main tree'}" in typed.err

    elsewhere = tmp_path / "dot files"
    elsewhere.mkdir()
    dots = tmp_path / "dots"
    make_repository(dots, {"x": b"1"})
    git(dots, "config", "core.worktree", str(elsewhere))
    typed = alice.types("up", where=dots)
    assert typed.code == 1 and f"the files of this repository are in {elsewhere}" in typed.err
    assert f"> '{elsewhere}/.git'" in typed.err

    alice.variables |= {"GIT_DIR": str(dots / ".git"), "GIT_WORK_TREE": str(elsewhere)}
    typed = alice.types("up", where=elsewhere)
    assert typed.code == 1 and "Bough ignores GIT_DIR" in typed.err
