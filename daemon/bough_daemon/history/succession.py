"""Whether the newest snapshot of a branch succeeds an earlier one: by what it contains, or by its timeline.

A teammate's next snapshot does, whatever their HEAD did. One that does not was made by a machine without the earlier
one: a backup was restored there, or it is a second machine with the same keys.
"""

from __future__ import annotations

import asyncio
from itertools import islice

from bough_daemon.errors import LimitReached
from bough_daemon.git.objects import Objects
from bough_daemon.history.timeline import timeline
from bough_daemon.store.store import Store
from bough_daemon.system.limited_child import run_limited
from bough_daemon.system.threads import to_the_end

NEAR = 16  # snapshots that are checked on the store's thread
FAR = 2000  # and on other threads
SECONDS = 20.0  # limit for Git's search


def leads_to(objects: Objects, tip: str, older: str, steps: int) -> bool:
    """Return whether a snapshot, or one of the `steps` before it in time, names an older one."""
    near = islice(timeline(objects, tip), steps)
    return tip == older or any(older in (one.previous, *one.earlier, *one.parents) for one in near)


async def leads_far(store: Store, tip: str, older: str) -> bool:
    """Return whether a snapshot succeeds an older one, however far; False if the search takes too long."""
    git = store.git
    command = git.command("merge-base", "--is-ancestor", older, tip)
    try:
        code, _ = await run_limited(command, git.child_environment(), git.git_dir, b"", seconds=SECONDS)
    except (TimeoutError, LimitReached):
        code = 1
    if code == 0:
        return True
    # With its own objects: those of the store belong to the store's thread.
    return await to_the_end(asyncio.to_thread(leads_to, Objects(store.objects.folder), tip, older, FAR))
