"""A member in a process of its own, to be killed: `python -m tests.daemon.team_process REPOSITORY HOME NAME`.

It does what each line of its input says and answers with one line: `ready` at first; `ticket` gives a ticket; `save
TEXT` gives a tip; `knows NAME` gives the tip of a teammate, once there is one.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.daemon.team_support import Side, eventually


async def main(root: str, home: str, name: str) -> None:
    """Serve one member until the input ends."""
    side = await Side.start(Path(root), Path(home), name)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        word, _, rest = line.strip().partition(" ")
        if word == "ticket":
            print((await side.sync.invite("127.0.0.1")).ticket, flush=True)
        elif word == "save":
            print(await side.save({"a.txt": rest.encode()}), flush=True)
        elif word == "knows":
            await eventually(lambda: side.tip_of(rest))
            print(side.tip_of(rest), flush=True)
    await side.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
