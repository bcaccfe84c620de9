"""Real daemons that are killed while somebody types a command, and the same command or the next one goes on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from bough_daemon.api.launch import is_running, wait_until_ended
from bough_daemon.home import Home

from tests.cli.conftest import Member, Typed
from tests.cli.test_two_members import join
from tests.daemon.moves_support import git
from tests.daemon.support import make_repository

ROUNDS_OF_A_TEAM = 15
LONGEST_DELAY = 0.6  # seconds; a command has ended by then
PATIENCE = 60.0  # seconds until something must have come about
WELL = (0, 1, 3, 4)  # exit codes: done, not possible now, conflicts, the daemon is not running


class DaemonRounds:
    """Kill the daemon of one of two members, or of one who is joining. `kills`: how many, by what was typed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self._folder = Path()
        self._left = 0
        self._count = 0
        self.alice = self.bob = Member("", Path(), Path())

    def close(self) -> None:
        """End the daemons and remove everything."""
        if self._folder != Path():
            for home in self._folder.glob("home-*"):
                Member("", self._folder, home).ends()
            shutil.rmtree(self._folder, ignore_errors=True)

    def round(self) -> None:
        """Type one command, kill a daemon meanwhile, and check that all goes on."""
        if not self._left:
            self._begin()
        self._left -= 1
        member, other = self.chance.sample([self.alice, self.bob], 2)
        kind = self.chance.choice(["save", "save", "merge", "hop", "land", "undo", "allow", "up", "join", "remove"])
        (member.tree / f"{member.name}.txt").write_text(f"{self.chance.random()}\n")
        try:
            tips = {one.name: one.told("save")["tip"] for one in (member, other)}
            if kind == "join":
                self._join_and_kill(member)
            else:
                self._type_and_kill(kind, member, other)
            self._check(tips)
        except BaseException as found:
            found.add_note(f"{kind} by {member.name}; kept in {self._folder}")
            self._folder = Path()
            raise
        self.kills[kind] += 1

    def _begin(self) -> None:
        self.close()
        self._folder = Path(tempfile.mkdtemp(prefix="kills-"))
        make_repository(self._folder / "alice", {"a.txt": b"one\ntwo\nthree\n", "server.key": b"x\n"})
        self.alice, self.bob = self._member("alice"), self._member("bob")
        self.alice.bough("up")
        join(self.alice, self.bob)
        self._left = ROUNDS_OF_A_TEAM

    def _member(self, name: str) -> Member:
        tree = self._folder / name
        if not tree.exists():
            git(self._folder, "clone", "-q", "alice", name)
        git(tree, "config", "user.name", name.title())
        git(tree, "config", "user.email", f"{name}@example.org")
        return Member(name, tree, self._folder / f"home-{name}")

    def _type_and_kill(self, kind: str, member: Member, other: Member) -> None:
        words = {
            "merge": ["merge", other.name],
            "hop": ["hop", other.name],
            "land": ["land", "-m", "work"],
            "allow": ["allow", f"p{self._count}"],
            "remove": ["remove", f"guest{self._count}", "--yes"],
        }.get(kind, [kind])
        if kind == "up":
            member.bough("down")
        _killed_while_typing(member, self.chance.choice([member, member, other]), words, self.chance)
        if kind == "hop" and member.types("back").code != 0:
            member.types("undo")

    def _join_and_kill(self, host: Member) -> None:
        self._count += 1
        guest = self._member(f"guest{self._count}")
        ticket = host.bough("invite", "--listen", "127.0.0.1:0").splitlines()[-1]
        _killed_while_typing(guest, self.chance.choice([host, guest]), ["join", "-"], self.chance, ticket)
        host.bough("up")
        if not _is_in(guest, host):
            guest.bough("join", "-", stdin=ticket)  # the same ticket, as it was not spent
        guest.bough("save", "--wait", host.name)
        guest.ends()

    def _check(self, tips: dict[str, str]) -> None:
        for one in (self.alice, self.bob):
            one.bough("up")
            if "cut short" in one.bough("status"):
                one.bough("undo")
            store = one.tree / ".git/bough/store.git"
            git(store, "cat-file", "-e", f"{tips[one.name]}^{{tree}}")
            for repository in (store, one.tree):
                git(repository, "fsck", "--full", "--strict", "--no-dangling")
            assert not list((one.tree / ".git").glob("*.lock")), one.name
        for one, other in ((self.alice, self.bob), (self.bob, self.alice)):
            (one.tree / f"{one.name}.txt").write_text("after\n")
            one.bough("save", "--wait", other.name)


def _is_in(guest: Member, host: Member) -> bool:
    return any(one["name"] == guest.name for one in host.told("status")["teammates"])


def _killed_while_typing(
    typing: Member, killed: Member, words: list[str], chance: random.Random, stdin: str = ""
) -> Typed:
    """Type a command, kill a daemon some time after; return what came of the command."""
    found: list[Typed] = []
    thread = threading.Thread(target=lambda: found.append(typing.types(*words, stdin=stdin)))
    thread.start()
    time.sleep(chance.uniform(0, LONGEST_DELAY))  # any moment is as good as another
    _kill(killed)
    thread.join(PATIENCE)
    assert found, f"{words} hangs"
    assert found[0].code in WELL, f"{words}: {found[0]}"
    return found[0]


def _kill(member: Member) -> None:
    """Kill a daemon, if there is one, as a lost machine would."""
    home = Home.from_environment(os.environ | {"BOUGH_HOME": str(member.home)})
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        if is_running(home):
            os.kill(member.daemon_pid(), signal.SIGKILL)
            wait_until_ended(home)


def play_with_daemons(rounds: int, seed: int) -> DaemonRounds:
    """Play a number of rounds."""
    made = DaemonRounds(seed)
    try:
        for _ in range(rounds):
            made.round()
    finally:
        made.close()
    return made
