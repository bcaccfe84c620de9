"""Where one is after a landing from elsewhere, the way to the shared branch, and what a dry run says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bough_cli import outcomes
from bough_daemon.agents.agent_list import AgentList
from bough_daemon.api.records import ChangedPath, LandingPreview
from bough_daemon.commands.command_set import CommandSet
from bough_daemon.commands.hop import hop
from bough_daemon.commands.undo import undo
from bough_daemon.errors import CheckedOutElsewhere, NotPossibleNow
from bough_daemon.talk.log_file import LogFile
from bough_daemon.talk.logs import Logs
from bough_daemon.talk.team_talk import TeamTalk
from bough_daemon.team.roster import Roster

from tests.daemon.commands.test_hook_scene import add_remote, hook, remote_main
from tests.daemon.moves_support import Desk, check_whole, desk, everything, files_of, git, merge_both
from tests.daemon.support import write_files
from tests.daemon.team.test_roster import NOW, someone


@pytest.fixture
def here(folder: Path) -> Iterator[Desk]:
    """A desk on a branch of its own with a commit and an edit; a colleague has moved the remote's main on."""
    with desk(folder) as opened:
        add_remote(opened)
        git(folder, "switch", "-qc", "feature")
        write_files(folder, {"a.txt": b"ONE\ntwo\nthree\nfour\nfive\n"})
        git(folder, "commit", "-qam", "on feature")
        write_files(folder, {"d/b.txt": b"mine\n"})
        yield opened


class TypedLanding(NamedTuple):
    """What `bough land` prints."""

    sentence: str
    outcome: Any  # LandOutcome, or LandingPreview of a dry run


def silence(folder: Path) -> TeamTalk:
    """Return the talk of a team in which nobody has said anything."""
    logs = Logs(Roster.found(someone("alice"), "alice", NOW))
    return TeamTalk(logs, LogFile(str(folder)), someone("alice"), [])


def type_land(here: Desk, message: str = "", *, dry_run: bool = False, switch: bool = False) -> TypedLanding:
    """Do what `bough land` does."""

    async def publish(branch: str, commit: str) -> None:
        raise AssertionError("there is a remote")

    async def saves_nothing(name: str) -> None:
        raise AssertionError("there is no other working tree")

    async def is_nobodys_guest() -> None:
        raise AssertionError("a landing waits for no host")

    commands = CommandSet(
        here.live,
        here.terminal,
        merge_both,
        list,
        publish,
        AgentList(here.store.folder),
        "",
        saves_nothing,
        silence(here.root),
        is_nobodys_guest,
    )
    if dry_run:
        plan = here.do(commands.preview_landing())
        return TypedLanding("\n".join(outcomes.would_land(plan)), plan)
    made = here.do(commands.land(message, verify=True, yes=False, needed=not switch))
    before = outcomes.still_on(made)
    if switch and before and not made.hopped_to:
        here.do(commands.switch_to_landed(made.commit, made.branch, made.local, made.remote))
        made.switched = True
    return TypedLanding("\n".join(outcomes.landed(made, before)), made)


def state(here: Desk) -> dict[str, object]:
    return {**everything(here.root), "refs": git(here.root, "for-each-ref")}


def test_a_landing_from_elsewhere_says_where_you_are_and_how_to_go_on(here: Desk) -> None:
    before = everything(here.root)
    done = type_land(here, message="work")
    assert "; you are still on feature; `bough land --switch` takes you to main\n" in done.sentence
    assert (done.outcome.still_on, done.outcome.switched) == ("feature", False)
    assert everything(here.root) == before
    write_files(here.root, {"later.txt": b"l\n"})
    with pytest.raises(NotPossibleNow, match="has not landed"):
        type_land(here, switch=True)
    (here.root / "later.txt").unlink()
    done = type_land(here, switch=True)
    assert "now on main" in done.sentence
    check_on_main(here)


def check_on_main(here: Desk) -> None:
    assert git(here.root, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(here.root, "rev-parse", "HEAD") == remote_main(here)
    assert git(here.root, "status", "--porcelain") == ""
    assert (here.root / "a.txt").read_bytes() == b"ONE\ntwo\nthree\nfour\nTHEIRS\n"
    check_whole(here.root)


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("place", ["feature", "detached"])
def test_yes_switches_and_undo_returns(here: Desk, place: str, hooked: bool) -> None:
    if place == "detached":
        git(here.root, "switch", "-q", "--detach")
    if hooked:
        hook(here, "pre-commit", "git add -u\n")
    hook(here, "post-checkout", 'echo "$@" > .git/switched\n')
    before = everything(here.root)
    old = git(here.root, "rev-parse", "HEAD")
    done = type_land(here, message="work", switch=True)
    assert done.outcome.switched
    check_on_main(here)
    assert (here.root / ".git/switched").read_text() == f"{old} {remote_main(here)} 1\n"
    here.do(undo(here.live))
    assert everything(here.root) == before
    here.do(undo(here.live))
    assert everything(here.root) == before
    assert git(here.root, "rev-parse", "main") != remote_main(here)


def test_no_stays(here: Desk) -> None:
    before = everything(here.root)
    done = type_land(here, message="work")
    assert "still on feature" in done.sentence
    assert everything(here.root) == before


def test_what_is_withheld_or_edited_later_comes_along(here: Desk) -> None:
    write_files(here.root, {".env": b"S\n"})
    type_land(here, message="work")
    write_files(here.root, {"d/b.txt": b"later\n"})
    git(here.root, "add", "d/b.txt")
    with pytest.raises(NotPossibleNow, match="has not landed"):
        type_land(here, switch=True)
    write_files(here.root, {"d/b.txt": b"mine\n"})
    type_land(here, switch=True)
    assert git(here.root, "status", "--porcelain") == "?? .env"
    assert files_of(here.root)[".env"][1] == b"S\n"


def test_a_shared_branch_that_is_not_here_yet_comes_with_its_upstream(here: Desk) -> None:
    git(here.root, "branch", "-q", "-D", "main")
    git(here.root, "fetch", "-q")
    type_land(here, message="work", switch=True)
    check_on_main(here)
    assert git(here.root, "rev-parse", "--abbrev-ref", "main@{upstream}") == "origin/main"
    here.do(undo(here.live))
    assert git(here.root, "symbolic-ref", "HEAD") == "refs/heads/feature"


def test_from_a_hop_the_way_is_back(here: Desk) -> None:
    here.teammate_at("alice", {"alice.txt": b"a\n"}, base="main")
    git(here.root, "stash", "-q")
    here.do(hop(here.live, here.terminal, "alice", merge_both))
    done = type_land(here, message="from the hop", switch=True)
    assert "still on alice's branch; run `bough back` to return" in done.sentence
    assert [asked.branch for asked in here.terminal.asked] == ["main"]


def test_a_branch_that_is_checked_out_elsewhere_stays_there(here: Desk, tmp_path: Path) -> None:
    git(here.root, "worktree", "add", "-q", str(tmp_path / "elsewhere"), "main")
    with pytest.raises(CheckedOutElsewhere):
        type_land(here, message="work", switch=True)


def test_a_dry_run_tells_all_and_changes_nothing(here: Desk) -> None:
    write_files(here.root, {"new file.txt": b"n\n", ".env": b"S\n"})
    hook(here, "pre-commit", "exit 1\n")
    git(here.root, "rm", "-q", "--cached", "d/e/c.txt")
    before, there = state(here), remote_main(here)
    done = type_land(here, message="work", dry_run=True)
    assert done.sentence.splitlines() == [
        f"Would land on origin's main, on top of {there[:10]}: 3 files",
        "Takes in 1 commit by others, from main of origin (a.txt, d/e/c.txt, theirs.txt):",
        f"  {there[:10]} {git(here.root, 'log', '-1', '--format=%s', there)}",
        "  M a.txt",
        "  M d/b.txt",
        "  A new file.txt  (untracked; published for the first time)",
        "  a.txt: merged by lines",
    ]
    told = done.outcome
    assert isinstance(told, LandingPreview)
    assert (told.branch, told.remote, told.onto, told.new) == ("main", "origin", [there], True)
    assert told.changes[2] == ChangedPath("A", "new file.txt")
    assert (told.untracked, told.others, told.conflicts) == (["new file.txt"], [], [])
    assert (state(here), remote_main(here)) == (before, there)
    assert here.terminal.asked == []


def test_a_dry_run_names_conflicts_co_authors_and_deletions(here: Desk) -> None:
    here.teammate_at("bob", {"bob.txt": b"b\n"})
    (here.root / "d/b.txt").unlink()
    git(here.root, "-c", "user.name=Carol", "-c", "user.email=carol@example.org", "commit", "-qam", "pair work")
    done = type_land(here, dry_run=True)
    assert done.sentence.splitlines()[0].endswith("2 files, with Carol")
    assert "  D d/b.txt" in done.sentence.splitlines()
    write_files(here.root, {"a.txt": b"all\nelse\n"})
    before = state(here)
    done = type_land(here, dry_run=True)
    assert done.sentence.splitlines()[0] == "Would conflict with origin's main in a.txt"
    assert done.outcome.conflicts == ["a.txt"]
    assert state(here) == before


def test_a_dry_run_with_nothing_to_land_says_so(here: Desk) -> None:
    type_land(here, message="work")
    done = type_land(here, dry_run=True)
    assert done.sentence.startswith("Nothing to land: origin's main has all of it")
    assert done.outcome.new is False
