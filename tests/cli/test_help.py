"""The help of every command is one golden file: a change of it is a change that somebody meant."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from bough_cli.main import COMMANDS, GROUPS, application
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
    assert told == GOLDEN.read_text()


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(application(), ["--version"]).output == f"bough {version('bough')}\n"
