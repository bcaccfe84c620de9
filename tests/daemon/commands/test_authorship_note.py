"""What the note of a landed commit says about who wrote its lines."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from bough_daemon.commands.authorship_note import as_note, attested, in_ranges
from bough_daemon.git.store_reading import BlamedLine

LINE = BlamedLine(1, "x", "a" * 40, "alice", "Someone <else>", "person", "", 0, "f", 1)
NAMES = {"alice": "Alice <alice@example.org>", "bob": "Bob <bob@example.org>"}
TOOLS = {"alice+fix": "claude"}


@pytest.mark.parametrize(
    ("numbers", "said"), [([], ""), ([3], "3"), ([1, 2, 3], "1-3"), ([9, 1, 2, 5], "1-2,5,9"), ([4, 6, 5], "4-6")]
)
def test_lines_are_in_ranges(numbers: list[int], said: str) -> None:
    assert in_ranges(numbers) == said


def test_people_are_named_by_branch_and_agents_by_session() -> None:
    written = {
        "a b.txt": [LINE, replace(LINE, line=2, branch="bob", kind="guest", guest_of="alice")],
        "z.py": [replace(LINE, line=line, branch="alice+fix", kind="agent") for line in (4, 5, 9)],
        "old.py": [replace(LINE, branch="", kind="commit")],
    }
    note = as_note(attested(written, NAMES, TOOLS), "c" * 40)
    head, _, facts = note.partition("\n---\n")
    told = json.loads(facts)
    assert told["schema_version"] == "authorship/3.0.0" and told["base_commit_sha"] == "c" * 40
    assert sorted(one["author"] for one in told["humans"].values()) == sorted(NAMES.values())
    (session,) = told["sessions"].values()
    assert session["agent_id"] == {"tool": "claude", "id": "alice+fix", "model": "unknown"}
    lines = head.splitlines()
    assert lines[0] == '"a b.txt"' and lines[3] == "z.py" and "old.py" not in head
    assert re.fullmatch(r"  s_[0-9a-f]{14}::t_[0-9a-f]{14} 4-5,9", lines[4])
    assert {line.split()[0] for line in lines[1:3]} == told["humans"].keys()


def test_another_machine_of_someones_without_a_name_here_is_named_by_its_owner() -> None:
    said = attested({"f": [replace(LINE, branch="dora+tree")]}, NAMES, {})
    assert [one["author"] for one in said.humans.values()] == ["dora"]
