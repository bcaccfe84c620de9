"""My work onto the shared branch."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from bough_cli.progress import words_of
from bough_daemon.api.progress import HookFailed, PublishUntracked, StillStaged, TakesIn
from bough_daemon.api.records import CommitTitle
from bough_daemon.commands import land as land_module
from bough_daemon.commands.land import Landed, land, preview
from bough_daemon.commands.merge import merge
from bough_daemon.commands.shared_branch import Target
from bough_daemon.commands.undo import undo
from bough_daemon.errors import (
    BadUsage,
    CheckedOutElsewhere,
    GitFailed,
    HookRefused,
    LandConflict,
    NotPossibleNow,
    OperationUnderWay,
    PushRefused,
)
from bough_daemon.git.objects import FILE, TreeEntry
from bough_daemon.store.store import LIVE
from bough_daemon.team.branch_state import TeamLanding
from bough_daemon.transaction.context import LiveWorktree
from bough_daemon.transaction.terminal import Finished

from tests.daemon.moves_support import Desk, check_whole, desk, everything, files_of, git, merge_both
from tests.daemon.support import write_files


@pytest.fixture
def alone(folder: Path) -> Iterator[Desk]:
    """A desk without a remote."""
    with desk(folder) as opened:
        yield opened


@pytest.fixture
def here(alone: Desk, tmp_path: Path) -> Desk:
    """A desk whose main is on a bare remote, beside a colleague's clone."""
    git(tmp_path, "clone", "-q", "--bare", str(alone.root), str(tmp_path / "remote.git"))
    git(alone.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(alone.root, "fetch", "-q", "origin")
    git(alone.root, "branch", "-q", "--set-upstream-to=origin/main")
    git(tmp_path, "clone", "-q", str(tmp_path / "remote.git"), str(tmp_path / "colleague"))
    return alone


def do_land(here: Desk, message: str = "my work", **options: object) -> Landed:
    return here.do(land(here.live, here.terminal, message, merge_both, **options))  # type: ignore[arg-type]


def remote_main(here: Desk) -> str:
    return git(here.root.parent / "remote.git", "rev-parse", "main")


def push_from_colleague(here: Desk, files: dict[str, bytes], message: str = "theirs") -> None:
    other = here.root.parent / "colleague"
    git(other, "pull", "-q", "--rebase")
    write_files(other, files)
    git(other, "add", "--all")
    git(other, "-c", "user.name=Colleague", "-c", "user.email=col@example.org", "commit", "-qm", message)
    git(other, "push", "-q")


def hook(here: Desk, name: str, script: str) -> None:
    path = here.root / ".git/hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)


def before_push(here: Desk, happens: Callable[[], object]) -> None:
    """Let something happen while each push is on its way."""
    real = here.terminal.run

    async def run(arguments: Sequence[str], *rest: Any, **named: Any) -> Finished:
        if arguments[:2] == ["git", "push"]:
            happens()
        return await real(arguments, *rest, **named)

    here.terminal.run = run  # type: ignore[method-assign]


def state(here: Desk) -> dict[str, object]:
    """Return all that a refused landing must leave as it was."""
    refs = git(here.root, "for-each-ref", "refs/heads", "refs/remotes")
    return {**everything(here.root), "refs": refs}


def test_land_publishes_one_commit_and_leaves_everything_clean(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"landed\n", "fresh.txt": b"f\n"})
    git(here.root, "add", "a.txt")
    write_files(here.root, {"a.txt": b"landed more\n"})
    landed = do_land(here, "Do it\n\nWith a body.")
    assert remote_main(here) == landed.commit == git(here.root, "rev-parse", "main")
    assert git(here.root, "status", "--porcelain") == ""
    assert git(here.root, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(here.root, "rev-parse", "origin/main") == landed.commit
    assert git(here.root, "log", "-1", "--format=%an <%ae>") == "Alice Example <alice@example.org>"
    assert git(here.root, "log", "-1", "--format=%s/%b").startswith("Do it/With a body.\n\nBough-Snapshot: ")
    assert git(here.root, "rev-list", "--count", "origin/main") == "2"
    assert here.branch.tip is not None
    assert (here.branch.tip.event, here.branch.tip.base) == ("land main", landed.commit)
    assert here.terminal.asked == [PublishUntracked(["fresh.txt"], "main")]
    check_whole(here.root)
    with pytest.raises(NotPossibleNow, match="nothing to land"):
        do_land(here)


def test_land_builds_on_what_the_remote_has(here: Desk) -> None:
    push_from_colleague(here, {"theirs.txt": b"t\n", "a.txt": b"THEIRS\ntwo\nthree\nfour\nfive\n"})
    write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\nMINE\n"})
    landed = do_land(here)
    assert (here.root / "a.txt").read_bytes() == b"THEIRS\ntwo\nthree\nfour\nMINE\n"
    assert (here.root / "theirs.txt").exists()
    assert git(here.root, "status", "--porcelain") == ""
    assert git(here.root, "rev-list", "--parents", "-1", landed.commit).count(" ") == 1
    check_whole(here.root)


def test_a_conflict_lands_nothing_and_changes_nothing(here: Desk) -> None:
    push_from_colleague(here, {"a.txt": b"THEIRS\n"})
    write_files(here.root, {"a.txt": b"MINE\n"})
    before, there = state(here), remote_main(here)
    with pytest.raises(LandConflict, match=r"main in a\.txt") as caught:
        do_land(here)
    assert caught.value.facts["paths"] == "a.txt"
    after = state(here)
    for seen in (before, after):
        seen.pop("refs")
    assert (after, remote_main(here)) == (before, there)


def test_a_refused_push_changes_nothing(here: Desk) -> None:
    guard = here.root.parent / "remote.git/hooks/pre-receive"
    guard.write_text("#!/bin/sh\necho 'main is frozen' >&2\nexit 1\n")
    guard.chmod(0o755)
    write_files(here.root, {"a.txt": b"mine\n"})
    before = state(here)
    with pytest.raises(PushRefused, match="frozen"):
        do_land(here)
    assert state(here) == before
    with pytest.raises(PushRefused):
        guard.write_text("#!/bin/sh\nexit 1\n")
        do_land(here)


@pytest.mark.parametrize("name", ["pre-commit", "commit-msg", "prepare-commit-msg", "pre-push"])
def test_a_failing_hook_changes_nothing(here: Desk, name: str) -> None:
    hook(here, name, "echo no luck >&2\nexit 1\n")
    write_files(here.root, {"a.txt": b"mine\n"})
    before, there = state(here), remote_main(here)
    with pytest.raises(HookRefused, match=f"the {name} hook refused: no luck"):
        do_land(here)
    assert (state(here), remote_main(here)) == (before, there)


def test_hooks_see_and_change_the_commit_as_those_of_git_commit(here: Desk) -> None:
    hook(
        here,
        "pre-commit",
        'git diff --cached --name-only >> "$(git rev-parse --git-dir)/ran"\n'
        "blob=$(echo formatted | git hash-object -w --stdin)\n"
        'git update-index --cacheinfo "100644,$blob,a.txt"\n',
    )
    hook(here, "commit-msg", 'echo "Change-Id: I123" >> "$1"\n')
    hook(here, "post-commit", 'git rev-parse HEAD > "$(git rev-parse --git-dir)/after"\nexit 1\n')
    write_files(here.root, {"a.txt": b"mine\n"})
    landed = do_land(here)
    assert (here.root / ".git/ran").read_text() == "a.txt\n"
    assert (here.root / ".git/after").read_text().strip() == landed.commit
    assert (here.root / "a.txt").read_bytes() == b"formatted\n"
    assert "Change-Id: I123" in git(here.root, "log", "-1", "--format=%(trailers)")
    assert git(here.root, "status", "--porcelain") == ""
    assert here.terminal.told == [HookFailed("post-commit", "")]


def test_the_commit_is_signed_where_git_commit_would_sign(here: Desk) -> None:
    program = here.root.parent / "gpg"
    program.write_text('#!/bin/sh\ncat >/dev/null\nprintf "[GNUPG:] SIG_CREATED x\\n" >&2\necho "-- signed --"\n')
    program.chmod(0o755)
    for name, value in {"commit.gpgSign": "true", "gpg.program": str(program), "user.signingKey": "k"}.items():
        git(here.root, "config", name, value)
    write_files(here.root, {"a.txt": b"mine\n"})
    assert "-- signed --" in git(here.root, "cat-file", "commit", do_land(here).commit)


def signed_by_mallory(here: Desk, files: dict[str, bytes], author: str, event: str = "save") -> None:
    """Let mallory, whose daemon writes what it likes, have a new tip by an author."""
    objects, head = here.store.objects, git(here.root, "rev-parse", "HEAD")
    before = here.store.ref(LIVE + "mallory") or head
    changes = {path: TreeEntry(FILE, objects.write_blob(data)) for path, data in files.items()}
    said = f"x\n\nBough-Base: {head}\nBough-Event: {event}\n  and\n"
    tip = objects.write_commit(objects.splice(objects.commit(before).tree, changes), [before], author, 5, said)
    here.store.set_ref(LIVE + "mallory", tip, here.store.ref(LIVE + "mallory"))


def test_who_signed_what_was_merged_is_a_co_author_whatever_its_commits_say(here: Desk) -> None:
    here.teammate_at("bob", {"b.txt": b"b\n"})
    signed_by_mallory(here, {"m.txt": b"1\n"}, "Linus <linus@example.org>", "hop bob")
    signed_by_mallory(here, {"m.txt": b"2\n"}, "Mallory <mallory@example.org>")
    here.do(merge(here.live, here.terminal, "mallory", merge_both))
    assert do_land(here).others == ("Mallory <mallory@example.org>",)
    # Nor under the address of another member, or mine.
    for number, author in enumerate(("Bob <BOB@example.org>", here.live.branch.author)):
        signed_by_mallory(here, {"m.txt": b"%d again\n" % number}, author)
        here.do(merge(here.live, here.terminal, "mallory", merge_both))
        assert do_land(here).others == ("mallory <mallory@bough.invalid>",)


def test_who_worked_on_what_a_teammate_had_merged_is_a_co_author_too(here: Desk) -> None:
    carols = here.teammate_at("carol", {"c.txt": b"c\n"})
    tree = here.store.objects.commit(carols).tree
    entry = here.store.objects.entry(tree, "c.txt")
    here.teammate_with("bob", {"c.txt": entry}, contains=[carols])
    here.do(merge(here.live, here.terminal, "bob", merge_both))
    assert set(do_land(here).others) == {"Bob <bob@example.org>", "Carol <carol@example.org>"}


@pytest.mark.parametrize("hooks", [False, True])
def test_a_note_of_who_wrote_what_that_fails_stops_no_landing(
    here: Desk, monkeypatch: pytest.MonkeyPatch, hooks: bool
) -> None:
    def fails(*_: object) -> str:
        raise RuntimeError("no such thing")

    here.teammate_at("bob", {"b.txt": b"b\n"})
    here.do(merge(here.live, here.terminal, "bob", merge_both))
    if hooks:
        hook(here, "pre-push", "exit 0\n")
    monkeypatch.setattr(land_module, "authorship_note", fails)
    landed = do_land(here, note=lambda before, tree: "")
    assert remote_main(here) == landed.commit == git(here.root, "rev-parse", "main")
    assert git(here.root, "status", "--porcelain") == "" and not git(here.root, "for-each-ref", "refs/notes")


def test_a_refused_push_ends_with_its_reason_while_the_note_is_made(
    here: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def note(live: LiveWorktree, commit: str, before: str) -> str:
        made.append(live.store.objects.commit(commit).tree)
        return "a note"

    here.teammate_at("bob", {"b.txt": b"b\n"})
    here.do(merge(here.live, here.terminal, "bob", merge_both))
    before = state(here)
    monkeypatch.setattr(land_module, "authorship_note", note)
    script = here.root.parent / "remote.git/hooks/update"
    script.write_text("#!/bin/sh\necho frozen >&2; exit 1\n")
    script.chmod(0o755)
    with pytest.raises(PushRefused, match="frozen"):
        do_land(here, note=lambda before, tree: "")
    assert made and state(here) == before
    script.unlink()
    do_land(here, note=lambda before, tree: "")
    assert git(here.root, "notes", "--ref=ai", "show") == "a note"


@pytest.mark.parametrize("hooks", [False, True])
def test_agents_that_cannot_be_read_stop_no_landing(here: Desk, hooks: bool) -> None:
    Path(here.store.folder, "agents.json").write_bytes(b"[")
    write_files(here.root, {"a.txt": b"mine\n"})
    if hooks:
        hook(here, "pre-push", "exit 0\n")
    landed = do_land(here, note=lambda before, tree: "")
    assert remote_main(here) == landed.commit == git(here.root, "rev-parse", "main")


def with_a_late_note(here: Desk, monkeypatch: pytest.MonkeyPatch, *, hooks: bool) -> threading.Event:
    """Have something to land, and a note that is made only once the returned event is set."""
    go_on = threading.Event()
    monkeypatch.setattr(land_module, "authorship_note", lambda *_: "late" if go_on.wait(30.0) else "")
    here.teammate_at("bob", {"b.txt": b"b\n"})
    here.do(merge(here.live, here.terminal, "bob", merge_both))
    if hooks:
        hook(here, "pre-push", "exit 0\n")
    return go_on


@pytest.mark.parametrize("hooks", [False, True])
def test_what_is_published_is_not_put_back_when_the_landing_is_cancelled(
    here: Desk, monkeypatch: pytest.MonkeyPatch, hooks: bool
) -> None:
    go_on = with_a_late_note(here, monkeypatch, hooks=hooks)
    real, pushed = Target.push, asyncio.Event()

    async def push(*given: Any, **named: Any) -> None:
        await real(*given, **named)
        asyncio.get_running_loop().call_soon(pushed.set)

    monkeypatch.setattr(Target, "push", push)

    async def scene() -> Landed:
        task = asyncio.create_task(land(here.live, here.terminal, "my work", merge_both, note=lambda before, tree: ""))
        await pushed.wait()
        task.cancel()
        try:
            return await task
        finally:
            go_on.set()

    landed = here.do(scene())
    assert remote_main(here) == landed.commit == git(here.root, "rev-parse", "main")
    assert git(here.root, "status", "--porcelain") == "" and not git(here.root, "for-each-ref", "refs/notes/ai")


@pytest.mark.parametrize("hooks", [False, True])
def test_a_refused_push_waits_for_no_note(here: Desk, monkeypatch: pytest.MonkeyPatch, hooks: bool) -> None:
    go_on = with_a_late_note(here, monkeypatch, hooks=hooks)
    script = here.root.parent / "remote.git/hooks/update"
    script.write_text("#!/bin/sh\necho frozen >&2; exit 1\n")
    script.chmod(0o755)

    async def scene() -> None:
        try:
            with pytest.raises(PushRefused, match="frozen"):
                await land(here.live, here.terminal, "my work", merge_both, note=lambda before, tree: "")
        finally:
            go_on.set()

    before, began = state(here), time.monotonic()
    here.do(scene())
    assert state(here) == before and time.monotonic() - began < 25.0


def test_everyone_who_worked_on_it_is_a_co_author_and_nobody_twice(here: Desk) -> None:
    here.teammate_at("bob", {"b.txt": b"b\n"})
    here.do(merge(here.live, here.terminal, "bob", merge_both))
    here.teammate_at("bob", {"b.txt": b"bb\n"})
    here.do(merge(here.live, here.terminal, "bob", merge_both))
    git(here.root, "add", "--all")
    git(here.root, "-c", "user.name=Carol", "-c", "user.email=carol@example.org", "commit", "-qm", "pair work")
    landed = do_land(here)
    assert landed.others == ("Bob <bob@example.org>", "Carol <carol@example.org>")
    assert git(here.root, "log", "-1", "--format=%(trailers:key=Co-authored-by,valueonly)").split("\n")[:2] == list(
        landed.others
    )
    write_files(here.root, {"a.txt": b"mine alone\n"})
    assert do_land(here).others == ()


def test_commits_that_did_not_land_stay_on_a_named_branch(here: Desk) -> None:
    push_from_colleague(here, {"theirs.txt": b"t\n"})
    write_files(here.root, {"a.txt": b"mine\n"})
    git(here.root, "commit", "-qam", "a local commit")
    local = git(here.root, "rev-parse", "HEAD")
    landed = do_land(here)
    assert landed.kept == "landed/main"
    assert git(here.root, "rev-parse", "landed/main") == local
    assert git(here.root, "status", "--porcelain") == ""
    check_whole(here.root)


def test_withheld_paths_never_land_and_stay(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"mine\n", ".env": b"SECRET\n", "deploy.key": b"k\n"})
    landed = do_land(here)
    assert git(here.root, "ls-tree", "-r", "--name-only", landed.commit).splitlines() == [
        ".gitignore",
        "a.txt",
        "d/b.txt",
        "d/e/c.txt",
    ]
    assert git(here.root, "status", "--porcelain").splitlines() == ["?? .env", "?? deploy.key"]
    assert (here.root / ".env").read_bytes() == b"SECRET\n"


def test_no_to_untracked_files_lands_nothing(here: Desk) -> None:
    write_files(here.root, {"scratch.txt": b"s\n"})
    here.terminal.answer = False
    before = state(here)
    with pytest.raises(NotPossibleNow, match="untracked"):
        do_land(here)
    assert state(here) == before
    git(here.root, "add", "scratch.txt")
    here.terminal.asked.clear()
    do_land(here)
    assert here.terminal.asked == []


def test_from_another_branch_only_the_shared_branch_moves(here: Desk) -> None:
    git(here.root, "switch", "-qc", "feature")
    write_files(here.root, {"a.txt": b"mine\n"})
    git(here.root, "commit", "-qam", "on feature")
    write_files(here.root, {"d/b.txt": b"not committed\n"})
    before = everything(here.root)
    landed = do_land(here)
    assert everything(here.root) == before
    assert git(here.root, "rev-parse", "main") == landed.commit == remote_main(here)
    assert git(here.root, "show", "main:d/b.txt") == "not committed"
    write_files(here.root, {"a.txt": b"mine again\n"})
    push_from_colleague(here, {"a.txt": b"mine\nplus theirs\n"})
    with pytest.raises(LandConflict):
        do_land(here)
    check_whole(here.root)


def test_a_shared_branch_that_is_checked_out_elsewhere_is_left_alone(here: Desk, tmp_path: Path) -> None:
    git(here.root, "switch", "-qc", "feature")
    git(here.root, "worktree", "add", "-q", str(tmp_path / "elsewhere"), "main")
    write_files(here.root, {"a.txt": b"mine\n"})
    with pytest.raises(CheckedOutElsewhere) as caught:
        do_land(here)
    assert caught.value.facts["path"] == str(tmp_path / "elsewhere")


def test_the_loser_of_a_race_fetches_merges_and_tries_again(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\nMINE\n"})
    races = iter(["1", "2"])
    before_push(here, lambda: [push_from_colleague(here, {f"race{race}.txt": b"r\n"}) for race in islice(races, 1)])
    landed = do_land(here)
    assert not list(races)
    assert remote_main(here) == landed.commit
    assert git(here.root, "rev-list", "--count", "main") == "4"
    assert git(here.root, "status", "--porcelain") == ""


def test_two_who_land_at_once_both_land(here: Desk) -> None:
    other = Desk(here.root.parent / "colleague", "colleague")
    try:
        write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\nMINE\n"})
        write_files(other.root, {"a.txt": b"THEIRS\ntwo\nthree\nfour\nfive\n"})

        async def both() -> list[Landed]:
            desks = (here, other)
            return await asyncio.gather(*(land(d.live, d.terminal, "work", merge_both) for d in desks))

        commits = {landed.commit for landed in asyncio.run(both())}
        assert len(commits) == 2 and remote_main(here) in commits
        assert git(here.root.parent / "remote.git", "show", "main:a.txt") == "THEIRS\ntwo\nthree\nfour\nMINE"
        assert [git(desk.root, "status", "--porcelain") for desk in (here, other)] == ["", ""]
    finally:
        other.close()


def test_a_race_that_is_always_lost_is_told(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"mine\n"})
    races = iter(range(10))
    before_push(here, lambda: push_from_colleague(here, {f"race{next(races)}.txt": b"r\n"}))
    before = everything(here.root)
    with pytest.raises(PushRefused):
        do_land(here)
    assert next(races) == 3
    assert everything(here.root) == before


def test_what_is_saved_while_it_lands_is_merged_in(here: Desk) -> None:
    push_from_colleague(here, {"a.txt": b"THEIRS\ntwo\nthree\nfour\nfive\n"})
    write_files(here.root, {"d/b.txt": b"mine\n"})
    before_push(here, lambda: write_files(here.root, {"a.txt": b"one\ntwo\nthree\nfour\nLATE\n"}))
    do_land(here)
    assert (here.root / "a.txt").read_bytes() == b"THEIRS\ntwo\nthree\nfour\nLATE\n"
    assert git(here.root, "status", "--porcelain") == " M a.txt".strip()
    check_whole(here.root)


def test_what_is_saved_while_it_lands_and_clashes_is_a_conflict(here: Desk) -> None:
    push_from_colleague(here, {"a.txt": b"THEIRS\n"})
    write_files(here.root, {"d/b.txt": b"mine\n"})
    before_push(here, lambda: write_files(here.root, {"a.txt": b"LATE\n"}))
    assert do_land(here).conflicts == ("a.txt",)
    assert git(here.root, "status", "--porcelain") == "UU a.txt"
    check_whole(here.root)


@pytest.mark.parametrize("branch", ["main", "feature"])
def test_a_git_operation_that_begins_while_it_lands_is_not_run_over(here: Desk, branch: str) -> None:
    for name in ("side", branch):
        git(here.root, "switch", "-qC", name, "origin/main")
        write_files(here.root, {"d/b.txt": name.encode()})
        git(here.root, "commit", "-qam", name)
    push_from_colleague(here, {"a.txt": b"theirs\n"})

    def merge_side() -> None:
        said = subprocess.run(["git", "merge", "side"], cwd=here.root, capture_output=True, check=False)
        assert b"CONFLICT" in said.stdout

    before_push(here, merge_side)
    if branch == "feature":  # only the shared branch moves, which leaves the merge as it is
        do_land(here)
        assert git(here.root, "rev-parse", "main") == remote_main(here)
    else:
        with pytest.raises(OperationUnderWay, match="is on main, but not in your files: a merge is in progress here"):
            do_land(here)
    assert git(here.root, "status", "--porcelain") == "UU d/b.txt"
    git(here.root, "merge", "--abort")
    if branch == "main":
        do_land(here)
        assert (here.root / "a.txt").read_bytes() == b"theirs\n"
    assert git(here.root, "rev-parse", "main") == remote_main(here)
    check_whole(here.root)


def test_undo_takes_the_local_half_of_a_landing_back(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"mine\n", "n.txt": b"n\n"})
    git(here.root, "add", "n.txt")
    before = everything(here.root)
    landed = do_land(here)
    here.do(undo(here.live))
    assert everything(here.root) == before
    assert remote_main(here) == landed.commit
    again = do_land(here)
    assert again.commit == landed.commit
    assert git(here.root, "status", "--porcelain") == ""


def test_undo_refuses_once_the_branch_went_on(here: Desk) -> None:
    write_files(here.root, {"a.txt": b"mine\n"})
    do_land(here)
    git(here.root, "commit", "-q", "--allow-empty", "-m", "more")
    before = everything(here.root)
    with pytest.raises(NotPossibleNow, match="main has moved"):
        here.do(undo(here.live))
    assert everything(here.root) == before


def test_an_empty_remote_gets_its_first_commit(alone: Desk, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(tmp_path / "remote.git"))
    git(alone.root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    first = do_land(alone)
    assert remote_main(alone) == first.commit == git(alone.root, "rev-parse", "main")
    write_files(alone.root, {"a.txt": b"mine\n"})
    assert remote_main(alone) != do_land(alone).commit or True
    assert remote_main(alone) == git(alone.root, "rev-parse", "main")


def test_an_unreachable_remote_is_named(here: Desk) -> None:
    git(here.root, "remote", "set-url", "origin", str(here.root.parent / "gone.git"))
    write_files(here.root, {"a.txt": b"mine\n"})
    before = state(here)
    with pytest.raises(GitFailed, match="origin does not answer"):
        do_land(here)
    assert state(here) == before


def test_settings_name_branch_and_remote(here: Desk, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(here.root), str(tmp_path / "second.git"))
    git(here.root, "remote", "add", "second", str(tmp_path / "second.git"))
    git(tmp_path / "second.git", "branch", "trunk")
    write_files(here.root, {".bough.toml": b'[land]\nbranch = "trunk"\nremote = "second"\n'})
    landed = do_land(here)
    assert git(tmp_path / "second.git", "rev-parse", "trunk") == landed.commit
    assert (landed.branch, landed.remote) == ("trunk", "second")
    for text in ('[land]\nbranch = "-x"', '[land]\nremote = "none"', "[land", "land = 1", "[land]\nbranch = 3"):
        write_files(here.root, {".bough.toml": text.encode()})
        with pytest.raises(BadUsage):
            do_land(here)
    with pytest.raises(BadUsage):
        do_land(here, "  \n")


def test_without_a_remote_the_local_branch_moves(alone: Desk) -> None:
    write_files(alone.root, {"a.txt": b"mine\n"})
    landed = do_land(alone)
    assert (landed.remote, git(alone.root, "rev-parse", "main")) == (None, landed.commit)
    assert git(alone.root, "status", "--porcelain") == ""
    check_whole(alone.root)
    with pytest.raises(NotPossibleNow, match="nothing to land"):
        do_land(alone)


def landed_by(here: Desk, name: str, path: str, onto: str) -> str:
    """Return a commit of the store's alone, as a teammate who has no remote either would land it."""
    objects = here.store.objects
    tip = here.teammate_at(name, {path: b"theirs\n"})
    tree = objects.splice(objects.commit(onto).tree, {path: objects.entry(objects.commit(tip).tree, path)})
    return objects.write_commit(
        tree, [onto], f"{name} <{name}@example.org>", 5, f"by {name}\n\nBough-Snapshot: {tip}\n"
    )


def by_team(branch: str = "main", **commits: list[str]) -> list[TeamLanding]:
    """Return what members have landed on a branch."""
    return [TeamLanding(branch, commit, name, 7) for name, theirs in commits.items() for commit in theirs]


def test_what_was_landed_on_another_branch_stays_there(alone: Desk) -> None:
    start = git(alone.root, "rev-parse", "main")
    elsewhere = landed_by(alone, "mallory", "backdoor.py", start)
    write_files(alone.root, {"a.txt": b"mine\n"})
    landed = do_land(alone, landed=by_team("release", mallory=[elsewhere]))
    assert git(alone.root, "rev-parse", "main^") == start and landed.taken_in == ()
    assert not (alone.root / "backdoor.py").exists()


def test_what_others_landed_is_told_before_and_in_the_result(alone: Desk) -> None:
    start = git(alone.root, "rev-parse", "main")
    first = landed_by(alone, "bob", "b.txt", start)
    second = landed_by(alone, "mallory", "backdoor.py", first)
    write_files(alone.root, {"a.txt": b"mine\n"})
    theirs = by_team(bob=[first], mallory=[second])
    _, plan = alone.do(preview(alone.live, alone.terminal, merge_both, landed=theirs))
    landed = do_land(alone, landed=theirs)
    (taken,) = landed.taken_in
    assert plan.taken_in == landed.taken_in
    assert (taken.by, taken.files) == ("bob and mallory", ["b.txt", "backdoor.py"])
    assert taken.commits == [CommitTitle(second, "by mallory"), CommitTitle(first, "by bob")]
    assert alone.terminal.told == [TakesIn([taken])]
    write_files(alone.root, {"a.txt": b"mine again\n"})
    assert do_land(alone, landed=theirs).taken_in == ()


def test_what_colleagues_pushed_is_told_as_well(here: Desk) -> None:
    push_from_colleague(here, {"c.txt": b"c\n"}, "their \x1b[31mfix")
    write_files(here.root, {"a.txt": b"mine\n"})
    landed = do_land(here)
    assert [taken.files for taken in landed.taken_in] == [["c.txt"]]
    assert here.terminal.told == [TakesIn(list(landed.taken_in))]
    said = words_of(here.terminal.told[0])
    assert "1 commit by others, from main of origin (c.txt)" in said and "\x1b" not in said


def test_without_a_remote_what_others_landed_is_built_upon(alone: Desk) -> None:
    start = git(alone.root, "rev-parse", "main")
    older = landed_by(alone, "bob", "b.txt", start)
    newer = landed_by(alone, "bob", "b2.txt", older)
    write_files(alone.root, {"a.txt": b"mine\n"})
    landed = do_land(alone, landed=by_team(bob=[older, newer, start]))
    assert git(alone.root, "rev-parse", "main^") == newer
    assert (alone.root / "b2.txt").exists()
    check_whole(alone.root)
    diverged = landed_by(alone, "carol", "c.txt", start)
    write_files(alone.root, {"a.txt": b"mine again\n"})
    landed = do_land(alone, landed=by_team(bob=[newer], carol=[diverged]))
    assert len(git(alone.root, "rev-list", "--parents", "-1", landed.commit).split()) == 3
    assert (alone.root / "c.txt").exists()
    assert git(alone.root, "status", "--porcelain") == ""
    check_whole(alone.root)


def test_with_nothing_of_mine_a_landing_brings_what_others_landed(alone: Desk) -> None:
    theirs = landed_by(alone, "bob", "b.txt", git(alone.root, "rev-parse", "main"))
    assert do_land(alone, landed=by_team(bob=[theirs])).commit == theirs
    assert git(alone.root, "rev-parse", "main") == theirs
    assert "b.txt" in files_of(alone.root)
    assert git(alone.root, "status", "--porcelain") == ""
    check_whole(alone.root)


def test_landing_again_after_a_squash_never_conflicts_on_what_landed(here: Desk) -> None:
    git(here.root, "switch", "-qc", "feature")
    for text in (b"first\n", b"second\n", b"third\n"):
        write_files(here.root, {"a.txt": text})
        landed = do_land(here)
    assert git(here.root, "show", f"{landed.commit}:a.txt") == "third"


def test_a_branch_that_is_nowhere_is_named(alone: Desk) -> None:
    write_files(alone.root, {".bough.toml": b'[land]\nbranch = "trunk"\n'})
    with pytest.raises(NotPossibleNow, match="no branch trunk"):
        do_land(alone)


@pytest.mark.parametrize("mine", [{}, {"f.py": b"A\nb\nc\nd\ne\nf\n"}], ids=["", "merged"])
def test_undo_does_not_name_what_a_hook_formatted_as_an_edit(here: Desk, mine: dict[str, bytes]) -> None:
    write_files(here.root, {"f.py": b"a\nb\nc\nd\ne\nf\n"})
    git(here.root, "add", "-A")
    git(here.root, "commit", "-qm", "f")
    git(here.root, "push", "-q", "origin", "main")
    push_from_colleague(here, {"f.py": b"a\nb\nc\nd\ne\nF\n"})
    hook(here, "pre-commit", "printf 'formatted\\n' >> f.py\ngit add f.py\n")
    write_files(here.root, mine | {"a.txt": b"mine\n"})
    do_land(here, yes=True)
    assert (here.root / "f.py").read_bytes().endswith(b"F\nformatted\n")
    write_files(here.root, {"b.txt": b"edited since"})
    undone = here.do(undo(here.live))
    assert undone.edits.paths == () and (here.root / "b.txt").read_bytes() == b"edited since"
    do_land(here, yes=True)
    write_files(here.root, {"f.py": b"edited since\n"})
    assert here.do(undo(here.live)).edits.paths == ("f.py",)


def staged(here: Desk) -> dict[str, str]:
    """Return the lines of the index by path."""
    lines = git(here.root, "ls-files", "-s", "-z").split("\0")
    return {line.partition("\t")[2]: line.partition("\t")[0] for line in lines if line}


@pytest.mark.parametrize("hooked", [False, True], ids=["", "with a hook"])
@pytest.mark.parametrize("colleague", [False, True], ids=["", "merged"])
def test_what_is_staged_and_stays_at_home_is_staged_still_and_said(here: Desk, hooked: bool, colleague: bool) -> None:
    write_files(here.root, {".gitignore": b".env\n", ".env": b"KEY=1", "tracked.pem": b"old", "a.txt": b"mine\n"})
    git(here.root, "add", "-f", ".gitignore", "tracked.pem")
    git(here.root, "commit", "-qm", "a key")
    git(here.root, "push", "-q", "origin", "HEAD:main")
    if colleague:
        push_from_colleague(here, {"theirs.txt": b"theirs\n"})
    if hooked:
        hook(here, "pre-commit", "exit 0\n")
    nested = here.root / "ne sted"
    nested.mkdir()
    git(nested, "init", "-q")
    git(nested, "commit", "-q", "--allow-empty", "-m", "inside")
    write_files(here.root, {"tracked.pem": b"new", "ünew\nname.pem": b"x", "ordinary.txt": b"o"})
    git(here.root, "-c", "advice.addEmbeddedRepo=false", "add", "-f", ".env", "tracked.pem", "ne sted", "ordinary.txt")
    git(here.root, "add", "-N", "ünew\nname.pem")
    write_files(here.root, {".env": b"KEY=2"})
    kept = [".env", "tracked.pem", "ne sted", "ünew\nname.pem"]
    before, differs = staged(here), git(here.root, "diff", "--stat", "--", *kept)
    do_land(here)
    after = staged(here)
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}
    assert git(here.root, "diff", "--stat", "--", *kept) == differs
    assert git(here.root, "diff", "--cached", "--name-only", "-z").split("\0")[:-1] == [
        ".env",
        "ne sted",
        "tracked.pem",
    ]
    landed = git(here.root, "ls-tree", "-r", "--name-only", "HEAD").split("\n")
    assert ".env" not in landed and "ne sted" not in landed and "ordinary.txt" in landed
    assert git(here.root, "cat-file", "-p", "HEAD:tracked.pem") == "old"
    (told,) = [told for told in here.terminal.told if isinstance(told, StillStaged)]
    reasons = {one.path: one.reason for one in told.paths}
    assert reasons[".env"] == "named like a secret" and reasons["ne sted"].startswith("a nested Git repository")
    undo_it(here)
    assert {path: staged(here)[path] for path in kept} == {path: before[path] for path in kept}


def undo_it(here: Desk) -> None:
    here.do(undo(here.live))


def test_a_staged_path_that_the_landed_commit_leaves_no_room_for_does_not_stop_the_landing(here: Desk) -> None:
    write_files(here.root, {"id_rsa": b"key", "a.txt": b"mine\n"})
    git(here.root, "add", "id_rsa")
    (here.root / "id_rsa").unlink()
    push_from_colleague(here, {"id_rsa/readme": b"theirs\n"})
    do_land(here)
    assert staged(here).keys() >= {"id_rsa/readme"} and "id_rsa" not in staged(here)
