"""Kill for a long time: python -m tests.kills [--rounds N] [--seed N] [--daemons N]."""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.kills.crew_rounds import Rounds, play
from tests.kills.daemon_rounds import play_with_daemons

EVERY = 250  # rounds, of which one is told


def main() -> int:
    """Play, and say what was killed."""
    options = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    options.add_argument("--rounds", type=int, default=5000, help="kills inside a command (default: 5000)")
    options.add_argument("--daemons", type=int, default=0, help="kills of real daemons, beside these")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    chosen = options.parse_args()
    print(f"--seed {chosen.seed}", flush=True)
    _scrub()
    began = time.monotonic()

    def told(rounds: Rounds) -> None:
        total = rounds.kills.total() + rounds.ends.total()
        if total % EVERY == 0:
            print(
                f"{rounds.kills.total()} killed, {rounds.ends.total()} not, {time.monotonic() - began:.0f} s",
                flush=True,
            )

    if chosen.rounds:
        made = play(chosen.rounds, chosen.seed, told)
        print(f"killed: {dict(made.kills)}\nended by themselves: {dict(made.ends)}")
    if chosen.daemons:
        print(f"daemons killed while typing: {dict(play_with_daemons(chosen.daemons, chosen.seed).kills)}")
    print(f"0 lost, 0 that need a person, {time.monotonic() - began:.0f} s")
    return 0


def _scrub() -> None:
    for name in list(os.environ):
        if name.startswith(("GIT_", "BOUGH_", "XDG_")):
            del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="home-"))
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Kill\n\temail = kill@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n"
        '[protocol "file"]\n\tallow = always\n[core]\n\tfsync = none\n'
    )
    os.environ |= {"HOME": str(home), "LC_ALL": "C.UTF-8"}


if __name__ == "__main__":
    sys.exit(main())
