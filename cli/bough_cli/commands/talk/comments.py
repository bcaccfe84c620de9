"""bough comments"""

from __future__ import annotations

from typing import Annotated

import typer
from bough_daemon.api.records import CommentMark, CommentQuery, CommentThread
from bough_daemon.errors import BadUsage
from bough_daemon.system.text import ago, printable

from bough_cli import output
from bough_cli.acting import acting, tell
from bough_cli.connection import connect, here


def comments(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE | apply ID]", help="Only those on this file or folder; or apply a suggestion."),
    ] = None,
    on: Annotated[str, typer.Option("--on", metavar="NAME", help="Only those on this branch.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="List closed ones, too.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only those you made or replied to.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per comment.")] = False,
) -> None:
    """List open comments, and where their code is now.

    `bough comments apply ID` puts the suggestion of a comment into your file, in place of the lines that it is about;
    `bough undo` reverses it. It is refused if these lines have changed. A file named apply is `./apply`.
    """
    if words and words[0] == "apply":
        if len(words) != 2:
            raise BadUsage("`apply` takes the id of one comment", hint="`bough comments` lists them with their ids.")
        _apply(words[1], json=json)
        return
    if words and len(words) > 1:
        raise BadUsage("only one file or folder can be named", hint="Leave it out to list all comments.")
    query = CommentQuery(here(), words[0] if words else "", on, all=everything, mine=mine, shown=not json)
    with connect() as daemon:
        told = daemon.comments(query).comments
    for number, one in enumerate(told):
        if json:
            output.as_json(one)
            continue
        if number:
            output.data()
        for line in _shown(one):
            output.data(line)
    if not told and not json:
        output.talk("No comments" if everything else "No open comments")


def _apply(id: str, *, json: bool) -> None:
    with acting("comments apply") as (daemon, terminal):
        made = daemon.apply_suggestion(here(), terminal, id)
    lines = f"{made.first}-{made.last}" if made.last > made.first else f"{made.first}"
    tell(made, [f"Applied {made.by}'s suggestion to {printable(made.file)}:{lines}"], json=json)


def _shown(one: CommentThread) -> list[str]:
    """Return a comment as shown to people: its place, the code, and what everyone wrote."""
    state = f" (closed by {one.closed_by})" if one.closed_by else ""
    lines = [f"{output.bold(one.id)} {_where(one)}{state}"]
    lines += [output.dim(f"    │ {printable(line)}") for line in one.code.splitlines()]
    lines += _said(one.by, one.at, one.text, one.marks, "  ", is_new=one.is_new)
    for reply in one.replies:
        head = f"{reply.by} {output.dim(reply.id)}"
        lines += _said(head, reply.at, reply.text, reply.marks, "    ", is_new=reply.is_new)
    if one.has_suggestion:
        lines.append(output.dim(f"  `bough comments apply {one.id}` applies the suggestion"))
    return lines


def _where(one: CommentThread) -> str:
    place = one.place
    if place is None:
        return f"{printable(one.file_then)}:{one.line_then} on {one.branch}'s branch; the code is gone; it was:"
    lines = f"{place.first}-{place.last}" if place.last > place.first else f"{place.first}"
    on = f" on {place.branch}'s branch" if place.branch == one.branch else " in your files"
    return f"{printable(place.file)}:{lines}{on}{', edited since' if place.edited else ''}"


def _said(by: str, at: float, text: str, marks: list[CommentMark], indent: str, *, is_new: bool) -> list[str]:
    given = "".join(f"  {printable(mark.mark)} {', '.join(mark.by)}" for mark in marks)
    new = output.bold(" new") if is_new else ""
    told = [f"{indent}{output.bold(by)} {output.dim(ago(at))}{new}{given}"]
    return told + [f"{indent}  {printable(line)}" for line in text.splitlines()]
