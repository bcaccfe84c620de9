"""A command in a process of its own, killed at one of its steps: ROOT COMMAND STEP SNAPSHOT [ahead].

A step is whatever Python reports to an audit hook (files opened, renamed, linked and removed, children started), and
each exchange of two files. The steps that it took are printed when it lives to the end. `ahead`: its files
are made before it has the store's thread to itself, as those of a command that changes many.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from bough_daemon.commands.hop import back, hop, off
from bough_daemon.commands.land import land
from bough_daemon.commands.merge import merge
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import redo, undo
from bough_daemon.git import atomic_rename
from bough_daemon.transaction import new_files

from tests.daemon.moves_support import Desk, merge_both
from tests.daemon.together.desk_session import fold_guest

COUNTED = {"open", "os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "subprocess.Popen"}
COMMANDS: dict[str, Callable[[Desk], object]] = {
    "hop": lambda here: here.do(hop(here.live, here.terminal, "alice", merge_both)),
    "back": lambda here: here.do(back(here.live, here.terminal)),
    "off": lambda here: here.do(off(here.live, here.terminal, "fresh")),
    "merge": lambda here: here.do(merge(here.live, here.terminal, "alice", merge_both)),
    "land": lambda here: here.do(land(here.live, here.terminal, "mine", merge_both)),
    "restore": lambda here: here.do(restore(here.live, ["a.txt", "gone.txt"], since=here.since)),
    "undo": lambda here: here.do(undo(here.live)),
    "redo": lambda here: here.do(redo(here.live)),
    "fold": lambda here: fold_guest(here, "alice"),
}


def at_each_step(step: Callable[[], None]) -> None:
    """Call `step` at each step that this process takes from now on."""
    native = atomic_rename.NATIVE
    if native is not None:

        def rename(one: atomic_rename.DirEntry, other: atomic_rename.DirEntry, flags: int) -> None:
            step()
            native[0](one, other, flags)
            step()

        atomic_rename.NATIVE = (rename, native[1], native[2])
    sys.addaudithook(lambda event, _: step() if event in COUNTED else None)


def main() -> None:
    """Run the command that the words name."""
    root, command, last, since = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)

    if sys.argv[5:] == ["ahead"]:
        new_files.MANY = 0
    here = Desk(Path(root))
    here.since = since
    here.snapshot()
    assert atomic_rename.NATIVE is not None
    at_each_step(step)
    COMMANDS[command](here)
    print(steps, flush=True)
    here.close()


if __name__ == "__main__":
    main()
