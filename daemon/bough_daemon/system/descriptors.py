"""Open files of this process: as many as the system allows, and a limited share of them for the network.

The rest is for recording: a snapshot needs files and children, however many connections are open.
"""

from __future__ import annotations

import resource
import select

from bough_daemon.budgets import CONNECTIONS_SHARE, MOST_CONNECTIONS, MOST_FILES

ALWAYS = 10_240  # that every system allows a process if it names no limit (OPEN_MAX of macOS)


def raise_limit() -> int:
    """Raise this process's limit of open files, within reason; return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wished in (MOST_FILES, ALWAYS):
        most = wished if hard == resource.RLIM_INFINITY else min(wished, hard)
        if soft == resource.RLIM_INFINITY or most <= soft:
            break
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        except (ValueError, OSError):
            continue
        return most
    return soft


def most_connections() -> int:
    """Return how many connections one listener may have open."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, soft // CONNECTIONS_SHARE)


def is_readable(descriptor: int, seconds: float) -> bool:
    """Wait until a descriptor is readable or has ended; return False if neither happened in time.

    `select.select` takes no descriptor from 1,024 on, of which a daemon may have many more.
    """
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(1000 * seconds))
