"""Two to four members with a daemon each do anything, are killed and are cut off; then four laws hold.

Nothing that `bough save` recorded is lost; those who work together have the same files, or their difference is named;
`back` restores HEAD, index and files exactly; and no line is gone unless a member did something that removes lines.
The long form is `pytest --hypothesis-profile=long --timeout=0 tests/cli/test_together_state.py`.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join
from tests.daemon.moves_support import files_of
from tests.daemon.support import git, make_repository

LONG = settings.get_current_profile_name() == "long"
NAMES = ["alice", "bob", "carol", "dave"]
LINES = b"".join(b"line %d\n" % number for number in range(12))
FILES = {"a.txt": LINES, "b.txt": LINES, "d/ü c.txt": b"c\n", ".gitignore": b"*.log\n"}
PATIENCE = 90.0  # seconds for everybody to agree, on a busy machine

who = st.integers(0, 3)
paths = st.sampled_from(["a.txt", "b.txt", "d/ü c.txt", "new 1.txt"])
GIT = [
    *(["commit", "-qam", "work"], ["commit", "-q", "--allow-empty", "-m", "empty"], ["add", "-A"]),
    *(["switch", "-q", "main"], ["switch", "-q", "-c", "topic"], ["switch", "-q", "-"], ["branch", "-f", "kept"]),
    *(["stash", "-qu"], ["stash", "pop", "-q"], ["reset", "-q", "--hard"], ["reset", "-q", "--soft", "HEAD~1"]),
]
REMOVES = {"switch", "stash", "reset"}  # git commands after which lines may be gone from the files


@dataclass
class Desk:
    """One member of the game. `saved`: what was recorded; `home`: HEAD, index and files before the hop, if known."""

    member: Member
    saved: set[str] = field(default_factory=set)
    home: tuple[str, str, object] | None = None
    is_frozen: bool = False

    @property
    def name(self) -> str:
        """The member's name."""
        return self.member.name

    def scene(self) -> tuple[str, str, object]:
        """Return HEAD, the index and the files."""
        tree = self.member.tree
        with suppress(AssertionError):
            return git(tree, "symbolic-ref", "HEAD"), git(tree, "ls-files", "-s"), files_of(tree)
        return git(tree, "rev-parse", "HEAD"), git(tree, "ls-files", "-s"), files_of(tree)

    def lines(self, path: str) -> list[str]:
        """Return the lines of a file; none if it is missing."""
        with suppress(FileNotFoundError):
            return (self.member.tree / path).read_text().splitlines()
        return []

    def write(self, path: str, lines: list[str]) -> None:
        """Replace a file, as an editor does: by a temporary file and a rename."""
        file = self.member.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        beside = file.with_name(f".{file.name}.swp")
        beside.write_text("".join(f"{line}\n" for line in lines))
        beside.replace(file)


class WorkingTogether(RuleBasedStateMachine):
    """Members with real daemons, whatever they do. `typed`: lines by their path; a `removal` may take any of them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="together-"))
        self.desks: list[Desk] = []
        self.number = 0
        self.typed: list[tuple[str, str, Desk]] = []

    @initialize(size=st.integers(2, 4) if LONG else st.just(2))
    def found(self, size: int) -> None:
        first = make_repository(self.folder / "first", FILES)
        git(first, "branch", "-qM", "main")
        origin = self.folder / "origin.git"
        git(self.folder, "clone", "-q", "--bare", str(first), str(origin))
        for name in NAMES[:size]:
            tree = self.folder / f"{name}s wörk"
            git(self.folder, "clone", "-q", str(origin), str(tree))
            git(tree, "config", "user.name", name)
            git(tree, "config", "user.email", f"{name}@example.org")
            self.desks.append(Desk(Member(name, tree, self.folder / f"home-{name}")))
        host, *others = [desk.member for desk in self.desks]
        host.bough("up")
        for other in others:
            join(host, other)
        host.bough("save", "--wait", *NAMES[1:size])
        for number in range(1, size):
            self.hop(number, 0, "")

    def teardown(self) -> None:
        try:
            if self.desks:
                self.check()
        finally:
            for desk in self.desks:
                self._thaw(desk)
                desk.member.ends()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _desk(self, number: int) -> Desk:
        return self.desks[number % len(self.desks)]

    def _awake(self, number: int) -> Desk:
        desk = self._desk(number)
        self._thaw(desk)
        return desk

    def _thaw(self, desk: Desk) -> None:
        if desk.is_frozen:
            desk.is_frozen = False
            os.kill(desk.member.daemon_pid(), signal.SIGCONT)

    def _do(self, desk: Desk, *words: str, removes: bool = False) -> bool:
        """Type a command; one that is not possible now changes nothing, and nothing may be Bough's fault."""
        if removes:
            self.typed.clear()
        typed = desk.member.types(*words)
        event(f"{words[0]}: {typed.code}")
        assert typed.code in (0, 1, 3), (desk.name, words, typed)
        return typed.code in (0, 3)

    # What they do.

    @rule(number=who, path=paths, at=st.integers(0, 13))
    def edit(self, number: int, path: str, at: int) -> None:
        desk = self._desk(number)
        self.number += 1
        line, lines = f"{desk.name} {self.number}", desk.lines(path)
        lines.insert(at % (len(lines) + 1), line)
        desk.write(path, lines)
        self.typed.append((path, line, desk))

    @rule(number=who, path=paths, at=st.integers(0, 11))
    def replace(self, number: int, path: str, at: int) -> None:
        desk = self._desk(number)
        lines = desk.lines(path)
        if lines:
            self.number += 1
            self.typed = [one for one in self.typed if one[1] != lines[at % len(lines)]]
            lines[at % len(lines)] = f"{desk.name} replaced {self.number}"
            desk.write(path, lines)

    @rule(number=who, other=who, path=paths, at=st.integers(0, 13))
    def pair(self, number: int, other: int, path: str, at: int) -> None:
        """Two of them type into one file at once, one of them as the other's guest."""
        self.hop(number, other, "")
        for step in range(3):
            self.edit(number, path, at + step)
            self.edit(other, path, at)

    @rule(number=who, path=paths)
    def remove(self, number: int, path: str) -> None:
        (self._desk(number).member.tree / path).unlink(missing_ok=True)
        self.typed = [one for one in self.typed if one[0] != path]

    @rule(number=who)
    def save(self, number: int) -> None:
        desk = self._awake(number)
        tip = desk.member.told("save")["tip"]
        store = desk.member.tree / ".git" / "bough" / "store.git"
        desk.saved |= {line.split()[2] for line in git(store, "ls-tree", "-r", tip).splitlines()}

    @rule(number=who, other=who, kind=st.sampled_from(["", "", "", "--follow"]))
    def hop(self, number: int, other: int, kind: str) -> None:
        desk, host = self._awake(number), self._desk(other)
        if desk is host:
            return
        self.save(number)
        there, scene = desk.member.told("status")["hopped_to"], desk.scene()
        if self._do(desk, "hop", host.name, *([kind] if kind else []), removes=True) and not there:
            desk.home = scene

    @rule(number=who)
    def back(self, number: int) -> None:
        desk = self._awake(number)
        if self._do(desk, "back", removes=True):
            now = desk.scene()
            assert desk.home in (None, now), (desk.name, desk.home, now)
            desk.home = None

    @rule(number=who)
    def off(self, number: int) -> None:
        desk = self._awake(number)
        self.number += 1
        if self._do(desk, "off", f"off-{self.number}"):
            desk.home = None

    @rule(number=who, other=who, stop=st.booleans())
    def stay(self, number: int, other: int, stop: bool) -> None:
        desk, host = self._awake(number), self._desk(other)
        if desk is not host:
            self._do(desk, "stay", *([host.name] if not stop else ["--stop"]))

    @rule(number=who, other=who)
    def merge(self, number: int, other: int) -> None:
        desk, host = self._awake(number), self._desk(other)
        if desk is not host:
            self._do(desk, "merge", host.name, removes=True)

    @rule(number=who)
    def land(self, number: int) -> None:
        desk = self._awake(number)
        self.number += 1
        if self._do(desk, "land", "-m", f"landing {self.number}", removes=True):
            desk.home = None

    @rule(number=who)
    def undo(self, number: int) -> None:
        desk = self._awake(number)
        self._do(desk, "undo", removes=True)
        desk.home = None

    @rule(number=who, words=st.sampled_from(GIT))
    def git(self, number: int, words: list[str]) -> None:
        desk = self._awake(number)
        if words[0] in REMOVES:
            self.typed.clear()
        with suppress(AssertionError):  # Git refuses
            git(desk.member.tree, *words)
        if words[0] == "switch":
            desk.home = None

    @rule(number=who)
    def kill(self, number: int) -> None:
        desk = self._awake(number)
        desk.member.is_killed()
        desk.member.bough("up")

    @rule(number=who)
    @precondition(lambda self: not any(desk.is_frozen for desk in self.desks))
    def freeze(self, number: int) -> None:
        """Cut a member off, as if their machine hung or had no network, until they do something."""
        desk = self._desk(number)
        desk.is_frozen = True
        os.kill(desk.member.daemon_pid(), signal.SIGSTOP)

    # The laws.

    def check(self) -> None:
        """Let everybody come to rest, and check the laws."""
        for number, desk in enumerate(self.desks):
            self._thaw(desk)
            self.edit(number, "b.txt", 3 * number)
            self.save(number)
        until(lambda: not self._differences(), PATIENCE)
        for desk in self.desks:
            self._check_kept(desk)
            git(desk.member.tree, "fsck", "--connectivity-only", "--no-dangling")
            self._check_lines(desk)

    def _differences(self) -> list[str]:
        """Return files that guests and their hosts have differently, although nobody is told so."""
        by_name, found = {desk.name: desk for desk in self.desks}, list[str]()
        for desk in self.desks:
            told = desk.member.told("status")
            if told["hop_kind"] != "together" or told["held"] or told["operation"]:
                continue
            host = by_name[told["hopped_to"]]
            theirs = host.member.told("status")
            if theirs["operation"] or theirs["held"]:
                continue
            named = {one["path"] for side in (told, theirs) for one in [*side["paused"], *side["withheld"]]}
            here, there = files_of(desk.member.tree), files_of(host.member.tree)
            found += [path for path in here.keys() | there.keys() if here.get(path) != there.get(path)]
            found = [path for path in found if path not in named]
        return found

    def _check_kept(self, desk: Desk) -> None:
        store = desk.member.tree / ".git" / "bough" / "store.git"
        kept = {line[:40] for line in git(store, "rev-list", "--objects", "--all").splitlines()}
        assert desk.saved <= kept, (desk.name, desk.saved - kept)

    def _check_lines(self, desk: Desk) -> None:
        """Each line is in its writer's file once, if nothing was done that may remove it."""
        for path, line, typist in self.typed:
            if typist is desk:
                assert desk.lines(path).count(line) == 1, (desk.name, path, line, desk.lines(path))


TestWorkingTogether = WorkingTogether.TestCase
TestWorkingTogether.settings = settings(
    max_examples=200 if LONG else 4,
    stateful_step_count=30 if LONG else 10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestWorkingTogether.pytestmark = [pytest.mark.timeout(0 if LONG else 600), pytest.mark.lengthy]  # type: ignore[attr-defined]
