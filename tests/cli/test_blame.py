"""`bough blame`: who wrote each line, live lines and landed ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bough_daemon.git.command import GitCommand
from bough_daemon.git.store_reading import _written

from tests.cli.conftest import Member, until
from tests.cli.test_agents import runs
from tests.cli.test_together import LINES, are_alike, team_of, text
from tests.daemon.support import git, make_repository


def blame(member: Member, *words: str) -> dict[int, dict[str, Any]]:
    """Return the lines by number."""
    said = [json.loads(line) for line in member.bough("blame", *words, "--json").splitlines()]
    return {one["line"]: one for one in said}


def change(member: Member, number: int, line: str) -> None:
    """Replace a line of a.txt (counted from 1), and save."""
    lines = text(member).splitlines(keepends=True)
    lines[number - 1] = line + "\n"
    (member.tree / "a.txt").write_text("".join(lines))
    member.bough("save")


def test_a_line_is_its_writers_whoever_has_it_now(members: Callable[..., Member]) -> None:
    alice, bob = team_of(members, "alice", "bob")
    change(alice, 3, "alice wrote this")
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    change(bob, 9, "bob wrote this")
    until(lambda: are_alike(alice, bob))
    until(lambda: blame(alice, "a.txt")[9]["branch"] == "bob")
    for member in (alice, bob):
        lines = blame(member, "a.txt")
        assert (lines[3]["branch"], lines[3]["kind"]) == ("alice", "person")
        assert (lines[9]["branch"], lines[9]["kind"], lines[9]["guest_of"]) == ("bob", "guest", "alice")
        assert (lines[5]["branch"], lines[5]["kind"]) == ("", "commit")
        assert lines[9]["text"] == "bob wrote this" and len(lines) == len(LINES.splitlines())
    shown = alice.bough("blame", "a.txt", "-L", "9,9")
    assert "bob in alice's branch" in shown and "bob wrote this" in shown and len(shown.splitlines()) == 1
    bob.bough("back")
    assert blame(bob, "a.txt", "--on", "alice")[9]["kind"] == "guest"
    assert blame(bob, "a.txt")[9]["text"] == "line 8"


def test_what_landed_keeps_its_writer_with_everyone_who_pulls_it(members: Callable[..., Member]) -> None:
    alice, bob = team_of(members, "alice", "bob")
    change(alice, 3, "alice wrote this")
    alice.bough("agent", "fix", *runs("p='a.txt'; t=open(p).read().replace('line 12','agent'); open(p,'w').write(t)"))
    alice.bough("merge", "alice+fix")
    alice.bough("land", "-m", "both")
    note = alice.git("notes", "--ref=ai", "show")
    attested, _, facts = note.partition("\n---\n")
    (session,) = json.loads(facts)["sessions"].items()
    assert session[1]["agent_id"]["id"] == "alice+fix" and session[1]["human_author"] == "Alice <alice@example.org>"
    path, *writers = attested.splitlines()
    assert path == "a.txt" and {line.split()[-1] for line in writers} == {"3", "13"}
    assert any(line.startswith(f"  {session[0]}::t_") and line.endswith(" 13") for line in writers)
    alice.bough("undo")
    assert not alice.git("for-each-ref", "refs/notes/ai")
    alice.bough("redo")
    alice.bough("save", "--wait", "bob")
    bob.git("pull", "-q", str(alice.tree), "main")
    for member in (alice, bob):
        lines = blame(member, "a.txt")
        assert (lines[3]["branch"], lines[3]["kind"]) == ("alice", "person")
        assert (lines[13]["branch"], lines[13]["kind"], lines[13]["text"]) == ("alice+fix", "agent", "agent")
        assert lines[1]["kind"] == "commit"
    assert "alice+fix (agent)" in bob.bough("blame", "a.txt", "-L", "13,13")


def test_paths_are_as_typed_and_renames_are_followed(alice: Member) -> None:
    alice.bough("up")
    folder = alice.tree / "ünï cöde"
    folder.mkdir()
    (folder / "new\nname.txt").write_text("".join(f"new {number}\n" for number in range(20)))
    alice.bough("save")
    (folder / "new\nname.txt").rename(folder / "other.txt")
    alice.bough("save")
    typed = alice.types("blame", "other.txt", "-L", "2,2", "--json", where=folder)
    one = json.loads(typed.out)
    assert (one["branch"], one["text"], one["path"]) == ("alice", "new 1", "ünï cöde/new\nname.txt")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nofile",), "no such path nofile on alice's branch"),
        (("a.txt", "--on", "nobody"), "nobody has no live branch here"),
        (("a.txt", "-L", "100,200"), "has only 3 lines"),
        (("a.txt", "-L", "--contents=/etc/passwd"), "not a range"),
        (("src",), "src"),
    ],
)
def test_what_is_not_there_is_said(alice: Member, words: tuple[str, ...], says: str) -> None:
    alice.bough("up")
    typed = alice.types("blame", *words)
    assert typed.code in (1, 2) and says in typed.err, typed
    assert "Traceback" not in typed.err and "root:" not in typed.out


def test_the_users_own_settings_for_blame_do_not_stop_it(alice: Member) -> None:
    alice.git("config", "blame.ignoreRevsFile", "no such file")
    alice.bough("up")
    change(alice, 2, "mine")
    assert blame(alice, "a.txt")[2]["branch"] == "alice"


def test_a_message_that_imitates_the_answer_is_no_author(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"a": b"a"})
    forged = "x\n\nBough-Event: \x01" + "0" * 40 + "\nBough-Base: " + "1" * 40 + "\nBough-Snapshot: not an id\n"
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-F", "-"], cwd=root, input=forged.encode(), check=True)
    found = _written(GitCommand(str(root / ".git")), ["--no-walk", "--stdin"], {git(root, "rev-parse", "HEAD")})
    assert all(one.snapshot == "" for one in found.values()) and "0" * 40 not in found
