"""Members with a partial clone: what it lacks keeps them from nothing that can be done without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.machines import Machines, machines, run
from tests.daemon.support import git, write_files
from tests.daemon.team_support import eventually


def cloned_in_part(all_of: Machines, name: str, wanted: str) -> None:
    """Give a member a partial clone of a repository whose files have all changed since its first commit."""
    git(all_of.origin, "config", "uploadpack.allowFilter", "true")
    git(all_of.origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    write_files(all_of.origin, {"a.txt": b"new\n" * 30, "dir/b.txt": b"three\n"})
    git(all_of.origin, "commit", "-qam", "all new")
    root = all_of.folder / name
    git(all_of.folder, "clone", "-q", f"--filter={wanted}", f"file://{all_of.origin}", str(root))
    # As other versions of Git mark a partial clone.
    git(root, "config", "core.repositoryFormatVersion", "1")
    git(root, "config", "extensions.partialClone", "origin")
    assert git(root, "rev-list", "--objects", "--all", "--missing=print").count("?") >= 1


@pytest.mark.parametrize("wanted", ["tree:0", "blob:none"])
def test_a_save_from_a_partial_clone_reaches_a_new_member_who_has_all(folder: Path, wanted: str) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            cloned_in_part(all_of, "alice", wanted)
            alice, bob = await all_of.team("alice", "bob")
            await bob.save({"a.txt": b"by bob\n"})  # with what bob holds, and says so
            tip = await alice.save({"a.txt": b"by alice\n"})
            await eventually(lambda: bob.tip_of("alice") == tip)
            options = ("--connectivity-only", "--no-dangling", "--no-progress")
            for side in (alice, bob):
                git(Path(side.store.path), "fsck", *options)

    run(test())


def test_what_a_partial_clone_cannot_receive_is_refused_with_the_command_that_completes_it(folder: Path) -> None:
    async def test() -> None:
        async with machines(folder) as all_of:
            cloned_in_part(all_of, "alice", "tree:0")
            git(all_of.folder, "clone", "-q", str(all_of.origin), str(all_of.folder / "bob"))
            git(all_of.folder / "bob", "reset", "-q", "--hard", "HEAD~1")
            alice, bob = await all_of.team("alice", "bob")
            await alice.save({"a.txt": b"by alice\n"})
            tip = await bob.save({"dir/b.txt": b"by bob\n"})
            await eventually(lambda: bob.sync.refusals(tip))
            assert "git fetch --refetch --no-filter" in bob.sync.refusals(tip)["alice"]
            git(alice.root, "fetch", "-q", "--refetch", "--no-filter")
            tip = await bob.save({"dir/b.txt": b"by bob again\n"})
            await eventually(lambda: alice.tip_of("bob") == tip)

    run(test())
