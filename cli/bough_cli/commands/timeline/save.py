"""bough save"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.errors import NotHeldYet, NotPossibleNow

from bough_cli import output
from bough_cli.connection import connect, here

PATIENCE = 30.0


def save(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="With --wait: the teammates to wait for.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until these teammates, or all connected ones, hold it.")
    ] = False,
    patience: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait at most.")] = PATIENCE,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take a snapshot of what is on disk now."""
    wanted = names or []
    with connect() as daemon:
        saved = daemon.save(here(), wanted, wait and not wanted, patience if wait else 0.0)
    refused = {one.name: one.reason for one in saved.refusals if wait and (not wanted or one.name in wanted)}
    missing = sorted(set(wanted) - set(saved.holders) - refused.keys()) if wait else []
    if json:
        output.as_json(saved)
    else:
        held = (
            f"; {output.named(saved.holders)} hold{'s' if len(saved.holders) == 1 else ''} it" if saved.holders else ""
        )
        output.data(f"saved {output.short(saved.tip)}{held}")
    if refused:
        told = "; ".join(f"{name} refused it: {reason}" for name, reason in refused.items())
        raise NotPossibleNow(
            told, hint="The snapshot is safe here; `bough status` shows whether they accept a newer one."
        )
    if missing:
        raise NotHeldYet(f"{', '.join(missing)} did not receive it within {patience:g} seconds")
