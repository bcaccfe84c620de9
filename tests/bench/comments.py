#!/usr/bin/env python3
"""Put comments on places of a real history, replay them through later commits, and hold the answers against git's.

usage: python tests/bench/comments.py [--places N] [--commits N] [--every N] [--seed N] [--show] REPOSITORY...
       python tests/bench/comments.py --large FILES

Places are drawn at random from the text files of the commit that is `--commits` before HEAD, along first parents: one
to five lines, the first of which is not blank. At every `--every`th later commit and at HEAD it is asked where they
are.

`git blame --reverse` is the judge: it says of each line in which commit it was last, and at which line of which file.
Where that is the commit looked at, the comment has to be at that very line, or at one where more of its lines and of
those around them are as they were. Where the line was edited or removed before, it has to say so: `edited`, at a line
that is like it, or `gone`; or it moved, and then its lines are the same.

`--large` makes a repository of so many files and says what a listing of `--places` comments takes there: the first one,
the next one, one after a save, and one after a branch that changed each of the files with a comment and 1,000 others.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bough_daemon.git.objects import Objects
from bough_daemon.history.line_counts import text_at
from bough_daemon.talk.entries import Anchor
from bough_daemon.talk.line_ranges import ALIKE
from bough_daemon.talk.positions import CodePosition, PositionFinder, PositionMemory, anchor_at

MOST_LINES = 5
RIGHT = ("same line", "more of it", "edited", "moved", "gone")


@dataclass(frozen=True)
class Judged:
    """What git says of a line: the file and the number that it has at a commit; None: it is not there."""

    path: str
    number: int


class History:
    """A repository, and the commits along first parents, the oldest first."""

    def __init__(self, folder: str, commits: int) -> None:
        self._folder = folder
        found = self._git("rev-list", "--first-parent", f"--max-count={commits + 1}", "HEAD").split()
        self.commits = found[::-1]
        git_dir = self._git("rev-parse", "--absolute-git-dir").strip()
        self.objects = Objects(os.path.join(git_dir, "objects"))
        self._blame = cache(self._blamed)

    def _git(self, *arguments: str) -> str:
        command = ["git", "-c", "core.quotePath=false", "-C", self._folder, *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8", "surrogateescape")

    def places(self, count: int, chance: random.Random) -> list[Anchor]:
        """Return lines of the oldest commit, drawn at random: each line of each file is as likely as another."""
        objects, oldest = self.objects, self.commits[0]
        texts = [(path, text_at(objects, entry)) for path, entry in objects.walk(objects.commit(oldest).tree)]
        lines = [
            (path, number)
            for path, text in sorted((path, text) for path, text in texts if text is not None)
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]
        found: list[Anchor] = []
        for path, first in chance.sample(lines, min(len(lines), 4 * count)):
            last = first + chance.randrange(MOST_LINES) if chance.random() < 0.5 else first
            anchor = anchor_at(objects, oldest, path, first, last)
            if anchor is not None and len(found) < count:
                found.append(anchor)
        return found

    def _blamed(self, path: str, commit: str) -> dict[int, tuple[str, str, int]]:
        """Return for each line of a file of the oldest commit where it was last: commit, file, number."""
        span = f"{self.commits[0]}..{commit}"
        said = self._git("blame", "--reverse", "--first-parent", "-M", "-C", "--line-porcelain", span, "--", path)
        found, now = dict[int, tuple[str, str, int]](), ("", 0, 0)
        for line in said.split("\n"):
            if line.startswith("filename "):
                found[now[2]] = (now[0], line.removeprefix("filename "), now[1])
            elif len(words := line.split(" ")) in (3, 4) and len(words[0]) == 40 and words[1].isdigit():
                now = (words[0], int(words[1]), int(words[2]))
        return found

    def judged(self, anchor: Anchor, commit: str) -> Judged | None:
        """Return where git says that the first line of an anchor is."""
        last, path, number = self._blame(os.fsdecode(anchor.path), commit)[anchor.first]
        return Judged(path, number) if last == commit else None

    def lines_at(self, position: CodePosition, commit: str) -> list[bytes]:
        """Return the lines at a position."""
        entry = self.objects.entry(self.objects.commit(commit).tree, position.path)
        text = text_at(self.objects, entry) if entry is not None else None
        return (text or b"").split(b"\n")[position.lines.first - 1 : position.lines.last]

    def _likeness(self, anchor: Anchor, path: str, first: int, commit: str) -> tuple[bool, int]:
        """Return how much at a line is as the anchor has it: whether its lines are, and how many of those around."""
        code = [line.strip() for line in anchor.code.splitlines()]
        above, below = ([line.strip() for line in part.splitlines()] for part in (anchor.above, anchor.below))
        entry = self.objects.entry(self.objects.commit(commit).tree, path)
        lines = [line.strip() for line in ((text_at(self.objects, entry) if entry else None) or b"").splitlines()]
        start, end = first - 1, first - 1 + len(code)
        around = zip(
            [*above[::-1], *below], [*lines[max(0, start - len(above)) : start][::-1], *lines[end:]], strict=False
        )
        return lines[start:end] == code, sum(one == other for one, other in around)

    def verdict(self, anchor: Anchor, position: CodePosition | None, commit: str) -> str:
        """Return what an answer is worth."""
        judged = self.judged(anchor, commit)
        if position is None:
            return "gone" if judged is None else "not found"
        code, now = anchor.code.splitlines(), self.lines_at(position, commit)
        if judged is not None:
            there = (position.path, position.lines.first) == (judged.path, judged.number)
            if there:
                return "same line"
            if self._likeness(anchor, position.path, position.lines.first, commit) > self._likeness(
                anchor, judged.path, judged.number, commit
            ):
                return "more of it"
            return "elsewhere" if position.lines.edited else "wrong, and not said"
        if position.lines.edited:
            ours, theirs = (b"\n".join(line.strip() for line in lines).decode("latin-1") for lines in (code, now))
            return "edited" if difflib.SequenceMatcher(None, ours, theirs, False).ratio() >= ALIKE else "elsewhere"
        equal = [line.strip() for line in code] == [line.strip() for line in now]
        return "moved" if equal else "wrong, and not said"


def replay(folder: str, options: argparse.Namespace) -> None:
    """Judge one repository and print the figures."""
    history = History(folder, options.commits)
    anchors = history.places(options.places, random.Random(options.seed))
    looked_at = [*history.commits[options.every :: options.every]]
    if looked_at[-1:] != history.commits[-1:]:
        looked_at.append(history.commits[-1])
    memory, took, verdicts = PositionMemory(), list[float](), Counter[str]()
    for commit in looked_at:
        tree = history.objects.commit(commit).tree
        began = time.process_time()
        finder = PositionFinder(history.objects, memory)
        answers = [finder.position(one, tree, number.to_bytes(2)) for number, one in enumerate(anchors)]
        took.append(time.process_time() - began)
        at_this = Counter[str]()
        for anchor, position in zip(anchors, answers, strict=True):
            verdict = history.verdict(anchor, position, commit)
            at_this[verdict] += 1
            if options.show and verdict not in RIGHT:
                print(f"  {commit[:10]} {os.fsdecode(anchor.path)}:{anchor.first} {verdict}: {position}")
                print(f"    git: {history.judged(anchor, commit)}; {anchor.code!r}")
        verdicts += at_this
    right = sum(verdicts[one] for one in RIGHT)
    print(f"{Path(folder).parent.name if Path(folder).name == 'repo' else Path(folder).name}: {len(anchors)} places")
    print(f"  at HEAD, after {len(history.commits) - 1} commits: {_told(at_this)}")
    print(f"  at {len(looked_at)} commits on the way: {_told(verdicts)}")
    print(
        f"  right: {right / verdicts.total():.1%}; {1e3 * max(took):.0f} ms of a core at most for all of them at once"
    )


def large(files: int, places: int) -> None:
    """Time listings in a repository of many files."""
    with tempfile.TemporaryDirectory() as folder:
        first, second, third = _made(folder, files, places)
        objects, memory = Objects(os.path.join(folder, "objects")), PositionMemory()
        anchors = [anchor_at(objects, first, _name(number * (files // places)), 4, 4) for number in range(places)]
        print(f"{places} comments in {files:,} files")
        for what, commit in (("first", first), ("again", first), ("after a save", second), ("after a branch", third)):
            began = time.process_time()
            reader = Objects(os.path.join(folder, "objects"))
            finder, tree = PositionFinder(reader, memory), reader.commit(commit).tree
            found = [finder.position(one, tree, number.to_bytes(2)) for number, one in enumerate(anchors) if one]
            took = 1e3 * (time.process_time() - began)
            print(f"  {what}: {took:.0f} ms of a core ({sum(one is not None for one in found)} found)")


def _name(number: int) -> str:
    return f"d{number // 1000}/d{number // 50 % 20}/file{number}.py"


def _made(folder: str, files: int, places: int) -> list[str]:
    """Make a repository, and return its commits: all files, one changed, and many changed."""
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    noted = [number * (files // places) for number in range(places)]
    changed = {*noted, *range(7, files, max(1, files // 1000))}
    batches = [(range(files), b""), ([noted[0]], b"one = 1\n"), (sorted(changed), b"import os\nimport sys\n")]
    stream = []
    for mark, (numbers, added) in enumerate(batches, 1):
        stream.append(b"commit refs/heads/main\nmark :%d\ncommitter a <a@b> %d +0000\ndata 1\nx\n" % (mark, mark))
        for number in numbers:
            text = added + b"".join(b"def function_%d_%d():\n    return %d\n\n" % (number, n, n) for n in range(20))
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (_name(number).encode(), len(text), text))
    command = ["git", "-C", folder, "fast-import", "--quiet", "--export-marks=marks"]
    subprocess.run(command, input=b"".join(stream), check=True)
    return [line.split()[1] for line in sorted(Path(folder, "marks").read_text().splitlines())]


def _told(verdicts: Counter[str]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repositories", nargs="*", metavar="REPOSITORY")
    parser.add_argument("--large", type=int, metavar="FILES", help="time listings in a repository of so many files")
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument("--commits", type=int, default=300)
    parser.add_argument("--every", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print each answer that is not right")
    options = parser.parse_args()
    if options.large:
        large(options.large, options.places)
    for folder in options.repositories:
        replay(folder, options)


if __name__ == "__main__":
    main()
