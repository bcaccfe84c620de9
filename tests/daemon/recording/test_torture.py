"""Two members do anything to their working trees: every save is what Git would add, and nothing of Git's own changes.

The long form is `pytest --hypothesis-profile=long --timeout=0 tests/daemon/recording/test_torture.py`: more rounds,
from another seed each time (`BOUGH_TEST_SEED` gives one again).
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running, wait_until_ended
from bough_daemon.api.progress import Progress, Question
from bough_daemon.api.records import Saved
from bough_daemon.errors import BoughError
from bough_daemon.home import Home
from hypothesis import settings

from tests.daemon.support import git, make_repository, write_files
from tests.daemon.unruly import Unruly

LONG = settings.get_current_profile_name() == "long"
ROUNDS = 400 if LONG else 12
SEEDS = [int(os.environ.get("BOUGH_TEST_SEED") or random.SystemRandom().randrange(2**32))] if LONG else [1]
PATIENCE = 60.0  # seconds
FRESHENED = re.compile(r"/objects/|/sharedindex\.")
FILES = {"a.txt": b"one\ntwo\n", "sub/b.txt": b"b\n", "sub/deep/c": b"c\n", "x.up": b"UP\n", ".gitignore": b"*.log\n"}


class Nobody:
    """The hands of one who is not at a terminal."""

    def tell(self, progress: Progress) -> None:
        pass

    def ask(self, question: Question) -> bool:
        return True

    def run(
        self, arguments: list[str], directory: str, environment: Mapping[str, str], stdin: bytes
    ) -> tuple[int, bytes, str]:
        done = subprocess.run(arguments, cwd=directory, input=stdin, capture_output=True, check=False)
        return done.returncode, done.stdout, os.fsdecode(done.stderr)


class Tortured:
    """One who works in a clone of the repository, with a daemon that anything may happen to."""

    def __init__(self, name: str, root: Path, home: Path, chance: random.Random) -> None:
        self.name = name
        self.root = root
        git(root, "config", "user.name", name.title())
        git(root, "config", "filter.up.clean", "tr A-Z a-z")
        git(root, "config", "filter.up.smudge", "tr a-z A-Z")
        self.home = Home(str(home), tempfile.gettempdir())
        self.unruly = Unruly(root, chance)

    @property
    def daemon(self) -> Client:
        ensure_running(self.home)
        return Client(self.home)

    def save(self) -> Saved:
        with self.daemon as daemon:
            return daemon.save(str(self.root), [], False, 0.0)

    def hop(self, name: str) -> None:
        with self.daemon as daemon:
            daemon.hop(str(self.root), Nobody(), name)

    def back(self) -> None:
        with self.daemon as daemon:
            daemon.back(str(self.root), Nobody())

    def undo(self) -> None:
        with self.daemon as daemon:
            daemon.undo(str(self.root), Nobody())

    def kill(self) -> None:
        """Kill the daemon as a lost machine would; no child of its outlives it."""
        if not os.path.exists(self.home.lock):
            return
        pid = int(Path(self.home.lock).read_text())
        os.kill(pid, signal.SIGKILL)
        wait_until_ended(self.home)
        deadline = time.monotonic() + PATIENCE
        while left := self._processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.02)

    def _processes(self) -> list[str]:
        """Return the processes that work for this member's store."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                words = Path("/proc", entry, "cmdline").read_bytes() if entry.isdigit() else b""
                variables = Path("/proc", entry, "environ").read_bytes() if words else b""
            except OSError:
                continue
            if os.fsencode(self.home.root) in variables + words and int(entry) != os.getpid():
                found.append(os.fsdecode(words))
        return found

    def check_whole_without_bough(self) -> None:
        """Check that Git misses nothing where Bough's folder is not there."""
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch, "copy.git")
            shutil.copytree(self.root / ".git", copy, ignore=lambda _, names: {"bough"} & set(names))
            assert git(copy, "fsck", "--no-dangling", GIT_DIR=str(copy)) == ""

    def by_git(self) -> tuple[str, set[str]]:
        """Return the tree that `git add -A && git write-tree` give with a scratch index, and its entries."""
        with tempfile.TemporaryDirectory() as scratch:
            index = self.root / ".git/index"
            if index.exists():
                shutil.copy2(index, Path(scratch, "index"))
            for shared in self.root.glob(".git/sharedindex.*"):
                shutil.copy2(shared, scratch)
            objects = Path(scratch, "objects")
            objects.mkdir()
            environment = dict(os.environ) | {
                "GIT_INDEX_FILE": f"{scratch}/index",
                "GIT_OBJECT_DIRECTORY": str(objects),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.root / ".git/objects"),
            }
            words = ["git", "-c", "core.splitIndex=false", "-c", "core.safecrlf=false", "add", "-A", "--ignore-errors"]
            subprocess.run(words, cwd=self.root, env=environment, capture_output=True, check=False)
            tree = git(self.root, "-c", "core.splitIndex=false", "write-tree", stdin=b"", **environment)
            return tree, set(git(self.root, "ls-tree", "-r", "-z", tree, stdin=b"", **environment).split("\0"))

    def of_git(self) -> dict[str, tuple[int, str]]:
        """Return every file of the user's git folder, with its time and its content.

        Without the times of objects and of shared indexes: Git freshens those of which it only makes use.
        """
        found = {}
        for folder, folders, names in os.walk(self.root / ".git"):
            folders[:] = [name for name in folders if Path(folder, name) != self.root / ".git/bough"]
            for name in names:
                path = Path(folder, name)
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[str(path)] = (0 if FRESHENED.search(str(path)) else path.stat().st_mtime_ns, digest)
        return found

    def on_disk(self) -> dict[str, object]:
        """Return every file outside of Git's folder, and HEAD and the index."""
        found: dict[str, object] = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name != ".git"]
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for path in (Path(folder, name) for name in [*names, *links]):
                mode = path.lstat().st_mode
                found[str(path)] = (mode, os.readlink(path) if path.is_symlink() else path.read_bytes())
        index = self.root / ".git/index"
        found["index"] = index.read_bytes() if index.exists() else b""
        found["HEAD"] = (self.root / ".git/HEAD").read_text()
        return found


@pytest.fixture(params=SEEDS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Tortured, Tortured, random.Random]]:
    """Two members of one team, and the seeded chance that decides what they do."""
    print(f"BOUGH_TEST_SEED={request.param}")
    chance = random.Random(request.param)
    make_repository(tmp_path / "alice", FILES)
    git(tmp_path, "clone", "-q", "alice", "bob")
    made = [Tortured(name, tmp_path / name, tmp_path / f"home-{name}", chance) for name in ("alice", "bob")]
    alice, bob = made
    try:
        with alice.daemon as daemon:
            daemon.up(str(alice.root), "alice")
            ticket = daemon.invite(str(alice.root), "127.0.0.1:0").ticket
        with bob.daemon as daemon:
            daemon.up(str(bob.root), "bob")
            daemon.join(str(bob.root), ticket, "bob")
        yield alice, bob, chance
    finally:
        for member in made:
            member.kill()


@pytest.mark.lengthy
def test_every_save_is_what_git_would_add_and_is_at_the_teammate(
    pair: tuple[Tortured, Tortured, random.Random],
) -> None:
    alice, bob, chance = pair
    for number in range(ROUNDS):
        member, other = chance.sample([alice, bob], 2)
        start = len(member.unruly.done)
        if chance.random() < 0.15:
            member.kill()
        member.unruly.act(chance.randrange(1, 9))
        story = f"round {number} of {member.name}: {member.unruly.done[start:]}"
        before = member.of_git()
        saved = member.save()
        assert member.of_git() == before, story
        wanted, entries = member.by_git()
        if saved.tree != wanted:
            ours = set(git(member.root, "-C", ".git/bough/store.git", "ls-tree", "-r", "-z", saved.tree).split("\0"))
            pytest.fail(f"too much: {ours - entries}; too little: {entries - ours}; {story}")
        _until_held(other, member.name, saved.shared_tip, story)
        theirs = git(Path(other.root, ".git/bough/store.git"), "ls-tree", "-r", member.name)
        mine = git(Path(member.root, ".git/bough/store.git"), "ls-tree", "-r", saved.shared_tip)
        assert theirs == mine, story


@pytest.mark.lengthy
def test_hop_and_back_are_the_identity_whatever_was_done_before(pair: tuple[Tortured, Tortured, random.Random]) -> None:
    alice, bob, chance = pair
    for number in range(ROUNDS // 2):
        member, other = chance.sample([alice, bob], 2)
        starts = len(member.unruly.done), len(other.unruly.done)
        member.unruly.act(chance.randrange(1, 9))
        other.unruly.act(chance.randrange(1, 9))
        story = f"round {number}: {member.unruly.done[starts[0] :]}; hers: {other.unruly.done[starts[1] :]}"
        _until_held(member, other.name, other.save().shared_tip, story)
        member.save()
        before = member.on_disk()
        try:
            member.hop(other.name)
        except BoughError as refused:
            print(f"round {number}: {refused.message}")
            assert member.on_disk() == before, story
            _to_a_clean_start(member)
            continue
        write_files(member.root, {"while there.txt": b"there\n"})
        chance.choice([member.back, member.undo])()
        assert member.on_disk() == before, story
        member.check_whole_without_bough()


def _to_a_clean_start(member: Tortured) -> None:
    for words in (["merge", "--abort"], ["rebase", "--abort"], ["reset", "--hard", "-q"]):
        subprocess.run(["git", *words], cwd=member.root, capture_output=True, check=False)


def _until_held(member: Tortured, name: str, tip: str, story: str) -> None:
    deadline = time.monotonic() + PATIENCE
    with member.daemon as daemon:
        while not any(one.tip == tip for one in daemon.status(str(member.root)).teammates):
            assert time.monotonic() < deadline, f"{member.name} does not get {name}'s {tip}; {story}"
            time.sleep(0.01)
