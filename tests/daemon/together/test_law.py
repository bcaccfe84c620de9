"""The laws of working together, whatever two or three members do, and however late states arrive.

Nobody's content is lost; all who are together have the same files in the end, or a difference is a paused path; `back`
is exact. The long form is `pytest --hypothesis-profile=long --timeout=0 tests/daemon/together/test_law.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.commands.hop import hop_now
from bough_daemon.errors import BoughError
from bough_daemon.git.root_dir import blob_id
from bough_daemon.history.journal import HopKind
from bough_daemon.transaction import swap_in
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.daemon.support import git
from tests.daemon.together.company_support import Company, SeatedMember

LONG = settings.get_current_profile_name() == "long"
NAMES = ["alice", "bob", "carol"]
who = st.integers(0, 2)
paths = st.sampled_from(["a.txt", "b.txt", "d/c.txt", "new.txt"])
places = st.integers(0, 14)


class KilledHere(BaseException):
    """The daemon is killed in the middle of placing files."""


class TheyStayTogether(RuleBasedStateMachine):
    """Two or three members, whatever they do."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="together-"))
        self.saved: set[str] = set()  # the blobs of all contents that were saved
        self.read: dict[tuple[str, str], bytes] = {}  # what an editor has read, and not written back
        self.homes: dict[str, tuple[dict[str, bytes], str]] = {}
        self.count = 0

    @initialize(size=st.integers(2, 3), together=st.booleans())
    def found(self, size: int, together: bool) -> None:
        self.company = Company(self.folder, NAMES[:size])
        self.members = list(self.company.members.values())
        if together:
            for guest in self.members[1:]:
                self.company.deliver(guest, self.members[0])
                self._hop(guest, self.members[0], "together")

    def _member(self, number: int) -> SeatedMember:
        return self.members[number % len(self.members)]

    def _two(self, number: int, other: int) -> tuple[SeatedMember, SeatedMember] | None:
        one, two = self._member(number), self._member(other)
        return (one, two) if one is not two else None

    # What a member does to files.

    def _word(self, member: SeatedMember) -> bytes:
        self.count += 1
        return b"%s %d" % (member.name.encode(), self.count)

    def _save(self, member: SeatedMember) -> None:
        member.save()
        self.saved |= {blob_id(data) for data in member.files().values()}

    @rule(number=who, path=paths, at=places, saved=st.booleans())
    def add(self, number: int, path: str, at: int, saved: bool) -> None:
        member = self._member(number)
        member.add(path, self._word(member), at)
        if saved:
            self._save(member)

    @rule(number=who, path=paths, at=places)
    def overwrite(self, number: int, path: str, at: int) -> None:
        member = self._member(number)
        lines = member.files().get(path, b"").splitlines(keepends=True)
        if lines:
            lines[at % len(lines)] = self._word(member) + b"\n"
            member.write(path, b"".join(lines))
            self._save(member)

    @rule(number=who, path=paths)
    def remove(self, number: int, path: str) -> None:
        member = self._member(number)
        (member.root / path).unlink(missing_ok=True)
        self._save(member)

    @rule(number=who, path=paths, name=st.sampled_from(["moved.txt", "d/moved.txt", "new.txt", "b.txt"]))
    def rename(self, number: int, path: str, name: str) -> None:
        member = self._member(number)
        if path in member.files() and name not in member.files():
            (member.root / name).parent.mkdir(exist_ok=True)
            (member.root / path).rename(member.root / name)
            self._save(member)

    @rule(number=who, path=paths)
    def open_in_editor(self, number: int, path: str) -> None:
        member = self._member(number)
        if path in member.files():
            self.read[member.name, path] = member.files()[path]

    @rule(number=who, path=paths, at=places)
    def write_from_editor(self, number: int, path: str, at: int) -> None:
        member = self._member(number)
        lines = self.read.pop((member.name, path), b"").splitlines(keepends=True)
        if lines:
            lines.insert(at % len(lines), self._word(member) + b"\n")
            member.write(path, b"".join(lines))
            self._save(member)

    # What a member types.

    def _hop(self, member: SeatedMember, host: SeatedMember, kind: HopKind) -> None:
        there = hop_now(member.live)
        self._save(member)
        home = member.files(), git(member.root, "rev-parse", "--symbolic-full-name", "HEAD")
        with suppress(BoughError):
            member.hop(host.name, kind)
            if there is None:
                self.homes[member.name] = home

    @rule(number=who, other=who, kind=st.sampled_from(["together", "together", "follow", "still"]))
    def hop(self, number: int, other: int, kind: Any) -> None:
        two = self._two(number, other)
        if two is not None and two[1].name in two[0].known:
            self._hop(*two, kind)

    @rule(number=who)
    def back(self, number: int) -> None:
        member = self._member(number)
        self._save(member)
        if hop_now(member.live) is None:
            return
        with suppress(BoughError):
            member.back()
            files, head = self.homes[member.name]
            assert member.files() == files
            assert git(member.root, "rev-parse", "--symbolic-full-name", "HEAD") == head

    @rule(number=who)
    def off(self, number: int) -> None:
        member = self._member(number)
        self.count += 1
        before = member.files()
        with suppress(BoughError):
            member.off(f"made-{self.count}")
            assert member.files() == before

    @rule(number=who)
    def undo(self, number: int) -> None:
        member = self._member(number)
        self._save(member)
        with suppress(BoughError):
            member.undo()

    @rule(number=who, words=st.sampled_from([["commit", "-qam", "c"], ["reset", "-q", "--hard"], ["add", "-A"]]))
    def type_git(self, number: int, words: list[str]) -> None:
        member = self._member(number)
        self._save(member)
        with suppress(AssertionError):  # there may be nothing to commit
            git(member.root, *words)
        self._save(member)

    # What the network and the daemons do.

    @rule(number=who)
    def save(self, number: int) -> None:
        self._save(self._member(number))

    @rule(number=who, other=who)
    def deliver(self, number: int, other: int) -> None:
        two = self._two(number, other)
        if two is not None:
            self.company.deliver(*two)

    @rule(number=who)
    def fold(self, number: int) -> None:
        self._member(number).fold()

    @rule(number=who, steps=st.integers(0, 3))
    def is_killed_in_a_fold(self, number: int, steps: int) -> None:
        """Kill the daemon when some files are placed and others are not, and start it again."""
        member, left = self._member(number), steps
        place = swap_in.Placing._place

        def killed(self: swap_in.Placing, *step: Any) -> None:
            nonlocal left
            if left == 0:
                raise KilledHere
            left -= 1
            place(self, *step)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(swap_in.Placing, "_place", killed)
            patched.setattr(swap_in.Placing, "_put_back", lambda self: None)
            patched.setattr(shutil, "rmtree", lambda *_, **__: None)
            with suppress(KilledHere):
                member.fold()
        member.start()

    def teardown(self) -> None:
        """Check the laws."""
        try:
            if hasattr(self, "company"):
                self._check()
        finally:
            if hasattr(self, "company"):
                self.company.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _check(self) -> None:
        self.company.settle()
        for member in self.members:
            host = self.company.members.get(member.guest_of(member.tip))
            if host is None or host.guest_of(host.tip) == member.name:
                continue
            here, there = member.files(), host.files()
            differ = {path for path in here.keys() | there.keys() if here.get(path) != there.get(path)}
            assert differ <= member.paused() | host.paused(), (member.name, host.name, differ)
        reached = self.company.store.git.run("rev-list", "--objects", "--all").split()
        assert self.saved <= {oid.decode() for oid in reached}
        assert not any(b"<<<<<<<" in data for member in self.members for data in member.files().values())


TestTheyStayTogether = pytest.mark.timeout(0 if LONG else 240)(TheyStayTogether.TestCase)
TestTheyStayTogether.settings = settings(
    max_examples=2000 if LONG else 6, stateful_step_count=60 if LONG else 25, deadline=None
)
