"""What became of suggestions."""

from __future__ import annotations

from pathlib import Path

import pytest
from bough_completion.metrics import Suggested
from bough_daemon.completion.usage import WAITING, UseLog, kept_characters

SHOWN = Suggested("a.py", "    ret", "urn total")
TAKEN = Suggested("a.py", "    ret", "urn total", accepted=True)


@pytest.mark.parametrize(
    ("before", "text", "committed", "kept"),
    [
        ("    ret", "urn total", "def f():\n    return total\n", 9),
        ("    ret", "urn total", "def f():\n\treturn total\n", 9),  # a formatter may indent otherwise
        ("    ret", "urn total", "def f():\n    return totals\n", 9),
        ("    ret", "urn total", "def f():\n    return to_all\n", 6),
        ("    ret", "urn total", "def f():\n    return\n", 0),  # less than half
        ("    ret", "urn total", "", 0),
        ("if ", "a:\n    b()\n    c()", "if a:\n    b()\n    d()\n", 2 + 8),
        ("if ", "a:\n    b()", "if a:\n        b()\n", 2 + 8),
        ("", "x", "y\n", 0),
    ],
)
def test_what_a_commit_has_of_a_suggestion_is_counted(before: str, text: str, committed: str, kept: int) -> None:
    assert kept_characters(before, text, committed) == kept


def test_counts_outlive_the_daemon_and_a_commit_settles_what_waits_for_its_file(tmp_path: Path) -> None:
    path = str(tmp_path / "use.json")
    log = UseLog(path)
    for use in (
        SHOWN,
        TAKEN,
        Suggested("b.py", "", "unseen", accepted=True),
        Suggested("", "na", "meless", accepted=True),
    ):
        log.note("/tree", use)
    assert log.moved("/tree", "one") == ""
    log.save()
    assert Path(path).stat().st_mode & 0o077 == 0
    again = UseLog(path)
    assert again.moved("/tree", "two") == "one"
    assert again.awaited("/tree") == {"a.py", "b.py", ""}
    again.settle("/tree", {"a.py": "    return total\n", "c.py": "nameless\n"})
    (kept,) = again.uses()
    assert (kept.shown, kept.accepted, kept.committed, kept.kept_characters) == (1, 3, 2, 9 + 6)
    assert again.awaited("/tree") == {"b.py"}
    again.settle("/tree", {"b.py": None})
    assert again.uses()[0].committed == 3


def test_what_waits_is_bounded_and_a_tree_without_suggestions_is_not_told_of(tmp_path: Path) -> None:
    log = UseLog(str(tmp_path / "use.json"))
    log.moved("/quiet", "one")
    for number in range(2 * WAITING):
        log.note("/tree", Suggested(f"{number}.py", "", "text", accepted=True))
    assert len(log.awaited("/tree")) == WAITING
    log.note("/tree", SHOWN)
    assert [use.repository for use in log.uses()] == ["/tree"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"/tree": 3}', '{"/tree": {"since": 1, "waiting": [1]}}', '{"/t": {"x": 1}}']
)
def test_a_damaged_file_is_counted_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "use.json"
    path.write_text(text)
    log = UseLog(str(path))
    log.note("/new", SHOWN)
    log.save()
    assert [use.repository for use in UseLog(str(path)).uses()] == ["/new"]


def test_a_home_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    log = UseLog(str(tmp_path / "gone" / "use.json"))
    log.note("/tree", SHOWN)
    log.save()
    assert log.uses()[0].shown == 1
