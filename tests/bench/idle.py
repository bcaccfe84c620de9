"""Measure what daemons cost while nobody does anything: processor time and memory.

usage: python -m tests.bench.idle [--seconds N] [--members N] [--files N]

Members of one team, each with a daemon and a working tree of N files (default 1,000), all connected; after a while in
which everything has come to rest, the processor time of each daemon and its children is taken over N seconds (default
60), and what they have in memory. Bars: 0.15 % of a core and 75 MiB for a daemon.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.attack.honest import live_pair
from tests.bench.attacks import _members, _scrub
from tests.cli.conftest import Member
from tests.daemon.support import git, write_files

SETTLED_SECONDS = 15
TICKS = os.sysconf("SC_CLK_TCK")


def processes(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    below = dict[int, list[int]]()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            below.setdefault(int(fields[1]), []).append(int(entry))
    found, pending = [], [pid]
    while pending:
        found.append(pending.pop())
        pending += below.get(found[-1], [])
    return found


def seconds_used(pid: int) -> float:
    """Return the processor time that a process and its children, those that ended too, have used."""
    total = 0.0
    for one in processes(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:15])) / TICKS
    return total


def mebibytes(pid: int) -> float:
    """Return what a process has in memory."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--files", type=int, default=1000)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        _scrub(Path(folder))
        alice, bob = _members(Path(folder))
        write_files(
            alice.tree, {f"d{number // 50}/{number}.py": b"x = %d\n" % number for number in range(chosen.files)}
        )
        git(alice.tree, "add", "-A")
        git(alice.tree, "commit", "-qm", "files")
        git(bob.tree, "pull", "-q")
        try:
            live_pair(alice, bob)
            time.sleep(SETTLED_SECONDS)
            tell([alice, bob], chosen.seconds)
        finally:
            for member in (alice, bob):
                member.ends()


def tell(members: list[Member], seconds: float) -> None:
    """Print what each daemon uses."""
    pids = {member.name: member.daemon_pid() for member in members}
    before, began = {name: seconds_used(pid) for name, pid in pids.items()}, time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    for name, pid in pids.items():
        share = (seconds_used(pid) - before[name]) / took * 100
        children = ", ".join(f"{mebibytes(one):.0f}" for one in processes(pid)[1:])
        print(f"{name}: {share:.3f} % of a core, {mebibytes(pid):.1f} MiB (children: {children or 'none'} MiB)")


if __name__ == "__main__":
    main()
