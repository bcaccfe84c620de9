"""bough log"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import typer
from bough_daemon.api.records import LogEntry
from bough_daemon.errors import BadUsage
from bough_daemon.git.reflog import HeadMove, head_moves
from bough_daemon.git.store_reading import LinesChanged, lines_changed
from bough_daemon.git.view import run_in_view
from bough_daemon.system.moments import moment_of
from bough_daemon.system.text import ago, printable

from bough_cli import output
from bough_cli.branch_names import branch_and_paths, check_known
from bough_cli.connection import connect, here

MOST = 10_000  # snapshots that are searched for changes of a path
FLURRY_SECONDS = 90.0  # between two saves of one flurry
MOST_OF_A_FLURRY = 50
MOVES = 500  # of HEAD that are read


@dataclass(frozen=True)
class Flurry:
    """Saves in quick succession, newest first, and what they changed together."""

    entries: list[LogEntry]
    lines: list[LinesChanged]


def log(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="A live branch (default: yours).")] = "",
    paths: Annotated[list[str] | None, typer.Argument(metavar="[-- PATH]...", help="Only what changed these.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="The maximum number of snapshots.")] = 20,
    since: Annotated[str, typer.Option("--since", metavar="WHEN", help="Not what is older: 10m, 14:05.")] = "",
    patch: Annotated[bool, typer.Option("-p", "--patch", help="Show what each snapshot changed.")] = False,
    each: Annotated[bool, typer.Option("--each", help="Show each save, not each flurry of saves.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per snapshot.")] = False,
) -> None:
    """Show the timeline of a live branch, newest first.

    Saves that came one soon after the other share a line, with the lines that they added and removed.
    """
    after = moment_of(since, time.time()) if since else 0.0
    if after is None:
        raise BadUsage(f"{since!r} is not a moment", hint="Write it like 10m, 2h, 14:05 or 2026-01-31 14:05.")
    with connect() as daemon:
        name, paths = branch_and_paths(daemon, name, paths or [])
        told = daemon.log(here(), name, MOST if paths or since else limit + 1)
        is_mine = told.branch == daemon.status(here()).branch
    steps = [(entry, older) for entry, older in _steps(told.entries) if entry.at >= after]
    if paths:
        changed = lines_changed(here(), [(older, entry.tip) for entry, older in steps], paths)
        steps = [step for step, lines in zip(steps, changed, strict=True) if lines]
        check_known(paths, found=bool(steps))
    steps = steps[:limit]
    if json:
        for entry, _ in steps:
            output.as_json(entry)
    elif patch:
        _show_patches(steps, paths)
    else:
        _show(steps, paths, each=each, moves=head_moves(here(), MOVES) if is_mine else [])


def _steps(entries: list[LogEntry]) -> Iterator[tuple[LogEntry, str]]:
    """Yield each snapshot with its predecessor in time; the first with its commit."""
    for entry, older in pairwise(entries):
        yield entry, older.tip
    if entries:
        yield entries[-1], entries[-1].base


def _show(steps: list[tuple[LogEntry, str]], paths: list[str], *, each: bool, moves: list[HeadMove]) -> None:
    groups = list(_flurries(steps, most=1 if each else MOST_OF_A_FLURRY, moves=moves))
    pairs = [(group[-1][1], group[0][0].tip) for group in groups]
    for group, lines in zip(groups, lines_changed(here(), pairs, paths), strict=True):
        newest = group[0][0]
        while moves and moves[0].time > newest.at:
            _show_move(moves.pop(0))
        _show_flurry(Flurry([entry for entry, _ in group], lines))
        moves = [move for move in moves if move.time <= group[-1][0].at]


def _flurries(
    steps: list[tuple[LogEntry, str]], *, most: int, moves: list[HeadMove]
) -> Iterator[list[tuple[LogEntry, str]]]:
    """Yield the snapshots that share a line: saves in quick succession, without Git or Bough commands in between."""
    times = {move.time for move in moves}
    group: list[tuple[LogEntry, str]] = []
    for step in steps:
        newer = group[-1][0] if group else None
        apart = newer is None or newer.at - step[0].at > FLURRY_SECONDS or len(group) >= most
        apart = apart or any(step[0].at < moment <= newer.at for moment in times if newer is not None)
        if group and (apart or not newer or {newer.event, step[0].event} != {"save"} or newer.base != step[0].base):
            yield group
            group = []
        group.append(step)
    if group:
        yield group


def _show_move(move: HeadMove) -> None:
    output.data(output.dim(f"           {ago(move.time):>16}  git {printable(move.message)}"))


def _show_flurry(flurry: Flurry) -> None:
    newest, counted = flurry.entries[0], len(flurry.entries)
    event = "" if newest.event == "save" else f"{output.bold(printable(newest.event))} "
    named = output.few([one.path for one in flurry.lines])
    title = named or ("" if newest.title == newest.event else printable(newest.title))
    added, removed = (sum(number or 0 for number in numbers) for numbers in _numbers(flurry.lines))
    lines = f" +{added} −{removed}" if added or removed else ""
    saves = f" ({counted} saves)" if counted > 1 else ""
    said = (
        f"{output.short(newest.tip)} {output.dim(f'{ago(newest.at):>16}')}  {event}{title}{output.dim(lines + saves)}"
    )
    output.data(said.rstrip())


def _numbers(lines: list[LinesChanged]) -> tuple[list[int | None], list[int | None]]:
    return [one.added for one in lines], [one.removed for one in lines]


def _show_patches(steps: list[tuple[LogEntry, str]], paths: list[str]) -> None:
    for entry, older in steps:
        output.data(f"{output.bold(output.short(entry.tip))} {ago(entry.at)}  {printable(entry.title)}")
        run_in_view(here(), ["--no-pager", "diff", older, entry.tip, "--", *(f":(top,literal){one}" for one in paths)])
