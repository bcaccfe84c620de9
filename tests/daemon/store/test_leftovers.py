"""What a killed daemon left in its store: it is gone when the store is opened again, and all goes on as before."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bough_daemon.commands.merge import merge
from bough_daemon.commands.undo import undo
from bough_daemon.history.branches import Branch
from bough_daemon.store import leftovers
from bough_daemon.store.leftovers import ABANDONED_SECONDS, clear_abandoned
from bough_daemon.store.store import LIVE, Store
from bough_daemon.transaction.transaction import recover

from tests.daemon.moves_support import Desk, desk, merge_both
from tests.daemon.support import git, make_repository, write_files

LEFT = [
    *("refs/heads/alice.lock", "refs/shared/alice.lock", "refs/kept/alice/x.lock", "packed-refs.lock", "HEAD.lock"),
    *("config.lock", "shallow.lock", ".new-abc", "refs/ours", "refs/theirs", "refs/ours.lock"),
    *("objects/tmp_object_git2_1", "objects/ab/tmp_obj_1", "objects/pack/tmp_pack_1", "objects/pack/tmp_idx_1"),
    *("objects/pack/pack_git2_1", "objects/pack/.tmp-1-pack-x.pack", "objects/info/alternates.lock"),
    *("objects/info/.new-1", "../new-1/HEAD", "../quarantine-1/ab/object", "../.new-1", "../spool/ab12/tmp_obj_1"),
    *("../spool/ab/" + "1" * 38, "../spool/0123456789abcdef/ab/" + "1" * 38),
]
KEPT = ["refs/heads/tmp-alice", "refs/heads/new-alice", "refs/heads/quarantine-alice", "../team", "../owner.lock"]

# Record and merge without end; whoever started it says when it ends.
WORK = """
import sys
from pathlib import Path
from bough_daemon.commands.merge import merge
from tests.daemon.moves_support import Desk, merge_both
from tests.daemon.support import write_files

desk = Desk(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(100_000):
    write_files(desk.root, {"mine.txt": b"%d\\n" % number})
    saved = desk.snapshot()
    print(saved.oid, flush=True)
    desk.teammate_at("alice", {"theirs.txt": b"%d\\n" % number})
    desk.do(merge(desk.live, desk.terminal, "alice", merge_both))
"""


def lay(store: Path, names: list[str], commit: str) -> list[Path]:
    """Put files into a store's folder as something that was killed would leave them."""
    files = [store / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text(f"{commit}\n")
    return files


def test_what_is_half_made_goes_when_the_store_gets_its_owner(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = make_repository(folder, {"a.txt": b"1\n"})
    head = git(root, "rev-parse", "HEAD")
    Store(str(root / ".git"), "test").close()
    store = root / ".git" / "bough" / "store.git"
    left, kept = lay(store, LEFT, head), lay(store, KEPT, head)
    with caplog.at_level(logging.WARNING):
        opened = Store(str(root / ".git"), "test")
    assert not [file for file in left if file.exists()]
    assert not [file for file in kept if not file.exists()]
    assert "refs/heads/alice.lock" in caplog.text
    alice = Branch(opened, "alice", "Alice <a@example.org>")
    tip = alice.save(opened.objects.write_tree({}), head)
    assert opened.ref(LIVE + "alice") == tip.oid
    opened.close()


def test_what_a_dying_child_takes_away_in_the_same_moment_stops_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repository(folder, {"a.txt": b"1\n"})
    Store(str(root / ".git"), "test").close()
    left = lay(root / ".git/bough/store.git", ["objects/pack/tmp_pack_1", "refs/heads/alice.lock"], "x")
    unlink = os.unlink

    def by_the_child_first(path: str) -> None:
        unlink(path)
        unlink(path)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("bough_daemon.store.leftovers.os.unlink", by_the_child_first)
        Store(str(root / ".git"), "test").close()
    assert not [file for file in left if file.exists()]


def test_a_store_that_lacks_something_loses_nothing_else(folder: Path) -> None:
    root = make_repository(folder, {"a.txt": b"1\n"})
    opened = Store(str(root / ".git"), "test")
    tip = Branch(opened, "alice", "A <a@example.org>").save(
        opened.objects.write_tree({}), git(root, "rev-parse", "HEAD")
    )
    opened.close()
    (root / ".git/bough/store.git/HEAD").unlink()
    os.rmdir(root / ".git/bough/store.git/objects/pack")
    again = Store(str(root / ".git"), "test")
    assert again.ref(LIVE + "alice") == tip.oid
    again.close()


def test_a_merge_goes_on_where_another_was_killed(folder: Path) -> None:
    with desk(folder) as here:
        here.teammate_at("alice", {"new.txt": b"n\n"})
        for side in ("ours", "theirs"):
            here.store.set_ref(f"refs/{side}", here.snapshot().oid, None)
        assert here.do(merge(here.live, here.terminal, "alice", merge_both)).result == "clean"
        assert not [name for name in here.store.refs("refs/") if name in ("ours", "theirs")]


def test_what_a_failed_write_left_goes_in_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_repository(folder, {"a.txt": b"1\n"})
    opened = Store(str(root / ".git"), "test")
    old, fresh = lay(Path(opened.path), ["objects/ab/tmp_obj_old", "objects/pack/tmp_pack_fresh"], "x")
    before = time.time() - ABANDONED_SECONDS - 60
    os.utime(old, (before, before))
    assert clear_abandoned(opened.folder, opened.path) == ["store.git/objects/ab/tmp_obj_old"]
    assert not old.exists() and fresh.exists()
    below = leftovers._below

    def finished_meanwhile(top: str, pattern: re.Pattern[str]) -> Iterator[os.DirEntry[str]]:
        entries = list(below(top, pattern))
        fresh.unlink()
        return iter(entries)

    monkeypatch.setattr(leftovers, "_below", finished_meanwhile)
    assert clear_abandoned(opened.folder, opened.path) == []
    opened.close()


@pytest.mark.parametrize("delay_s", [0.0, 0.05, 0.1, 0.2, 0.4])
def test_all_goes_on_after_a_kill_at_any_moment(folder: Path, delay_s: float) -> None:
    root = make_repository(folder, {"a.txt": b"1\n"})
    with subprocess.Popen([sys.executable, "-c", WORK, str(root)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        first = process.stdout.readline().strip()
        time.sleep(delay_s)  # any moment is as good as another
        process.send_signal(signal.SIGKILL)
        saved = [first, *process.stdout.read().split()]
    here = Desk(root)
    try:
        assert all(here.store.objects.exists(oid) for oid in saved if len(oid) == 40)
        if recover(here.live).interrupted is not None:
            here.do(undo(here.live))
        write_files(root, {"after.txt": b"after\n"})
        snapshot = here.snapshot()
        here.teammate_at("alice", {"theirs.txt": b"after\n"})
        assert here.do(merge(here.live, here.terminal, "alice", merge_both)).result == "clean"
        assert here.store.is_ancestor(snapshot.oid, here.snapshot().oid)
        assert "error" not in git(root, "--git-dir", here.store.path, "fsck", "--strict")
    finally:
        here.close()


@pytest.mark.parametrize("times", [2, 100])
def test_a_child_of_the_killed_daemon_that_still_writes_does_not_keep_the_store_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    root = make_repository(tmp_path / "r", {"a": b"1"})
    Store(str(root / ".git"), "test").close()
    left, tries, rmtree = root / ".git/bough/quarantine-x", list[str](), shutil.rmtree
    left.mkdir()

    def late(path: str) -> None:
        rmtree(path)
        tries.append(path)
        if len(tries) <= times:
            left.mkdir()
            (left / "late").write_bytes(b"x")
            os.rmdir(left)

    monkeypatch.setattr("bough_daemon.store.leftovers.shutil.rmtree", late)
    Store(str(root / ".git"), "test").close()
    assert left.exists() == (times > leftovers.TRIES)
    monkeypatch.setattr("bough_daemon.store.leftovers.shutil.rmtree", rmtree)
    Store(str(root / ".git"), "test").close()
    assert not left.exists()
