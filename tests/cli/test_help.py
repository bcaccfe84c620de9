"""The help of every command is one golden file: a change of it is a change that somebody meant."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from bough_cli.failure import TABLE, show
from bough_cli.habits import WITH
from bough_cli.main import COMMANDS, GROUPS, application, main
from bough_daemon import errors
from bough_daemon.errors import GitFailed
from bough_daemon.git import view
from typer.testing import CliRunner

GOLDEN = Path(__file__).with_name("help.txt")


def test_the_help_of_every_command_is_as_written_down() -> None:
    runner = CliRunner(env={"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"})
    app = application()
    pages = [runner.invoke(app, ["--help"]).output]
    pages += [runner.invoke(app, [name, "--help"]).output for name in [*COMMANDS, *GROUPS] if name != "git"]
    told = "\n".join(pages)
    if os.environ.get("BOUGH_WRITE_GOLDEN"):
        GOLDEN.write_text(told)
    assert told == GOLDEN.read_text(), f"by Typer {version('typer')}; pyproject.toml says which one it is to be"


@pytest.mark.parametrize(
    "typed", [["merge-tool"], ["merge-tool", "x"], ["merge-tool", "install", "x"], ["restore", "--x"]]
)
def test_a_wrong_command_line_is_answered_in_one_line_without_escapes(
    typed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = answer(typed, monkeypatch, capsys)
    error, hint = said.splitlines()
    assert code == 2 and error.startswith("Error: ") and hint.startswith("Hint: ") and "\\" not in said
    if typed == ["merge-tool"]:
        assert error == "Error: Missing argument 'action'. Choose from: install, uninstall"


def test_what_git_lists_below_a_tab_is_indented(capsys: pytest.CaptureFixture[str]) -> None:
    show(GitFailed("git switch failed: error: your local changes would be lost:\n\ta\tb.txt\nPlease commit"))
    assert "lost:\n    a\\tb.txt\nPlease" in capsys.readouterr().err


def answer(typed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit code of a command line and what it says, on either channel."""
    monkeypatch.setattr(sys, "argv", ["bough", *typed])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out + said.err


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("st", "`bough status`"),
        ("show alice", "`bough git show alice`"),
        ("annotate it's.py", """`bough git annotate 'it'"'"'s.py'`"""),
        ("commit -m x", "`bough land`"),
        ("push origin main", "`bough land`"),
        ("pull", "`bough merge NAME`"),
        ("checkout alice", "`bough hop NAME`"),
        ("co alice", "`bough hop NAME`"),
        ("switch -", "`bough hop NAME`"),
        ("branch new", "`bough off BRANCH`"),
        ("who", "`bough team`"),
        ("version", "`bough --version`"),
        ("merge --abort", "`bough undo`"),
        ("log -3", "`-n NUMBER`"),
        ("log --format=%h --oneline", "`bough git log --oneline NAME`"),
        ("land x", "`bough land -m MESSAGE`"),
        ("invite bob", "`bough join TICKET --as NAME`"),
        ("hop -", "`bough back`"),
    ],
)
def test_what_other_tools_call_otherwise_is_told(
    typed: str, advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = typed.split(" ") if "'" not in typed else typed.split(" ", 1)
    code, said = answer(words, monkeypatch, capsys)
    assert code == 2 and advice in said.splitlines()[-1], said


def test_help_is_a_command_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["help"], monkeypatch, capsys) == answer(["--help"], monkeypatch, capsys)
    assert answer(["help", "hop"], monkeypatch, capsys) == answer(["hop", "--help"], monkeypatch, capsys)


def test_advice_names_commands_that_there_are() -> None:
    advice = [
        *view.INSTEAD.values(),
        *view.ELSEWHERE_CALLED.values(),
        *(v for of in WITH.values() for v in of.values()),
    ]
    named = {command for text in advice for command in re.findall(r"`bough ([a-z][a-z-]*)", text)}
    assert named <= COMMANDS.keys() | GROUPS.keys()
    assert not view.ELSEWHERE_CALLED.keys() & (COMMANDS.keys() | GROUPS.keys()) and WITH.keys() <= COMMANDS.keys()


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(application(), ["--version"]).output == f"bough {version('bough')}\n"


WITHOUT_REMEDY = {  # what to do depends on the facts, or the sentence says it
    *("BoughError", "NotPossibleNow", "BadUsage", "FolderRemoved", "NotText", "GitMayWrite", "NothingToUndo"),
    *("HostilePack", "HostilePath", "UnsupportedRepository", "Stopping", "ForeignRepository", "GitFailed"),
}


def test_every_error_has_an_exit_code_and_a_remedy() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BoughError)]
    missing = {kind.__name__ for kind in kinds if not TABLE.get(kind, (0, ""))[1]}
    assert missing == WITHOUT_REMEDY
