"""How commands tell how they ended."""

from __future__ import annotations

from bough_cli import outcomes
from bough_daemon.api.records import MergeOutcome
from bough_daemon.commands.merge import File, Merged
from bough_daemon.commands.outcomes import merged
from bough_merge import merge_file


def outcome_of(*files: File) -> MergeOutcome:
    return merged(Merged("clean", "0" * 40, files, source="alice's branch"))


def test_a_conflict_says_what_each_side_did() -> None:
    base, ours, theirs = (b"def a():\n    return %d\n" % number for number in (1, 2, 3))
    made = merge_file(base, ours, theirs, "m.py")
    outcome = outcome_of(File("m.py", "conflict", str(made.method), made.findings, made.conflicts))
    assert outcomes.merged(outcome, preview=True) == [
        "Would conflict in m.py",
        "  m.py: conflict",
        "    line 2 in a: ours changed `1` to `2`; theirs changed `1` to `3`",
    ]
    assert outcome.files[0].conflicts[0].where == "a"


def test_names_from_elsewhere_cannot_move_the_cursor() -> None:
    outcome = outcome_of(File("a\x1b[31m\n", "clean", "lines"))
    assert outcomes.merged(outcome, preview=False)[1] == "  a\\033[31m\\n: merged by lines"
