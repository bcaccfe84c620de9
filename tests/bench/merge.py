#!/usr/bin/env python3
"""Time `merge_file` beside `git merge-file --diff3` on the same three files, in the same run.

usage: python tests/bench/merge.py [--rounds N] [FOLDER]

FOLDER holds cases as under tests/merge/cases (the default): folders with `base`, `ours` and `theirs`; a file `path`
names the file. Beside them, three generated files of 4,000 lines show what size costs. Prints milliseconds per file
(best of the rounds) and the ratio to git, which pays for a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bough_merge import merge_file

Case = tuple[str, bytes, bytes, bytes, str]


def cases(folder: Path) -> Iterator[Case]:
    """Yield (name, base, ours, theirs, path) for every folder that holds a case."""
    for base in sorted(folder.rglob("base*")):
        here = base.parent
        named = here / "path"
        path = named.read_text().strip() if named.exists() else base.name
        sides = [here / base.name.replace("base", side, 1) for side in ("ours", "theirs")]
        if all(side.exists() for side in sides):
            yield str(here.relative_to(folder)), base.read_bytes(), sides[0].read_bytes(), sides[1].read_bytes(), path


def generated() -> Iterator[Case]:
    """Yield files of 4,000 lines: far changes, neighbouring changes, and new functions at one place."""
    functions = [f"def f{n}(a):\n    b = a + {n}\n    c = b * 2\n    return c\n\n\n" for n in range(670)]
    base = "".join(functions)
    far = base.replace("a + 1\n", "a + 9\n"), base.replace("a + 600\n", "a + 9\n")
    near = base.replace("a + 300\n", "a + 9\n"), base.replace("c = b * 2", "c = b * 3")
    new = [
        "".join([*functions[:300], f"def {name}():\n    pass\n\n\n", *functions[300:]]) for name in ("ours", "theirs")
    ]
    for name, (ours, theirs) in (("far", far), ("near", near), ("new", (new[0], new[1]))):
        yield f"4,000 lines, {name}", base.encode(), ours.encode(), theirs.encode(), "a.py"


def best(action: Callable[[], object], rounds: int) -> float:
    """Return the least time in milliseconds that an action took."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1e3)
    return min(times)


def by_git(case: Case, folder: Path, rounds: int) -> float:
    """Return the time that `git merge-file` takes on a case, in milliseconds."""
    names = ("ours", "base", "theirs")
    for name, content in zip(names, (case[2], case[1], case[3]), strict=True):
        (folder / name).write_bytes(content)
    command = ["git", "merge-file", "--diff3", "--stdout", *(str(folder / name) for name in names)]
    return best(lambda: subprocess.run(command, capture_output=True, check=False), rounds)


def main() -> None:
    """Print a line per generated case, and percentiles over the folder's cases."""
    options = argparse.ArgumentParser(description="Time merge_file beside git merge-file.")
    options.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1] / "merge" / "cases")
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for case in (*generated(), *cases(chosen.folder)):
            mine = best(lambda: merge_file(*case[1:]), chosen.rounds)
            rows.append((case[0], mine, by_git(case, Path(scratch), chosen.rounds)))
    for name, mine, git in rows[:3]:
        print(f"{name:24} bough {mine:7.1f} ms   git {git:6.1f} ms   ratio {mine / git:5.2f}")
    rest = rows[3:]
    if rest:
        print(f"{len(rest)} cases of {chosen.folder}:")
        for label, column in (("bough", 1), ("git", 2)):
            ordered = sorted(row[column] for row in rest)
            tail = "   ".join(f"p{share} {ordered[int(len(ordered) * share / 100)]:.1f}" for share in (50, 90, 99))
            print(f"  {label:6} ms {tail}   max {ordered[-1]:.1f}")
        print(f"  ratio of medians {statistics.median(r[1] for r in rest) / statistics.median(r[2] for r in rest):.2f}")


if __name__ == "__main__":
    main()
