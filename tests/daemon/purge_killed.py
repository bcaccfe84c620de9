"""A purge that was begun, finished in a process of its own that ends at one of its steps: GIT_DIR STEP.

A step is a call that writes: a file removed, renamed or synced, an object written, git run. It ends there with exit
code 9, and with 0 where it lives to the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from bough_daemon.git.command import GitCommand
from bough_daemon.purging.removal import finish
from bough_daemon.store.store import Store

WRITES = ((os, "unlink"), (os, "rename"), (os, "replace"), (os, "fsync"), (GitCommand, "run"))


def main() -> None:
    """Finish the purge that the words name."""
    store, left = Store(sys.argv[1], "test"), int(sys.argv[2])

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                os._exit(9)
            left -= 1
            return real(*arguments, **named)

        return call

    for owner, name in WRITES:
        setattr(owner, name, counted(getattr(owner, name)))
    setattr(store.objects, "write", counted(store.objects.write))  # noqa: B010
    finish(store)


if __name__ == "__main__":
    main()
