"""Start the user's daemon if it is not running."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from bough_daemon.api.progress import DaemonEnding, DaemonHeld, DaemonStarting, Launching
from bough_daemon.errors import DaemonFailed, DiskFull
from bough_daemon.faults import not_permitted
from bough_daemon.home import Home
from bough_daemon.system.at_work import PATIENCE
from bough_daemon.system.descriptors import is_readable

START_PATIENCE = 30.0  # seconds until a daemon that does not become ready counts as failed
GREETING_PATIENCE = 0.2  # seconds for a daemon to send the first byte of HTTP/2, which it does at once
ROOM_BYTES = 64 * 1024  # free space that a daemon needs to start
Tell = Callable[[Launching], None]
READY, TAKEN, REFUSED = b"ready", b"taken", b"refused "


def is_running(home: Home) -> bool:
    """Return whether a daemon answers on the control socket; raise NotPermitted if it is another user's.

    Raise HomeUnusable if another user may have created the socket.
    """
    home.check_socket_folder()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(home.socket)
            probe.settimeout(GREETING_PATIENCE)
            return bool(probe.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return True  # it is busy
        except PermissionError as failure:
            raise not_permitted(home.socket, failure) from None
        except OSError:
            return False  # or it was killed a moment ago, and the system has not closed its sockets yet


def ensure_running(home: Home, tell: Tell = lambda _: None) -> bool:
    """Start the daemon unless it runs; return whether it had to be started, or raise DaemonFailed.

    `tell`: called with what is waited for, if it takes longer than a second.
    """
    if is_running(home):
        return False
    home.make()
    while not _started(home, tell):
        if _other_answers(home, tell):
            break
    return True


def _started(home: Home, tell: Tell) -> bool:
    """Start a daemon; return False if another one holds the home, or raise DaemonFailed."""
    child, said = _first_word(home, tell)
    if said == TAKEN:
        child.wait()
        return False
    if said.startswith(REFUSED):
        from bough_daemon.api.wire import unpacked  # rarely needed, and it takes a while to import

        raise unpacked(said.removeprefix(REFUSED))
    if said != READY:
        room = os.statvfs(home.root)
        if room.f_bavail * room.f_frsize < ROOM_BYTES:
            raise DiskFull(f"the disk with {home.root} is full", home=home.root)
        raise DaemonFailed(f"the daemon did not start; its log is {home.log}", log=home.log, code=str(child.wait()))
    child.returncode = 0  # it outlives this process, which need not wait for it
    return True


def _first_word(home: Home, tell: Tell) -> tuple[subprocess.Popen[bytes], bytes]:
    read, write = os.pipe()
    with home.used():
        log = open(home.log, "ab")  # noqa: SIM115  (closed below)
    with log:
        child = subprocess.Popen(
            # -P: the folder that the user is in must not provide modules.
            [sys.executable, "-P", "-m", "bough_daemon", "--ready-fd", str(write)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_environment(home),
            cwd=home.root,
            pass_fds=(write,),
            start_new_session=True,
        )
    os.close(write)
    with os.fdopen(read, "rb") as ready:
        if not is_readable(ready.fileno(), PATIENCE):
            tell(DaemonStarting(child.pid, home.log))
        return child, ready.read()


def _environment(home: Home) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {"BOUGH_HOME": home.root}


def _other_answers(home: Home, tell: Tell) -> bool:
    """Wait for a daemon that someone else is starting; return False if it releases the home.

    A daemon that was killed a moment ago releases it.
    """
    began, told = time.monotonic(), False
    while not is_running(home):
        if _is_free(home):
            return False
        if not told and time.monotonic() > began + PATIENCE:
            told = True
            tell(DaemonHeld(home.lock, home.log))
        if time.monotonic() > began + START_PATIENCE:
            raise DaemonFailed(f"another daemon holds {home.lock} and does not answer", log=home.log)
        time.sleep(0.02)
    return True


def _is_free(home: Home) -> bool:
    """Return whether no daemon holds the home."""
    with open(home.lock, "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


def wait_until_ended(home: Home, tell: Tell = lambda _: None) -> None:
    """Wait until the daemon has released its home, or raise DaemonFailed. `tell`: as above."""
    began, told = time.monotonic(), False
    while not _is_free(home):
        if not told and time.monotonic() > began + PATIENCE:
            told = True
            tell(DaemonEnding(home.log))
        if time.monotonic() > began + START_PATIENCE:
            raise DaemonFailed(f"the daemon does not stop; its log is {home.log}", log=home.log)
        time.sleep(0.02)
