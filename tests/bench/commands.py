"""Time the commands that change files, beside git's own, and where asked beside another version of Bough.

usage: python tests/bench/commands.py [--files N] [--edits N] [--rounds N] [--bough COMMAND] [--against COMMAND]

Makes a repository of N files (default 5,000), a bare remote, and two members for each version, and times in turn, so
that a machine that slows down slows them all:

  save      a file was edited             git add -A && git commit
  hop       with two edits of one's own,  git stash -u && git fetch && git switch --detach
            to a teammate with 20
  back      from there                    git switch - && git stash pop
  merge     those edits into one's own    git merge
  land      one edit, no hooks            git commit -a && git push

Git's column also has `stash`, `switch` (to the teammate's branch) and `pop` alone. `--edits`: the teammate's.
`--bough`, `--against`: the `bough` of this version and of another (default: the one of this interpreter, and none).
Times are medians of whole commands in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

EDITS = 20  # by default


@dataclass
class Person:
    """One who works in a clone, with a HOME of their own, and a version of Bough or none."""

    tree: Path
    bough: list[str]
    files: int
    edits: int
    times: dict[str, list[float]] = field(default_factory=dict)

    def run(self, *command: str, stdin: str = "") -> str:
        home = self.tree.parent / f"home-{self.tree.name}"
        home.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "BOUGH_"))}
        environment |= {"HOME": str(home), "BOUGH_HOME": str(home / "bough"), "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            command, cwd=self.tree, env=environment, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} failed in {self.tree}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def git(self, *words: str) -> str:
        return self.run("git", *words)

    def cli(self, *words: str, stdin: str = "") -> str:
        return self.run(*self.bough, *words, stdin=stdin)

    def timed(self, name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        self.times.setdefault(name, []).append((time.perf_counter() - started) * 1e3)

    def edit_first(self, word: str) -> None:
        """Edit what the teammate edits."""
        self._edit(range(self.edits), word)

    def edit_last(self, word: str) -> None:
        """Edit two files that the teammate does not edit."""
        self._edit(range(self.files - 2, self.files), word)

    def _edit(self, numbers: range, word: str) -> None:
        for number in numbers:
            with (self.tree / path_of(number)).open("a") as file:
                file.write(f"# {word}\n")


def path_of(number: int) -> str:
    """Return the path of a file's number."""
    return f"d{number // 100}/f{number}.py"


def found(top: Path, files: int, edits: int, bough: list[str]) -> tuple[Person, Person]:
    """Make a remote and two clones; with Bough, one team of both."""
    seed = Person(top / "seed", [], files, edits)
    for number in range(files):
        path = seed.tree / path_of(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def f{number}():\n    return {number}\n")
    seed.git("init", "-q", "-b", "main")
    identify(seed)
    seed.git("add", "-A")
    seed.git("commit", "-qm", "all")
    seed.git("clone", "-q", "--bare", ".", str(top / "origin.git"))
    people = []
    for name in ("alice", "bob"):
        seed.git("clone", "-q", str(top / "origin.git"), str(top / name))
        people.append(Person(top / name, bough, files, edits))
        identify(people[-1])
    alice, bob = people
    if bough:
        alice.cli("up", "--as", "alice")
        bob.cli("up", "--as", "bob")
        bob.cli("join", "-", stdin=json.loads(alice.cli("invite", "--listen", "127.0.0.1:0", "--json"))["ticket"])
    return alice, bob


def identify(person: Person) -> None:
    """Give a clone a user, and no gc in the middle of a measurement."""
    for name, value in (("user.name", person.tree.name), ("user.email", "x@example.org"), ("gc.auto", "0")):
        person.git("config", name, value)


def round_with_bough(alice: Person, bob: Person, number: int) -> None:
    """Time each command once."""
    alice.edit_first(f"alice {number}")
    alice.timed("save", lambda: alice.cli("save"))
    alice.cli("save", "--wait", "bob")
    bob.edit_last(f"bob {number}")
    bob.timed("hop", lambda: bob.cli("hop", "alice"))
    bob.timed("back", lambda: bob.cli("back"))
    bob.timed("merge", lambda: bob.cli("merge", "alice"))
    bob.timed("land", lambda: bob.cli("land", "-m", f"work {number}"))
    alice.git("fetch", "-q")
    alice.git("reset", "-q", "--hard", "origin/main")
    alice.cli("save", "--wait", "bob")


def round_with_git(alice: Person, bob: Person, number: int) -> None:
    """Time what one would type without Bough."""
    alice.git("switch", "-qC", "topic")
    alice.edit_first(f"alice {number}")
    alice.timed("save", lambda: (alice.git("add", "-A"), alice.git("commit", "-qm", "save")))
    alice.git("push", "-qf", "origin", "topic")
    bob.edit_last(f"bob {number}")
    bob.timed("hop", lambda: hop_with_git(bob))
    bob.timed("back", lambda: back_with_git(bob))
    bob.timed("merge", lambda: bob.git("merge", "-q", "--no-edit", "origin/topic"))
    bob.timed("land", lambda: (bob.git("commit", "-qam", "work"), bob.git("push", "-q", "origin", "HEAD:main")))
    alice.git("fetch", "-q")
    alice.git("reset", "-q", "--hard", "origin/main")


def hop_with_git(bob: Person) -> None:
    """Go to what the teammate has pushed, setting one's own edits aside."""
    bob.timed("stash", lambda: bob.git("stash", "-uq"))
    bob.git("fetch", "-q")
    bob.timed("switch", lambda: bob.git("switch", "-q", "--detach", "origin/topic"))


def back_with_git(bob: Person) -> None:
    """Return, with the edits that were set aside."""
    bob.git("switch", "-q", "-")
    bob.timed("pop", lambda: bob.git("stash", "pop", "-q"))


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=5_000)
    options.add_argument("--edits", type=int, default=EDITS)
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--bough", default=f"{sys.executable} -m bough_cli")
    options.add_argument("--against", default="")
    chosen = options.parse_args()
    versions = {"git": [], "bough": chosen.bough.split()}
    versions |= {"other": chosen.against.split()} if chosen.against else {}
    top = Path(tempfile.mkdtemp(prefix="bough-bench-"))
    pairs: dict[str, tuple[Person, Person]] = {}
    try:
        for name, command in versions.items():
            pairs[name] = found(top / name, chosen.files, chosen.edits, command)
        for number in range(chosen.rounds):
            for name, pair in pairs.items():
                (round_with_bough if versions[name] else round_with_git)(*pair, number)
    finally:
        for name, pair in pairs.items():
            for person in pair if versions[name] else ():
                person.cli("down", "--all")
        shutil.rmtree(top)
    show(pairs)


def show(pairs: dict[str, tuple[Person, Person]]) -> None:
    """Print a line for each command: the medians, and the ratios to this version of Bough."""
    times = {name: pair[0].times | pair[1].times for name, pair in pairs.items()}
    medians = {name: {what: statistics.median(of) for what, of in one.items()} for name, one in times.items()}
    print(
        f"{'':8}"
        + "".join(f"{name + ', ms':>12}" for name in medians)
        + "   bough/git"
        + "  bough/other" * ("other" in medians)
    )
    for what in medians["bough"]:
        row = [medians[name][what] for name in medians]
        ratios = [medians["bough"][what] / medians[name][what] for name in ("git", "other") if name in medians]
        print(f"{what:8}" + "".join(f"{value:12.0f}" for value in row) + "".join(f"{ratio:12.2f}" for ratio in ratios))
    for what in ("stash", "switch", "pop"):
        print(f"{what:8}{medians['git'][what]:12.0f}")


if __name__ == "__main__":
    main()
