"""The record of commands, and what a kill at any moment leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.commands.hop import hop
from bough_daemon.commands.merge import merge
from bough_daemon.commands.undo import redo, undo
from bough_daemon.errors import NothingToRedo, NothingToUndo, NotPossibleNow
from bough_daemon.git.worktree import Worktree
from bough_daemon.history.journal import Hop, Journal, Operation
from bough_daemon.transaction.transaction import recover
from hypothesis import given
from hypothesis import strategies as st

from tests import ready
from tests.daemon.moves_support import FILES, Desk, check_whole, desk, everything, git, merge_both
from tests.daemon.support import make_repository, write_files

OPERATION = Operation(0, "hop alice", before="b" * 40, toward="c" * 40, at=0.0, refs={"refs/heads/x": (None, "d" * 40)})
AWAY = Hop("alice", "1" * 40, "2" * 40, "3" * 40, "4" * 40)


@pytest.fixture
def journal(folder: Path) -> Journal:
    return Journal.of(str(folder), Worktree("/nowhere", "/nowhere/.git", "/nowhere/.git"))


def test_a_deed_is_begun_then_done(journal: Journal) -> None:
    operation = journal.begin(OPERATION)
    assert (operation.number, journal.interrupted()) == (1, operation)
    journal.finish(operation)
    assert journal.interrupted() is None
    assert [(each.number, each.command, each.state, each.refs) for each in journal.operations()] == [
        (1, "hop alice", "done", {"refs/heads/x": (None, "d" * 40)})
    ]


def test_a_line_that_was_cut_short_never_happened(journal: Journal) -> None:
    journal.finish(journal.begin(OPERATION))
    whole = Path(journal.path).read_bytes()
    journal.begin(OPERATION)
    lines = Path(journal.path).read_bytes()
    for cut in range(len(whole), len(lines)):
        Path(journal.path).write_bytes(lines[:cut])
        assert [one.number for one in journal.operations()] == [1]
    assert journal.begin(OPERATION).number == 2
    assert Path(journal.path).read_bytes().count(b"\n") == 3


def test_an_undone_deed_is_not_taken_back_twice(journal: Journal) -> None:
    first, second = journal.begin(OPERATION), None
    journal.finish(first)
    second = journal.begin(OPERATION)
    journal.finish(second)
    journal.finish(journal.begin(Operation(0, "undo", "b" * 40, "c" * 40, 0.0, undoes=second.number)))
    newest = journal.newest()
    assert newest is not None and newest.number == first.number


def test_the_hop_is_what_the_standing_deeds_say(journal: Journal) -> None:
    assert journal.hop() is None
    away = journal.begin(Operation(0, "hop alice", "b" * 40, "c" * 40, 0.0, hop=AWAY, keeps_hop=False))
    assert journal.hop() is None
    journal.finish(away)
    journal.finish(journal.begin(OPERATION))
    assert journal.hop() == AWAY
    back = journal.begin(Operation(0, "back", "b" * 40, "c" * 40, 0.0, keeps_hop=False))
    journal.finish(back)
    assert journal.hop() is None
    journal.finish(journal.begin(Operation(0, "undo", "b" * 40, "c" * 40, 0.0, undoes=back.number)))
    assert journal.hop() == AWAY
    journal.end_hop()
    assert journal.hop() is None
    newest = journal.newest()
    assert newest is not None and newest.command == "hop alice"


def undone(journal: Journal, operation: Operation | None) -> Operation:
    """Take an operation back in the journal."""
    assert operation is not None
    taken = journal.begin(Operation(0, f"undo {operation.command}", "b" * 40, "c" * 40, 0.0, undoes=operation.number))
    journal.finish(taken)
    return taken


@given(st.lists(st.sampled_from(["do", "undo", "redo"]), max_size=12))
def test_undo_and_redo_walk_the_commands_like_an_editor_does(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal.of(folder, Worktree("/nowhere", "/nowhere/.git", "/nowhere/.git"))
        done, taken_back = list[int](), list[int]()  # what an editor would have on its two stacks
        for word in words:
            newest, redoable = journal.newest(), journal.redoable()
            assert (newest.number if newest is not None else None) == (done[-1] if done else None)
            assert (redoable.undoes if redoable is not None else None) == (taken_back[-1] if taken_back else None)
            if word == "do":
                begun = journal.begin(OPERATION)
                journal.finish(begun)
                done, taken_back = [*done, begun.number], []
            elif word == "undo" and done:
                undone(journal, newest)
                taken_back.append(done.pop())
            elif word == "redo" and taken_back:
                undone(journal, redoable)
                done.append(taken_back.pop())


@pytest.mark.parametrize("command", ["hop", "back", "off", "merge", "land", "restore"])
def test_a_redo_brings_back_what_the_undo_took_away(folder: Path, command: str) -> None:
    since = str(begin_at(folder)["since"])
    if command in ("back", "off"):
        assert run(folder, "hop", 0, since).returncode == 0
    before = everything(folder)
    assert run(folder, command, 0, since).returncode == 0
    after = everything(folder)
    for _ in range(2):
        assert run(folder, "undo", 0, since).returncode == 0
        assert everything(folder) == before
        assert run(folder, "redo", 0, since).returncode == 0
        assert everything(folder) == after
    with desk(folder) as here, pytest.raises(NothingToRedo):
        here.do(redo(here.live))
    check_whole(folder)


def test_after_another_command_nothing_is_redone(folder: Path) -> None:
    with desk(folder) as here:
        here.teammate_at("alice", {"a.txt": b"hers\n"})
        here.do(merge(here.live, here.terminal, "alice", merge_both))
        here.do(undo(here.live))
        write_files(here.root, {"later.txt": b"l\n"})
        here.do(redo(here.live))
        assert (here.root / "a.txt").read_bytes() == b"hers\n"
        assert (here.root / "later.txt").read_bytes() == b"l\n"
        here.do(undo(here.live))
        here.do(hop(here.live, here.terminal, "alice", merge_both))
        with pytest.raises(NothingToRedo):
            here.do(redo(here.live))


def test_a_killed_redo_can_be_undone(folder: Path, tmp_path: Path) -> None:
    begin_at(folder)
    before = everything(folder)
    assert run(folder, "merge", 0, "-").returncode == 0
    after = everything(folder)
    assert run(folder, "undo", 0, "-").returncode == 0
    for here in killed_on_the_way(folder, tmp_path, "redo"):
        recover(here.live)
        with pytest.raises(NothingToUndo):
            for _ in range(3):
                here.do(undo(here.live))
        assert everything(here.root) == before
        here.do(redo(here.live))
        assert everything(here.root) == after


def test_undo_without_a_deed_says_so(folder: Path) -> None:
    with desk(folder) as here, pytest.raises(NothingToUndo):
        here.do(undo(here.live))


def test_later_edits_of_other_files_stay_when_a_merge_is_taken_back(folder: Path) -> None:
    with desk(folder) as here:
        here.teammate_at("alice", {"a.txt": b"hers\n", "n.txt": b"n\n"})
        here.do(merge(here.live, here.terminal, "alice", merge_both))
        write_files(here.root, {"later.txt": b"l\n", "n.txt": b"edited\n"})
        here.do(undo(here.live))
        assert (here.root / "later.txt").read_bytes() == b"l\n"
        assert (here.root / "a.txt").read_bytes() == FILES["a.txt"]
        assert not (here.root / "n.txt").exists()


def begin_at(folder: Path) -> dict[str, object]:
    """Make a repository in which every command has something to do; return what the user has there."""
    make_repository(folder, dict(FILES))
    here = Desk(folder)
    write_files(folder, {"gone.txt": b"g\n"})
    since = here.snapshot().oid
    (folder / "gone.txt").unlink()
    write_files(folder, {"a.txt": b"one\nMINE\nthree\nfour\nfive\n", "d/b.txt": b"mine\n", "i.o": b"ignored\n"})
    git(folder, "add", "d/b.txt")
    write_files(folder, {"d/b.txt": b"mine again\n", "u.txt": b"untracked\n"})
    here.teammate_at(
        "alice", {"a.txt": b"one\nHERS\nthree\nfour\nfive\n", "i.o": b"hers\n", "d/e": None, "n/n": b"n\n"}
    )
    here.close()
    return {"before": everything(folder), "since": since}


def run(root: Path, command: str, step: int, since: str, *options: str) -> subprocess.CompletedProcess[str]:
    words = [str(root), command, str(step), since, *options]
    code, out, err = ready.run(words, root, os.environ, program="tests.daemon.moves_killed")
    return subprocess.CompletedProcess(words, code, out.decode(), err.decode())


def copy_of(folder: Path, to: Path) -> Path:
    """Copy a repository, file times too, so that its index stays as it is."""
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "-a", str(folder), str(to)], check=True)
    return to


@pytest.mark.parametrize(
    "typed", ["hop", "hop ahead", "back", "back ahead", "off", "merge", "merge ahead", "land", "restore"]
)
def test_a_kill_at_any_moment_loses_nothing(folder: Path, tmp_path: Path, typed: str) -> None:
    command, *options = typed.split()
    start = begin_at(folder)
    since = str(start["since"])
    if command in ("back", "off"):
        assert run(folder, "hop", 0, since).returncode == 0
    whole = run(copy_of(folder, tmp_path / "whole"), command, 0, since, *options)
    assert whole.returncode == 0, whole.stderr
    steps, root, before = int(whole.stdout), tmp_path / "killed", everything(folder)
    for step in moments(steps):
        kill(folder, root, steps - step, steps, command, since, *options)
        check_recoverable(root, before, step, hops=1 if command in ("back", "off") else 0)


def kill(folder: Path, root: Path, from_end: int, steps: int, *words: str) -> None:
    """Kill a command in a copy of `folder`, so many steps from its end; it took `steps` when it was not killed.

    It may take fewer this time, as what is known of a file is asked for again only once it has changed.
    """
    for _ in range(5):
        killed = run(copy_of(folder, root), words[0], max(1, steps - from_end), *words[1:])
        if killed.returncode == -9:
            return
        assert killed.returncode == 0 and int(killed.stdout) < steps, (from_end, steps, killed.stderr)
        steps = int(killed.stdout)
    raise AssertionError(f"{words} takes fewer steps each time")


def moments(steps: int) -> list[int]:
    """Return eight steps, more of them towards the end, where files move."""
    return sorted({max(1, round(steps * (number / 8) ** 0.5)) for number in range(1, 9)})


def killed_on_the_way(folder: Path, tmp_path: Path, command: str) -> Iterator[Desk]:
    """Yield a desk in a copy of `folder` for each of four steps at which a command was killed there."""
    steps = int(run(copy_of(folder, tmp_path / "whole"), command, 0, "-").stdout)
    for step in moments(steps)[::2]:
        root = tmp_path / "killed"
        kill(folder, root, steps - step, steps, command, "-")
        here = Desk(root)
        try:
            yield here
        finally:
            here.close()


def check_recoverable(root: Path, before: dict[str, object], step: int, hops: int) -> None:
    here = Desk(root)
    try:
        left = recover(here.live)
        if left.interrupted is not None:
            tip, hers = here.branch.tip, here.teammate("alice")
            assert tip is not None and hers is not None
            assert not here.store.is_ancestor(hers.tip, tip.oid), "half of her work would count as removed"
            with pytest.raises(NotPossibleNow, match="cut short"):
                here.do(hop(here.live, here.terminal, "alice", merge_both))
        done = (
            sum(one.state in ("begun", "done") for one in Journal.of(here.store.folder, here.worktree).operations())
            - hops
        )
        for _ in range(done):
            here.do(undo(here.live))
        assert everything(root) == before, step
        check_whole(root)
    finally:
        here.close()


def test_a_killed_undo_can_be_undone(folder: Path, tmp_path: Path) -> None:
    start = begin_at(folder)
    before = everything(folder)
    assert run(folder, "hop", 0, "-").returncode == 0
    for here in killed_on_the_way(folder, tmp_path, "undo"):
        with pytest.raises(NothingToUndo):
            for _ in range(3):
                here.do(undo(here.live))
        assert everything(here.root) == before
    assert start["before"] == before


def test_a_lock_of_gits_own_is_never_broken(folder: Path) -> None:
    with desk(folder) as here:
        lock = folder / ".git/index.lock"
        for content in (b"", b"DIRC", b"bough"):
            lock.write_bytes(content)
            recover(here.live)
            assert lock.read_bytes() == content


def test_a_journal_of_before_a_command_was_called_so_is_read(journal: Journal) -> None:
    journal.finish(journal.begin(OPERATION))
    now = journal.operations()
    kept = Path(journal.path).read_text()
    Path(journal.path).write_text(kept.replace('"command"', '"kind"'))
    assert journal.operations() == now
