"""Too many new files at once stay at home until Git tracks them; everything else goes on."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.git.worktree import Worktree
from bough_daemon.privacy.flood import FEW, GATHERED, MOST_FILES, QUIET, SMALL_FILES, Flood
from bough_daemon.recording.recorder import Recorder
from bough_daemon.recording.tree_builder import TreeBuilder
from bough_daemon.store.store import Store

from tests.daemon.recording.test_recorder import live, recorded, until
from tests.daemon.support import git, make_repository, tree_by_git, write_files

LARGE = 9_000_000  # bytes: the team gets such a file


class FloodBench:
    """A store of a repository, and what is held of trees in it."""

    def __init__(self, root: Path) -> None:
        self.root = make_repository(root, {"src/a": b"1", "b": b"1"})
        worktree = Worktree.find(str(root))
        self.store = Store(worktree.common_dir, "test")
        self.snapshots = TreeBuilder(worktree, self.store)
        self.index = self.snapshots.index
        self.index.changed()
        self.flood = Flood(self.store.objects, self.index)
        self.base = git(root, "rev-parse", "HEAD^{tree}")
        self.small = self.store.objects.write_blob(b"x")

    def with_files(self, paths: Iterator[str] | list[str], blob: str = "", tree: str = "") -> str:
        """Return a tree with some more files, of one content."""
        added: Mapping[str, TreeEntry] = {path: TreeEntry(FILE, blob or self.small) for path in paths}
        return self.store.objects.splice(tree or self.base, added)

    def held(self, tree: str, now: float = 0.0, shared: str = "", base: str = "", waits: bool = False) -> set[str]:
        """Return what is held of a tree."""
        return set(self.flood.held(base or self.base, shared or self.base, tree, now, waits=waits))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[FloodBench]:
    made = FloodBench(tmp_path / "r")
    yield made
    made.snapshots.close()
    made.store.close()


def below(folder: str, files: int = MOST_FILES + 1, inside: int = 40) -> list[str]:
    """Return the paths of a flood."""
    return [f"{folder}/{number % inside}/{number}" for number in range(files)]


def test_a_folder_with_too_many_new_files_is_held_as_one(bench: FloodBench) -> None:
    tree = bench.with_files([*below("np"), "src/new", "c"])
    reason = "501 new files at once; add them to .gitignore, or run `git add np` to share them"
    assert bench.flood.held(bench.base, bench.base, tree, 0.0, waits=False) == {"np": reason}
    assert bench.held(bench.with_files(below("np", MOST_FILES))) == set()


def test_too_many_bytes_are_a_flood_as_well(bench: FloodBench) -> None:
    blob = bench.store.objects.write_blob(bytes(LARGE))
    assert bench.held(bench.with_files(["data/1", "data/2"], blob)) == set()
    held = bench.flood.held(
        bench.base, bench.base, bench.with_files([f"src/ü {n}" for n in range(6)], blob), 0, waits=False
    )
    assert held.keys() == {f"src/ü {n}" for n in range(6)}
    assert "6 new files of 54 MB at once; add them to .gitignore, or run `git add src`" in held["src/ü 0"]


def test_what_somebody_writes_beside_a_flood_goes(bench: FloodBench) -> None:
    packages = [path for name in ("a dir", "b", "c") for path in below(f"src/{name}", 300)]
    few = [f"src/feature/{number}" for number in range(SMALL_FILES)]
    assert bench.held(bench.with_files([*packages, *few, "src/new"])) == {"src/a dir", "src/b", "src/c"}


def test_many_small_parts_are_a_flood_too(bench: FloodBench) -> None:
    parts = below("np", MOST_FILES + 1, 200)
    tree = bench.with_files(parts, tree=bench.with_files(["np/known"]))
    base = bench.with_files(["np/known"])
    assert bench.held(tree, base=base, shared=base) == {f"np/{number}" for number in range(200)}


def test_what_head_or_the_team_has_is_never_counted(bench: FloodBench) -> None:
    tree = bench.with_files(below("np"))
    assert bench.held(tree, base=tree) == bench.held(tree, shared=tree) == set()
    half = bench.with_files(below("np", 400))
    assert bench.held(tree, shared=half) == set()
    grown = bench.with_files(below("np", 400 + MOST_FILES + 1))
    assert len(bench.held(grown, shared=half)) == MOST_FILES + 1, "they lie beside what the team has"


def test_what_the_index_has_is_let_go_and_the_rest_is_not(bench: FloodBench) -> None:
    write_files(bench.root, dict.fromkeys(below("np", 2 * MOST_FILES + 2), b"x"))
    tree = bench.with_files(below("np", 2 * MOST_FILES + 2))
    assert bench.held(tree) == {"np"}
    git(bench.root, "add", "np/0", "np/1")
    bench.index.changed()
    held = bench.held(tree)
    assert (
        "np" not in held
        and len(held) == 2 * MOST_FILES + 2 - 52
        and not any(path.startswith(("np/0/", "np/1/")) for path in held)
    )
    git(bench.root, "add", "--intent-to-add", "np")
    bench.index.changed()
    assert bench.held(tree) == set()


def test_dozens_wait_until_no_more_come(bench: FloodBench) -> None:
    few, more, flood = (bench.with_files(below("np", count)) for count in (FEW, FEW + 1, MOST_FILES + 1))
    assert bench.held(few, 0.0, waits=True) == set() and bench.flood.due == math.inf
    assert bench.held(more, 1.0, waits=True) == {"np"} and bench.flood.due == 1.0 + QUIET
    more = bench.with_files(["np/one more"], tree=more)
    assert bench.flood.held(bench.base, bench.base, more, 2.0, waits=True) == {"np": GATHERED}
    assert bench.held(more, 2.5, waits=True) == {"np"} and bench.flood.due == 2.0 + QUIET
    assert bench.held(more, 2.6) == set(), "an exact save does not wait"
    assert bench.held(more, 2.0 + QUIET, waits=True) == set() and bench.flood.due == math.inf
    assert bench.held(flood, 9.0, waits=True) == {"np"} and bench.flood.due == math.inf


def test_names_that_are_odd_are_named_as_a_shell_takes_them(bench: FloodBench) -> None:
    tree = bench.with_files(below("n p\nq"))
    (reason,) = bench.flood.held(bench.base, bench.base, tree, 0.0, waits=False).values()
    assert "`git add $'n p\\nq'`" in reason
    bench.index.tracked_at(("n p\nq", "*", ":(glob)x", ""))  # Git takes each as a plain path


def shared(session: Recorder) -> set[str]:
    """Return the paths that the team has."""
    tip, objects = session.branch.tip, session.store.objects
    return {path for path, _ in objects.walk(objects.commit(tip.shared).tree)} if tip is not None else set()


def test_a_flood_is_recorded_and_not_shared_and_forgotten_once_it_is_ignored(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, told):
            write_files(folder, {path: os.fsencode(path) for path in below("näw")} | {"b": b"1"})
            saved = await session.save()
            assert saved.tree == tree_by_git(folder, tmp_path), "nothing of it is lost"
            await until(lambda: shared(session) == {"a", "b"} and session.branch.withheld.keys() == {"näw"})
            write_files(folder, {"näw/0/0": b"2", "c": b"1"})
            await until(lambda: shared(session) == {"a", "b", "c"})
            (folder / ".gitignore").write_bytes(b"*w\n")
            await recorded(told, folder, tmp_path)
            await until(lambda: session.branch.withheld == {})
            assert shared(session) == {".gitignore", "a", "b", "c"}

    asyncio.run(scene())


def test_git_add_shares_a_flood(folder: Path) -> None:
    make_repository(folder, {"a": b"1"})

    async def scene() -> None:
        async with live(folder) as (session, _):
            write_files(folder, dict.fromkeys(below("n w"), b"x"))
            await session.save()
            assert shared(session) == {"a"}
            git(folder, "add", "n w")
            await until(lambda: len(shared(session)) == 1 + MOST_FILES + 1 and session.branch.withheld == {})

    asyncio.run(scene())


def test_after_a_restart_what_was_held_is_held(folder: Path) -> None:
    make_repository(folder, {"a": b"1"})
    write_files(folder, dict.fromkeys(below("new"), b"x"))

    async def scene() -> None:
        async with live(folder) as (session, _):
            assert session.branch.withheld.keys() == {"new"} and shared(session) == {"a"}

    asyncio.run(scene())
    asyncio.run(scene())


def test_a_switch_to_a_branch_with_many_files_is_no_flood(folder: Path, tmp_path: Path) -> None:
    make_repository(folder, {"a": b"1"})
    git(folder, "switch", "-q", "-c", "large")
    write_files(folder, dict.fromkeys(below("large"), b"x"))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "large")
    git(folder, "switch", "-q", "-")

    async def scene() -> None:
        async with live(folder) as (session, told):
            for words in (["switch", "-q", "large"], ["switch", "-q", "-"], ["merge", "-q", "--no-commit", "large"]):
                git(folder, *words)
                await recorded(told, folder, tmp_path)
                await until(lambda: told[-1].shared == told[-1].oid and session.branch.withheld == {})

    asyncio.run(scene())
