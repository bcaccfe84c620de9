"""Replay the history of a repository: how much of what was typed would the engine have written?

usage: python tests/bench/completion_replay.py GIT_DIR [--commits N] [--seed N] [--together] [--misses N] [--json FILE]

Commits without merges are drawn by a fixed seed and played in the order of their dates. For each, the engine holds the
tree of its parent and what the last `RECENT` commits before it added. Then every file that it adds or changes is typed
from top to bottom: what stands above the line is as the commit left it, what stands below as it was. Of the added lines
with two visible characters or more, at most `LINES` are drawn per commit; of each, the blanks before it and a third of
its visible characters are typed, and the rest of the line is asked for. Only the whole rest, to the character, counts.
Of the files of the same commit that come earlier in the alphabet the engine knows what stood around the last question
about them, as it remembers those; `--together` gives it the whole of them, as an editor that has them open would.
A line that was moved or copied counts like any other.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO

from bough_completion import BlobKind, Origin, Query, RepositoryEngine

LINES = 12
"""So many lines are asked per commit, or one great commit would speak for all."""
RECENT = 20
"""So many commits are fed as recent ones, as the daemon would."""
LARGEST = 512_000
"""Bytes of the largest file that is read."""
OFFSETS = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class History:
    """Read a repository through two git processes."""

    def __init__(self, git_dir: str) -> None:
        self._git = ["git", "--git-dir", git_dir]
        self._blobs = subprocess.Popen([*self._git, "cat-file", "--batch"], stdin=-1, stdout=-1)

    def run(self, *arguments: str) -> str:
        """Return what a git command prints."""
        return subprocess.run([*self._git, *arguments], capture_output=True, check=True).stdout.decode(errors="replace")

    def text(self, blob: str) -> str | None:
        """Return a blob that is here, is text and not too large."""
        stdin, stdout = _pipe(self._blobs.stdin), _pipe(self._blobs.stdout)
        stdin.write(f"{blob}\n".encode())
        stdin.flush()
        header = stdout.readline().split()
        if header[1] == b"missing":
            return None
        kind, size = header[1:]
        content = stdout.read(int(size) + 1)[:-1]
        if kind != b"blob" or len(content) > LARGEST or b"\0" in content[:8000]:
            return None
        return content.decode(errors="replace")

    def commits(self, count: int, seed: int) -> list[str]:
        """Draw commits that have one parent, the oldest first."""
        every = self.run("rev-list", "--no-merges", "--min-parents=1", "--max-count=4000", "HEAD").split()
        drawn = random.Random(seed).sample(range(len(every)), min(count, len(every)))
        return [every[place] for place in sorted(drawn, reverse=True)]

    def changes(self, old: str, new: str) -> Iterator[tuple[str, str, str, str]]:
        """Yield status, old blob, new blob and path of every file that differs."""
        fields = self.run("diff-tree", "-r", "-z", "--no-renames", old, new).split("\0")
        for entry, path in zip(fields[0::2], fields[1::2], strict=False):
            _, mode, before, after, status = entry.split(" ")
            if mode != "160000":
                yield status, before, after, path

    def added(self, before: str) -> dict[str, str]:
        """Return what the commits up to `before` added, by commit and path."""
        found: dict[str, list[str]] = {}
        for commit in self.run("rev-list", "--no-merges", f"--max-count={RECENT}", before).split():
            path = ""
            for line in self.run("show", "-U0", "--format=", "--no-renames", commit).split("\n"):
                if line.startswith("+++ "):
                    path = line.removeprefix("+++ b/")
                elif line.startswith(("@@", "+")):
                    found.setdefault(f"{commit}/{path}", []).append(line[1:] if line[0] == "+" else "")
        texts = {path: "\n".join(lines) for path, lines in found.items()}
        return {path: text for path, text in texts.items() if len(text) <= LARGEST}

    def close(self) -> None:
        """End the processes."""
        _pipe(self._blobs.stdin).close()
        _pipe(self._blobs.stdout).close()
        self._blobs.wait()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


class Tree:
    """Keep an engine on the tree of one commit after the other."""

    def __init__(self, history: History) -> None:
        self.engine = RepositoryEngine()
        self.seconds = 0.0
        self._history = history
        self._recent: dict[str, str] = {}
        self._at = history.run("hash-object", "-t", "tree", "/dev/null").strip()

    def move(self, commit: str) -> None:
        """Put and drop what differs."""
        changes = list(self._history.changes(self._at, commit))
        texts = [(path, self._history.text(blob) if status != "D" else None) for status, _, blob, path in changes]
        start = perf_counter()
        for path, text in texts:
            if text is None:
                self.engine.drop(path)
            else:
                self.engine.put(path, text)
        self.engine.tidy()
        self.seconds = self.seconds or perf_counter() - start
        self._at = commit
        for path in self._recent:
            self.engine.drop(path, Origin(BlobKind.COMMIT))
        self._recent = self._history.added(commit)
        for path, text in self._recent.items():
            self.engine.put(path, text, Origin(BlobKind.COMMIT))
        self.engine.tidy()


@dataclass
class Tally:
    """Count the answers."""

    asked: int = 0
    exact: int = 0
    shown: int = 0
    shown_exact: int = 0

    def add(self, exact: bool, shown: bool) -> None:
        """Record one answer."""
        self.asked += 1
        self.exact += exact
        self.shown += shown
        self.shown_exact += exact and shown

    def __str__(self) -> str:
        exact, shown = self.exact / self.asked, self.shown / self.asked
        return f"{self.asked:5} lines: exact {exact:6.1%}, shown {shown:6.1%}, of these exact {self.precision:6.1%}"

    @property
    def precision(self) -> float:
        """Return the share of the shown that is exact."""
        return self.shown_exact / max(1, self.shown)


def added_lines(history: History, before: str, after: str, path: str, old: str, new: str) -> Iterator[Query]:
    """Yield a query for every added line, its whole text as the prefix."""
    was, now = old.split("\n"), new.split("\n")
    for line in history.run("diff", "-U0", "--no-renames", before, after, "--", path).split("\n"):
        offsets = OFFSETS.match(line)
        if offsets is None:
            continue
        old_start, old_count, start, count = (int(group) if group else 1 for group in offsets.groups())
        below = was[old_start - 1 + old_count if old_count else old_start :]
        for number in range(start, start + count):
            if len(now[number - 1].strip()) >= 2:
                yield Query(path, "\n".join(now[:number]), "".join("\n" + text for text in below), patience=1.0)


def cut(query: Query) -> tuple[Query, str]:
    """Leave a third of the last line typed; return the rest beside it."""
    above, _, line = query.prefix.rpartition("\n")
    line = line.rstrip("\r")
    visible = line.strip()
    typed = len(line) - len(line.lstrip()) + max(1, round(len(visible) / 3))
    prefix = f"{above}\n{line[:typed]}" if above else line[:typed]
    return Query(query.path, prefix, query.suffix, patience=query.patience), line[typed:]


def questions(
    history: History, tree: Tree, commit: str, together: bool, draw: random.Random
) -> Iterator[tuple[Query, str]]:
    """Yield what is asked while a commit is typed, with the right answers."""
    parent = f"{commit}^"
    changes = [change for change in history.changes(parent, commit) if change[0] != "D"]
    queries = []
    for status, before, after, path in changes:
        old, new = "" if status == "A" else history.text(before), history.text(after)
        if old is not None and new is not None:
            queries += list(added_lines(history, parent, commit, path, old, new))
    picked = sorted(draw.sample(range(len(queries)), min(LINES, len(queries))))
    texts = {path: history.text(after) for _, _, after, path in changes} if together else {}
    opened = set()
    for query in (queries[place] for place in picked):
        for path, text in texts.items():
            if path < query.path and text is not None and path not in opened:
                tree.engine.put(path, text, Origin(BlobKind.BUFFER))
                opened.add(path)
        yield cut(query)
    for path in opened:
        tree.engine.drop(path, Origin(BlobKind.BUFFER))


def main() -> None:
    """Replay and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("git_dir")
    parser.add_argument("--commits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--misses", type=int, default=0, help="print so many wrong answers")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    history = History(options.git_dir)
    tree = Tree(history)
    draw = random.Random(options.seed)
    tally, kinds, seconds, answers = Tally(), Counter[str](), [], []
    for commit in history.commits(options.commits, options.seed):
        tree.move(f"{commit}^")
        for query, rest in questions(history, tree, commit, options.together, draw):
            start = perf_counter()
            found = tree.engine.complete(query)
            seconds.append(perf_counter() - start)
            best = found[0] if found else None
            tally.add(best is not None and best.text == rest, best is not None and best.shown)
            kinds[Path(query.path).suffix] += 1
            answers.append((best.confidence if best else 0.0, best is not None and best.text == rest))
            if options.misses > 0 and best is not None and best.text != rest:
                options.misses -= 1
                typed = query.prefix.rpartition("\n")[2].strip()
                print(f"{best.confidence:.2f} {query.path}: {typed!r}\n  right {rest!r}\n  given {best.text!r}")
    history.close()
    report(options.git_dir, tree, tally, kinds, seconds)
    if options.json:
        options.json.write_text(json.dumps(answers))


def report(name: str, tree: Tree, tally: Tally, kinds: Counter[str], seconds: list[float]) -> None:
    """Print the figures of one repository."""
    stats, seconds = tree.engine.stats(), sorted(seconds)
    print(f"{name}: {stats.blobs} files, {stats.tokens:,} tokens, first index {tree.seconds:.2f} s")
    print(f"  {tally}")
    p50, p95 = (seconds[int(len(seconds) * share)] * 1000 for share in (0.5, 0.95))
    print(f"  reply p50 {p50:.1f} ms, p95 {p95:.1f} ms; files {dict(kinds.most_common(5))}", file=sys.stdout)


if __name__ == "__main__":
    main()
