"""The `bough` command.

Only the module of the typed command is imported: importing is most of a short command's time.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from bough_cli import failure
from bough_cli.habits import advice_for, check_known

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

# The commands: (module below bough_cli.commands, function), in the order of the help.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("timeline.up", "up"),
    "down": ("timeline.down", "down"),
    "status": ("timeline.status", "status"),
    "watch": ("timeline.watch", "watch"),
    "save": ("timeline.save", "save"),
    "log": ("timeline.log", "log"),
    "diff": ("timeline.diff", "diff"),
    "find": ("timeline.find", "find"),
    "blame": ("timeline.blame", "blame"),
    "allow": ("timeline.allow", "allow"),
    "restore": ("timeline.restore", "restore"),
    "undo": ("timeline.undo", "undo"),
    "redo": ("timeline.undo", "redo"),
    "purge": ("timeline.purge", "purge"),
    "comment": ("talk.comment", "comment"),
    "comments": ("talk.comments", "comments"),
    "reply": ("talk.answers", "reply"),
    "close": ("talk.answers", "close"),
    "react": ("talk.answers", "react"),
    "solid": ("talk.solid", "solid"),
    "invite": ("team.invite", "invite"),
    "invites": ("team.invites", "invites"),
    "join": ("team.join", "join"),
    "team": ("team.team", "team"),
    "remove": ("team.remove", "remove"),
    "rename": ("team.rename", "rename"),
    "vouch": ("team.vouch", "vouch"),
    "leave": ("team.leave", "leave"),
    "pause": ("team.pause", "pause"),
    "resume": ("team.pause", "resume"),
    "hop": ("branches.hop", "hop"),
    "back": ("branches.hop", "back"),
    "off": ("branches.hop", "off"),
    "merge": ("branches.merge", "merge"),
    "stay": ("branches.stay", "stay"),
    "guests": ("branches.guests", "guests"),
    "land": ("branches.land", "land"),
    "agent": ("branches.agent", "agent"),
    "git": ("branches.git", "git"),
    "merge-file": ("tools.merge_file", "merge_file"),
    "merge-driver": ("tools.merge_driver", "merge_driver"),
    "merge-tool": ("tools.merge_tool", "merge_tool"),
    "complete": ("tools.complete", "complete"),
    "lsp": ("tools.lsp", "lsp"),
    "mcp": ("tools.mcp", "mcp"),
    "export": ("tools.export", "export"),
    "doctor": ("tools.doctor", "doctor"),
    "demo": ("tools.demo", "demo"),
}


# Commands with subcommands: the module below bough_cli.commands that has the `app`.
GROUPS = {
    "key": "team.key",
    "hub": "team.hub",
    "config": "tools.config",
    "model": "tools.model",
    "service": "tools.service",
}


def application(typed: str = "") -> typer.Typer:
    """Return the command line with the typed command, or with all commands if there is none of that name."""
    app = typer.Typer(
        name="bough",
        help="Make a Git repository live: every save on a branch of your own, streamed to your team.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_nothing)
    alone = typed in COMMANDS or typed in GROUPS or typed == "--version"
    wanted = {typed} if alone else {*COMMANDS, *GROUPS}
    for name in COMMANDS:
        if name not in wanted:
            continue
        module, function = COMMANDS[name]
        command = getattr(import_module(f"bough_cli.commands.{module}"), function)
        settings: dict[str, Any] = {"context_settings": PASSED_ON, "options_metavar": ""} if name == "git" else {}
        app.command(name, **settings)(command)
    for name, module in GROUPS.items():
        if name in wanted:
            app.add_typer(import_module(f"bough_cli.commands.{module}").app, name=name)
    return app


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # its import takes as long as a whole short command

        typer.echo(f"bough {version('bough')}")
        raise typer.Exit


def _nothing(
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Make a Git repository live: every save on a branch of your own, streamed to your team."""


def main() -> None:
    """Run the command line and exit with its code."""
    typed = sys.argv[1:] or ["--help"]
    if typed[0] == "help":
        typed = [*typed[1:2], "--help"]
    try:
        if typed[0] not in COMMANDS and typed[0] not in GROUPS and not typed[0].startswith("-"):
            check_known(typed)
        code = application(typed[0])(args=typed, standalone_mode=False)
    except BaseException as error:
        code = failure.show(error, advice_for(typed))
    gc.freeze()  # else the interpreter, before it exits, traverses all imported objects: a quarter of a short command
    sys.exit(code or 0)
