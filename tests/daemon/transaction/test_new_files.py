"""The many files of a command are made beside the store's thread, on which saves are recorded meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.api.progress import HopEnded
from bough_daemon.commands.hop import back, hop
from bough_daemon.commands.merge import merge
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import redo, undo
from bough_daemon.errors import EditsConflict, FilterFailed, OperationUnderWay, Unresolved
from bough_daemon.git.paths import STAGE
from bough_daemon.history.timeline import Snapshot
from bough_daemon.transaction import new_files
from bough_daemon.transaction.new_files import NewFile

from tests.daemon.moves_support import Desk, everything, files_of, git, merge_both, tree_on_disk
from tests.daemon.support import write_files

COUNT = 40
THEIRS = {f"many/{number}.txt": b"theirs %d\n" % number for number in range(COUNT)}


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_files, "MANY", 10)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths of the files that were written into a stage, as they are written."""
    paths, real = list[str](), NewFile.write

    def write(self: NewFile, folder: int, name: str) -> None:
        real(self, folder, name)
        paths.append(self.step.path)

    monkeypatch.setattr(NewFile, "write", write)
    return paths


def in_the_middle(here: Desk, monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> list[Snapshot]:
    """Do some work when half of the files are made first, save then, and return the list that gets the snapshot."""
    taken, count, real = list[Snapshot](), 0, NewFile.write
    loops = list[asyncio.AbstractEventLoop]()
    save = here.save

    async def noted() -> Snapshot:
        loops[:] = [asyncio.get_running_loop()]
        return await save()

    def write(self: NewFile, folder: int, name: str) -> None:
        nonlocal count
        real(self, folder, name)
        count += 1
        if count == COUNT // 2:
            work()
            # Answered only while neither the event loop nor the store's thread waits for these files.
            taken.append(asyncio.run_coroutine_threadsafe(save(), loops[0]).result(30))

    object.__setattr__(here.live, "save", noted)
    monkeypatch.setattr(NewFile, "write", write)
    return taken


def check_line_ends(here: Desk) -> None:
    """Check that alice's files are here, with the line ends of the rules."""
    assert {(here.root / path).read_bytes() for path in THEIRS} == {
        content.replace(b"\n", b"\r\n") for content in THEIRS.values()
    }


def leftovers(here: Desk) -> list[str]:
    return [*os.listdir(here.live.scratch), *(name for name in os.listdir(here.root) if name.startswith(STAGE))]


def test_what_is_saved_while_a_hop_makes_its_files_is_recorded_at_once_and_comes_back(
    here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(here.root, dict.fromkeys(THEIRS, b"mine\n"))
    tip = here.teammate_at("alice", {**THEIRS, "a.txt": b"theirs\n"})
    edits = {"other.txt": b"saved meanwhile\n", "many/3.txt": b"saved meanwhile, too\n"}
    taken = in_the_middle(here, monkeypatch, lambda: write_files(here.root, edits))
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert [one.event for one in taken] == ["save"]
    blobs = [here.store.objects.entry(taken[0].tree, path) for path in edits]
    assert [here.store.objects.blob(one.oid) for one in blobs if one is not None] == list(edits.values())
    assert here.store.objects.entry(taken[0].tree, "a.txt") != here.store.objects.entry(here.snapshot().tree, "a.txt")
    assert tree_on_disk(here.root) == here.store.objects.commit(tip).tree
    here.do(back(here.live, here.terminal))
    assert tree_on_disk(here.root) == taken[0].tree
    assert leftovers(here) == []


@pytest.mark.parametrize("path", ["other.txt", "many/3.txt"])
def test_what_is_saved_while_a_merge_makes_its_files_is_in_the_merge(
    here: Desk, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    here.snapshot()
    tip = here.teammate_at("alice", {**THEIRS, "a.txt": b"theirs\n"})
    if path in THEIRS:  # saved in the moment in which it comes: then nothing is placed, and the merge is repeated
        here.teammate_at("alice", {path: THEIRS[path]})
    edit = {path: THEIRS.get(path, b"") + b"saved meanwhile\n"}
    taken = in_the_middle(here, monkeypatch, lambda: write_files(here.root, edit))
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert [one.event for one in taken] == ["save"]
    assert (here.root / "a.txt").read_bytes() == b"theirs\n"
    assert b"saved meanwhile\n" in (here.root / path).read_bytes()
    now = here.snapshot()
    assert here.store.is_ancestor(tip, now.oid)
    assert leftovers(here) == []


def test_files_are_made_once_and_a_return_and_an_undo_are_exact(here: Desk, made: list[str]) -> None:
    write_files(here.root, dict.fromkeys(list(THEIRS)[: COUNT // 2], b"mine\n"))
    (here.root / "many/1.txt").chmod(0o600)
    (here.root / "many/2.txt").chmod(0o755)
    before = everything(here.root)
    here.teammate_at("alice", THEIRS)
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert sorted(made) == sorted(THEIRS)
    here.do(back(here.live, here.terminal))
    assert everything(here.root) == before
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    made.clear()
    here.do(undo(here.live))
    assert sorted(made) == sorted(list(THEIRS)[: COUNT // 2])
    assert everything(here.root) == before
    assert leftovers(here) == []


def test_what_was_cleared_away_meanwhile_is_made_again(here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    tip = here.teammate_at("alice", THEIRS)
    real = new_files._made

    def cleared(*facts: Any, **more: Any) -> Any:
        staged = real(*facts, **more)
        assert staged is not None
        for name in os.listdir(staged.folder):
            if int(name) % 2:
                os.unlink(os.path.join(staged.folder, name))
        return staged

    monkeypatch.setattr(new_files, "_made", cleared)
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert tree_on_disk(here.root) == here.store.objects.commit(tip).tree


def test_a_filter_that_fails_while_files_are_made_changes_nothing(here: Desk) -> None:
    git(here.root, "config", "filter.broken.smudge", "false")
    git(here.root, "config", "filter.broken.clean", "cat")
    git(here.root, "config", "filter.broken.required", "true")
    here.teammate_at("alice", {**THEIRS, ".gitattributes": b"many/30.txt filter=broken\n"})
    before = everything(here.root)
    with pytest.raises(FilterFailed):
        here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert everything(here.root) == before
    assert leftovers(here) == []


def conflict_with(root: Path, command: str) -> None:
    """Begin a Git operation that stops at a conflict and leaves HEAD where it is."""
    said = subprocess.run(["git", command, "side"], cwd=root, capture_output=True, text=True, check=False)
    assert "CONFLICT" in said.stdout, said


def with_side_branch(here: Desk) -> None:
    """Let `side` and `main` conflict in `sided.txt`, which no teammate changes."""
    git(here.root, "switch", "-q", "-c", "side")
    write_files(here.root, {"sided.txt": b"side\n"})
    git(here.root, "add", "sided.txt")
    git(here.root, "commit", "-qm", "side")
    git(here.root, "switch", "-q", "main")
    write_files(here.root, {"sided.txt": b"main\n"})
    git(here.root, "add", "sided.txt")
    git(here.root, "commit", "-qm", "main")


@pytest.mark.parametrize("operation", ["merge", "cherry-pick"])
@pytest.mark.parametrize("command", ["hop", "back", "merge", "restore", "undo", "redo"])
def test_a_git_operation_that_begins_while_files_are_made_is_not_run_over(
    here: Desk, monkeypatch: pytest.MonkeyPatch, command: str, operation: str
) -> None:
    with_side_branch(here)
    write_files(here.root, dict.fromkeys(THEIRS, b"mine\n"))
    first = here.snapshot()
    here.teammate_at("alice", {**THEIRS, "a.txt": b"theirs\n"})
    if command in ("back", "undo", "redo"):
        here.do(hop(here.live, here.terminal, "alice", merge_both))
    if command == "redo":
        here.do(undo(here.live))
    if command == "restore":
        write_files(here.root, THEIRS)
    if command == "merge":
        shutil.rmtree(here.root / "many")
    commands: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "hop": lambda: hop(here.live, here.terminal, "alice", merge_both),
        "back": lambda: back(here.live, here.terminal),
        "merge": lambda: merge(here.live, here.terminal, "alice", merge_both),
        "restore": lambda: restore(here.live, [""], since=first.oid[:10]),
        "undo": lambda: undo(here.live),
        "redo": lambda: redo(here.live),
    }
    left = list[dict[str, Any]]()

    def begin() -> None:
        conflict_with(here.root, operation)
        left.append(everything(here.root))

    in_the_middle(here, monkeypatch, begin)
    with pytest.raises(OperationUnderWay):
        here.do(commands[command]())
    assert left == [everything(here.root)]
    assert leftovers(here) == []
    git(here.root, operation, "--abort")


def test_a_conflict_that_comes_up_while_files_are_made_is_not_hidden(
    here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_side_branch(here)
    write_files(here.root, {"sided.txt": b"stashed\n"})
    git(here.root, "stash", "-q")
    write_files(here.root, {"sided.txt": b"committed\n"})
    git(here.root, "commit", "-qam", "more")
    here.snapshot()
    here.teammate_at("alice", THEIRS)
    in_the_middle(
        here,
        monkeypatch,
        lambda: subprocess.run(["git", "stash", "pop"], cwd=here.root, capture_output=True, check=False),
    )
    with pytest.raises(Unresolved):
        here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert git(here.root, "diff", "--name-only", "--diff-filter=U") == "sided.txt"


def test_what_a_sparse_checkout_leaves_out_is_not_made(here: Desk, made: list[str]) -> None:
    git(here.root, "config", "filter.broken.smudge", "false")
    git(here.root, "config", "filter.broken.clean", "cat")
    git(here.root, "config", "filter.broken.required", "true")
    git(here.root, "sparse-checkout", "set", "many")
    out = {f"out/{number}.txt": b"theirs\n" for number in range(COUNT)}
    before = everything(here.root)
    here.teammate_at("alice", {**out, "out/new.bin": b"theirs\n", ".gitattributes": b"*.bin filter=broken\n"})
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert made == [".gitattributes"]
    here.do(back(here.live, here.terminal))
    assert everything(here.root) == before
    here.teammate_at("alice", THEIRS)
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert sorted(made) == sorted([".gitattributes"] * 2 + list(THEIRS))
    here.do(back(here.live, here.terminal))
    assert everything(here.root) == before
    assert leftovers(here) == []


RULES: dict[str, Callable[[Path], object]] = {
    "line ends": lambda root: git(root, "config", "core.autocrlf", "true"),
    "own file of rules": lambda root: write_files(root, {".git/info/attributes": b"*.txt text eol=crlf\n"}),
    "named file of rules": lambda root: write_files(root, {".git/named": b"*.txt text eol=crlf\n"}),
    "filter": lambda root: git(root, "config", "filter.ends.smudge", "sed s/$/\\\\r/"),
}


@pytest.mark.parametrize("change", RULES)
def test_files_follow_the_rules_of_the_moment_in_which_they_are_placed(
    here: Desk, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    git(here.root, "config", "core.attributesFile", str(here.root / ".git/named"))
    git(here.root, "config", "filter.ends.smudge", "cat")
    git(here.root, "config", "filter.ends.clean", "tr -d '\\r'")
    here.snapshot()
    here.teammate_at("alice", {**THEIRS, ".gitattributes": b"many/*.txt filter=ends\n"})
    in_the_middle(here, monkeypatch, lambda: RULES[change](here.root))
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    check_line_ends(here)


def test_line_ends_are_those_of_the_new_rules_whatever_is_saved_meanwhile(
    here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.snapshot()
    here.teammate_at("alice", {**THEIRS, ".gitattributes": b"*.txt text eol=crlf\n"})
    in_the_middle(here, monkeypatch, lambda: write_files(here.root, {"other.md": b"saved meanwhile\n"}))
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    check_line_ends(here)


def test_what_is_saved_while_a_hop_that_moves_on_makes_its_files_is_no_one_elses(
    here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.teammate_at("alice", {"a.txt": b"theirs\n"})
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    here.teammate_at("alice", THEIRS)
    in_the_middle(here, monkeypatch, lambda: write_files(here.root, {"many/3.txt": b"mine\n"}))
    with pytest.raises(EditsConflict):
        here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert files_of(here.root)["many/3.txt"][1] == b"mine\n"
    assert not (here.root / "many/4.txt").exists()


@pytest.mark.parametrize("same_commit", [True, False])
def test_a_switch_while_a_hop_makes_its_files_ends_the_hop_that_it_came_from(
    here: Desk, monkeypatch: pytest.MonkeyPatch, same_commit: bool
) -> None:
    git(here.root, "switch", "-qc", "other")
    if not same_commit:
        git(here.root, "commit", "-qm", "on other", "--allow-empty")
    git(here.root, "switch", "-q", "main")
    write_files(here.root, {"a.txt": b"mine\n"})
    here.teammate_at("bob", {"d/b.txt": b"bob's\n"})
    here.teammate_at("alice", THEIRS)
    here.do(hop(here.live, here.terminal, "bob", merge_both))
    git(here.root, "restore", ".")
    left = list[dict[str, Any]]()

    def switch() -> None:
        git(here.root, "switch", "-q", "other")
        write_files(here.root, {"new.txt": b"on the other branch\n"})
        left.append(everything(here.root))

    in_the_middle(here, monkeypatch, switch)
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    assert HopEnded("bob") in here.terminal.told
    assert tree_on_disk(here.root) == here.store.objects.commit(here.live.known("alice").tip).tree
    here.do(back(here.live, here.terminal))
    assert left == [everything(here.root)]


@pytest.mark.parametrize(
    ("comes", "saved"), [("docs", "docs/mine.txt"), ("docs/read.md", "docs"), ("docs/a/b", "docs")]
)
def test_what_is_saved_while_a_merge_makes_its_files_is_not_replaced_by_a_folder_or_a_file_around_it(
    here: Desk, monkeypatch: pytest.MonkeyPatch, comes: str, saved: str
) -> None:
    here.snapshot()
    here.teammate_at("alice", {**THEIRS, comes: b"theirs\n"})
    in_the_middle(here, monkeypatch, lambda: write_files(here.root, {saved: b"mine\n"}))
    merged = here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert merged.result == "conflict"
    contents = [content for _, content in files_of(here.root).values()]
    assert {b"mine\n", b"theirs\n"} <= set(contents)
