"""No command waits without a word: who is at work, since when, and how that ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Member, until
from tests.daemon.support import write_files


@contextmanager
def typing(member: Member, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Type a command that takes a while; yield it, and the file that holds what it says on stderr."""
    said = member.home / f"said-{'-'.join(words)}"
    # A command inherits a signal that is ignored, as the background of a shell has it, but no handler. (With
    # `preexec_fn` the child would be forked, and gRPC's own handlers of a fork would run in it, and say so on stderr.)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with said.open("wb") as err:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "bough_cli", *words],
            cwd=member.tree,
            env=os.environ | {"BOUGH_HOME": str(member.home)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    signal.signal(signal.SIGINT, before)
    try:
        yield child, said
    finally:
        child.kill()
        child.wait()


@pytest.fixture
def landing(alice: Member, tmp_path: Path) -> Iterator[tuple[Member, subprocess.Popen[bytes], Path]]:
    """A landing whose hook waits for the file `go`."""
    alice.bough("up")
    write_files(alice.tree, {"a.txt": b"edited\n"})
    alice.bough("save")
    hook = alice.tree / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nuntil [ -e '{tmp_path}/go' ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    with typing(alice, "land", "-m", "x") as (child, said):
        until(lambda: b"running `git" in said.read_bytes())
        yield alice, child, tmp_path / "go"


def test_a_command_that_waits_says_for_whom_and_can_be_given_up(
    landing: tuple[Member, subprocess.Popen[bytes], Path],
) -> None:
    alice, child, go = landing
    with typing(alice, "undo") as (waiter, said):
        until(lambda: said.read_bytes().endswith(b"\n"))
        told = re.fullmatch(
            r"waiting for `bough land`, started \d+ s ago in another terminal, and is running `git .*`; "
            rf"Ctrl-C there or `kill {child.pid}` ends it; press Ctrl-C here to stop waiting\n",
            said.read_text(),
        )
        assert told is not None, said.read_text()
        waiter.send_signal(signal.SIGINT)
        assert waiter.wait(60) == 130
    assert alice.types("status").code == 0 and child.poll() is None
    go.touch()
    assert child.wait(60) == 0
    assert "undo" not in alice.bough("log") and alice.git("log", "-1", "--format=%s") == "x"


def test_a_command_that_waits_has_its_turn_when_the_other_is_killed(
    landing: tuple[Member, subprocess.Popen[bytes], Path],
) -> None:
    alice, child, go = landing
    with typing(alice, "restore", "a.txt") as (waiter, said):
        until(lambda: b"waiting for `bough land`" in said.read_bytes())
        child.terminate()
        go.touch()
        assert waiter.wait(60) == 0
    assert (alice.tree / "a.txt").read_bytes() != b"edited\n" and alice.git("rev-list", "--count", "HEAD") == "1"


def test_a_daemon_that_does_not_answer_is_told_of(alice: Member) -> None:
    alice.bough("up")
    os.kill(alice.daemon_pid(), signal.SIGSTOP)
    try:
        with typing(alice, "status") as (waiter, said):
            until(lambda: said.read_bytes().endswith(b"\n"))
            assert said.read_text() == "still waiting for the daemon; press Ctrl-C here to stop waiting\n"
            os.kill(alice.daemon_pid(), signal.SIGCONT)
            assert waiter.wait(60) == 0
    finally:
        os.kill(alice.daemon_pid(), signal.SIGCONT)
