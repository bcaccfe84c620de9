"""A member who holds a teammate's branch, in a process of its own: FOLDER NAME TEAMMATE STEP DONE, killed at that step.

Steps are counted once it is connected. It lives until the file DONE exists, and prints how many steps there were.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from tests.daemon.moves_killed import at_each_step
from tests.daemon.team_support import Side, eventually


def main() -> None:
    """Hold what the teammate saves."""
    folder, name, teammate, last, done = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
    steps, counts = 0, False

    def step() -> None:
        nonlocal steps
        if counts:
            steps += 1
            if steps == last:
                os.kill(os.getpid(), signal.SIGKILL)

    async def hold() -> None:
        nonlocal counts
        side = await Side.start(folder / name, folder / f"home-{name}", name)
        await eventually(lambda: side.is_connected(teammate))
        counts = True
        Path(done + ".ready").touch()
        await eventually(lambda: os.path.exists(done))
        counts = False
        await side.stop()

    at_each_step(step)
    asyncio.run(hold())
    print(steps)


if __name__ == "__main__":
    main()
