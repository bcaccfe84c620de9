"""What was edited in the branch of another: found again, byte for byte, and named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bough_daemon.commands.hop import Moved, back, hop, off
from bough_daemon.commands.merge import merge
from bough_daemon.commands.restore import restore
from bough_daemon.commands.undo import undo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon.commands.hops import enter, leave
from tests.daemon.moves_support import FILES, Desk, check_whole, desk, everything, git, merge_both, tree_on_disk
from tests.daemon.support import write_files

NAMES = ["a.txt", "d/b.txt", "d/e/c.txt", "n", "d/n", "x.o", "d/x.o", "crlf.win", "d", "n/m", "mixed.txt", 'q\n"é ']


CONTENTS = [b"", b"one\n", b"two\ntwo\n", b"cr\r\nlf\n", b"all\r\ncr\r\n", b"\0binary\xff", b"$Id$\n"]


DEEDS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(CONTENTS)),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("link"), st.sampled_from(NAMES), st.sampled_from([b"a.txt", b"/etc", b"nowhere"])),
    st.tuples(st.just("chmod"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("stage"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("unstage"), st.sampled_from(NAMES), st.just(b"")),
    st.tuples(st.just("commit"), st.just("."), st.just(b"")),
)


ATTRIBUTES = b"*.win text eol=crlf\nmixed.txt text\nd/* text=auto\nn ident\n"


def perform(root: Path, deed: tuple[str, str, bytes]) -> None:
    """Do what a user might, as far as it is possible."""
    what, name, content = deed
    path = root / name
    if what in ("write", "link"):
        for above in reversed(path.relative_to(root).parents):
            if (root / above).is_symlink() or (root / above).is_file():
                (root / above).unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            return
        if path.is_symlink() or what == "link":
            path.unlink(missing_ok=True)
        path.symlink_to(os.fsdecode(content)) if what == "link" else path.write_bytes(content)
    elif (not path.is_file() and not path.is_symlink()) or any(
        (root / above).is_symlink() for above in path.relative_to(root).parents
    ):
        return
    elif what == "remove":
        path.unlink()
    elif what == "chmod" and not path.is_symlink():
        path.chmod(0o755 if path.stat().st_mode & 0o100 == 0 else 0o644)
    elif what == "stage":
        git(root, "-c", "core.safecrlf=false", "add", "-f", "--", name)
    elif what == "unstage":
        git(root, "rm", "-q", "--cached", "--ignore-unmatch", "-f", "--", name)
    if what == "commit":
        git(root, "commit", "-q", "--allow-empty", "-m", "in between")


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(DEEDS, max_size=8), st.lists(DEEDS, max_size=6), st.lists(DEEDS, max_size=5))
def test_hop_and_back_is_the_identity(
    mine: list[tuple[str, str, bytes]], hers: list[tuple[str, str, bytes]], there: list[tuple[str, str, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = {**FILES, ".gitattributes": ATTRIBUTES, "crlf.win": b"w\n", "mixed.txt": b"m\n"}
        with desk(Path(folder, "here"), files) as here:
            with tempfile.TemporaryDirectory() as scratch:
                other = Path(scratch, "other")
                git(here.root, "worktree", "add", "-q", "--detach", str(other))
                for deed in hers:
                    perform(other, deed)
                changed = here.store.objects.difference(
                    here.store.objects.commit(git(other, "rev-parse", "HEAD")).tree, tree_on_disk(other)
                )
                tip = here.teammate_with("alice", {path: after for path, _, after in changed})
                git(here.root, "worktree", "remove", "--force", str(other))
            for deed in mine:
                if deed[0] != "commit":
                    perform(here.root, deed)
            before = everything(here.root)
            enter(here)
            check_whole(here.root)
            hers_now = git(here.root, "ls-tree", "-r", "-z", "--name-only", tip, GIT_DIR=here.store.path).split("\0")
            for deed in there:
                if not deed[1].endswith(".o") or deed[1] in hers_now:  # what Git ignores is not recorded
                    perform(here.root, deed)
            git(here.root, "gc", "-q", "--prune=now")
            leave(here)
            assert everything(here.root) == before
            check_whole(here.root)


def edits_of(moved: Moved) -> tuple[str, ...]:
    return moved.edits.paths if moved.edits is not None else ()


def test_back_names_what_i_edited_there_and_have_nowhere_else(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n", "gone.txt": b"hers\n", "same.txt": b"hers\n"})
    write_files(here.root, {"same.txt": b"mine\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"as a guest\n", "n ew.txt": b"new\n", "same.txt": b"mine\n", "hers.txt": b"1"})
    (here.root / "gone.txt").unlink()
    here.teammate_at("alice", {"hers.txt": b"1"})
    there = here.snapshot()
    moved = here.do(back(here.live, here.terminal))
    assert edits_of(moved) == ("a.txt", "n ew.txt")
    assert moved.edits is not None and moved.edits.snapshot == there.oid
    assert moved.edits.command(str(here.root), str(here.root / "d")) == (
        f"bough restore --from {there.oid[:10]} ../a.txt '../n ew.txt'"
    )
    enter(here)
    assert edits_of(here.do(back(here.live, here.terminal))) == ()


def test_what_is_committed_there_is_on_the_branch_that_keeps_it(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"committed\n"})
    git(here.root, "commit", "-q", "-a", "-m", "there")
    write_files(here.root, {"d/b.txt": b"not committed\n"})
    moved = here.do(back(here.live, here.terminal))
    assert (moved.commits, edits_of(moved)) == ("hop/alice", ("d/b.txt",))


def test_a_hop_on_to_somebody_else_names_what_stays_behind(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    here.teammate_at("carol", {"d/b.txt": b"carol's\n"})
    enter(here)
    write_files(here.root, {"d/e/c.txt": b"in alice's\n"})
    here.teammate_at("alice", {"a.txt": b"newer\n"})
    assert edits_of(here.do(hop(here.live, here.terminal, "alice", merge_both))) == ()
    moved = here.do(hop(here.live, here.terminal, "carol", merge_both))
    assert (edits_of(moved), moved.edited_in) == (("d/e/c.txt",), "alice")


def test_off_names_what_was_edited_before_the_hop(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n", "both.txt": b"the same\n"})
    write_files(here.root, {"d/b.txt": b"mine\n", "both.txt": b"the same\n"})
    mine = here.snapshot()
    enter(here)
    moved = here.do(off(here.live, here.terminal, "topic"))
    assert edits_of(moved) == ("d/b.txt",)
    here.do(restore(here.live, edits_of(moved), since=mine.oid[:10]))
    assert (here.root / "d/b.txt").read_bytes() == b"mine\n"


def test_undo_names_what_was_edited_since(here: Desk) -> None:
    here.teammate_at("alice", {"a.txt": b"hers\n"})
    enter(here)
    write_files(here.root, {"a.txt": b"as a guest\n", "new.txt": b"new\n"})
    assert here.do(undo(here.live)).edits.paths == ("a.txt", "new.txt")
    here.do(merge(here.live, here.terminal, "alice", merge_both))
    assert (here.root / "a.txt").read_bytes() == b"hers\n"
    write_files(here.root, {"a.txt": b"on top\n", "new.txt": b"stays\n"})
    assert here.do(undo(here.live)).edits.paths == ("a.txt",)
    assert (here.root / "new.txt").read_bytes() == b"stays\n"
