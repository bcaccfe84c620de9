"""bough land"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.records import LandOutcome
from bough_daemon.errors import NoMessage
from bough_daemon.system.text import SHORT

from bough_cli import outcomes, output
from bough_cli.acting import acting, tell
from bough_cli.connection import here
from bough_cli.failure import CONFLICTS

Message = Annotated[
    list[str] | None,
    typer.Option("-m", "--message", metavar="MESSAGE", help="Commit message; repeat it for further paragraphs."),
]


def land(
    message: Message = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would land and change nothing.")] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Skip the pre-commit, commit-msg and pre-push hooks.")
    ] = False,
    switch: Annotated[
        bool | None, typer.Option("--switch/--no-switch", help="Switch to the shared branch afterwards (default: ask).")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Also remove what you never touched, and run hooks that others changed.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Merge, commit and publish your work on the shared branch."""
    if not message and not dry_run and not switch:
        raise NoMessage("a landed commit needs a message")
    with acting("land") as (daemon, terminal):
        if dry_run:
            plan = daemon.preview_landing(here(), terminal)
            tell(plan, outcomes.would_land(plan), json=json)
            return
        text = "\n\n".join(message or [])
        made = daemon.land(here(), terminal, text, verify=not no_verify, yes=yes, needed=not switch)
        before = outcomes.still_on(made)
        if before and not made.hopped_to and (switch or (switch is None and _agrees(made))):
            daemon.switch_to_landed(here(), terminal, made)
            made.switched = True
    tell(made, outcomes.landed(made, before), json=json)
    if made.conflicts:
        raise typer.Exit(CONFLICTS)


def _agrees(made: LandOutcome) -> bool:
    """Ask whether to switch to the shared branch; if there is no one to ask, return False."""
    landed = f"Landed {made.commit[:SHORT]}. " if made.new else ""
    question = f"{landed}You are still on {outcomes.still_on(made)}. Switch to {made.local}?"
    return output.can_ask() and typer.confirm(output.harmless(question), err=True)
