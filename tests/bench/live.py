"""Measure what a save costs: recorded here, and held by a teammate, beside what one would do with git alone.

usage: python tests/bench/live.py [--files N] [--each N] [--rounds N] [--json FILE]

Makes a repository of N files (default 100,000), so many to each folder (default 100), in a temporary folder, a bare
remote and a clone, makes both live, and times in the same run, on the same files:

  record     a file is written -> `bough watch` of the same member tells of its snapshot
  stream     a file is written -> `bough watch` of the teammate tells of it
  burst      1,000 files are written one after the other, then `bough save --wait` for the teammate
  exact      `bough save`, the whole command
  up         `bough up`, the first and the second time
  git status, git add -A && git commit, and commit + push + fetch at the teammate: what it replaces

Times are medians in milliseconds, p95 where it says so; ratios are git's time over Bough's.
"""

from __future__ import annotations

import argparse
import json
import math
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

BURST = 1_000  # files


def make_tree(top: Path, files: int, each: int) -> None:
    """Write `files` small files, `each` to a folder."""
    for number in range(files):
        path = path_of(top, number, each)
        if number % each == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def f{number}():\n    return {number}\n")


def timed(work: Callable[[], object]) -> float:
    """Return how long work takes, in milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def path_of(top: Path, number: int, each: int) -> Path:
    """Return the file of a number: 100 folders to a folder."""
    folder = number // each
    return top / f"d{folder // 100}" / f"s{folder % 100}" / f"f{number}.py"


def p95(values: list[float]) -> float:
    """Return the value that 95 of 100 do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def told_after(events: queue.SimpleQueue[dict[str, Any]], write: Callable[[], object], member: str) -> float:
    """Return the milliseconds from a write to the first event of a member's snapshot."""
    return timed(lambda: (write(), until_told(events, member)))


def main() -> None:
    """Run everything and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=100_000)
    options.add_argument("--each", type=int, default=100)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--json", default="")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        rows = measure(Path(folder), chosen.files, chosen.each, chosen.rounds)
    for name, value in rows.items():
        print(f"{name:34} {value:10.1f}")
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=1))


def measure(top: Path, files: int, each: int, rounds: int) -> dict[str, float]:
    """Return the medians, by name."""
    alice, bob, remote = TourMember("alice", top), TourMember("bob", top), top / "remote.git"
    make_tree(alice.tree, files, each)
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
    rows: dict[str, float] = {"files": files, "files in a folder": each}
    try:
        rows["up, first, ms"] = timed(lambda: alice.bough("up"))
        rows["up, again, ms"] = timed(lambda: alice.bough("up"))
        ticket = alice.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
        bob.bough("join", "-", stdin=ticket)
        alice.bough("save", "--wait", "bob")
        numbers = iter(range(7, files, max(1, files // (rounds * 12))))

        def write() -> None:
            with path_of(alice.tree, next(numbers), each).open("a") as file:
                file.write("# edited\n")

        def write_many() -> None:
            for number in range(min(BURST, files)):
                with path_of(alice.tree, number * (files // min(BURST, files)), each).open("a") as file:
                    file.write("# all\n")
            alice.bough("save", "--wait", "bob")

        with alice.events() as events:
            recorded = [told_after(events, write, "alice") for _ in range(rounds)]
        with bob.events() as events:
            streamed = [told_after(events, write, "alice") for _ in range(rounds)]
        rows["record, ms"], rows["record, p95, ms"] = statistics.median(recorded), p95(recorded)
        rows["stream, ms"], rows["stream, p95, ms"] = statistics.median(streamed), p95(streamed)
        rows["burst, with a `save --wait`, ms"] = statistics.median(timed(write_many) for _ in range(3))
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
