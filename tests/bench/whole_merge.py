"""Time `bough merge` of many files that both sides changed, beside `git merge` of the same.

usage: python tests/bench/whole_merge.py [--files N]

Takes N files (default 100) of Python's own library. alice adds a function at the end of each;
bob puts a comment into its first function and another function at the end, which git cannot merge. Prints the
seconds of the whole command, those of the merge itself inside a warm daemon (a second merge of the same kind), and of
`git merge`, with the number of conflicts of each.
"""

from __future__ import annotations

import argparse
import ast
import json
import subprocess
import tempfile
import time
from pathlib import Path

from bough_cli.tour import TourMember, real_files


def suitable(limit: int) -> list[tuple[str, str]]:
    """Return (path, text) of library files that begin with a plain function somewhere."""
    found = []
    for source, path in real_files(6000):
        if not path.endswith(".py"):
            continue
        try:
            text = source.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (UnicodeDecodeError, SyntaxError):
            continue
        if any(isinstance(node, ast.FunctionDef) for node in tree.body) and 2_000 < len(text) < 60_000:
            found.append((path, text))
        if len(found) == limit:
            break
    return found


def edited(text: str, who: str, turn: int) -> str:
    """Return what `who` makes of a file in a turn."""
    lines = text.splitlines(keepends=True)
    first = next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef))
    if who == "bob":
        lines.insert(first.body[0].lineno - 1, " " * first.body[0].col_offset + f"# bob's note {turn}\n")
    return "".join(lines) + f"\n\ndef {who}_{turn}(value):\n    return value + {turn}\n"


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=100)
    count = options.parse_args().files
    with tempfile.TemporaryDirectory(prefix="bough-bench-") as folder:
        measure(Path(folder), suitable(count))


def measure(top: Path, files: list[tuple[str, str]]) -> None:
    """Let two members change all files and merge, twice; then let git do the same."""
    alice, bob = TourMember("alice", top), TourMember("bob", top)
    write(alice, dict(files))
    alice.git("init", "-q", "-b", "main")
    identify(alice)
    alice.git("add", "-A")
    alice.git("commit", "-qm", "library")
    subprocess.run(["git", "clone", "-q", str(alice.tree), str(bob.tree)], check=True)
    identify(bob)
    try:
        alice.bough("up")
        bob.bough("join", "-", stdin=alice.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1])
        for turn, name in enumerate(("first merge, workers cold", "second merge, workers warm")):
            for member in (alice, bob):
                write(
                    member,
                    {path: edited((member.tree / path).read_text("utf-8"), member.name, turn) for path, _ in files},
                )
            alice.bough("save", "--wait", "bob")
            bob.bough("save")
            started = time.perf_counter()
            told = json.loads(bob.bough("merge", "alice", "--json", codes=(0, 3)))
            taken = time.perf_counter() - started
            conflicts = sum(file["result"] == "conflict" for file in told["files"])
            print(f"bough, {name:28} {taken:6.2f} s  {len(told['files'])} files, {conflicts} conflicts")
    finally:
        for member in (alice, bob):
            if member.tree.is_dir():
                member.bough("down", "--all")
    by_git(top, files)


def by_git(top: Path, files: list[tuple[str, str]]) -> None:
    """Time `git merge` of the first turn."""
    plain = TourMember("plain", top)
    write(plain, dict(files))
    plain.git("init", "-q", "-b", "main")
    identify(plain)
    for branch, who in (("main", ""), ("alice", "alice"), ("bob", "bob")):
        plain.git(
            "switch",
            "-q",
            *(["main"] if branch == "main" and plain.git("branch") else ["-c", branch] if who else ["-C", "main"]),
        )
        if who:
            plain.git("reset", "-q", "--hard", "main")
            write(plain, {path: edited(text, who, 0) for path, text in files})
        plain.git("add", "-A")
        plain.git("commit", "-qm", branch)
    started = time.perf_counter()
    done = subprocess.run(
        ["git", "merge", "-q", "alice"], cwd=plain.tree, env=plain.environment, capture_output=True, check=False
    )
    taken = time.perf_counter() - started
    conflicts = done.stdout.count(b"CONFLICT")
    print(f"git merge{' ' * 27} {taken:6.2f} s  {len(files)} files, {conflicts} conflicts")


def write(member: TourMember, texts: dict[str, str]) -> None:
    """Write files into a member's tree."""
    for path, text in texts.items():
        target = member.tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def identify(member: TourMember) -> None:
    """Give a member a Git name."""
    member.git("config", "user.name", member.name.title())
    member.git("config", "user.email", f"{member.name}@example.org")


if __name__ == "__main__":
    main()
