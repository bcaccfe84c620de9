"""The `bough` command."""

from __future__ import annotations

import sys

import typer

from bough_cli import failure
from bough_cli.commands import (
    complete,
    demo,
    doctor,
    down,
    git,
    hop,
    invite,
    join,
    land,
    log,
    merge,
    restore,
    save,
    status,
    undo,
    up,
    watch,
)

app = typer.Typer(
    name="bough",
    help="Make a Git repository live: every save on a branch of your own, streamed to your team.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(up.up)
app.command()(down.down)
app.command()(status.status)
app.command()(watch.watch)
app.command()(save.save)
app.command()(log.log)
app.command()(restore.restore)
app.command()(undo.undo)
app.command()(invite.invite)
app.command()(join.join)
app.command()(hop.hop)
app.command()(hop.back)
app.command()(hop.off)
app.command()(merge.merge)
app.command()(land.land)
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    options_metavar="",
)(git.git)
app.command()(complete.complete)
app.command()(doctor.doctor)
app.command()(demo.demo)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        code = app(standalone_mode=False)
    except BaseException as error:
        code = failure.show(error)
    sys.exit(code or 0)
