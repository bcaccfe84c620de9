"""Connections that say nothing stop neither recording nor the team."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from bough_daemon.budgets import HANDSHAKE_SECONDS, MOST_CONNECTIONS, MOST_FILES
from bough_daemon.sync.dial import _channel as channel_to
from bough_daemon.system import descriptors
from bough_proto.v1 import peer_pb2_grpc as services

from tests.attack.honest import SOON, check_alive, live_pair, seconds_to_arrive
from tests.attack.mallory import invited
from tests.cli.conftest import Member

FILES = 1024  # what a process may open at once, on many systems
CROWD = 1100


def up_with(member: Member, soft: int, hard: int) -> None:
    """Make a member live whose daemon may have so many open files."""
    subprocess.run(
        [sys.executable, "-P", "-m", "bough_cli", "up"],
        cwd=member.tree,
        env=dict(os.environ) | {"BOUGH_HOME": str(member.home)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        capture_output=True,
        check=True,
    )


def crowd_at(port: int, stack: ExitStack) -> list[socket.socket]:
    """Open many connections and say nothing."""
    found = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CROWD)]
    for one in found:
        one.setblocking(False)
    return found


def is_closed(one: socket.socket) -> bool:
    """Return whether the other side has closed a connection."""
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def port_of(member: Member) -> int:
    """Return where a member's teammates call."""
    return int((member.home / "listen.json").read_text().split('"port": ')[1].split(",")[0])


@pytest.fixture
def room_for_a_crowd() -> None:
    """Let this process have the files that it needs for its own side."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < 2 * CROWD:
        pytest.skip("no room for a crowd")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of a process are read in /proc")
def test_silent_connections_leave_files_for_recording_and_are_closed_in_seconds(
    members: Callable[[str], Member], room_for_a_crowd: None
) -> None:
    alice, bob = members("alice"), members("bob")
    up_with(alice, FILES, FILES)
    pair = live_pair(alice, bob)
    with ExitStack() as stack:
        crowd, began = crowd_at(port_of(alice), stack), time.monotonic()
        opened = len(os.listdir(f"/proc/{alice.daemon_pid()}/fd"))
        assert opened < FILES * 3 // 4
        (alice.tree / "a.txt").write_text("while they wait\n")
        assert alice.told("save")["tip"] == alice.told("status")["tip"]
        assert seconds_to_arrive(pair, "during\n") < SOON * 2
        while not all(map(is_closed, crowd)):
            assert time.monotonic() - began < 4 * HANDSHAKE_SECONDS
            time.sleep(0.05)
        check_alive(pair)


@pytest.mark.skipif(sys.platform != "linux", reason="the limits of a process are read in /proc")
def test_a_daemon_may_have_as_many_open_files_as_the_system_lets_it(members: Callable[[str], Member]) -> None:
    alice, hard = members("alice"), resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    up_with(alice, 256, hard)
    limits = Path(f"/proc/{alice.daemon_pid()}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(line.split()[3]) == min(hard, MOST_FILES)


def test_the_network_gets_a_share_of_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"soft": 1024, "hard": 4096}
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limits["soft"], limits["hard"]))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.update(soft=both[0]))
    assert descriptors.most_connections() == 256
    assert descriptors.raise_limit() == limits["soft"] == 4096
    assert descriptors.most_connections() == MOST_CONNECTIONS
    limits["hard"] = resource.RLIM_INFINITY
    assert descriptors.raise_limit() == MOST_FILES


def test_a_member_who_calls_and_says_nothing_is_hung_up_on(members: Callable[[str], Member], tmp_path: Path) -> None:
    alice = members("alice")
    alice.bough("up")

    async def call() -> grpc.StatusCode:
        mallory = await invited(alice, tmp_path)
        address, certificate = mallory.roster.addresses("alice")[0], mallory.roster.member("alice").certificate
        async with channel_to(address, certificate, mallory.identity) as channel:
            silent = services.PeerServiceStub(channel).Converse()
            async with asyncio.timeout(4 * HANDSHAKE_SECONDS):
                return await silent.code()

    assert asyncio.run(call()) is grpc.StatusCode.DEADLINE_EXCEEDED
