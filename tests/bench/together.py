"""Measure two people who type into one file: how long a save takes into the other's file, and that no line is lost.

usage: python tests/bench/together.py [--seconds N] [--saves N] [--way rename|truncate|both] [--json FILE]

Makes a repository, two members with a daemon each, and lets one be the other's guest. Then two scripts read the file,
add a line (mostly below their own last one, now and then at the very end, where the other adds lines, too) and write it
back, as often as `--saves` says (5 a second) for `--seconds` (120): by a temporary file and a rename, or in place.

Prints the milliseconds from a save to the moment at which its line is in the other's file (p50, p95, p99, the most),
and whether every line is there once, on both sides, without a conflict marker, and both files are alike. The exit code
is 1 where they are not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from bough_cli.tour import TourMember

FILE = "notes.txt"
SETTLE = 20.0  # seconds in which both files have to become alike after the last save
LOOK = 0.002  # seconds between looks at the other's file
AT_THE_END = 0.1  # of all lines


@dataclass
class Typist:
    """One who types. `typed`: when each line was saved; `seen`: when each of the other's lines came in (seconds)."""

    member: TourMember
    way: str
    typed: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The file that both type into."""
        return self.member.tree / FILE

    def type(self, seconds: float, pause: float) -> None:
        """Add lines until the time is over."""
        chance, end, number = random.Random(self.member.name), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            started = time.monotonic()
            line = f"{self.member.name} {number}"
            lines = self.file.read_text().splitlines()
            mine = [at for at, one in enumerate(lines) if one.startswith(self.member.name)]
            at = len(lines) if chance.random() < AT_THE_END or not mine else mine[-1] + 1
            lines.insert(at, line)
            self._write("\n".join(lines) + "\n", number)
            self.typed[line] = time.monotonic()
            number += 1
            time.sleep(max(0.0, pause - (time.monotonic() - started)))

    def _write(self, text: str, number: int) -> None:
        if self.way == "truncate" or (self.way == "both" and number % 2):
            self.file.write_text(text)
            return
        beside = self.file.with_name(f".{FILE}.{os.getpid()}.{self.member.name}~")
        beside.write_text(text)
        beside.replace(self.file)

    def watch(self, stop: threading.Event) -> None:
        """Note when lines come into the file."""
        last: object = None
        while not stop.is_set():
            status = self.file.stat()
            state = status.st_mtime_ns, status.st_ino, status.st_size
            if state != last:
                last, now = state, time.monotonic()
                for line in self.file.read_text().splitlines():
                    self.seen.setdefault(line, now)
            time.sleep(LOOK)


def members(top: Path) -> list[TourMember]:
    """Return two members of a team, the second the guest of the first."""
    alice, bob = TourMember("alice", top), TourMember("bob", top)
    alice.tree.mkdir()
    alice.git("init", "-q", "-b", "main")
    (alice.tree / FILE).write_text("".join(f"line {number}\n" for number in range(200)))
    alice.git("add", "-A")
    alice.git("-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "all")
    subprocess.run(["git", "clone", "-q", str(alice.tree), str(bob.tree)], check=True)
    for member in (alice, bob):
        member.git("config", "user.name", member.name)
        member.git("config", "user.email", f"{member.name}@example.org")
    alice.bough("up")
    bob.bough("join", alice.told("invite")["ticket"])
    bob.bough("hop", "alice")
    return [alice, bob]


def run(top: Path, seconds: float, saves: float, way: str) -> dict[str, float]:
    """Let both type, and return the figures."""
    typists = [Typist(member, way) for member in members(top)]
    stop = threading.Event()
    watching = [threading.Thread(target=typist.watch, args=(stop,)) for typist in typists]
    typing = [threading.Thread(target=typist.type, args=(seconds, 1 / saves)) for typist in typists]
    for thread in [*watching, *typing]:
        thread.start()
    for thread in typing:
        thread.join()
    wanted = {line for typist in typists for line in typist.typed}
    end = time.monotonic() + SETTLE
    while time.monotonic() < end and not _are_whole(typists, wanted):
        time.sleep(0.1)
    stop.set()
    for thread in watching:
        thread.join()
    return _figures(typists, wanted)


def _are_whole(typists: list[Typist], wanted: set[str]) -> bool:
    texts = [typist.file.read_text() for typist in typists]
    return texts[0] == texts[1] and wanted <= set(texts[0].splitlines())


def _figures(typists: list[Typist], wanted: set[str]) -> dict[str, float]:
    one, other = typists
    waits = [
        (there.seen[line] - at) * 1e3
        for here, there in ((one, other), (other, one))
        for line, at in here.typed.items()
        if line in there.seen
    ]
    counts = [Counter(typist.file.read_text().splitlines()) for typist in typists]
    cuts = statistics.quantiles(waits, n=100)
    markers = sum(line.startswith(("<<<<<<<", ">>>>>>>", "|||||||")) for count in counts for line in count)
    return {
        "lines": len(wanted),
        "p50 ms": cuts[49],
        "p95 ms": cuts[94],
        "p99 ms": cuts[98],
        "most ms": max(waits),
        "lost": sum(count[line] == 0 for count in counts for line in wanted),
        "doubled": sum(count[line] > 1 for count in counts for line in wanted),
        "gone of before": sum(count[f"line {number}"] != 1 for count in counts for number in range(200)),
        "markers": markers,
        "different": float(counts[0] != counts[1] or typists[0].file.read_text() != typists[1].file.read_text()),
        "load": os.getloadavg()[0],
    }


def main() -> int:
    """Run it, print the figures, and return the exit code."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=float, default=120.0)
    options.add_argument("--saves", type=float, default=5.0)
    options.add_argument("--way", choices=["rename", "truncate", "both"], default="rename")
    options.add_argument("--json", default="")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        top = Path(folder)
        try:
            rows = run(top, chosen.seconds, chosen.saves, chosen.way)
        finally:
            for name in ("alice", "bob"):
                if (top / name).is_dir():
                    TourMember(name, top).bough("down", "--all")
    for name, value in rows.items():
        print(f"{name:20} {value:10.1f}")
    if chosen.json:
        Path(chosen.json).write_text(json.dumps(rows, indent=1))
    return int(any(rows[name] for name in ("lost", "doubled", "gone of before", "markers", "different")))


if __name__ == "__main__":
    sys.exit(main())
