"""The live tour: two members, two daemons, one real tree, on this machine alone."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

FILES_WANTED = 2000
LEFT_OUT = {"site-packages", "__pycache__", "idle_test", "lib-dynload"}
PATIENCE = 30.0
TYPING_PAUSE = 0.2  # seconds between two saves of one member


class StepFailed(Exception):
    """A step of the tour failed."""


def real_files(limit: int = FILES_WANTED) -> list[tuple[Path, str]]:
    """Return (source, path in the tree) of files of the running Python's library, at most `limit`."""
    top = Path(sysconfig.get_path("stdlib"))
    found: list[tuple[Path, str]] = []
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(names):
            if name.endswith((".py", ".txt", ".cfg")):
                source = Path(folder) / name
                found.append((source, str(source.relative_to(top))))
    found.sort(key=lambda pair: (pair[1].startswith("test"), pair[1]))
    return found[:limit]


class TourMember:
    """One member of the tour: a clone and a home with its own daemon."""

    def __init__(self, name: str, top: Path) -> None:
        self.name = name
        self.tree = top / name
        self.home = top / f"home-{name}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which this member types commands."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "BOUGH_"))}
        return kept | {"BOUGH_HOME": str(self.home), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def bough(self, *arguments: str, stdin: str = "", codes: tuple[int, ...] = (0,)) -> str:
        """Run a `bough` command and return its output; raise StepFailed if it fails."""
        return self._type([sys.executable, "-P", "-m", "bough_cli", *arguments], "bough " + arguments[0], stdin, codes)

    def told(self, *arguments: str) -> dict[str, Any]:
        """Run a `bough` command with `--json` and return its object."""
        said: dict[str, Any] = json.loads(self.bough(*arguments, "--json"))
        return said

    def git(self, *arguments: str) -> str:
        """Run a git command and return its output."""
        return self._type(["git", *arguments], "git " + arguments[0], "", (0,))

    def _type(self, words: list[str], name: str, stdin: str, codes: tuple[int, ...]) -> str:
        done = subprocess.run(
            words, cwd=self.tree, env=self.environment, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode not in codes:
            raise StepFailed(f"{self.name}: {name} ended with {done.returncode}\n{done.stderr.strip()}")
        return done.stdout.strip()

    @contextlib.contextmanager
    def events(self) -> Iterator[queue.SimpleQueue[dict[str, Any]]]:
        """Yield the events of `bough watch --json` as they come, once it has started."""
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "bough_cli", "watch", "--json"],
            cwd=self.tree,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        lines: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(child.stdout, lines))
        reader.start()
        try:
            lines.get(timeout=PATIENCE)
            yield lines
        finally:
            child.terminate()
            child.wait()
            reader.join()
            child.stdout.close()


def _read(output: IO[str], lines: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in output:
        lines.put(json.loads(line))


def _lines(member: TourMember, path: str) -> list[str]:
    """Return the lines of a member's file; none while it is being replaced."""
    with contextlib.suppress(FileNotFoundError):
        return (member.tree / path).read_text(encoding="utf-8").splitlines()
    return []


def _type(member: TourMember, path: str, lines: int) -> None:
    """Add lines to a file, one by one, as an editor that reads it again before each."""
    file, beside = member.tree / path, member.tree / f".{member.name}.swp"
    for number in range(lines):
        text = file.read_text(encoding="utf-8")
        line = f"# {member.name} {number}\n"
        beside.write_text(line + text if member.name == "alice" else text + line, encoding="utf-8")
        beside.replace(file)
        time.sleep(TYPING_PAUSE)


def until_told(events: queue.SimpleQueue[dict[str, Any]], member: str) -> None:
    """Wait for the next snapshot on a member's branch; raise StepFailed if none comes."""
    try:
        while True:
            event = events.get(timeout=PATIENCE)
            if event["member"] == member and event["tip"]:
                return
    except queue.Empty:
        raise StepFailed(f"nothing came from {member} within {PATIENCE:g} seconds") from None


class Tour:
    """The steps, in order. Each returns a sentence about the result.

    `progress` is called with the done part of a long step (0 to 1).
    """

    def __init__(self, top: Path) -> None:
        self.progress: Callable[[float], None] = lambda _: None
        self.top = top
        self.remote = top / "remote.git"
        self.alice = TourMember("alice", top)
        self.bob = TourMember("bob", top)

    def close(self) -> None:
        """End both daemons and remove everything."""
        for member in (self.alice, self.bob):
            if member.tree.is_dir():
                with contextlib.suppress(StepFailed):
                    member.bough("down", "--all")
        shutil.rmtree(self.top, ignore_errors=True)

    def make_tree(self) -> str:
        """Make a repository of Python's own library"""
        files = real_files()
        for number, (source, path) in enumerate(files, 1):
            self.progress(number / len(files))
            target = self.alice.tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        self.alice.git("init", "-q", "-b", "main")
        self._identify(self.alice)
        self.alice.git("add", "-A")
        self.alice.git("commit", "-q", "-m", "Python's own library")
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.remote)], check=True)
        self.alice.git("remote", "add", "origin", str(self.remote))
        self.alice.git("push", "-q", "-u", "origin", "main")
        return f"{len(files)} files"

    def clone(self) -> str:
        """Clone it for bob"""
        subprocess.run(["git", "clone", "-q", str(self.remote), str(self.bob.tree)], check=True)
        self._identify(self.bob)
        return "from a bare remote"

    def _identify(self, member: TourMember) -> None:
        member.git("config", "user.name", member.name.title())
        member.git("config", "user.email", f"{member.name}@example.org")
        member.git("config", "commit.gpgSign", "false")

    def alice_up(self) -> str:
        """alice: bough up"""
        return f"alice's branch is {self.alice.told('up')['branch']}"

    def bob_joins(self) -> str:
        """alice: bough invite   bob: bough join"""
        ticket = self.alice.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
        self.bob.bough("join", "-", stdin=ticket)
        self.alice.bough("save", "--wait", "bob")
        return "one ticket, used up"

    def edits_flow(self) -> str:
        """alice saves a file, ten times; bob's daemon has it"""
        path = self.alice.tree / "json" / "decoder.py"
        taken = []
        with self.bob.events() as events:
            for number in range(10):
                self.progress(number / 10)
                text = path.read_text(encoding="utf-8")
                started = time.perf_counter()
                path.write_text(f"{text}\n# a thought, number {number}\n", encoding="utf-8")
                until_told(events, "alice")
                taken.append(time.perf_counter() - started)
        tip = self.alice.told("save", "--wait", "bob")["tip"]
        seen = self._teammate(self.bob, "alice")["tip"]
        self._expect(seen == tip, f"bob has {seen[:10]}, alice is at {tip[:10]}")
        return f"median {sorted(taken)[5] * 1e3:.0f} ms from the save to bob's daemon"

    def bob_hops(self) -> str:
        """bob: bough hop alice"""
        self.mine = "mine, not committed\n"
        (self.bob.tree / "notes.txt").write_text(self.mine, encoding="utf-8")
        (self.bob.tree / "this.py").write_text("# staged\n", encoding="utf-8")
        self.bob.git("add", "this.py")
        self.before = self.bob.git("status", "--porcelain=v2", "--branch")
        self.bob.bough("hop", "alice")
        same = (self.bob.tree / "json/decoder.py").read_bytes() == (self.alice.tree / "json/decoder.py").read_bytes()
        self._expect(same, "bob's file is not alice's")
        return "bob's files are alice's"

    def bob_edits_and_goes_back(self) -> str:
        """bob edits there   bob: bough back"""
        (self.bob.tree / "json" / "scanner.py").write_text("# tried out\n", encoding="utf-8")
        self.bob.bough("back")
        after = self.bob.git("status", "--porcelain=v2", "--branch")
        self._expect(after == self.before, "git status is not what it was before the hop")
        self._expect((self.bob.tree / "notes.txt").read_text() == self.mine, "an untracked file is not what it was")
        return "staged, unstaged and untracked as before"

    def bob_merges(self) -> str:
        """both edit one file   bob: bough merge alice"""
        self.bob.git("restore", "--staged", "--worktree", "this.py")
        self._replace(self.alice, "json/encoder.py", "def py_encode_basestring(s):", "def py_encode_basestring(s, /):")
        self._replace(self.bob, "json/encoder.py", "class JSONEncoder(object):", "class JSONEncoder:")
        self._replace(self.bob, "json/encoder.py", "class JSONEncoder:", "class JSONEncoder:  # by bob")
        self.alice.bough("save", "--wait", "bob")
        self.bob.bough("merge", "alice")
        text = (self.bob.tree / "json/encoder.py").read_text(encoding="utf-8")
        self._expect("(s, /)" in text and "# by bob" in text, "an edit is missing from the merged file")
        return "both edits in one file, no conflict"

    def both_type_in_one_file(self) -> str:
        """bob: bough hop alice   both type in one file"""
        self.bob.bough("hop", "alice")
        path, lines = "json/decoder.py", 8
        writers = [threading.Thread(target=_type, args=(one, path, lines)) for one in (self.alice, self.bob)]
        started = time.perf_counter()
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        wanted = {f"# {one.name} {number}" for one in (self.alice, self.bob) for number in range(lines)}
        self._until(
            lambda: all(wanted <= set(_lines(one, path)) for one in (self.alice, self.bob)), "a line is missing"
        )
        self._until(lambda: _lines(self.alice, path) == _lines(self.bob, path), "the files differ")
        return f"{2 * lines} lines, all in both files within {time.perf_counter() - started:.1f} s"

    def comment_follows(self) -> str:
        """bob: bough comment   alice: 40 lines above it"""
        path = "json/decoder.py"
        number = next(at for at, line in enumerate(_lines(self.alice, path), 1) if "def JSONObject" in line)
        self.bob.bough("comment", f"{path}:{number}", "What if the context is None?")
        text = (self.alice.tree / path).read_text(encoding="utf-8")
        (self.alice.tree / path).write_text("# above\n" * 40 + text, encoding="utf-8")
        self.alice.bough("save", "--wait", "bob")
        (said,) = [json.loads(line) for line in self.alice.bough("comments", path, "--json").splitlines()]
        at = said["place"]["first"]
        self._expect(at == number + 40, f"the comment is at line {at}, its code at {number + 40}")
        self.bob.bough("back")
        return f"from line {number} to line {at}"

    def agent_works(self) -> str:
        """alice: bough agent fix -- COMMAND   bough blame"""
        path = "json/tool.py"
        code = f"p = {path!r}; t = open(p).read(); open(p, 'w').write('# by an agent\\n' + t)"
        self.alice.bough("agent", "fix", "--", sys.executable, "-c", code)
        self.alice.bough("merge", "alice+fix")
        said = json.loads(self.alice.bough("blame", path, "-L", "1,1", "--json"))
        self._expect(said["kind"] == "agent", f"the agent's line is said to be {said['branch'] or said['author']}'s")
        self.alice.bough("agent", "fix", "--remove")
        return f"in a working tree of its own, merged; line 1 is {said['branch']}'s"

    def bob_lands(self) -> str:
        """bob: bough land"""
        self.bob.bough("land", "-m", "json: tidy the encoder")
        said = subprocess.run(
            ["git", "-C", str(self.remote), "log", "-1", "--format=%an%n%B", "main"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        self._expect(said.startswith("Bob") and "Co-authored-by: Alice" in said, f"main's newest commit says {said!r}")
        return "one commit on the remote's main, alice its co-author"

    def completion(self) -> str:
        """alice: bough complete"""
        path = self.alice.tree / "json" / "tool.py"
        lines = path.read_text(encoding="utf-8").splitlines()
        number = next(i for i, line in enumerate(lines) if "argparse.ArgumentParser(" in line)
        at = lines[number].index("Argument") + 3
        said = self.alice.told("complete", f"json/tool.py:{number + 1}:{at + 1}")
        self._expect(bool(said["continuations"]), "no answer")
        answer = said["continuations"][0]["text"].splitlines()[0]
        return f"{lines[number][:at].strip()}… → {answer} ({said['engine']})"

    STEPS = (
        make_tree,
        clone,
        alice_up,
        bob_joins,
        edits_flow,
        bob_hops,
        bob_edits_and_goes_back,
        bob_merges,
        bob_lands,
        both_type_in_one_file,
        comment_follows,
        agent_works,
        completion,
    )

    def _replace(self, member: TourMember, path: str, old: str, new: str) -> None:
        file = member.tree / path
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def _teammate(self, member: TourMember, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in member.told("status")["teammates"] if one["name"] == name)
        return found

    def _until(self, holds: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            self._expect(time.monotonic() < end, otherwise)
            time.sleep(0.05)

    def _expect(self, true: bool, otherwise: str) -> None:
        if not true:
            raise StepFailed(otherwise)
