"""Measure what a save costs: recorded here, and held by a teammate, beside what one would do with git alone.

usage: python tests/bench/live.py [--files N] [--rounds N] [--json FILE]

Makes a repository of N files (default 100,000) in a temporary folder, a bare remote and a clone, makes both live, and
times in the same run, on the same files:

  record     a file is written -> `bough watch` of the same member tells of its snapshot
  stream     a file is written -> `bough watch` of the teammate tells of it
  exact      `bough save`, the whole command
  up         `bough up`, the first and the second time
  git status, git add -A && git commit, and commit + push + fetch at the teammate: what it replaces

Times are medians in milliseconds; ratios are git's time over Bough's.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bough_cli.tour import TourMember, until_told


def make_tree(top: Path, files: int) -> None:
    """Write `files` small files, 100 to a folder."""
    for number in range(files):
        folder = top / f"d{number // 10_000}" / f"s{number // 100 % 100}"
        if number % 100 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.py").write_text(f"def f{number}():\n    return {number}\n")


def timed(work: Callable[[], object]) -> float:
    """Return how long work takes, in milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def path_of(member: TourMember, number: int) -> Path:
    """Return the file of a number."""
    return member.tree / f"d{number // 10_000}" / f"s{number // 100 % 100}" / f"f{number}.py"


def told_after(events: queue.SimpleQueue[dict[str, Any]], write: Callable[[], object], member: str) -> float:
    """Return the milliseconds from a write to the first event of a member's snapshot."""
    return timed(lambda: (write(), until_told(events, member)))


def main() -> None:
    """Run everything and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--json", default="")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        rows = measure(Path(folder), chosen.files, chosen.rounds)
    for name, value in rows.items():
        print(f"{name:34} {value:10.1f}")
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=1))


def measure(top: Path, files: int, rounds: int) -> dict[str, float]:
    """Return the medians, by name."""
    alice, bob, remote = TourMember("alice", top), TourMember("bob", top), top / "remote.git"
    make_tree(alice.tree, files)
    alice.git("init", "-q", "-b", "main")
    for name, value in (("user.name", "Alice"), ("user.email", "alice@example.org"), ("gc.auto", "0")):
        alice.git("config", name, value)
    alice.git("add", "-A")
    alice.git("commit", "-qm", "all")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    alice.git("remote", "add", "origin", str(remote))
    alice.git("push", "-qu", "origin", "main")
    subprocess.run(["git", "clone", "-q", str(remote), str(bob.tree)], check=True)
    bob.git("config", "user.name", "Bob")
    bob.git("config", "user.email", "bob@example.org")
    rows: dict[str, float] = {"files": files}
    try:
        rows["up, first, ms"] = timed(lambda: alice.bough("up"))
        rows["up, again, ms"] = timed(lambda: alice.bough("up"))
        ticket = alice.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
        bob.bough("join", "-", stdin=ticket)
        alice.bough("save", "--wait", "bob")
        numbers = iter(range(7, files, max(1, files // (rounds * 12))))

        def write() -> None:
            with path_of(alice, next(numbers)).open("a") as file:
                file.write("# edited\n")

        with alice.events() as events:
            rows["record, ms"] = statistics.median(told_after(events, write, "alice") for _ in range(rounds))
        with bob.events() as events:
            rows["stream, ms"] = statistics.median(told_after(events, write, "alice") for _ in range(rounds))
        rows["exact, whole command, ms"] = statistics.median(
            timed(lambda: (write(), alice.bough("save"))) for _ in range(rounds)
        )
    finally:
        for member in (alice, bob):
            if member.tree.is_dir():
                member.bough("down", "--all")

    def commit() -> None:
        alice.git("add", "-A")
        alice.git("commit", "-qm", "save")

    def share() -> None:
        commit()
        alice.git("push", "-q", "origin", "main")
        bob.git("fetch", "-q")

    rows["git status, ms"] = statistics.median(timed(lambda: (write(), alice.git("status"))) for _ in range(5))
    rows["git add+commit, ms"] = statistics.median(timed(lambda: (write(), commit())) for _ in range(5))
    rows["git commit+push+fetch, ms"] = statistics.median(timed(lambda: (write(), share())) for _ in range(5))
    rows["ratio commit / record"] = rows["git add+commit, ms"] / rows["record, ms"]
    rows["ratio commit+push+fetch / stream"] = rows["git commit+push+fetch, ms"] / rows["stream, ms"]
    return rows


if __name__ == "__main__":
    os.umask(0o077)
    main()
