"""Measure what old snapshots weigh before and after they have grown fewer, and what a save takes meanwhile.

usage: python tests/bench/retention.py [--snapshots N] [--files N]

Records N snapshots (default 10,000), three seconds apart, of a few files (default 12, of 200 lines each), each with one
line changed, commits everything, lets the history start over, and plans and removes, two days later, what `store.keep`
lets go by default. While the plan is made, saves go on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bough_daemon.api.keep_ages import KeepAges
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.history import branches
from bough_daemon.history.branches import Branch
from bough_daemon.history.timeline import timeline
from bough_daemon.retention.starting_over import may_start_over
from bough_daemon.retention.thinning import finish, prepare, propose
from bough_daemon.store.gathering import gather, tidy
from bough_daemon.store.store import Store
from bough_daemon.system.threads import StoreThread

LINES = 200  # of a file
APART = 3.0  # seconds between snapshots
TIDY_EVERY = 100  # snapshots
LATER = 2 * 24 * 3600.0  # seconds


class Clock:
    """The time of the recorded snapshots."""

    now = time.time() - 30 * 24 * 3600.0

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self.now


def main() -> None:
    """Run it and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--snapshots", type=int, default=10_000)
    options.add_argument("--files", type=int, default=12)
    chosen = options.parse_args()
    clock: Any = Clock()
    vars(branches)["time"] = clock
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        store = Store(_repository(Path(folder)), "bench")
        for name, value in _Bench(store, clock, chosen.files).measure(chosen.snapshots).items():
            print(f"{name:36} {value:10.1f}")
        store.close()


def _repository(root: Path) -> str:
    for words in (["init", "-q", "-b", "main"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", "-c", "user.name=A", "-c", "user.email=a@b", *words], cwd=root, check=True)
    return str(root / ".git")


class _Bench:
    def __init__(self, store: Store, clock: Clock, files: int) -> None:
        self.store, self.clock, self.owner = store, clock, StoreThread("store")
        self.branch = Branch(store, "alice", "A <a@b>")
        self.random = random.Random(1)
        self.texts = [
            [f"v{number}_{line} = {self.random.random()}\n" for line in range(LINES)] for number in range(files)
        ]
        self.base = GitHead(store).commit
        self.tree = store.objects.commit(self.base).tree
        self.store.arrive(self.base)
        for number in range(files):
            self.save(number)

    def save(self, number: int) -> None:
        """Change a line of a file, and take a snapshot."""
        text = self.texts[number % len(self.texts)]
        text[self.random.randrange(LINES)] = f"value = {self.random.random()}\n"
        blob = self.store.objects.write_blob("".join(text).encode())
        self.tree = self.store.objects.splice(self.tree, {f"f{number % len(self.texts)}.py": TreeEntry(FILE, blob)})
        self.clock.now += APART
        self.branch.save(self.tree, self.base)

    def measure(self, snapshots: int) -> dict[str, float]:
        """Return sizes in megabytes and times in milliseconds, by name."""
        for number in range(snapshots):
            self.save(number)
            if number % TIDY_EVERY == 0:
                asyncio.run(tidy(self.store, self.owner))
        self._commit()
        asyncio.run(self._pack())
        before, weighed = self._count(), self._megabytes()
        quiet = self._saves(lambda number: number < 200)
        began = time.perf_counter()
        planning = threading.Thread(target=self._plan)
        planning.start()
        meanwhile = self._saves(lambda _: planning.is_alive())
        planned = time.perf_counter() - began
        began = time.perf_counter()
        finish(self.store, (), KeepAges())
        removed = time.perf_counter() - began
        asyncio.run(self._pack())
        subprocess.run(["git", "fsck", "--full", "--strict", "--no-dangling"], cwd=self.store.path, check=True)
        self.owner.close()
        return {
            "snapshots before": float(before),
            "snapshots after": float(self._count() - len(quiet) - len(meanwhile)),
            "store before, MB": weighed,
            "store after, MB": self._megabytes(),
            "planning, ms": 1e3 * planned,
            "removing, ms": 1e3 * removed,
            "save before, median ms": statistics.median(quiet),
            "save while planning, median ms": statistics.median(meanwhile),
            "save while planning, slowest ms": max(meanwhile),
        }

    def _commit(self) -> None:
        self.store.give([self.tree])
        words = ["git", "commit-tree", self.tree, "-p", self.base, "-m", "work"]
        author = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        made = subprocess.run(
            words, cwd=self.store.common_dir, env=os.environ | author, check=True, capture_output=True, text=True
        )
        self.base = made.stdout.strip()
        self.store.arrive(self.base)
        tip = self.branch.save(self.tree, self.base)
        assert may_start_over(self.store, "alice", tip, self.clock.now + 2 * 3600.0, 100)
        self.branch.start_over(tip.oid)
        self.branch.save(self.tree, self.base)

    async def _pack(self) -> None:
        self.store.objects.heavy_bytes = 1 << 30
        await tidy(self.store, self.owner)
        await gather(self.store, self.owner, all_of_them=True)

    def _plan(self) -> None:
        with self.store.beside() as store:
            plan = propose(store, (), KeepAges(), self.clock.now + LATER)
            assert plan is not None
            prepare(store, plan)

    def _saves(self, going: Any) -> list[float]:
        took = list[float]()
        while going(len(took)):
            began = time.perf_counter()
            self.save(len(took))
            took.append((time.perf_counter() - began) * 1e3)
            time.sleep(0.01)
        return took

    def _count(self) -> int:
        assert self.branch.tip is not None
        return sum(1 for _ in timeline(self.store.objects, self.branch.tip.oid))

    def _megabytes(self) -> float:
        found = ((where, name) for where, _, names in os.walk(self.store.path) for name in names)
        return sum(os.stat(os.path.join(where, name)).st_size for where, name in found) / 1e6


class GitHead:
    """HEAD of the user's repository."""

    def __init__(self, store: Store) -> None:
        asked = ["git", "rev-parse", "HEAD"]
        said = subprocess.run(asked, cwd=store.common_dir, check=True, capture_output=True, text=True)
        self.commit = said.stdout.strip()


if __name__ == "__main__":
    os.umask(0o077)
    main()
