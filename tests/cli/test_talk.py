"""Comments on code, as members type and read them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Member, until
from tests.cli.test_two_members import join
from tests.daemon.support import write_files

Pair = tuple[Member, Member]
STATS = b"""def mean(values):
    return sum(values) / len(values)


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
"""


@pytest.fixture
def pair(members: Callable[..., Member]) -> Pair:
    """Two members of one team, both live."""
    alice, bob = members("alice", {"stats.py": STATS, "ü b.py": b"x = 1\n"}), members("bob")
    alice.bough("up")
    join(alice, bob)
    alice.bough("save", "--wait", "bob")
    return alice, bob


def comments(member: Member, *arguments: str) -> list[dict[str, Any]]:
    """Return the comments that a member sees."""
    return [json.loads(line) for line in member.bough("comments", *arguments, "--json").splitlines()]


def comes(member: Member, count: int, *arguments: str) -> list[dict[str, Any]]:
    """Wait until a member sees so many comments."""
    until(lambda: len(comments(member, *arguments)) == count)
    return comments(member, *arguments)


def place(comment: dict[str, Any]) -> tuple[str, int, int, bool] | None:
    """Return where the code of a comment is."""
    at = comment["place"]
    return (at["file"], at["first"], at["last"], at["edited"]) if at is not None else None


def test_a_comment_on_a_teammates_branch_is_there_and_its_code_is_followed(pair: Pair) -> None:
    alice, bob = pair
    assert alice.told("status")["comments"] == 0
    made = bob.told("comment", "stats.py:2", "Empty `values`?", "--on", "alice")
    (seen,) = comes(alice, 1)
    assert (seen["id"], seen["by"], seen["branch"], seen["is_new"]) == (made["id"], "bob", "alice", True)
    assert place(seen) == ("stats.py", 2, 2, False) and seen["code"] == "    return sum(values) / len(values)\n"
    status = alice.told("status")
    assert (status["comments"], status["new_comments"]) == (1, 1)
    assert "1 open comment on your branch, 1 new" in alice.bough("status")
    write_files(alice.tree, {"stats.py": b"import math\n\n\n" + STATS})
    alice.bough("save")
    assert place(comments(alice)[0]) == ("stats.py", 5, 5, False)
    (alice.tree / "stats.py").rename(alice.tree / "numbers.py")
    alice.bough("save", "--wait", "bob")
    assert [place(comments(one)[0]) for one in (alice, bob)] == [("numbers.py", 5, 5, False)] * 2
    write_files(alice.tree, {"numbers.py": b"import math\n"})
    alice.bough("save")
    assert place(comments(alice)[0]) is None
    told = alice.bough("comments")
    assert "stats.py:2 on alice's branch; the code is gone; it was:" in told and "return sum(values)" in told
    assert alice.told("status")["new_comments"] == 0, "they have been shown"


def test_members_reply_react_close_and_open_again(pair: Pair) -> None:
    alice, bob = pair
    made = json.loads(
        bob.bough("comment", "stats.py:5-7", "-", "--on", "alice", "--json", stdin="*Why?*\n\nTell me.\n")
    )
    comes(alice, 1)
    reply = alice.told("reply", made["id"], "because")
    alice.bough("react", made["id"], "👍")
    until(lambda: comments(bob)[0]["marks"] == [{"mark": "👍", "by": ["alice"]}])
    (seen,) = comments(bob)
    assert [(one["id"], one["by"], one["text"]) for one in seen["replies"]] == [(reply["id"], "alice", "because")]
    assert seen["text"] == "*Why?*\n\nTell me." and place(seen) == ("stats.py", 5, 7, False)
    shown = bob.bough("comments")
    assert "*Why?*" in shown and "👍 alice" in shown and "│ def median(values):" in shown
    bob.bough("close", made["id"])
    comes(alice, 0)
    assert comments(alice, "--all")[0]["closed_by"] == "bob"
    assert "(closed by bob)" in alice.bough("comments", "--all")
    alice.bough("close", "--reopen", made["id"])
    comes(bob, 1)


def test_two_who_reply_offline_are_both_heard_once_they_meet(pair: Pair) -> None:
    alice, bob = pair
    id = alice.told("comment", "stats.py:1", "Names?")["id"]
    comes(bob, 1)
    bob.ends()
    alice.bough("reply", id, "from alice")
    alice.ends()
    bob.bough("reply", id, "from bob")
    alice.bough("status")

    def texts(member: Member) -> set[str]:
        return {reply["text"] for reply in comments(member)[0]["replies"]}

    until(lambda: texts(alice) == texts(bob) == {"from alice", "from bob"})


def test_a_newcomer_gets_what_was_said_before_also_through_another(pair: Pair, members: Callable[..., Member]) -> None:
    alice, bob = pair
    id = bob.told("comment", "stats.py:1", "Hello", "--on", "alice")["id"]
    comes(alice, 1)
    bob.ends()
    carol = members("carol")
    join(alice, carol)
    (seen,) = comes(carol, 1)
    assert (seen["id"], seen["by"]) == (id, "bob")
    carol.bough("reply", id, "Hi")
    until(lambda: bool(comments(alice)[0]["replies"]))
    bob.bough("up")
    until(lambda: bool(comments(bob)[0]["replies"]))


def test_what_a_member_says_survives_a_kill_and_is_still_theirs_when_they_are_removed(
    pair: Pair, members: Callable[..., Member]
) -> None:
    alice, bob = pair
    bob.bough("comment", "stats.py:1", "before", "--on", "alice")
    bob.is_killed()
    bob.bough("up")
    bob.bough("comment", "stats.py:2", "after", "--on", "alice")
    comes(alice, 2)
    alice.bough("remove", "bob", "--yes")
    carol = members("carol")
    join(alice, carol)
    assert {(one["by"], one["text"]) for one in comes(carol, 2)} == {("bob", "before"), ("bob", "after")}
    assert {one["by"] for one in comments(alice)} == {"bob"}
    until(lambda: bool(bob.told("status")["out"]))
    typed = bob.types("comment", "stats.py:1", "later")
    assert typed.code == 1 and "removed you from the team" in typed.err
    assert {one["text"] for one in comments(alice)} == {"before", "after"}
    alice.is_killed()
    alice.bough("up")
    assert len(comments(alice)) == 2


def test_what_was_said_alone_comes_along_into_a_team(members: Callable[..., Member]) -> None:
    alice, bob = members("alice", {"stats.py": STATS}), members("bob")
    alice.bough("up")
    bob.bough("up")
    bob.bough("reply", bob.told("comment", "stats.py:2", "Note to myself")["id"], "And one more")
    join(alice, bob, "--as", "robert")
    (seen,) = comes(alice, 1)
    assert (seen["by"], seen["branch"], seen["text"]) == ("robert", "robert", "Note to myself")
    assert [one["text"] for one in seen["replies"]] == ["And one more"]
    assert bob.told("status")["comments"] == 1


SUGGESTION = (
    "Guard it:\n\n```suggestion\n    if not values:\n        return 0.0\n    return sum(values) / len(values)\n```\n"
)


def test_a_suggestion_is_applied_where_the_code_is_now_and_undone(pair: Pair) -> None:
    alice, bob = pair
    id = json.loads(bob.bough("comment", "stats.py:2", "-", "--on", "alice", "--json", stdin=SUGGESTION))["id"]
    comes(alice, 1)
    write_files(alice.tree, {"stats.py": b"import math\n\n\n" + STATS})
    assert "bough comments apply" in alice.bough("comments")
    before = (alice.tree / "stats.py").read_bytes()
    assert alice.bough("comments", "apply", id) == "Applied bob's suggestion to stats.py:5-7"
    wanted = before.replace(b"    return sum", b"    if not values:\n        return 0.0\n    return sum")
    assert (alice.tree / "stats.py").read_bytes() == wanted
    alice.bough("undo")
    assert (alice.tree / "stats.py").read_bytes() == before
    alice.bough("redo")
    assert (alice.tree / "stats.py").read_bytes() == wanted


def test_a_suggestion_that_does_not_fit_changes_nothing(pair: Pair) -> None:
    alice, bob = pair
    same = "```suggestion\n    return sum(values) / len(values)\n```"
    changed = STATS.replace(b"sum(values) /", b"math.fsum(values) /")
    tries = [
        (SUGGESTION, changed, "has changed"),
        (SUGGESTION, b"", "no longer in your files"),
        (same, STATS, "already has"),
        ("no block", STATS, "has no suggestion"),
    ]
    for count, (text, new, error) in enumerate(tries, 1):
        write_files(alice.tree, {"stats.py": STATS})
        alice.bough("save", "--wait", "bob")
        id = json.loads(bob.bough("comment", "stats.py:2", "-", "--on", "alice", "--json", stdin=text))["id"]
        comes(alice, count)
        write_files(alice.tree, {"stats.py": new})
        typed = alice.types("comments", "apply", id)
        assert typed.code == 1 and error in typed.err
        assert (alice.tree / "stats.py").read_bytes() == new


def test_a_suggestion_keeps_line_ends_and_a_last_line_without_one(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"dos.txt": b"one\r\ntwo two two\r\nthree three"})
    alice.bough("save", "--wait", "bob")
    ids = [
        json.loads(bob.bough("comment", place, "-", "--on", "alice", "--json", stdin=text))["id"]
        for place, text in (
            ("dos.txt:2", "```suggestion\n2\n```"),
            ("dos.txt:3", "```suggestion\n3\n4\n```"),
            ("dos.txt:1-2", "```suggestion\n```"),
        )
    ]
    comes(alice, 3)
    alice.bough("comments", "apply", ids[1])
    assert (alice.tree / "dos.txt").read_bytes() == b"one\r\ntwo two two\r\n3\r\n4"
    alice.bough("comments", "apply", ids[2])
    assert (alice.tree / "dos.txt").read_bytes() == b"3\r\n4"
    assert "no longer in your files" in alice.types("comments", "apply", ids[0]).err


def test_a_comment_while_hopped_is_on_the_branch_that_the_files_show(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"new.py": b"def new_one():\n    return 1\n"})
    alice.bough("save", "--wait", "bob")
    bob.bough("hop", "alice")
    assert bob.told("comment", "new.py:1", "nice")["branch"] == "alice"
    (seen,) = comes(alice, 1)
    assert place(seen) == ("new.py", 1, 1, False) and comments(bob)[0]["place"]["branch"] == "alice"
    bob.bough("back")
    assert place(comments(bob)[0]) == ("new.py", 1, 1, False)


def test_comments_on_what_lands_become_a_note_that_git_shows_and_undo_removes_it(pair: Pair) -> None:
    alice, bob = pair
    bob.bough("comment", "stats.py:2", "on an old line", "--on", "alice")
    write_files(alice.tree, {"stats.py": STATS + b"\n\ndef mode(values):\n    return max(values, key=values.count)\n"})
    alice.bough("save", "--wait", "bob")
    id = bob.told("comment", "stats.py:11", "Slow?\n\x1b[2Jreally", "--on", "alice")["id"]
    comes(alice, 2)
    alice.bough("reply", id, "Fine for now")
    before = alice.git("for-each-ref")
    landed = alice.told("land", "-m", "stats: mode")["commit"]
    shown = alice.git("log", "-1", "--notes=bough", landed)
    assert "stats.py:11 bob: Slow?" in shown and "\\033[2Jreally" in shown and "  alice: Fine for now" in shown
    assert "old line" not in shown and alice.git("fsck", "--connectivity-only") == ""
    assert [place(one) for one in comments(alice)] == [("stats.py", 2, 2, False), ("stats.py", 11, 11, False)]
    alice.bough("undo")
    assert alice.git("for-each-ref") == before
    alice.bough("redo")
    assert "Slow?" in alice.git("notes", "--ref=bough", "show", landed)
    write_files(alice.tree, {"more.py": b"def more():\n    return 1\n"})
    alice.bough("comment", "more.py:1", "not noted")
    alice.git("update-ref", "refs/notes/bough-old", "refs/notes/bough")
    alice.git("update-ref", "-d", "refs/notes/bough")
    alice.git("update-ref", "refs/notes/bough/mine", "refs/notes/bough-old")
    landed = alice.told("land", "-m", "more")["commit"]
    assert alice.git("rev-parse", "main") == landed, "it lands where another reference has the name"
    alice.git("update-ref", "-d", "refs/notes/bough/mine")
    alice.git("update-ref", "refs/notes/bough", "refs/notes/bough-old")
    write_files(alice.tree, {"less.py": b"def less():\n    return 1\n"})
    alice.bough("comment", "less.py:1", "not noted either")
    alice.bough("config", "set", "land.notes", "false")
    landed = alice.told("land", "-m", "more")["commit"]
    assert landed not in alice.git("notes", "--ref=bough", "list")


def test_what_is_withheld_cannot_be_commented_on_and_nothing_of_it_is_told(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {".env": b"PASSWORD=hunter2hunter2\n"})
    typed = alice.types("comment", ".env:1", "look")
    assert typed.code == 2 and "is withheld" in typed.err
    assert comments(alice) == []
    log = next((bob.home / "teams").rglob("talk.jsonl"), None)
    assert log is None or b"hunter2" not in log.read_bytes()


WRONG = [
    (["comment", "stats.py:99", "x"], "not a text file with the lines 99"),
    (["comment", "stats.py", "x"], "names no line of a file"),
    (["comment", "no.py:1", "x"], "there is no file no.py"),
    (["comment", "stats.py:5-2", "x"], "line 2 comes before line 5"),
    (["comment", "../x:1", "x"], "outside the working tree"),
    (["comment", "stats.py:1", "  "], "the text is empty"),
    (["comment", "stats.py:1"], "there is no text"),
    (["comment", "stats.py:1", "x", "--on", "zoe"], "zoe has no live branch here"),
    (["reply", "abcd", "x"], "no comment has the id abcd"),
    (["close", ""], "no comment has the id"),
    (["react", "zz", "\x1b[2J"], "no comment has the id"),
    (["comments", "apply"], "takes the id of one comment"),
    (["comments", "a", "b"], "only one file"),
]


def test_what_cannot_be_is_answered_in_a_sentence(alice: Member) -> None:
    write_files(alice.tree, {"stats.py": STATS})
    alice.bough("up")
    for typed, error in WRONG:
        said = alice.types(*typed)
        assert said.code in (1, 2) and error in said.err and "Traceback" not in said.err


def test_odd_names_and_texts_do_nothing_to_a_terminal(pair: Pair) -> None:
    alice, bob = pair
    name = "a \x1b[31m\nb.py"
    write_files(alice.tree, {name: b"def evil():\n    \x1b[2Jpass\n", "sub/c.py": b"value = 1\n"})
    alice.bough("save", "--wait", "bob")
    bob.bough("comment", f"{name}:2", "\x1b[2J boo\nsecond line", "--on", "alice")
    bob.bough("comment", "ü b.py:1", "umlaut", "--on", "alice")
    comes(alice, 2)
    told = alice.bough("comments")
    assert "\x1b[2J" not in told and "\\033[2J boo" in told and "second line" in told and "ü b.py:1" in told
    assert alice.bough("comments", "ü b.py").count("umlaut") == 1
    assert alice.types("comments", "../b.py", where=alice.tree / "sub").out == ""


def test_my_own_comments_and_those_of_one_branch_can_be_listed(pair: Pair) -> None:
    alice, bob = pair
    alice.bough("comment", "stats.py:1", "mine")
    bob.bough("comment", "stats.py:5", "on my own")
    comes(alice, 2)
    assert [one["text"] for one in comments(alice, "--mine")] == ["mine"]
    assert [one["text"] for one in comments(alice, "--on", "bob")] == ["on my own"]
    assert [one["text"] for one in comments(alice)] == ["mine", "on my own"], "those of one's own branch come first"


def test_a_solid_snapshot_is_told_to_the_team(pair: Pair) -> None:
    alice, bob = pair
    write_files(alice.tree, {"stats.py": STATS + b"\nDONE = True\n"})
    made = alice.told("solid", "tests", "pass")
    until(lambda: bob.told("status")["teammates"][0]["solid"] is not None)
    solid = bob.told("status")["teammates"][0]["solid"]
    assert (solid["tip"], solid["text"]) == (made["tip"], "tests pass")
    assert made["tip"] == alice.told("status")["shared_tip"] == alice.told("status")["solid"]["tip"]
    until(lambda: bob.told("status")["teammates"][0]["tip"] == made["tip"])
    assert f"solid at {made['tip'][:10]}" in bob.bough("status")


def test_comments_stay_with_a_member_who_changes_their_name_while_nobody_else_is_there(alice: Member) -> None:
    alice.bough("up", "--as", "alice")
    alice.bough("comment", "src/b.py:1", "Before?")
    alice.bough("rename", "alicia", "--yes")
    alice.bough("comment", "src/b.py:2", "After?")
    assert [(one["text"], one["branch"]) for one in comments(alice)] == [("Before?", "alicia"), ("After?", "alicia")]
    alice.is_killed()
    assert [one["text"] for one in comments(alice)] == ["Before?", "After?"]


def test_comments_and_solid_marks_stay_on_the_branch_of_a_member_who_changes_their_name(pair: Pair) -> None:
    alice, bob = pair
    bob.bough("comment", "stats.py:2", "Empty?", "--on", "alice")
    made = alice.told("solid", "ready")
    comes(alice, 1)
    alice.bough("rename", "alicia", "--yes")
    (seen,) = comments(alice)
    assert (seen["branch"], seen["place"]["branch"]) == ("alicia", "alicia")
    status = alice.told("status")
    assert (status["comments"], status["solid"]["tip"]) == (1, made["tip"])
    until(lambda: comments(bob)[0]["branch"] == "alicia")
    bob.bough("rename", "robert", "--yes")
    until(lambda: comments(alice)[0]["by"] == "robert")


def test_comments_are_events_that_watch_tells(pair: Pair) -> None:
    alice, bob = pair
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "bough_cli", "watch", "--json"],
        cwd=alice.tree,
        env=os.environ | {"BOUGH_HOME": str(alice.home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        first = threading.Event()
        found: list[dict[str, Any]] = []

        def listen() -> None:
            for line in watching.stdout or []:
                found.append(json.loads(line))
                first.set()

        listener = threading.Thread(target=listen)
        listener.start()
        number = 0
        while not first.is_set():
            number += 1
            write_files(alice.tree, {"a.txt": b"%d" % number})
            alice.bough("save")
        bob.bough("comment", "stats.py:2", "Empty?", "--on", "alice")
        until(lambda: any(one["event"] == "comment" for one in found))
        watching.terminate()
        listener.join()
    event = next(one for one in found if one["event"] == "comment")
    assert event["member"] == "bob" and event["about"].endswith(" stats.py:2 Empty?")
