"""Measure what many snapshots weigh, and whether keeping them in order ever holds up a save.

usage: python tests/bench/store.py [--snapshots N] [--files N]

Makes a repository of a few files (default 12, of 200 lines each), makes it live, and saves one of them N times (default
10,000), each time with one line changed: the next one when `bough watch` has told of the one before. Prints the time
from the write to that event, and the size of the store at the end, which has to pass `git fsck --full --strict`.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bough_cli.tour import TourMember, until_told

LINES = 200  # of a file


def main() -> None:
    """Run it and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--snapshots", type=int, default=10_000)
    options.add_argument("--files", type=int, default=12)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        for name, value in measure(Path(folder), chosen.snapshots, chosen.files).items():
            print(f"{name:24} {value:10.1f}")


def measure(top: Path, snapshots: int, files: int) -> dict[str, float]:
    """Return the times of the saves in milliseconds, and the size of the store, by name."""
    alice, lines = TourMember("alice", top), random.Random(1)
    alice.tree.mkdir()
    texts = [[f"value_{number}_{line} = {lines.random()}\n" for line in range(LINES)] for number in range(files)]
    for number, text in enumerate(texts):
        (alice.tree / f"f{number}.py").write_text("".join(text))
    alice.git("init", "-q", "-b", "main")
    for name, value in (("user.name", "Alice"), ("user.email", "alice@example.org")):
        alice.git("config", name, value)
    alice.git("add", "-A")
    alice.git("commit", "-qm", "all")
    took = list[float]()
    try:
        alice.bough("up")
        with alice.events() as events:
            for number in range(snapshots):
                text = texts[number % files]
                text[lines.randrange(LINES)] = f"value = {lines.random()}\n"
                began = time.perf_counter()
                (alice.tree / f"f{number % files}.py").write_text("".join(text))
                until_told(events, "alice")
                took.append((time.perf_counter() - began) * 1e3)
    finally:
        alice.bough("down", "--all")
    store = alice.tree / ".git/bough/store.git"
    subprocess.run(["git", "fsck", "--full", "--strict", "--no-dangling"], cwd=store, check=True, capture_output=True)
    took.sort()
    size = sum(os.stat(os.path.join(where, name)).st_size for where, _, names in os.walk(store) for name in names)
    return {
        "snapshots": float(snapshots),
        "median, ms": statistics.median(took),
        "99 of 100 within, ms": took[len(took) * 99 // 100],
        "slowest, ms": took[-1],
        "store, MB": size / 1e6,
    }


if __name__ == "__main__":
    os.umask(0o077)
    main()
