"""What stays at home, as the one who types `bough` sees it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join, teammate
from tests.daemon.support import git, make_repository, write_files


def landed(member: Member) -> set[str]:
    """Return the paths on main."""
    return set(member.git("ls-tree", "-r", "-z", "--name-only", "main").strip("\0").split("\0"))


def withheld(member: Member) -> dict[str, str]:
    """Save, and return what status says stays at home, with the reasons."""
    member.bough("save")
    return {one["path"]: one["reason"] for one in member.told("status")["withheld"]}


def test_worktrees_clones_and_editors_files_do_not_land(alice: Member) -> None:
    alice.bough("up")
    alice.git("worktree", "add", "-q", ".worktrees/x")
    git(alice.tree, "clone", "-q", ".", "vendöred")
    write_files(alice.tree, {"a.txt": b"edited\n", ".a.txt.swp": b"vim", "a.txt~": b"old", "credentials.csv": b"k"})
    told = withheld(alice)
    assert set(told) == {".worktrees/x", "vendöred", ".a.txt.swp", "a.txt~", "credentials.csv"}
    assert "git submodule add" in told["vendöred"] and "ignore it" in told[".worktrees/x"]
    assert alice.told("status")["files"] == ["a.txt"]
    alice.bough("land", "-m", "my edit")
    assert landed(alice) == {"a.txt", "src/b.py"}
    assert (alice.tree / "vendöred/a.txt").exists() and (alice.tree / ".worktrees/x/.git").exists()


def test_many_withheld_paths_of_one_reason_share_a_line_and_all_names_them(alice: Member) -> None:
    names = [f"keys/{number}.pem" for number in range(20)]
    write_files(alice.tree, dict.fromkeys(names, b"key"))
    alice.bough("up")
    lines = [line for line in alice.bough("status").splitlines() if "withheld: " in line]
    assert lines == ["  withheld: keys/0.pem, keys/1.pem, keys/10.pem and 17 more (named like a secret)"]
    told = alice.bough("status", "--all")
    assert all(f"withheld: {name} (named like a secret)" in told for name in names)
    assert withheld(alice).keys() == set(names)


def test_a_submodule_lands(alice: Member, tmp_path: Path) -> None:
    make_repository(tmp_path / "lib", {"x": b"1"})
    alice.bough("up")
    alice.git("submodule", "--quiet", "add", str(tmp_path / "lib"), "third/lib")
    assert withheld(alice) == {}
    alice.bough("land", "-m", "a library")
    assert landed(alice) == {"a.txt", "src/b.py", "third/lib", ".gitmodules"}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write a file piece by piece, without a pause in which it could count as done."""
    done = threading.Event()

    def write() -> None:
        with path.open("wb", 0) as slow:
            while not done.wait(0.05):
                slow.write(b"piece\n")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def test_a_file_reaches_a_teammate_whole_whatever_happens_while_it_is_written(members: Callable[[str], Member]) -> None:
    alice, bob = members("alice"), members("bob")
    alice.bough("up")
    join(alice, bob)
    with writing(alice.tree / "new file"):
        alice.bough("save", "--wait", "bob")
        assert withheld(alice) == {"new file": "a program is still writing it"}
        alice.is_killed()
        alice.bough("save", "--wait", "bob")
        assert teammate(bob, "alice")["files"] == []
    until(lambda: teammate(bob, "alice")["files"] == ["new file"])
    assert bob.bough("git", "rev-parse", "alice:new file") == alice.git("hash-object", "new file")
    assert bob.bough("git", "log", "--format=", "--name-only", "main..alice") == "new file"
    assert alice.told("status")["withheld"] == []
