"""Start the daemon when it is not there, also where the last one was killed a moment ago."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from bough_daemon.api.launch import ensure_running, is_running, wait_until_ended
from bough_daemon.home import Home

# What a killed process is until the system has cleared it away: it has the lock, and its socket ends every connection.
DYING = """
import fcntl, os, socket, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[2])
listening.listen()
print("ready", flush=True)
for _ in range(4):
    listening.accept()[0].close()
"""


def test_a_daemon_that_is_dying_is_replaced(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "h"), str(tmp_path / "h"))
    home.make()
    command = [sys.executable, "-c", DYING, home.lock, home.socket]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dying:
        assert dying.stdout is not None and dying.stdout.readline() == b"ready\n"
        assert not is_running(home)
        assert ensure_running(home)
        assert dying.wait(20) == 0
    try:
        assert is_running(home) and not ensure_running(home)
    finally:
        os.kill(int(Path(home.lock).read_text()), signal.SIGTERM)
        wait_until_ended(home)
    assert not is_running(home)


def test_a_daemon_that_is_busy_counts_as_running(tmp_path: Path) -> None:
    home = Home(str(tmp_path / "h"), str(tmp_path / "h"))
    assert ensure_running(home)
    pid = int(Path(home.lock).read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        assert is_running(home)
    finally:
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGTERM)
        wait_until_ended(home)
