"""The full screen of `bough watch`: who works where, on what, as it changes."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterable

from bough_daemon.api.client import Client
from bough_daemon.api.notices import MuchRemoved
from bough_daemon.api.records import Event, Status, TeammateStatus
from bough_daemon.errors import BoughError
from bough_daemon.system.text import ago, printable
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bough_cli import output
from bough_cli.notices import words_of

REMEMBERED = 12  # events on the screen
REFRESH = 5.0  # seconds after which "5 seconds ago" is redrawn without an event


def show(daemon: Client, path: str) -> None:
    """Draw the team until the user presses Ctrl-C; raise what the daemon raises."""
    happened: queue.SimpleQueue[Event | BoughError] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(daemon, path, happened), daemon=True).start()
    recent: deque[Event] = deque(maxlen=REMEMBERED)
    with Live(screen=True, auto_refresh=False) as live:
        while True:
            live.update(drawn(daemon.status(path), recent), refresh=True)
            try:
                event = happened.get(timeout=REFRESH)
            except queue.Empty:
                continue
            if isinstance(event, BoughError):
                raise event
            recent.appendleft(event)


def _listen(daemon: Client, path: str, happened: queue.SimpleQueue[Event | BoughError]) -> None:
    try:
        for event in daemon.watch(path):
            happened.put(event)
    except BoughError as failure:
        happened.put(failure)


def drawn(status: Status, recent: Iterable[Event]) -> Group:
    """Return the screen for the current status and recent events, newest first."""
    team = Table(expand=True, box=None, header_style="bold")
    for column in ("", "who", "at", "changed", "on"):
        team.add_column(column, no_wrap=column != "on")
    mine = f"in {status.hopped_to}'s branch" if status.hopped_to else status.head or "detached"
    if status.guests:
        mine += f", with {output.few(status.guests)}"
    team.add_row(
        "●",
        _plain(f"{status.branch} (you, {mine})", "bold"),
        *_where(status),
    )
    for one in status.teammates:
        dot = Text("●", "green") if one.connected else Text("○", "dim")
        who = f"{one.branch} (in {one.guest_of}'s branch)" if one.guest_of else one.branch
        paused = f" (paused sharing {ago(one.sharing_paused_at)})" if one.sharing_paused_at else ""
        solid = f" solid at {output.short(one.solid.tip)}" if one.solid is not None else ""
        team.add_row(dot, _plain(who + paused + solid, "bold"), *_where(one))
    events = Table.grid(padding=(0, 2))
    for event in recent:
        at = event.about or output.short(event.tip)
        told = _plain(event.member, "bold"), _plain(event.event), _plain(at)
        events.add_row(_plain(ago(event.at), "dim"), *told)
    notes = [_plain(status.state, "yellow")] if status.state != "live" else []
    if status.sharing_paused_at:
        notes.append(_plain(f"sharing is paused ({ago(status.sharing_paused_at)})", "yellow"))
    for removed in (words_of(one) for one in status.notices if isinstance(one, MuchRemoved)):
        notes += [_plain(removed.text, "yellow"), _plain(f"  {removed.remedy}")]
    notes += [_plain(output.waiting(guest), "yellow") for guest in status.waiting_guests]
    hosts = (mate for mate in status.teammates if mate.branch == status.hopped_to and status.hop_kind == "together")
    notes += [_plain(line, "yellow") for mate in hosts for line in output.kept_here(mate.branch, mate.guest_rule)]
    notes += [_plain(line, "yellow") for line in output.not_folded(status)]
    notes += [_plain(line, "dim") for line in output.withheld(status.withheld)[:5]]
    notes += [_plain(line) for line in [output.comments(status)] if line]
    return Group(
        Panel(Group(team, *notes), title=_plain(status.repository)),
        Panel(events, title="recent", subtitle="Ctrl-C quits"),
    )


def _where(one: Status | TeammateStatus) -> tuple[Text, Text, Text]:
    return (
        _plain(output.short(one.tip)),
        _plain(ago(one.changed_at) if one.tip else ""),
        _plain(output.changed(one, 6)),
    )


def _plain(text: str, style: str = "") -> Text:
    """Return text unchanged: markup and escapes in it are only displayed."""
    return Text(printable(text), style)
