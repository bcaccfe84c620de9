"""The law of merges and landings: nothing is taken away that its author did not take away.

Members do anything that moves HEAD or files, Git's way and Bough's. After each merge and landing, what git itself would
keep of both sides (were the files of each one commit on their HEAD) is still there, but for words that a member wrote
and took back. The long form is `pytest --hypothesis-profile=long --timeout=0 tests/daemon/commands/test_law.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.commands.hop import back, hop, off
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import redo, undo
from bough_daemon.errors import BoughError, WouldBringBack, WouldRemove
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.daemon.crew import NAMES, Mate, found_crew, found_outsider, oracle, removed_by_commit, taken_back, words_of
from tests.daemon.moves_support import git, merge_both

LONG = settings.get_current_profile_name() == "long"
ASKED = (WouldBringBack, WouldRemove)  # the second net: here it would speak of a fault of the first, or cry wolf
who = st.integers(0, 2)
paths = st.sampled_from(["a.txt", "b.txt", "d/c.txt", "e.txt", "new1.txt", "d/new2.txt"])

TYPED = [
    *(["add", "-A"], ["add", "-u"], ["commit", "-qam", "all"], ["commit", "-qm", "staged"]),
    *(["commit", "-qa", "--amend", "-m", "amended"], ["commit", "-q", "--amend", "-m", "renamed"]),
    *(["switch", "-q", "old"], ["switch", "-q", "main"], ["switch", "-q", "-"], ["switch", "-qf", "main"]),
    *(["switch", "-q", "--detach", "HEAD~1"], ["switch", "-q", "--detach", "origin/main"]),
    *(["reset", "-q", "--soft", "HEAD~1"], ["reset", "-q", "HEAD~1"], ["reset", "-q", "--hard", "HEAD~1"]),
    *(["reset", "-q", "--hard"], ["reset", "-q", "--hard", "origin/main"], ["reset", "-q", "--keep", "HEAD~1"]),
    *(["stash", "-qu"], ["stash", "-q"], ["stash", "pop", "-q"], ["stash", "apply", "-q"], ["clean", "-qfd"]),
    *(["rebase", "-q", "origin/main"], ["rebase", "-q", "main"], ["rebase", "--continue"], ["rebase", "--abort"]),
    *(["rebase", "-q", "--skip"], ["cherry-pick", "origin/main"], ["cherry-pick", "main"], ["cherry-pick", "--abort"]),
    *(["merge", "-q", "--no-edit", "origin/main"], ["merge", "-q", "--no-edit", "old"], ["merge", "--abort"]),
    *(["bisect", "start", "HEAD", "HEAD~1"], ["bisect", "reset"], ["revert", "--no-edit", "HEAD"]),
    *(["fetch", "-q"], ["pull", "-q", "--rebase"], ["pull", "-q", "--no-rebase", "--no-edit"]),
    *(["push", "-q", "origin", "HEAD:main"], ["checkout", "-q", "HEAD", "--", "."], ["checkout", "-q", "--", "a.txt"]),
    *(["checkout", "-q", "old", "--", "b.txt"], ["checkout", "-q", "-B", "main", "origin/main"]),
    *(
        ["sparse-checkout", "set", "d"],
        ["sparse-checkout", "set", "--no-cone", "a.txt", "d/"],
        ["sparse-checkout", "disable"],
    ),
    *(["checkout", "-q", "old", "--", "."], ["restore", "--source=HEAD~1", "."], ["restore", "--staged", "."]),
    *(
        ["stash", "branch", "stashed"],
        ["pull", "-q", "--rebase", "--autostash"],
        ["rebase", "-q", "--autostash", "origin/main"],
    ),
    *(
        ["merge", "--squash", "old"],
        ["merge", "--squash", "origin/main"],
        ["cherry-pick", "-n", "main"],
        ["revert", "-n", "HEAD"],
    ),
    *(["read-tree", "-u", "--reset", "HEAD~1"], ["checkout", "-q", "-m", "old"], ["switch", "-qC", "moved", "HEAD~1"]),
    *(
        ["update-index", "--skip-worktree", "a.txt"],
        ["update-index", "--no-skip-worktree", "a.txt"],
        ["commit", "-qa", "--fixup=HEAD"],
    ),
    *(["branch", "-f", "old", "HEAD"], ["reset", "-q", "--merge", "HEAD~1"], ["update-ref", "HEAD", "HEAD~1"]),
    *(["rebase", "-q", "--onto", "origin/main", "HEAD~1"], ["merge", "-q", "-X", "theirs", "--no-edit", "origin/main"]),
    *(
        ["rm", "-q", "--cached", "a.txt"],
        ["mv", "b.txt", "moved.txt"],
        ["commit", "-q", "--allow-empty", "-m", "empty"],
    ),
    *(
        ["worktree", "add", "-q", "../wt", "HEAD"],
        ["notes", "add", "-m", "n"],
        ["gc", "-q", "--prune=now"],
        ["tag", "-f", "t"],
    ),
]
LEAVING = [
    *(
        ["switch", "-qf", "old"],
        ["switch", "-q", "--detach", "HEAD~1"],
        ["switch", "-qf", "main"],
        ["switch", "-qf", "-"],
    ),
    *(["reset", "-q", "--hard", "HEAD~1"], ["reset", "-q", "--hard"], ["stash", "-qu"], ["pull", "-q", "--rebase"]),
    *(["rebase", "-q", "origin/main"], ["revert", "--no-edit", "HEAD"], ["reset", "-q", "--soft", "HEAD~1"]),
]
KEEPING = [["commit", "-qam", "merged"], ["commit", "-qa", "--amend", "-m", "merged"], ["stash", "-qu"], ["add", "-A"]]


class NothingIsTakenAway(RuleBasedStateMachine):
    """Two or three members, whatever they type."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="law-"))
        self.crew: dict[str, Mate] = {}
        self.outsider: Mate | None = None
        self.branches = 0

    @initialize(size=st.integers(2, 3))
    def found(self, size: int) -> None:
        self.crew = found_crew(self.folder, NAMES[:size])

    def teardown(self) -> None:
        for mate in [*self.crew.values(), *([self.outsider] if self.outsider else [])]:
            mate.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mate(self, number: int) -> Mate:
        return list(self.crew.values())[number % len(self.crew)]

    # What a member does to files and HEAD.

    @rule(number=who, path=paths, line=st.integers(0, 12), insert=st.booleans(), saved=st.booleans())
    def edit(self, number: int, path: str, line: int, insert: bool, saved: bool) -> None:
        mate = self._mate(number)
        mate.edit(path, line, insert)
        if saved:
            mate.snapshot()

    @rule(number=who, path=paths, saved=st.booleans())
    def remove(self, number: int, path: str, saved: bool) -> None:
        mate = self._mate(number)
        mate.remove(path)
        if saved:
            mate.snapshot()

    @rule(number=who, words=st.lists(st.sampled_from(TYPED), min_size=1, max_size=3), saved=st.booleans())
    def type_git(self, number: int, words: list[list[str]], saved: bool) -> None:
        mate = self._mate(number)
        for command in words:
            mate.git(*command)
            if saved:
                mate.snapshot()
        mate.snapshot()

    @rule(path=paths, line=st.integers(0, 12))
    def upstream(self, path: str, line: int) -> None:
        """Somebody who does not use Bough pushes to main."""
        outsider = self.outsider = self.outsider or found_outsider(self.folder)
        outsider.git("pull", "-q")
        outsider.edit(path, line, insert=False)
        outsider.git("add", "-A")
        outsider.git("commit", "-qm", "upstream")
        outsider.git("push", "-q")

    @rule(
        number=who,
        words=st.sampled_from(LEAVING),
        recorded=st.booleans(),
        path=paths,
        line=st.integers(0, 12),
        lands=st.booleans(),
    )
    def visit(self, number: int, words: list[str], recorded: bool, path: str, line: int, lands: bool) -> None:
        """Go somewhere with what was recorded, work there, and bring it to the others."""
        mate = self._mate(number)
        mate.snapshot()
        mate.git(*words)
        if recorded:
            mate.snapshot()
        mate.edit(path, line, insert=True)
        mate.snapshot()
        if lands:
            self.land(number)
        else:
            self.merge(number + 1, number)

    @rule(number=who, orphan=st.booleans())
    def new_branch(self, number: int, orphan: bool) -> None:
        mate = self._mate(number)
        self.branches += 1
        mate.git("switch", "-q", "--orphan" if orphan else "-c", f"topic{self.branches}")
        mate.snapshot()

    @rule(number=who, other=who, path=paths, words=st.sampled_from(KEEPING), lands=st.booleans())
    def regret(self, number: int, other: int, path: str, words: list[str], lands: bool) -> None:
        """Undo a merge that was committed, and that its author has from there."""
        mate, author = self._mate(number), self._mate(other)
        if mate is author:
            return
        author.edit(path, 3, insert=True)
        self.merge(number, other)
        mate.git(*words)
        self.merge(other, number)
        self.undo(number)
        if lands:
            self.land(number)
        else:
            self.merge(other, number)
            self.merge(number, other)

    # What Bough does.

    @rule(number=who, other=who)
    def merge(self, number: int, other: int) -> None:
        mate, author = self._mate(number), self._mate(other)
        if mate is author:
            return
        ours, theirs = mate.snapshot(), author.snapshot()
        if theirs.operation:
            return
        try:
            merged = mate.merge(author.name)
        except ASKED:
            raise
        except BoughError:
            assert mate.snapshot().tree == ours.tree
            return
        self._check(mate, (mate, author), (ours.tree, ours.base, ours.oid), (theirs.shared, theirs.base), merged.tree)
        if merged.result != "conflict":
            assert mate.snapshot().tree == merged.tree, "the next snapshot takes something away"
            assert mate.merge(author.name).result == "same", "merged twice"

    @rule(number=who)
    def merge_main(self, number: int) -> None:
        mate = self._mate(number)
        ours = mate.snapshot()
        try:
            merged = mate.merge("main")
        except ASKED:
            raise
        except BoughError:
            assert mate.snapshot().tree == ours.tree
            return
        if merged.result != "conflict":
            assert mate.snapshot().tree == merged.tree, "the next snapshot takes something away"
        main = git(self.folder / "origin.git", "rev-parse", "main")
        if not merged.note:
            self._check(mate, (mate, None), (ours.tree, ours.base, ours.oid), (main, main), merged.tree)

    @rule(number=who)
    def land(self, number: int) -> None:
        mate = self._mate(number)
        mine = mate.snapshot()
        before = git(self.folder / "origin.git", "rev-parse", "main")
        try:
            landed = mate.land()
        except ASKED:
            raise
        except BoughError:
            assert git(self.folder / "origin.git", "rev-parse", "main") == before
            assert mate.snapshot().tree == mine.tree
            return
        mate.store.objects.refresh()
        after = mate.store.objects.commit(landed.commit).tree
        tree = mate.store.objects.commit(before).tree
        self._check(mate, (None, mate), (tree, before, before), (mine.shared, mine.base), after)

    @rule(number=who, other=who)
    def hop(self, number: int, other: int) -> None:
        mate, author = self._mate(number), self._mate(other)
        if mate is not author:
            author.snapshot()
            self._try(mate, hop(mate.live, mate.terminal, author.name, merge_both))

    @rule(number=who)
    def back(self, number: int) -> None:
        mate = self._mate(number)
        self._try(mate, back(mate.live, mate.terminal))

    @rule(number=who)
    def off(self, number: int) -> None:
        mate = self._mate(number)
        self.branches += 1
        self._try(mate, off(mate.live, mate.terminal, f"off{self.branches}"))

    @rule(number=who)
    def undo(self, number: int) -> None:
        mate = self._mate(number)
        self._try(mate, undo(mate.live))

    @rule(number=who)
    def redo(self, number: int) -> None:
        mate = self._mate(number)
        self._try(mate, redo(mate.live))

    @rule(number=who, path=paths)
    def restore(self, number: int, path: str) -> None:
        mate = self._mate(number)
        before = mate.files()
        self._try(mate, restore(mate.live, [path]))
        mate.removes_by_hand(before)

    def _try(self, mate: Mate, command: Coroutine[Any, Any, object]) -> None:
        with suppress(BoughError):
            mate.do(command)
        mate.snapshot()

    # The law.

    def _check(
        self,
        mate: Mate,
        sides: tuple[Mate | None, Mate | None],
        ours: tuple[str, str, str],
        theirs: tuple[str, str],
        result: str,
    ) -> None:
        """Check a result against git's own. `sides`: whose words each side may have taken back, None: nobody's.

        `ours`: (tree, HEAD, commit). `theirs`: (commit, HEAD).
        """
        objects, tips = mate.store.objects, (ours[2], theirs[0])
        if mate.store.merge_base(ours[1], theirs[1]) is None:
            return  # the first commit was amended: there git has no opinion
        tree = objects.commit(theirs[0]).tree
        here, there, got = mate.at_tree(ours[0]), mate.at_tree(tree), mate.at_tree(result)
        by_git, disputed = oracle(mate, ours[:2], (tree, theirs[1]))
        heads = [mate.at_tree(objects.commit(head).tree) for head in (ours[1], theirs[1])]
        by_hand = set[bytes]().union(*(one.removed for one in self.crew.values()))
        for path in by_git.keys() - disputed:
            found = set(words_of(got.get(path)))
            committed = set[bytes]().union(*(words_of(files.get(path)) for files in heads))
            lost = [word for word in words_of(by_git[path]) if word not in found and word not in by_hand]
            # A word that its writer took back is no loss where the other merged it, unless it is committed.
            for one, files in zip(sides, (here, there), strict=True):
                if one is not None:
                    left, mine = words_of(files.get(path)), one.name.encode()
                    lost = [word for word in lost if word in committed or word in left or not word.startswith(mine)]
            # Nor is it where that came through another, who has merged what its writer has now.
            lost = [word for word in lost if not any(taken_back(mate, tip, path, word) for tip in tips)]
            # Nor is one that a commit took out, of a version that the other side has without that commit.
            # It may have come to this side in what another member had merged, so all of its history counts.
            ways = ((theirs[0], ours[1]), (ours[2], theirs[0]))
            lost = [word for word in lost if not any(removed_by_commit(mate, *way, path, word) for way in ways)]
            assert not lost, f"{path} lost {lost}: {here.get(path)!r} and {there.get(path)!r} gave {got.get(path)!r}"

    @invariant()
    def nothing_is_there_twice(self) -> None:
        """Every word was written once, so none is twice in a file without markers."""
        for mate in self.crew.values():
            for path, content in mate.files().items():
                words = words_of(content)
                assert len(words) == len(set(words)) or b"<<<<<<<" in content, f"{mate.name}'s {path}: {words}"


TestNothingIsTakenAway = NothingIsTakenAway.TestCase
TestNothingIsTakenAway.settings = settings(
    max_examples=2000 if LONG else 50, stateful_step_count=20 if LONG else 8, deadline=None
)
TestNothingIsTakenAway.pytestmark = [pytest.mark.timeout(0 if LONG else 600), pytest.mark.lengthy]  # type: ignore[attr-defined]


def test_heads_without_a_common_commit_remove_nothing() -> None:
    """What was found once: landing after an undo on a branch that began with `git switch --orphan`."""
    state, amend = NothingIsTakenAway(), ["commit", "-qa", "--amend", "-m", "merged"]
    state.found(size=2)
    state.new_branch(number=1, orphan=True)
    state.regret(lands=True, number=1, other=0, path="d/c.txt", words=amend)
    state.regret(lands=True, number=0, other=1, path="new1.txt", words=["stash", "-qu"])
    state.regret(lands=False, number=1, other=2, path="d/new2.txt", words=amend)
    state.new_branch(number=0, orphan=False)
    state.regret(lands=True, number=2, other=1, path="d/c.txt", words=["add", "-A"])
    state.new_branch(number=0, orphan=True)
    state.regret(lands=True, number=2, other=1, path="b.txt", words=["commit", "-qam", "merged"])
    state.nothing_is_there_twice()
    state.teardown()


def test_of_more_than_two_merge_bases_none_is_left_out() -> None:
    """What was found once: a line that the third merge base alone had was taken from the one who wrote it."""
    state, stash = NothingIsTakenAway(), ["stash", "-qu"]
    state.found(size=3)
    state.regret(lands=True, number=0, other=1, path="new1.txt", words=["add", "-A"])
    state.regret(lands=False, number=1, other=2, path="d/c.txt", words=["add", "-A"])
    state.regret(lands=False, number=0, other=2, path="new1.txt", words=stash)
    state.regret(lands=False, number=2, other=1, path="a.txt", words=stash)
    assert b"bob" in state.crew["bob"].files()["new1.txt"]
    state.teardown()
