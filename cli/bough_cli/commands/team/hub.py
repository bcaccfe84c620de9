"""bough hub"""

from __future__ import annotations

import getpass
import os
import sys
from typing import Annotated

import typer
from bough_daemon.api.client import Client
from bough_daemon.api.launch import ensure_running, is_running, wait_until_ended
from bough_daemon.api.records import HubMember, HubStatus, HubTeam
from bough_daemon.api.user_service import hub_unit
from bough_daemon.errors import DaemonNotRunning, HubRuns
from bough_daemon.home import Home
from bough_daemon.system.text import ago, printable

from bough_cli import output, progress
from bough_cli.notices import words_of

app = typer.Typer(help="Keep a team's branches on a machine that is always on.", no_args_is_help=True)

TEAM_SHORT = 10
Folder = Annotated[
    str,
    typer.Option(
        metavar="FOLDER", envvar="BOUGH_HUB", help="Where the hub keeps everything (default: in your state folder)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def join(
    ticket: Annotated[
        str, typer.Argument(metavar="TICKET", help="What `bough invite` printed; `-` reads it from stdin.")
    ],
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="The hub's name in the team (default: hub).")] = "",
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where to listen (default: every address, any port).")
    ] = "",
    advertise: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Also tell members this address (port forward, container, VPN)."),
    ] = None,
    folder: Folder = "",
    json: Json = False,
) -> None:
    """Join a team as a hub; starts the hub if necessary.

    The hub needs no clone: it gets the history from the team. With tickets of several teams it is a hub for each.
    """
    given = sys.stdin.read().strip() if ticket == "-" else ticket
    home = _home(folder)
    ensure_running(home, progress.tell)
    with Client(home, tell=progress.tell) as hub:
        joined = hub.join_as_hub(given, name, listen, advertise or ())
    if json:
        output.as_json(joined)
        return
    if joined.opened:
        output.talk(f"Listening on {' and '.join(joined.opened)}")
    if joined.already:
        output.data(f"The hub is already in this team, as {output.bold(joined.member)}")
        return
    output.data(f"The hub is {output.bold(joined.member)}, in a team with {', '.join(joined.teammates)}")
    output.talk("It runs until this machine shuts down; `bough hub unit` prints a service that starts it again.")


@app.command()
def start(folder: Folder = "") -> None:
    """Start the hub in the background, in every team that it joined."""
    home = _home(folder)
    started = ensure_running(home, progress.tell)
    output.data(f"The hub {'runs' if started else 'was running already'} in {printable(home.root)}")


@app.command()
def run(folder: Folder = "") -> None:
    """Run the hub in this terminal, until Ctrl-C.

    For services and containers. It brings back every team that was joined.
    """
    home = _home(folder)
    if is_running(home):
        raise HubRuns(f"a hub is running in {home.root} already", home=home.root)
    sys.stdout.flush()
    environment = os.environ | {"BOUGH_HOME": home.root}
    os.execve(sys.executable, [sys.executable, "-P", "-m", "bough_daemon", "--stay"], environment)


@app.command()
def status(folder: Folder = "", json: Json = False) -> None:
    """Show the hub's teams, and what it keeps of each member."""
    with _running(folder) as hub:
        told = hub.hub()
    if json:
        output.as_json(told)
        return
    _show(told)


@app.command()
def leave(
    team: Annotated[str, typer.Argument(metavar="TEAM", help="The beginning of the team's id in `bough hub status`.")],
    folder: Folder = "",
    json: Json = False,
) -> None:
    """Leave a team, and delete what the hub keeps of it."""
    with _running(folder) as hub:
        left = hub.leave_as_hub(team)
    if json:
        output.as_json(left)
        return
    who = f"{', '.join(left.told)} know" if left.told else "nobody was connected: the members will see it as offline"
    output.data(f"The hub left the team {left.team[:TEAM_SHORT]} and deleted its copy; {who}")


@app.command()
def stop(folder: Folder = "") -> None:
    """End the hub; what it keeps stays on disk."""
    home = _home(folder)
    with _running(folder) as hub:
        hub.shutdown()
    wait_until_ended(home, progress.tell)
    output.data("The hub has ended; `bough hub start` starts it again")


@app.command()
def unit(folder: Folder = "") -> None:
    """Print a systemd unit that keeps the hub running.

    `bough hub unit | sudo tee /etc/systemd/system/bough-hub.service`
    """
    home = _home(folder)
    home.make()
    typer.echo(hub_unit(home.root, getpass.getuser()), nl=False)


def _home(folder: str) -> Home:
    """Return the hub's own home, separate from its user's, who may be a member as well."""
    named = os.path.abspath(os.path.expanduser(folder)) if folder else ""
    return Home.of_hub(os.environ, named)


def _running(folder: str) -> Client:
    home = _home(folder)
    if not is_running(home):
        hint = "`bough hub start` starts it; `bough hub join TICKET` joins a team with it."
        raise DaemonNotRunning(f"no hub is running in {home.root}", hint=hint)
    return Client(home, tell=progress.tell)


def _show(told: HubStatus) -> None:
    if told.listening:
        output.data(f"listening on {' and '.join(told.listening)}")
    if not told.teams:
        output.data("In no team yet; `bough hub join TICKET` joins one.")
    for team in told.teams:
        output.data()
        _show_team(team)


def _show_team(team: HubTeam) -> None:
    room = f"{_size(team.used)} of at most {_size(team.limit)}"
    output.data(f"team {team.team[:TEAM_SHORT]}, as {output.bold(team.member)}  {output.dim(room)}")
    if team.out:
        output.data(f"  {team.out.replace('you are', 'the hub is', 1).replace('removed you', 'removed the hub', 1)}")
        output.data(f"  `bough hub leave {team.team[:TEAM_SHORT]}` deletes what is kept of it.")
    for member in team.members:
        output.data(f"  {_line(member)}")
    for notice in map(words_of, team.notices):
        output.data(f"  {notice.text}\n    {notice.remedy}")
    for one in team.failing:
        output.data(f"  {one.work} failed: {one.reason}")


def _line(member: HubMember) -> str:
    presence = "●" if member.connected else "○"
    kept = ", ".join(f"{one.name} at {output.short(one.tip)} ({ago(one.changed_at)})" for one in member.branches)
    said = kept or (f"not received: {member.not_taken}" if member.not_taken else "nothing yet")
    return f"{presence} {output.bold(member.name)}  {said}"


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 100_000_000 else f"{size / 1e6:,.1f} MB"
