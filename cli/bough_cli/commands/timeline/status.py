"""bough status"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from bough_daemon.api.records import Solid, Status, TeammateStatus
from bough_daemon.system.text import ago

from bough_cli import outcomes, output
from bough_cli.connection import connect, here
from bough_cli.failure import remedy_of
from bough_cli.notices import words_of

MOST = 3  # withheld paths per reason that are named
MOST_GUESTS = 6  # that are named


def status(
    everything: Annotated[bool, typer.Option("--all", help="List every withheld path.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show your branch, what is withheld, and every teammate."""
    with connect() as daemon:
        told = daemon.status(here())
    if json:
        output.as_json(told)
        return
    _show(told, sys.maxsize if everything else MOST)


def _show(told: Status, most: int) -> None:
    where = f"on {told.head}" if told.head else "with HEAD detached"
    if told.hopped_to:
        where = f"in {told.hopped_to}'s branch"
    output.data(f"{output.bold(told.member)} {where}, at {output.short(told.tip)} ({ago(told.changed_at)})")
    output.data(f"  {told.repository}")
    if told.state != "live":
        output.data(f"  {output.bold(told.state)}")
        if told.failure:
            output.data(f"  {remedy_of(told)}".rstrip())
    if told.sharing_paused_at:
        output.data(
            f"  {output.bold('sharing is paused')} ({ago(told.sharing_paused_at)}); `bough resume` shares again"
        )
    for line in _together(told):
        output.data(f"  {line}")
    if told.files:
        files = output.extent(0, told.files, more=told.more_files)
        output.data(f"  {files} changed since the last commit: {output.few(told.files)}")
    for line in _towards_landing(told):
        output.data(f"  {line}")
    for line in output.withheld(told.withheld, most):
        output.data(f"  {line}")
    if told.solid is not None:
        output.data(f"  {_solid(told.solid)}")
    if line := output.comments(told):
        output.data(f"  {line}")
    for landed in told.landed:
        output.data(f"  {landed.member} landed {output.short(landed.commit)} on {landed.branch} {ago(landed.at)}")
    for notice in map(words_of, told.notices):
        output.data(f"  {notice.text}")
        output.data(f"    {notice.remedy}")
    listening = [one for one in told.listening if not one.startswith(("127.", "[::1]", "localhost"))]
    if listening:
        output.data(f"  listening on {' and '.join(listening)}")
    output.data()
    if told.out:
        output.data(f"{output.bold(told.out)} ({ago(told.out_at)})")
        if told.copies:
            output.data(f"You still have your copies of the branches {output.few(told.copies)}.")
        output.data("Your saves are recorded on this machine only. `bough invite` starts a new team,")
        output.data("`bough join TICKET` joins another, `bough down --forget` deletes all data of Bough here.")
    elif not told.teammates:
        output.data("No teammates yet; `bough invite` creates a ticket for one.")
    for line in (line for one in told.worktrees for line in outcomes.worktree(one)):
        output.data(line)
    named = set[str]()
    for teammate in told.teammates:
        _show_teammate(teammate)
        if teammate.name not in named:
            if teammate.sharing_paused_at:
                output.data(f"  {teammate.name} has paused sharing, {ago(teammate.sharing_paused_at)}")
            _show_way(teammate)
            _show_what_failed(teammate)
        named.add(teammate.name)


def _towards_landing(told: Status) -> list[str]:
    """Print what prevents landing, and what would land."""
    lines = [f"{told.operation} in progress"] if told.operation else []
    if told.conflicts:
        lines.append(f"{output.count(told.conflicts, 'conflict')} left to resolve")
    if told.would_land is not None and (told.would_land.commits or told.would_land.files):
        would = told.would_land
        lined = f" (+{would.added} -{would.removed})" if would.added or would.removed else ""
        extent = output.extent(would.commits, would.files, more=would.more_files)
        lines.append(f"would land on {told.shared_branch}: {extent}{lined}")
    if told.behind:
        whose = f"{told.shared_remote}'s {told.shared_branch}" if told.shared_remote else told.shared_branch
        as_of = ", as of the last fetch" if told.shared_remote else ""
        lines.append(f"{whose} is {output.count(told.behind, 'commit')} ahead{as_of}")
    return lines


def _show_way(teammate: TeammateStatus) -> None:
    """Print how an unconnected teammate is reached, or why not."""
    if teammate.through:
        output.data(f"  reached through {output.few(teammate.through)}")
    elif not teammate.connected:
        since = f"offline, last seen {ago(teammate.offline_since)}" if teammate.offline_since else "offline"
        output.data(f"  {since}; {teammate.unreachable}" if teammate.unreachable else f"  {since}")
        if teammate.remedy:
            output.data(f"    {teammate.remedy}")


def _together(told: Status) -> list[str]:
    """Print who works together with this branch, and what is not folded."""
    host = told.hopped_to
    kept = any(mate.branch == host and mate.guest_rule != "fold" for mate in told.teammates)
    kind = "held" if kept and told.hop_kind == "together" else told.hop_kind
    lines = [_HOP[kind].format(host)] if kind in _HOP else []
    for mate in told.teammates:
        if mate.branch == host and told.hop_kind:
            lines += _about_host(told, mate)
    if told.guests:
        lines.append(f"guests in your files: {output.few(told.guests, MOST_GUESTS)}")
    if told.guests_kept_out:
        lines.append(f"guests whose edits stay out of your files: {output.few(told.guests_kept_out, MOST_GUESTS)}")
    return [*lines, *map(output.waiting, told.waiting_guests[:MOST_GUESTS]), *output.not_folded(told)]


def _about_host(told: Status, mate: TeammateStatus) -> list[str]:
    lines = []
    if mate.ahead:
        lines.append(f"{mate.branch} is {output.count(mate.ahead, 'snapshot')} ahead")
    if mate.has_moved:
        moves = f"`bough hop {mate.branch}` moves your HEAD along"
        lines.append(f"{mate.branch} has committed or moved HEAD since; {moves}")
    if told.hop_kind == "together":
        lines += output.kept_here(mate.branch, mate.guest_rule)
    if not mate.connected:
        lines.append(f"{mate.branch} is offline: their last state, {ago(mate.changed_at)}")
    return lines


_HOP = {
    "together": "your saves go into {0}'s files, and theirs into yours",
    "held": "{0}'s saves come into your files",
    "follow": "{0}'s changes come into your files; your edits stay here",
    "solid": "what {0} marks as solid comes into your files; your edits stay here",
    "still": "these files stay as they are; `bough hop {0}` joins {0}",
    "ended": "git reset or stash ended working together: your edits stay here; `bough hop {0}` joins {0} again",
}


def _show_what_failed(teammate: TeammateStatus) -> None:
    if teammate.refused:
        output.data(f"  {teammate.name} refused your latest snapshot: {teammate.refused}")
    if teammate.not_taken:
        output.data(f"  {teammate.name}'s latest snapshot was not received: {teammate.not_taken}")


def _show_teammate(teammate: TeammateStatus) -> None:
    presence = "●" if teammate.connected else "○"
    if teammate.hub:
        output.data(f"{presence} {output.bold(teammate.name)} {output.dim('hub, keeps every branch')}")
        return
    changed = output.changed(teammate)
    if teammate.guest_of:
        changed = f"in {teammate.guest_of}'s branch; {changed}"
    if teammate.operation:
        changed = f"{teammate.operation} in progress; {changed}"
    when = ago(teammate.changed_at)
    output.data(
        f"{presence} {output.bold(teammate.branch)} at {output.short(teammate.tip)} ({when}) {output.dim(changed)}"
    )
    if teammate.since_merge:
        output.data(f"  {output.count(teammate.since_merge, 'snapshot')} since you merged {teammate.branch}")
    if teammate.solid is not None:
        output.data(f"  {_solid(teammate.solid)}")


def _solid(solid: Solid) -> str:
    text = f": {solid.text}" if solid.text else ""
    return f"solid at {output.short(solid.tip)} ({ago(solid.at)}){text}"
