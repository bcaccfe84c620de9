"""A daemon that is killed while it folds, at any of its steps."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from bough_daemon.git.objects import FILE, LINK, TreeEntry
from bough_daemon.together import unrecorded_fold
from bough_daemon.transaction.transaction import recover

from tests import ready
from tests.daemon.moves_support import FILES, Desk, desk, everything, files_of, git
from tests.daemon.together.desk_session import fold_guest, guest_at

MOMENTS = 10  # at which it is killed


def fold(root: Path, step: int) -> tuple[int, bytes]:
    """Fold in a process of its own that is killed at a step; 0: never."""
    words = [str(root), "fold", str(step), "-"]
    code, out, _ = ready.run(words, root, os.environ, program="tests.daemon.moves_killed")
    return code, out


def is_killed(root: Path, step: int) -> bool:
    """Fold and be killed at a step; return False if it was done in fewer, as known files are not asked about again."""
    code, out = fold(root, step)
    assert code == -9 or (code == 0 and int(out) < step), (step, code)
    return code == -9


def begin_at(folder: Path) -> None:
    """Make a host who has edited some files, and a guest who has edited, added and removed some."""
    with desk(folder) as here:
        (folder / "a.txt").write_bytes(FILES["a.txt"] + b"mine\n")
        here.snapshot()
        blob = here.store.objects.write_blob
        changes: dict[str, TreeEntry | None] = {
            "a.txt": TreeEntry(FILE, blob(b"guest\n" + FILES["a.txt"] + b"mine\n")),
            "d/b.txt": None,
            "d/e/c.txt": TreeEntry(FILE, blob(b"c\nand more\n")),
            "new/n.txt": TreeEntry(FILE, blob(b"n\n")),
        }
        guest_at(here, "alice", changes)
        (folder / "u.txt").write_bytes(b"untracked\n")
        (folder / "a.txt").write_bytes(FILES["a.txt"] + b"mine\nand mine\n")
        here.snapshot()


def test_half_a_fold_is_only_edits_and_the_next_one_completes_it(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    begin_at(folder)
    before = everything(folder)
    shutil.copytree(folder, tmp_path / "whole", symlinks=True)
    code, out = fold(tmp_path / "whole", 0)
    assert code == 0
    after = files_of(tmp_path / "whole")
    assert after["a.txt"][1] == b"guest\n" + FILES["a.txt"] + b"mine\nand mine\n"
    assert "d/b.txt" not in after and after["new/n.txt"][1] == b"n\n" and after["u.txt"][1] == b"untracked\n"
    steps = int(out)
    for step in sorted({1 + (steps - 1) * number // MOMENTS for number in range(1, MOMENTS + 1)}):
        root = tmp_path / f"killed-{step}"
        subprocess.run(["cp", "-a", str(folder), str(root)], check=True)
        if not is_killed(root, step):
            assert step > steps // 2
            continue
        found = files_of(root)
        assert all(found[path] in (before["files"].get(path), after.get(path)) for path in found), step
        here = Desk(root)
        try:
            assert recover(here.live).kept is None
            unrecorded_fold.reverse(here.live)
            here.snapshot()
            fold_guest(here, "alice")
            assert files_of(root) == after, step
            tip = here.branch.tip
            assert tip is not None and tip.tree == here.snapshot().tree
            assert here.store.is_ancestor(tip.company.folded["alice"], tip.oid)
        finally:
            here.close()
        assert (root / ".git/index").read_bytes() == before["index"] and git(root, "rev-parse", "HEAD") == before[
            "commit"
        ]


def test_what_is_typed_into_half_a_fold_stays_and_nothing_is_there_twice(tmp_path: Path) -> None:
    folder = tmp_path / "host"
    begin_at(folder)
    shutil.copytree(folder, tmp_path / "whole", symlinks=True)
    steps = int(fold(tmp_path / "whole", 0)[1])
    for step in sorted({1 + (steps - 1) * number // MOMENTS for number in range(1, MOMENTS + 1)}):
        root = tmp_path / f"killed-{step}"
        subprocess.run(["cp", "-a", str(folder), str(root)], check=True)
        if not is_killed(root, step):
            assert step > steps // 2
            continue
        (root / "a.txt").write_bytes(b"typed\n" + (root / "a.txt").read_bytes())
        here = Desk(root)
        try:
            recover(here.live)
            unrecorded_fold.reverse(here.live)
            here.snapshot()
            fold_guest(here, "alice")
        finally:
            here.close()
        lines = (root / "a.txt").read_bytes().splitlines()
        assert sorted(lines) == sorted([*FILES["a.txt"].splitlines(), b"typed", b"guest", b"mine", b"and mine"]), step


@pytest.mark.parametrize(
    "text", [b"", b"guest\n", b"\0\n", FILES["a.txt"], b"guest\nguest\n" + FILES["a.txt"], b"mine\r\n", b"x" * 999_999]
)
def test_whatever_is_in_a_file_by_then_no_line_of_the_users_is_taken_with_a_fold(folder: Path, text: bytes) -> None:
    with desk(folder) as here:
        mine = here.snapshot()
        changed = TreeEntry(FILE, here.store.objects.write_blob(b"guest\n" + FILES["a.txt"]))
        tree = here.store.objects.splice(mine.tree, {"a.txt": changed})
        unrecorded_fold.begin(here.live, unrecorded_fold.Begun(mine.oid, tree))
        (folder / "a.txt").write_bytes(text)
        assert unrecorded_fold.reverse(here.live) == (["a.txt"] if text.startswith(b"guest") else [])
        assert (folder / "a.txt").read_bytes() == text.removeprefix(b"guest\n")
        (folder / "a.txt").write_bytes(b"something else\n")
        here.snapshot()
        (folder / "a.txt").write_bytes(b"guest\n" + FILES["a.txt"])
        assert unrecorded_fold.reverse(here.live) == [], "the branch has gone on"


@pytest.mark.parametrize("record", [b"", b"{}", b"[]", b'{"snapshot": 1}', b"\xff"])
def test_a_damaged_note_of_a_fold_is_as_good_as_none(folder: Path, record: bytes) -> None:
    with desk(folder) as here:
        mine = here.snapshot()
        unrecorded_fold.begin(here.live, unrecorded_fold.Begun(mine.oid, mine.tree))
        (note,) = Path(here.store.folder, unrecorded_fold.FOLDER).iterdir()
        note.write_bytes(record)
        assert unrecorded_fold.reverse(here.live) == []


@pytest.mark.parametrize(
    ("path", "entry", "why"),
    [
        ("out/../../x", TreeEntry(FILE, ""), "path"),
        (".git/hooks/pre-commit", TreeEntry(FILE, ""), "path"),
        (".gitmodules", TreeEntry(LINK, ""), "symlink"),
    ],
)
def test_a_guest_places_nothing_that_a_merge_would_not(folder: Path, path: str, entry: TreeEntry, why: str) -> None:
    with desk(folder) as here:
        here.snapshot()
        content = TreeEntry(entry.mode, here.store.objects.write_blob(b"/etc/passwd"))
        guest_at(here, "alice", {path: content, "a.txt": TreeEntry(FILE, here.store.objects.write_blob(b"x\n"))})
        before = everything(here.root)
        assert why in fold_guest(here, "alice").held
        assert everything(here.root) == before


def test_a_folder_that_is_a_repository_in_disguise_stays_out_and_the_rest_comes(folder: Path) -> None:
    with desk(folder) as here:
        here.snapshot()
        blob = here.store.objects.write_blob
        bare = {"HEAD": b"ref: refs/heads/main\n", "config": b"[core]\n\tfsmonitor = touch pwned\n", "objects/x": b"x"}
        changes = {f"sub/{name}": TreeEntry(FILE, blob(data)) for name, data in bare.items()}
        changes |= {"sub/refs/x": TreeEntry(FILE, blob(b"x")), "a.txt": TreeEntry(FILE, blob(b"x\n"))}
        guest_at(here, "alice", changes)
        made = fold_guest(here, "alice").made
        assert made is not None and not (folder / "sub/config").exists()
        assert (folder / "a.txt").read_bytes() == b"x\n"
        assert "sub/config" in made.company.paused["alice"]
        assert not here.store.is_ancestor(made.company.folded["alice"], made.oid)


def test_a_folder_in_the_place_of_a_link_is_not_reached_through_it(folder: Path, tmp_path: Path) -> None:
    with desk(folder) as here:
        (folder / "out").symlink_to(tmp_path)
        here.snapshot()
        guest_at(here, "alice", {"out/x.txt": TreeEntry(FILE, here.store.objects.write_blob(b"x\n"))})
        fold_guest(here, "alice")
        assert not (tmp_path / "x.txt").exists() and (folder / "out/x.txt").read_bytes() == b"x\n"


def test_a_base_that_a_guest_makes_up_brings_nothing_private_to_light(folder: Path) -> None:
    with desk(folder) as here:
        (folder / ".env").write_bytes(b"TOKEN=1\n")
        mine = here.snapshot()
        assert mine.shared != mine.oid, "the secret is withheld"
        guest_at(here, "alice", {"a.txt": TreeEntry(FILE, here.store.objects.write_blob(b"x\n"))})
        lying = guest_at(here, "alice", {})
        raw = here.store.objects.read(lying)[1].replace(mine.shared.encode(), mine.oid.encode())
        here.store.name("refs/heads/alice", here.store.objects.write("commit", raw))
        fold_guest(here, "alice")
        assert (folder / ".env").read_bytes() == b"TOKEN=1\n"
